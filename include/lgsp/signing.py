"""Sign manifests with Ed25519 and verify the signatures: the public key proves which installation published a snapshot.

The signature is the raw 64 bytes in `manifest.json.sig`; openssl verifies it too:
`openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in manifest.json -sigfile manifest.json.sig`
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from lgsp import files
from lgsp.errors import PublicationFailed, SettingError
from lgsp.settings import Settings


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs manifests, with its public key."""

    _key: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """The key in a PEM text. Raises SettingError when it is no Ed25519 key; the message never shows the text."""
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingError(
                "LGSP_SIGNING_KEY must be an Ed25519 key as PEM, without a password: `openssl genpkey -algorithm ed25519` creates one"
            )
        return cls(key)

    @classmethod
    def load(cls, settings: Settings) -> SigningKey:
        """The key in LGSP_SIGNING_KEY; if that is not set, the key in LGSP_HOME/signing.key, created at first use.

        A key in LGSP_HOME is lost when that folder is lost, so a production installation sets LGSP_SIGNING_KEY.
        """
        if settings.signing_key:
            return cls.from_pem(settings.signing_key.replace("\\n", "\n").encode())
        return cls.from_pem(files.make_once(settings.home / "signing.key", new_key))

    def sign(self, content: bytes) -> bytes:
        """The signature of some content: 64 bytes."""
        return self._key.sign(content)

    @property
    def public(self) -> bytes:
        """The public key as PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def id(self) -> str:
        """The id of the public key, as the manifest names it: 16 hex digits."""
        return key_id(self.public)


def new_key() -> bytes:
    """A new private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_id(public: bytes) -> str:
    """The id of a public key in PEM: the first 16 hex digits of the SHA-256 of its raw bytes."""
    raw = _load_public(public).public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def verify(public: bytes, content: bytes, signature: bytes, name: str) -> None:
    """Raises PublicationFailed, with the name of the content, unless it was signed with the key of this public key."""
    try:
        _load_public(public).verify(signature, content)
    except InvalidSignature:
        raise PublicationFailed(f"{name} is not signed with key {key_id(public)}") from None


def _load_public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingError("a public key must be an Ed25519 key as PEM")
    return key
