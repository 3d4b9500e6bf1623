"""Keep the versions of all agencies: derived from every list that was read, whenever one of them changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from functools import cached_property

import pyarrow as pa

from lgsp import sql
from lgsp.harmonise.organisations import known, successors
from lgsp.harmonise.organisations.history import AgencyVersion, DatedDirectory, DatedMatcher, Listing
from lgsp.harmonise.organisations.successors import Successor
from lgsp.store.transaction import Transaction

_TEXTS = ("organisation_id", "code_old", "code_new", "name", "level", "kind", "parent_id", "admin_unit_code", "admin_unit_now",
          "succeeded_by", "batch_id")  # fmt: skip
_DATES = ("valid_from", "valid_to", "unit_until", "succeeded_on")
SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), *((name, pa.date32()) for name in _DATES)])


class Agencies:
    """The agencies of all lists of a store, read once per publication; matchers are made when they are needed."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._matchers: dict[str, DatedMatcher] = {}

    @cached_property
    def _by_source(self) -> dict[str, dict[str, list[Listing]]]:
        """The listings of each source, in order of precedence, by agency."""
        found: dict[str, dict[str, list[Listing]]] = defaultdict(lambda: defaultdict(list))
        names = ("organisation_id", "code_old", "code_new", "name", "level", "kind", "parent_id")
        for source, batch_id, start, end, *row in self._transaction.rows(
            sql.load("lgsp.publish", "lists/listings", columns=", ".join(f"o.{name}" for name in names))
        ):
            organisation = known.organisation(dict(zip(names, row, strict=True)))
            found[source][organisation.organisation_id].append(Listing(organisation, start, end, batch_id))
        return found

    @cached_property
    def directory(self) -> DatedDirectory:
        """Every agency as the first source has it that ever listed it."""
        return DatedDirectory(self._listings(None))

    def _listings(self, preferred: str | None) -> list[Listing]:
        """The listings of every agency by one source: the preferred one if it ever listed it, else the first."""
        chosen: dict[str, list[Listing]] = dict(self._by_source[preferred]) if preferred in self._by_source else {}
        for by_agency in self._by_source.values():
            for organisation_id, listings in by_agency.items():
                chosen.setdefault(organisation_id, listings)
        return [listing for listings in chosen.values() for listing in listings]

    def matcher(self, source: str) -> DatedMatcher:
        """The matcher of the names that a source uses, with the decisions of reviewers."""
        if source not in self._matchers:
            rows = self._transaction.rows(
                "select alias_key, organisation_id from ledger.organisation_review where source = $1::text and state = 'accepted'",
                source,
            )
            self._matchers[source] = DatedMatcher(DatedDirectory(self._listings(source)), dict(rows), source)
        return self._matchers[source]

    def names(self) -> list[tuple[str, str]]:
        """The id and comparison key of every name that a list ever gave an agency."""
        return sorted({
            (o.organisation_id, o.key)
            for by_agency in self._by_source.values() for listings in by_agency.values() for o in (one.organisation for one in listings)
        })  # fmt: skip


def refresh(transaction: Transaction, agencies: Agencies) -> bool:
    """Derive `record.organisation_version` again; leaves the temporary table `changed_agency`. Whether a version changed."""
    versions = agencies.directory.versions()
    found = successors.find(agencies.directory.names, versions)
    transaction.temporary("new_version", "record.organisation_version")
    columns = ", ".join((*_TEXTS, *_DATES))
    transaction.load("new_version", pa.Table.from_pylist([_row(version, found) for version in versions], schema=SCHEMA))
    both = (f"select {columns} from new_version", f"select {columns} from record.organisation_version")
    transaction.do("drop table if exists pg_temp.changed_agency")
    transaction.do(
        "create temporary table changed_agency on commit drop as "
        f"select distinct organisation_id from (({both[0]} except {both[1]}) union all ({both[1]} except {both[0]})) d"
    )
    if not transaction.one("select exists (select from changed_agency)"):
        return False
    transaction.do("delete from record.organisation_version")
    transaction.do(f"insert into record.organisation_version ({columns}) {both[0]}")
    return True


def _row(version: AgencyVersion, found: Mapping[str, Successor]) -> dict[str, str | date | None]:
    o = version.organisation
    successor = found.get(o.organisation_id)
    return {
        "organisation_id": o.organisation_id, "code_old": o.code_old, "code_new": o.code_new, "name": o.name, "level": o.level,
        "kind": o.kind, "parent_id": o.parent_id, "admin_unit_code": version.unit_code, "admin_unit_now": version.unit_now,
        "succeeded_by": successor.organisation_id if successor else None, "succeeded_on": successor.since if successor else None,
        "batch_id": version.batch_id, "valid_from": version.valid_from, "valid_to": version.valid_to, "unit_until": version.unit_until,
    }  # fmt: skip
