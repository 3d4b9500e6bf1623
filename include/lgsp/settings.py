"""Settings: everything the environment decides, read once and passed on."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lgsp import files
from lgsp.errors import SettingError

# Longer than any step of a publication is away from the server: linking or writing one group of records.
LEASE_SECONDS = 600


@dataclass(frozen=True)
class Endpoint:
    """Where a source answers and who we are to it; from an Airflow connection."""

    source: str
    base_url: str
    login: str
    password: str = field(repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, source: str, text: str) -> Endpoint:
        """The endpoint in Airflow's JSON form of a connection.

        Raises SettingError when the text is no such connection; the text itself is never shown.
        """
        variable = connection_variable(source)
        try:
            told = json.loads(text)
            host, scheme = told["host"], told.get("schema") or "https"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingError(
                f"{variable} must hold a connection in Airflow's JSON form with a host ({type(error).__name__})"
            ) from None
        extra = told.get("extra") or {}
        port = f":{told['port']}" if told.get("port") else ""
        return cls(
            source=source,
            base_url=f"{scheme}://{host}{port}",
            login=told.get("login") or "",
            password=told.get("password") or "",
            extra=json.loads(extra) if isinstance(extra, str) else extra,
        )


def connection_variable(source: str) -> str:
    """The environment variable that holds a source's connection."""
    return f"AIRFLOW_CONN_{source.upper()}"


@dataclass(frozen=True)
class Retention:
    """How long a snapshot can be read after it was replaced: each for days, then the last of a day, then of a month.

    Replaced row versions stay for good unless `history_days` ends them: a snapshot without them has its files alone.
    """

    every_days: int = 2
    daily_days: int = 30
    monthly_months: int = 24
    history_days: int | None = None


@dataclass(frozen=True)
class Settings:
    """Where things are kept and how the store is reached."""

    home: Path
    database_url: str | None = field(default=None, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """The settings that the process environment (or the one given) asks for."""
        env = dict(os.environ if environment is None else environment)
        return cls(
            home=Path(env.get("LGSP_HOME") or ".lgsp").absolute(),
            database_url=env.get("LGSP_DATABASE_URL") or None,
            environment=env,
        )

    @property
    def landing(self) -> Path:
        """Exact bytes as received, with their manifests; holds personal data."""
        return self.home / "landing"

    @property
    def staging(self) -> Path:
        """Harmonised batches on their way to a publication; can be rebuilt from landing."""
        return self.home / "staging"

    @property
    def shared(self) -> Path:
        """The published Parquet side: files, snapshots and the pointer ``current``."""
        return self.home / "shared"

    @property
    def docs(self) -> Path:
        """Data Docs, one folder for each source."""
        return self.home / "data_docs"

    @property
    def reports(self) -> Path:
        """The digest and the index reports, one folder for each kind and period."""
        return self.home / "reports"

    @property
    def definitions(self) -> Path | None:
        """A folder with definitions, weights or thresholds of this province, in place of those that are shipped."""
        given = self.environment.get("LGSP_DEFINITIONS")
        return Path(given).absolute() if given else None

    def endpoint(self, source: str) -> Endpoint:
        """The endpoint of a source, from its connection variable."""
        variable = connection_variable(source)
        text = self.environment.get(variable)
        if not text:
            raise SettingError(f"{source}: set {variable} to the connection of this source (Airflow's JSON form)")
        return Endpoint.from_json(source, text)

    def requests_per_minute(self, source: str, default: int) -> int:
        """How many calls a source bears in a minute: its description's number, unless overridden."""
        return self._number(f"LGSP_REQUESTS_PER_MINUTE_{source.upper()}", default)

    @property
    def publish_lease_seconds(self) -> int:
        """How long a publisher may say nothing to the store before its turn is taken from it."""
        return self._number("LGSP_PUBLISH_LEASE_SECONDS", LEASE_SECONDS)

    @property
    def shared_url(self) -> str | None:
        """Where the published files are kept beside the local ones: s3://bucket/prefix."""
        return self.environment.get("LGSP_SHARED_URL") or None

    @property
    def retention(self) -> Retention:
        """How long snapshots can be read after they were replaced."""
        history = self.environment.get("LGSP_KEEP_HISTORY_DAYS")
        return Retention(
            every_days=self._number("LGSP_KEEP_EVERY_DAYS", Retention.every_days),
            daily_days=self._number("LGSP_KEEP_DAILY_DAYS", Retention.daily_days),
            monthly_months=self._number("LGSP_KEEP_MONTHLY_MONTHS", Retention.monthly_months),
            history_days=self._number("LGSP_KEEP_HISTORY_DAYS", 0) if history else None,
        )

    def _number(self, variable: str, default: int) -> int:
        text = self.environment.get(variable) or str(default)
        if not text.isdigit() or int(text) < 1:
            raise SettingError(f"{variable} must be a whole number of at least 1, not {text!r}")
        return int(text)

    @property
    def signing_key(self) -> str | None:
        """The Ed25519 key that signs manifests, as PEM, where the environment gives one."""
        return self.environment.get("LGSP_SIGNING_KEY") or None

    def token_key(self) -> bytes:
        """The key of the applicant tokens.

        An installation with its own database must set LGSP_TOKEN_KEY; with the embedded database a key is made once
        and stored in the home, readable by its owner only. Raises SettingError when it is not set.
        """
        given = self.environment.get("LGSP_TOKEN_KEY")
        if given:
            return given.encode()
        if self.database_url:
            raise SettingError("set LGSP_TOKEN_KEY: the key of the applicant tokens (32 random bytes or more)")
        return files.make_once(self.home / "token.key", lambda: secrets.token_hex(32).encode())
