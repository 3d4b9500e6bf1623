"""Read the agencies and procedures of every list that was published: a batch is not judged by its own lists alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from lgsp.harmonise.organisations.directory import Organisation
from lgsp.store.ledger import Connection
from lgsp.vietnam import text


@dataclass(frozen=True)
class KnownLists:
    """The agencies and the procedure codes of all published lists of all sources."""

    agencies: list[Organisation] = field(default_factory=list)
    procedures: frozenset[str] = frozenset()


def load(connection: Connection) -> KnownLists:
    """The newest content of each agency, of the first source that lists it, and all procedure codes."""
    rows = connection.execute(
        "select distinct on (organisation_id) organisation_id, code_old, code_new, name, level, kind, parent_id "
        "from record.organisation join ledger.source using (source) "
        "order by organisation_id, precedence, source_updated_at desc, content_hash"
    )
    services = connection.execute("select distinct service_code from record.service")
    return KnownLists([organisation(row) for row in rows], frozenset(row["service_code"] for row in services))


def organisation(row: dict[str, str | None]) -> Organisation:
    """The agency of a row of `record.organisation`."""
    name = row["name"] or ""
    return Organisation(
        str(row["organisation_id"]), row["code_old"], row["code_new"], name, text.key(name) or "", str(row["level"]),
        str(row["kind"]), row["parent_id"], "",
    )  # fmt: skip
