"""Reads the settings of an installation from environment variables, once; they are then passed as one object."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lgsp import files
from lgsp.errors import SettingError

# Longer than the longest step of a publication that sends nothing to the server (linking or writing one group of records).
LEASE_SECONDS = 600
# How long a publisher waits for another one.
PUBLISH_WAIT_SECONDS = 3600
# The code of the province whose offices the shipped abbreviations mean: Quảng Nam.
DEFAULT_PROVINCE = "49"


@dataclass(frozen=True)
class Endpoint:
    """The address of a source and the credentials for it, from an Airflow connection."""

    source: str
    base_url: str
    login: str
    password: str = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, source: str, text: str) -> Endpoint:
        """Parse a connection in Airflow's JSON form, also with the scheme, the port or a path in its host.

        Raises SettingError when the text is not such a connection. The error never shows the text: it holds a password.
        """
        variable = connection_variable(source)
        try:
            connection = json.loads(text)
            host, extra = connection["host"], connection.get("extra") or {}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingError(
                f"{variable} must be a connection in Airflow's JSON form, with a host ({type(error).__name__})"
            ) from None
        return cls(
            source=source,
            base_url=_base_url(variable, host, connection.get("schema"), connection.get("port")),
            login=str(connection.get("login") or ""),
            password=str(connection.get("password") or ""),
            extra=_extra(variable, extra),
        )


def _base_url(variable: str, host: Any, schema: Any, port: Any) -> str:
    """The address `scheme://host[:port][/path]`; https unless the connection names another scheme. Raises SettingError."""
    given = str(host or "").strip()
    scheme_in_host, _, rest = given.rpartition("://")
    scheme = str(schema or "").strip().lower().removesuffix("://") or scheme_in_host.lower() or "https"
    if scheme not in ("http", "https") or scheme_in_host.lower() not in ("", scheme):
        raise SettingError(f"{variable}: schema must be http or https, and the same as in host if host has one")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # an IPv6 address
    try:
        parts = urlsplit(f"//{rest}")
        ports = {number for number in (parts.port, _port(port)) if number}
    except ValueError:
        raise SettingError(f"{variable}: port must be a number from 1 to 65535, and host a host name") from None
    if not parts.hostname or "@" in rest or "?" in rest or "#" in rest or re.search(r"[\s\\\x00-\x1f]", rest):
        raise SettingError(
            f"{variable}: host must be a host name such as gateway.example.gov.vn, without login, query or blanks"
        )
    if len(ports) > 1:
        raise SettingError(f"{variable}: host and port name two different ports; remove one")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{name}{''.join(f':{number}' for number in ports)}{parts.path.rstrip('/')}"


def _port(port: Any) -> int | None:
    """The port of a connection, also as text; None when it is empty. Raises ValueError for anything else."""
    text = str(port if port is not None else "").strip()
    if not text:
        return None
    number = int(text) if re.fullmatch(r"[0-9]{1,5}", text) else 0
    if not 0 < number < 65536:
        raise ValueError(text)
    return number


def _extra(variable: str, extra: Any) -> Mapping[str, Any]:
    """The `extra` of a connection, an object or its JSON text. Raises SettingError."""
    try:
        parsed = json.loads(extra.strip() or "{}") if isinstance(extra, str) else extra
    except ValueError:
        parsed = None
    if not isinstance(parsed, Mapping):
        raise SettingError(f'{variable}: extra must be a JSON object such as {{"verify": "/path/ca.pem"}}')
    return parsed


def connection_variable(source: str) -> str:
    """The name of the environment variable with a source's connection."""
    return f"AIRFLOW_CONN_{source.upper()}"


@dataclass(frozen=True)
class Webhook:
    """An address that gets an event of each new snapshot, with the secrets that sign it: two while a secret is replaced."""

    url: str = field(repr=False)  # a path may be a secret
    secrets: tuple[bytes, ...] = field(repr=False)

    @property
    def id(self) -> str:
        """A short id of the address."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def host(self) -> str:
        """The host of the address, to be shown."""
        return urlsplit(self.url).hostname or ""

    @classmethod
    def from_json(cls, text: str) -> tuple[Webhook, ...]:
        """The addresses in LGSP_WEBHOOKS: `[{"url": "https://…", "secrets": ["whsec_…"]}]`. Raises SettingError; it shows no secret."""
        try:
            entries = json.loads(text)
            webhooks = tuple(
                cls(_webhook_url(entry["url"]), tuple(map(_secret, entry["secrets"]))) for entry in entries
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingError(
                f'LGSP_WEBHOOKS must be a JSON list such as [{{"url": "https://…", "secrets": ["whsec_…"]}}] ({_why(error)})'
            ) from None
        if not all(webhook.secrets for webhook in webhooks):
            raise SettingError("LGSP_WEBHOOKS: every address needs a secret, whsec_ and 24 to 64 bytes in Base64")
        return webhooks


def _why(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else type(error).__name__


def _webhook_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise SettingError("LGSP_WEBHOOKS: url must be an address such as https://example.gov.vn/hook, without a login")
    return url


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith("whsec_") or not 24 <= len(secret) <= 64:
        raise SettingError(
            "LGSP_WEBHOOKS: a secret is whsec_ and 24 to 64 bytes in Base64: make one with `openssl rand -base64 32`"
        )
    return secret


@dataclass(frozen=True)
class Retention:
    """How long a replaced snapshot stays readable: every one, then the last of each day, then the last of each month.

    Replaced row versions are kept forever unless `history_days` is set. Without them an old snapshot has only its files.
    """

    every_days: int = 2
    daily_days: int = 30
    monthly_months: int = 24
    history_days: int | None = None


@dataclass(frozen=True)
class ReaderLimits:
    """How long a reader's statement, transaction and session may last, in seconds; one that lasts longer is ended."""

    statement_seconds: int = 600
    transaction_seconds: int = 3600
    session_seconds: int = 86_400


@dataclass(frozen=True)
class Settings:
    """The settings of one installation: its home folder, its database and the environment they were read from."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment`, by default the process environment."""
        env = dict(os.environ if environment is None else environment)
        return cls(
            home=Path(env.get("LGSP_HOME") or ".lgsp").absolute(),
            database_url=env.get("LGSP_DATABASE_URL") or None,
            environment=env,
        )

    @property
    def landing(self) -> Path:
        """The folder of the received bytes, unchanged, with their manifests. It holds personal data."""
        return self.home / "landing"

    @property
    def staging(self) -> Path:
        """The folder of harmonised batches that are not published yet; it can be rebuilt from landing."""
        return self.home / "staging"

    @property
    def shared(self) -> Path:
        """The folder of the published Parquet files: snapshots and the pointer ``current``."""
        return self.home / "shared"

    @property
    def docs(self) -> Path:
        """The folder of Data Docs, one subfolder per source."""
        return self.home / "data_docs"

    @property
    def reports(self) -> Path:
        """The folder of the weekly digest and the index reports, one subfolder per kind and period."""
        return self.home / "reports"

    @property
    def config(self) -> Path | None:
        """The folder with this province's own code lists, calendar, territories and other files; None when it has none."""
        return self._folder("LGSP_CONFIG")

    @property
    def definitions(self) -> Path | None:
        """The folder of LGSP_DEFINITIONS, an older name of the folder `definitions` in LGSP_CONFIG."""
        return self._folder("LGSP_DEFINITIONS")

    @property
    def province(self) -> str:
        """The two-digit code of the province that this installation serves."""
        return (self.environment.get("LGSP_PROVINCE") or DEFAULT_PROVINCE).strip()

    def _folder(self, variable: str) -> Path | None:
        folder = self.environment.get(variable)
        return Path(folder).absolute() if folder else None

    def endpoint(self, source: str) -> Endpoint:
        """The endpoint of a source, from its connection variable. Raises SettingError when the variable is not set."""
        variable = connection_variable(source)
        text = self.environment.get(variable)
        if not text:
            raise SettingError(f"{source}: set {variable} to the connection of this source (Airflow's JSON form)")
        return Endpoint.from_json(source, text)

    def requests_per_minute(self, source: str, default: int) -> int:
        """The request limit of a source: `default` (from its source.yml), unless the environment overrides it."""
        return self._number(f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}", default)

    @property
    def publish_lease_seconds(self) -> int:
        """The publish lease: a publisher that sends nothing to the database for this long loses the publish lock."""
        return self._number("LGSP_PUBLISH_LEASE_SECONDS", LEASE_SECONDS)

    @property
    def publish_wait_seconds(self) -> int:
        """How long a publisher waits for another one before it gives up."""
        return self._number("LGSP_PUBLISH_WAIT_SECONDS", PUBLISH_WAIT_SECONDS)

    @property
    def reader_limits(self) -> ReaderLimits:
        """How long the sessions, transactions and statements of readers may last."""
        return ReaderLimits(
            statement_seconds=self._number("LGSP_READER_STATEMENT_SECONDS", ReaderLimits.statement_seconds),
            transaction_seconds=self._number("LGSP_READER_TRANSACTION_SECONDS", ReaderLimits.transaction_seconds),
            session_seconds=self._number("LGSP_READER_SESSION_SECONDS", ReaderLimits.session_seconds),
        )

    @property
    def shared_url(self) -> str | None:
        """The object storage that gets a copy of the published files, as s3://bucket/prefix; None without a copy."""
        return self.environment.get("LGSP_SHARED_URL") or None

    @property
    def base_url(self) -> str | None:
        """The public address of the read API and the catalogue, without a final slash; None when there is none."""
        return self._web_address("LGSP_BASE_URL")

    @property
    def contact(self) -> str | None:
        """Whom readers of the data ask: an e-mail address of an office, or a web address; None when it is not set."""
        contact = (self.environment.get("LGSP_CONTACT") or "").strip()
        if contact and not re.fullmatch(r"[^@\s:/]+@[^@\s:/]+|https?://[^\s/]\S*", contact):
            raise SettingError(f"LGSP_CONTACT must be an e-mail address or a web address (https://…), not {contact!r}")
        return contact or None

    @property
    def licence(self) -> str | None:
        """The web address of the licence of the data; None when the province states none."""
        return self._web_address("LGSP_LICENCE")

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """The addresses that get an event of each new snapshot. Raises SettingError when LGSP_WEBHOOKS is invalid."""
        text = self.environment.get("LGSP_WEBHOOKS")
        return Webhook.from_json(text) if text else ()

    @property
    def retention(self) -> Retention:
        """How long replaced snapshots stay readable."""
        history = self.environment.get("LGSP_KEEP_HISTORY_DAYS")
        return Retention(
            every_days=self._number("LGSP_KEEP_EVERY_DAYS", Retention.every_days),
            daily_days=self._number("LGSP_KEEP_DAILY_DAYS", Retention.daily_days),
            monthly_months=self._number("LGSP_KEEP_MONTHLY_MONTHS", Retention.monthly_months),
            history_days=self._number("LGSP_KEEP_HISTORY_DAYS", 0) if history else None,
        )

    def _web_address(self, variable: str) -> str | None:
        text = (self.environment.get(variable) or "").strip().rstrip("/")
        if text and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", text):
            raise SettingError(f"{variable} must be a web address such as https://data.example.gov.vn, not {text!r}")
        return text or None

    def _number(self, variable: str, default: int) -> int:
        text = self.environment.get(variable) or str(default)
        if not text.isdigit() or int(text) < 1:
            raise SettingError(f"{variable} must be a whole number of at least 1, not {text!r}")
        return int(text)

    @property
    def signing_key(self) -> str | None:
        """The Ed25519 key that signs manifests, as PEM; None when the environment does not set it."""
        return self.environment.get("LGSP_SIGNING_KEY") or None

    def token_key(self) -> bytes:
        """The key of the applicant tokens.

        With the embedded database a key is generated once and stored in the home, readable by its owner only. With a
        database of its own an installation must set LGSP_TOKEN_KEY; raises SettingError when it is not set.
        """
        key = self.environment.get("LGSP_TOKEN_KEY")
        if key:
            return key.encode()
        if self.database_url:
            raise SettingError("set LGSP_TOKEN_KEY: the key of the applicant tokens (32 random bytes or more)")
        return files.make_once(self.home / "token.key", lambda: secrets.token_hex(32).encode())
