"""Skip tokens: where the next page of a query begins, signed so that only what this service issued is accepted."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256
from typing import Any

import orjson

from lgsp import files
from lgsp.serve import errors
from lgsp.settings import Settings

SIGNATURE_BYTES = 16


class Tokens:
    """Issues and reads tokens with the key of this installation, `LGSP_HOME/serve.key`."""

    def __init__(self, settings: Settings) -> None:
        self._key = files.make_once(settings.home / "serve.key", lambda: secrets.token_hex(32).encode())

    def issue(self, content: dict[str, Any], context: str) -> str:
        """The token of some content; it is valid for the same context only: set, query and account."""
        payload = orjson.dumps(content, default=str)  # a decimal
        return base64.urlsafe_b64encode(self._signature(payload, context) + payload).decode().rstrip("=")

    def read(self, token: str, context: str) -> dict[str, Any]:
        """The content of a token. Raises ApiError (400) when it was not issued here for this context."""
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise _refused() from None
        signature, payload = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload, context)):
            raise _refused()
        content: dict[str, Any] = orjson.loads(payload)
        return content

    def _signature(self, payload: bytes, context: str) -> bytes:
        return hmac.new(self._key, context.encode() + b"\0" + payload, sha256).digest()[:SIGNATURE_BYTES]


def _refused() -> errors.ApiError:
    return errors.invalid(
        "$skiptoken is not of this query: follow the next link as it is",
        "$skiptoken không thuộc truy vấn này",
        "$skiptoken",
    )
