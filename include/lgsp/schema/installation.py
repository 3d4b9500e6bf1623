"""What an installation states about itself in contracts and catalogue: addresses, contact, licence, and retention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy.engine import make_url

from lgsp.settings import Retention, Settings


@dataclass(frozen=True)
class Installation:
    """Where the published data are, whom to ask, under which licence, and how long snapshots are kept.

    The defaults are placeholders, for contracts that are read without an installation.
    """

    host: str = "database.example"
    port: int = 5432
    database: str = "lgsp"
    base_url: str | None = None
    contact: str | None = None
    licence: str | None = None
    retention: Retention = field(default_factory=Retention)

    @classmethod
    def of(cls, settings: Settings, database_url: str) -> Installation:
        """What the settings say; `database_url` is the address of the store. Login and password are left out."""
        address = make_url(database_url)
        return cls(
            host=address.host or cls.host, port=address.port or cls.port, database=address.database or cls.database,
            base_url=settings.base_url, contact=settings.contact, licence=settings.licence, retention=settings.retention,
        )  # fmt: skip

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Installation:
        """The installation of a record that `as_record` made."""
        return cls(**{**record, "retention": Retention(**record["retention"])})

    def as_record(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)

    @property
    def contact_address(self) -> str | None:
        """The contact as an IRI: an e-mail address becomes mailto:, a web address stays."""
        if self.contact is None or "://" in self.contact:
            return self.contact
        return f"mailto:{self.contact}"
