"""Find the successor of each agency: by the recorded successions, else by the territory that its own became part of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from lgsp.harmonise.organisations import directory
from lgsp.harmonise.organisations.directory import Organisation
from lgsp.harmonise.organisations.history import AgencyVersion
from lgsp.harmonise.organisations.matcher import Matcher
from lgsp.vietnam import successions


@dataclass(frozen=True)
class Successor:
    """The agency that took over the duties of another, and from which day on."""

    organisation_id: str
    since: date


def find(agencies: Iterable[Organisation], versions: Iterable[AgencyVersion]) -> dict[str, Successor]:
    """The successor of each agency that has one, by id; `agencies` have every name that a list ever gave them."""
    return _by_territory(versions) | _by_succession(list(agencies))


def _by_succession(agencies: list[Organisation]) -> dict[str, Successor]:
    """By the code of a succession where it has one, else by the name, which names the province too."""
    ids = {o.organisation_id for o in agencies}
    matcher = Matcher(agencies, versions=directory.versions(agencies, directory.places(agencies)))

    def identified(code: str | None, name: str) -> str | None:
        if code:
            return code if code in ids else None
        match = matcher.match(name)
        return match.organisation_id if match else None

    found: dict[str, Successor] = {}
    for row in successions.load():
        if not row.is_whole:
            continue
        before = identified(row.predecessor_code, row.predecessor_name)
        after = identified(row.successor_code, row.successor_name)
        if before and after and before != after:
            found.setdefault(before, Successor(after, row.effective_on))
    return found


def _by_territory(versions: Iterable[AgencyVersion]) -> dict[str, Successor]:
    """A committee's successor is that of the territory that its own became part of."""
    committees = [version for version in versions if version.organisation.kind == "peoples_committee"]
    by_unit: dict[str, list[AgencyVersion]] = defaultdict(list)
    for version in committees:
        if version.unit_code:
            by_unit[version.unit_code].append(version)
    found = {}
    for version in committees:
        if version.heir_code is None or version.unit_until is None:
            continue
        id_, until = version.organisation.organisation_id, version.unit_until
        # a territory that kept its code may have another committee later: the first to end after that day was there then
        heirs = [
            (heir.unit_until or date.max, heir.organisation.organisation_id)
            for heir in by_unit[version.heir_code]
            if heir.organisation.organisation_id != id_ and (heir.unit_until is None or heir.unit_until > until)
        ]
        if heirs:
            found[id_] = Successor(min(heirs)[1], until)
    return found
