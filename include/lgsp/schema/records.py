"""Define the kinds of harmonised record: one row for each record of a source, in one language.

Schema `record` has the newest version of each; the shared tables are a pure function of them. A column that a shared
table takes from records is declared once, in the contract of the table (`origin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lgsp.schema import contract

# The columns of every record: its identity, the time of its last change, hashes of its content, the position of its bytes.
IDENTITY = {
    "source": "text", "source_key": "text", "source_updated_at": "timestamptz", "raw_hash": "text", "content_hash": "text",
    "raw_pointer": "text", "batch_id": "text",
}  # fmt: skip

# Columns about how a record was read; not part of its content.
ABOUT = ("repairs", "quality_flags")

# PostgreSQL refuses an index entry of more than 2,700 bytes: a key of two such texts stays below it.
KEY_BYTES = 1_000
TEXT_BYTES = 1_000_000
# Texts that are in no key and no index. All others are ids, codes and names, which shared keys are made of.
LONG_TEXTS = ("subject", "field_name", "events", "supplements")

# Every content of a row of a dated list is kept; `record.list_absence` has the days without it.
LIST_KEY = ("source", "source_key", "content_hash")

# Columns of a dossier record that each publication derives from what the record names and the lists of its time. They are
# no part of its content: a record does not become another one when a list arrives late.
RESOLVED = (
    "service_code", "receiving_organisation_id", "competent_organisation_id", "admin_unit_code", "admin_unit_code_now", "receipt_key",
    "named_at",
)  # fmt: skip

# Staged with each dossier, for schema `restricted`: keyed tokens of the applicant's identity number and phone number.
TOKENS = ("applicant_token", "phone_token")


@dataclass(frozen=True)
class Kind:
    """One kind of record.

    Its columns are IDENTITY, then `head`, then those of the shared table `shared` that records fill, then `tail`.
    """

    name: str
    head: Mapping[str, str] = field(default_factory=dict)
    shared: str | None = None
    tail: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ("source", "source_key")
    indexes: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, str]:
        """All columns with their PostgreSQL types, in order."""
        recorded = contract.load(self.shared).recorded if self.shared else ()
        return {**IDENTITY, **self.head, **{column.name: column.type for column in recorded}, **self.tail}

    @property
    def names(self) -> list[str]:
        """All column names, in order."""
        return list(self.columns)

    def max_bytes(self, column: str) -> int | None:
        """The largest number of bytes that the store accepts in a text (or each text of a list); None for other types."""
        if not self.columns[column].startswith("text"):
            return None
        is_long = column in LONG_TEXTS or (column == "name" and self.name == "service")
        return TEXT_BYTES if is_long else KEY_BYTES

    def indexes_by_name(self) -> dict[str, str]:
        """The definition of each index by its name, without the primary key."""
        return {f"{self.name}_{number}": index for number, index in enumerate(self.indexes)}

    def ddl(self) -> str:
        """`create table` in schema `record`; safe to repeat."""
        columns = ",\n  ".join(f"{name} {type_}" for name, type_ in self.columns.items())
        indexes = [
            f"create index if not exists {name} on record.{self.name} {index};"
            for name, index in self.indexes_by_name().items()
        ]
        key = ", ".join(self.key)
        return (
            f"create table if not exists record.{self.name} (\n  {columns},\n  primary key ({key})\n);\n"
            + "\n".join(indexes)
        )


DOSSIER = Kind(
    "dossier",
    head={
        "source_code": "text", "other_code": "text", "receipt_key": "text", "is_deleted": "boolean",
        # what the record names: codes in canonical form, names as comparison keys; and the first version that named this agency
        "agency_code": "text", "agency_name": "text", "competent_code": "text", "competent_name": "text", "procedure_code": "text",
        "named_at": "timestamptz", "is_applicant_unit_outdated": "boolean",
    },
    shared="dossier",
    tail={"events": "text", "supplements": "text", "closed_at_basis": "text", "repairs": "text", "quality_flags": "text[]"},
    indexes=("(source_code)", "(other_code) where other_code is not null", "(receipt_key) where receipt_key is not null"),
)  # fmt: skip

DOCUMENT = Kind(
    "document",
    head={
        "document_id": "text", "business_type": "text", "refers_to_document_id": "text",
        "told_id": "text", "refers_to_told": "text", "also_replaces": "text[]", "is_content": "boolean", "profile": "text",
    },
    shared="document",
    tail={
        "sent_at": "timestamptz", "recipients": "text[]", "recipients_added": "text[]", "recipients_removed": "text[]",
        "repairs": "text", "quality_flags": "text[]",
    },
    indexes=("(document_id)", "(refers_to_document_id) where refers_to_document_id is not null", "(told_id)", "(refers_to_told)",
        # only the few messages that replace several documents are indexed, without a pending list
        "using gin (also_replaces) with (fastupdate = off) where also_replaces <> '{}'"),
)  # fmt: skip

DOCUMENT_STATUS = Kind(
    "document_status",
    head={
        "document_id": "text", "organisation_id": "text", "status": "text", "occurred_at": "timestamptz", "profile": "text",
        "quality_flags": "text[]",
    },
    indexes=("(document_id)",),
)  # fmt: skip

WORK_FILE = Kind("work_file", shared="work_file", tail={"is_deleted": "boolean"})

ORGANISATION = Kind(
    "organisation",
    head={
        "organisation_id": "text", "code_old": "text", "code_new": "text", "name": "text", "level": "text",
        "kind": "text", "parent_id": "text",
    },
    key=LIST_KEY,
)  # fmt: skip

ORGANISATION_ALIAS = Kind(
    "organisation_alias",
    head={
        "alias_key": "text", "alias": "text", "organisation_id": "text", "matched_by": "text", "first_seen_on": "date", "code": "text",
    },
)  # fmt: skip

SERVICE = Kind(
    "service",
    head={
        "service_code": "text", "name": "text", "field_code": "text", "field_name": "text", "level": "text",
        "online_level": "integer", "is_integrated_national": "boolean", "integrated_on": "date",
        "standard_days": "double precision", "valid_from": "date", "valid_to": "date",
    },
    key=LIST_KEY,
)  # fmt: skip

SERVICE_OFFERING = Kind(
    "service_offering",
    head={
        "service_code": "text", "organisation_id": "text", "online_level": "integer",
        "is_integrated_national": "boolean", "integrated_on": "date", "valid_from": "date", "valid_to": "date",
    },
    key=LIST_KEY,
)  # fmt: skip

# Facts are counted, checked and quarantined as single records; every batch has the complete lists.
FACTS = (DOSSIER, DOCUMENT, DOCUMENT_STATUS, WORK_FILE)
LISTS = (ORGANISATION, ORGANISATION_ALIAS, SERVICE, SERVICE_OFFERING)
KINDS = {kind.name: kind for kind in (*FACTS, *LISTS)}
