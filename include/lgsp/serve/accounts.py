"""The account of a request, by its token; and the rows that the account may see."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from lgsp.serve import errors
from lgsp.serve.database import Connection
from lgsp.serve.model import EntitySet

CHALLENGES = ('Basic realm="lgsp", charset="UTF-8"', 'Bearer realm="lgsp"')

ACCOUNT = """
select name, scope, agencies, scope_changed_at from ledger.reader
where token_sha256 = %s and (valid_until is null or valid_until > clock_timestamp())
"""


@dataclass(frozen=True)
class Account:
    """An account. Without agencies it may see the facts of all; `changed_at` is when its scope last changed, if ever."""

    name: str
    scope: str
    agencies: tuple[str, ...]
    changed_at: datetime | None

    def check(self, entity_set: EntitySet) -> None:
        """Raise ApiError (403) when the account may not read a set."""
        if self.scope != "all" and entity_set.is_fact:
            raise _forbidden(
                f"your account may not read {entity_set.name}", f"tài khoản không được đọc {entity_set.name}"
            )

    def check_files(self) -> None:
        """Raise ApiError (403) unless the account may read whole files."""
        if self.scope != "all" or self.agencies:
            raise _forbidden("your account may not read files", "tài khoản không được đọc tệp")


def find(connection: Connection, authorization: str | None) -> Account:
    """The account whose token the header `Authorization` has, as Bearer or as the password of Basic.

    Raises ApiError (401) when there is none, or when it is expired or of another name.
    """
    name, token = _credentials(authorization or "")
    row = connection.execute(ACCOUNT, [hashlib.sha256(token.encode()).hexdigest()]).fetchone() if token else None
    if row is None or (name is not None and not compare_digest(name.encode(), row[0].encode())):
        raise unauthorized()
    return Account(row[0], row[1], tuple(row[2]), row[3])


def unauthorized() -> errors.ApiError:
    """The answer to a missing, wrong or expired token."""
    return errors.ApiError(
        "Unauthorized", "the token is missing, wrong or expired", "thiếu mã truy cập, hoặc mã sai hay hết hạn",
        challenges=CHALLENGES,
    )  # fmt: skip


def _credentials(authorization: str) -> tuple[str | None, str]:
    """The name (None with Bearer) and the token; an empty token when the header has none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return None, value.strip()
    if scheme.lower() == "basic":
        try:
            name, _, token = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, token
    return None, ""


def _forbidden(english: str, vietnamese: str) -> errors.ApiError:
    return errors.ApiError("Forbidden", english, vietnamese)
