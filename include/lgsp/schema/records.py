"""The kinds of harmonised record: one row for each record of a source, in one language.

The newest version of each is kept in schema `record`; the shared tables are a pure function of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of record: its columns and what identifies a record of it."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...] = ("source", "source_key")
    indexes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All column names, in order."""
        return list(self.columns)

    def indexes_by_name(self) -> dict[str, str]:
        """What each of its indexes is over, beside the one of its key."""
        return {f"{self.name}_{number}": index for number, index in enumerate(self.indexes)}

    def ddl(self) -> str:
        """`create table` in schema `record`, safe to repeat."""
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


# What a record says of how it was read; it is no part of what the source says.
ABOUT = ("repairs", "quality_flags")

# What is staged beside a dossier for schema `restricted`: the applicant's identity number and phone, as keyed tokens.
TOKENS = ("applicant_token", "phone_token")

# What every record carries: who it is, when its source changed it, what it says (as a hash), where its bytes are.
IDENTITY = {
    "source": "text", "source_key": "text", "source_updated_at": "timestamptz", "raw_hash": "text", "content_hash": "text",
    "raw_pointer": "text", "batch_id": "text",
}  # fmt: skip

DOSSIER = Kind(
    "dossier",
    IDENTITY | {
        "source_code": "text", "other_code": "text", "receipt_key": "text", "is_deleted": "boolean",
        "service_code": "text", "receiving_organisation_id": "text", "competent_organisation_id": "text",
        "admin_unit_code": "text", "admin_unit_code_now": "text", "applicant_admin_unit_code": "text",
        "applicant_kind": "text", "channel": "text", "submitted_via": "text", "return_method": "text",
        "online_level": "integer", "is_identity_verified": "boolean",
        "submitted_at": "timestamptz", "received_at": "timestamptz", "due_first_at": "timestamptz",
        "due_at": "timestamptz", "finished_at": "timestamptz", "returned_at": "timestamptz", "closed_at": "timestamptz",
        "status": "text", "extension_count": "integer", "supplement_count": "integer",
        "has_digital_result": "boolean", "digitised_component_count": "integer", "reused_component_count": "integer",
        "fee_vnd": "bigint", "is_paid_online": "boolean", "satisfaction": "integer",
        "events": "text", "repairs": "text", "quality_flags": "text[]",
    },
    indexes=("(source_code)", "(other_code) where other_code is not null", "(receipt_key) where receipt_key is not null"),
)  # fmt: skip

DOCUMENT = Kind(
    "document",
    IDENTITY | {
        "document_id": "text", "business_type": "text", "refers_to_document_id": "text",
        "told_id": "text", "refers_to_told": "text", "also_replaces": "text[]", "is_content": "boolean", "profile": "text",
        "issuing_organisation_id": "text", "number": "text", "notation": "text", "issued_on": "date",
        "document_type": "text", "subject": "text", "priority": "text", "due_on": "date", "steering_kind": "text",
        "is_signed": "boolean", "has_paper_copy": "boolean", "page_count": "integer", "attachment_count": "integer",
        "responds_to_document_id": "text", "responds_to_document_ids": "text[]", "sent_at": "timestamptz",
        "recipients": "text[]", "recipients_added": "text[]", "recipients_removed": "text[]", "repairs": "text",
        "quality_flags": "text[]",
    },
    indexes=("(document_id)", "(refers_to_document_id) where refers_to_document_id is not null", "(told_id)", "(refers_to_told)",
        # few messages replace several: the others need not be in it, nor wait in its list for who searches next
        "using gin (also_replaces) with (fastupdate = off) where also_replaces <> '{}'"),
)  # fmt: skip

DOCUMENT_STATUS = Kind(
    "document_status",
    IDENTITY | {
        "document_id": "text", "organisation_id": "text", "status": "text", "occurred_at": "timestamptz", "profile": "text",
        "quality_flags": "text[]",
    },
    indexes=("(document_id)",),
)  # fmt: skip

WORK_FILE = Kind(
    "work_file",
    IDENTITY | {
        "work_file_id": "text", "organisation_id": "text", "level": "text", "opened_on": "date", "closed_on": "date",
        "is_electronic": "boolean", "document_count": "integer", "is_deleted": "boolean",
    },
)  # fmt: skip

ORGANISATION = Kind(
    "organisation",
    IDENTITY | {
        "organisation_id": "text", "code_old": "text", "code_new": "text", "name": "text", "level": "text",
        "kind": "text", "parent_id": "text", "admin_unit_code": "text", "versions": "text",
    },
)  # fmt: skip

ORGANISATION_ALIAS = Kind(
    "organisation_alias",
    IDENTITY
    | {"alias_key": "text", "alias": "text", "organisation_id": "text", "matched_by": "text", "first_seen_on": "date"},
)

SERVICE = Kind(
    "service",
    IDENTITY | {
        "service_code": "text", "name": "text", "field_code": "text", "field_name": "text", "level": "text",
        "online_level": "integer", "is_integrated_national": "boolean", "integrated_on": "date",
        "standard_days": "double precision", "valid_from": "date", "valid_to": "date",
    },
)  # fmt: skip

SERVICE_OFFERING = Kind(
    "service_offering",
    IDENTITY | {
        "service_code": "text", "organisation_id": "text", "online_level": "integer",
        "is_integrated_national": "boolean", "integrated_on": "date", "valid_from": "date", "valid_to": "date",
    },
)  # fmt: skip

# Facts are counted, checked and quarantined one by one; lists come whole with every batch.
FACTS = (DOSSIER, DOCUMENT, DOCUMENT_STATUS, WORK_FILE)
LISTS = (ORGANISATION, ORGANISATION_ALIAS, SERVICE, SERVICE_OFFERING)
KINDS = {kind.name: kind for kind in (*FACTS, *LISTS)}
