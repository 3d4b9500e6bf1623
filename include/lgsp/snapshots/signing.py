"""Signatures: every manifest is signed with Ed25519, so whoever has the public key knows a snapshot when he sees it.

The signature is the bare 64 bytes beside the manifest, which openssl checks too:
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
class Seal:
    """A private key, with the public key that proves what it signed."""

    _key: Ed25519PrivateKey

    @classmethod
    def of(cls, pem: bytes) -> Seal:
        """The key in a PEM text. Raises SettingError when it is none; the text itself is never shown."""
        try:
            key = load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingError(
                "LGSP_SIGNING_KEY must be an Ed25519 key as PEM, without a password: `openssl genpkey -algorithm ed25519` makes one"
            )
        return cls(key)

    @classmethod
    def of_installation(cls, settings: Settings) -> Seal:
        """The key of LGSP_SIGNING_KEY; without it, one that is made once and stored in the home.

        It proves that a snapshot comes from this installation. A key in the home is lost with the home, so a real
        installation sets its own.
        """
        if settings.signing_key:
            return cls.of(settings.signing_key.replace("\\n", "\n").encode())
        return cls.of(files.make_once(settings.home / "signing.key", new_key))

    def sign(self, told: bytes) -> bytes:
        """The signature of some bytes: 64 bytes."""
        return self._key.sign(told)

    @property
    def public(self) -> bytes:
        """The public key as PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def id(self) -> str:
        """The public key's name in a manifest."""
        return key_id(self.public)


def new_key() -> bytes:
    """A new private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_id(public: bytes) -> str:
    """The name of a public key: the beginning of the SHA-256 of its bytes."""
    raw = _public(public).public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def prove(public: bytes, told: bytes, signature: bytes, what: str) -> None:
    """Raises PublicationFailed unless the owner of the key signed these bytes."""
    try:
        _public(public).verify(signature, told)
    except InvalidSignature:
        raise PublicationFailed(f"{what} does not bear the signature of key {key_id(public)}") from None


def _public(pem: bytes) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingError("a public key must be an Ed25519 key as PEM")
    return key
