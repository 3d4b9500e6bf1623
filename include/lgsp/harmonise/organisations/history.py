"""The directory in time: which agencies were listed when, with which name, territory and successor."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from itertools import groupby

from lgsp.harmonise.organisations import directory
from lgsp.harmonise.organisations.directory import Organisation, Place
from lgsp.harmonise.organisations.matcher import Match, Matcher, matcher_of
from lgsp.vietnam import territories


@dataclass(frozen=True)
class Listing:
    """An agency as a list had it from one day to another; None is before the first and after the last reading."""

    organisation: Organisation
    start: date | None = None
    end: date | None = None
    batch_id: str | None = None

    def is_listed(self, on: date) -> bool:
        """Whether a list had it on a day."""
        return (self.start is None or self.start <= on) and (self.end is None or on < self.end)


@dataclass(frozen=True)
class AgencyVersion:
    """An agency with one name and territory, from one day to another.

    `unit_until` is the day on which the territory itself ended, and `heir_code` the one that it became part of.
    """

    organisation: Organisation
    valid_from: date
    valid_to: date | None
    unit_code: str | None
    unit_now: str | None
    unit_until: date | None
    heir_code: str | None
    batch_id: str | None

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two consecutive versions different ones."""
        return (replace(self.organisation, raw_pointer=""), self.unit_code, self.heir_code, self.unit_until)


class DatedDirectory:
    """The agencies of all lists that were read; an agency that is listed no more stays known."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._listings: dict[str, list[Listing]] = defaultdict(list)
        for listing in sorted(listings, key=lambda one: one.start or date.min):
            self._listings[listing.organisation.organisation_id].append(listing)
        edges = {edge for each in self._listings.values() for one in each for edge in (one.start, one.end) if edge}
        self._starts = [date.min, *sorted(edges)]

    @cached_property
    def names(self) -> list[Organisation]:
        """The agencies with every name that a list ever gave them."""
        return [one.organisation for _, each in sorted(self._listings.items()) for one in each]

    def epoch(self, on: date) -> int:
        """The number of the time between two changes of the lists that a day is in."""
        return bisect_right(self._starts, on) - 1

    @property
    def epochs(self) -> range:
        """The numbers of all times between two changes of the lists."""
        return range(len(self._starts))

    def listed(self, epoch: int) -> list[Organisation]:
        """The agencies that the lists had in an epoch."""
        on = self._starts[epoch]
        return [one.organisation for _, each in sorted(self._listings.items()) for one in each if one.is_listed(on)]

    def began_on(self, organisation_id: str) -> date | None:
        """The first day of an agency's territory; None if it has none. Lists do not have the day, only that they had it by then."""
        return self._first_days.get(organisation_id)

    @cached_property
    def _first_days(self) -> dict[str, date]:
        days: dict[str, date] = {}
        for place in directory.places(self.names):
            days[place.organisation_id] = min(place.unit.valid_from, days.get(place.organisation_id, date.max))
        return days

    def versions(self) -> list[AgencyVersion]:
        """The versions of all agencies, by agency and time; at least one for each agency."""
        within: dict[str, list[AgencyVersion]] = defaultdict(list)
        whole: dict[str, list[AgencyVersion]] = {}
        for epoch in self.epochs:
            known = {o.organisation_id: o for o in self._nearest(epoch)}
            places: dict[str, list[Place]] = defaultdict(list)
            for place in directory.places(known.values()):
                places[place.organisation_id].append(place)
            for id_, organisation in known.items():
                one = self._listing(id_, epoch)
                served = _served(one or Listing(organisation), organisation, places[id_])
                whole[id_] = served
                if one:
                    within[id_] += [version for v in served if (version := self._clipped(v, epoch))]
        return [v for id_ in sorted(whole) for v in _joined(within[id_] or whole[id_])]

    def _listing(self, organisation_id: str, epoch: int) -> Listing | None:
        on = self._starts[epoch]
        return next((one for one in self._listings[organisation_id] if one.is_listed(on)), None)

    def _nearest(self, epoch: int) -> list[Organisation]:
        """Every agency as it was listed last before the end of an epoch, else as it was listed first: parents give territories."""
        on = self._starts[epoch]
        nearest = []
        for _, each in sorted(self._listings.items()):
            begun = [one for one in each if one.start is None or one.start <= on]
            nearest.append((begun[-1] if begun else each[0]).organisation)
        return nearest

    def _clipped(self, version: AgencyVersion, epoch: int) -> AgencyVersion | None:
        """The part of a version within an epoch; None where they do not overlap."""
        start = max(version.valid_from, self._starts[epoch])
        end = self._starts[epoch + 1] if epoch + 1 < len(self._starts) else None
        ends = [day for day in (version.valid_to, end) if day is not None]
        if ends and start >= min(ends):
            return None
        return replace(version, valid_from=start, valid_to=min(ends, default=None))


def _served(listing: Listing, organisation: Organisation, places: Sequence[Place]) -> list[AgencyVersion]:
    """The versions of an agency by territory, whenever it is listed; one without a territory where it has none."""
    if not places:
        return [AgencyVersion(organisation, directory.CODES_BEGAN, None, None, None, None, None, listing.batch_id)]
    found = []
    for code, group in groupby(places, key=lambda place: place.unit.code):
        same = list(group)
        last = same[-1]
        heir = territories.successor(last.unit) if last is places[-1] else None
        began = max(same[0].unit.valid_from, directory.CODES_BEGAN)
        found.append(
            AgencyVersion(organisation, began, last.unit.valid_to, code, last.now, last.unit.valid_to, heir.code if heir else None, listing.batch_id)
        )  # fmt: skip
    return found


def _joined(versions: Iterable[AgencyVersion]) -> list[AgencyVersion]:
    """Consecutive versions with the same content as one."""
    joined: list[AgencyVersion] = []
    for version in sorted(versions, key=lambda v: v.valid_from):
        if joined and joined[-1].valid_to == version.valid_from and joined[-1].content == version.content:
            joined[-1] = replace(joined[-1], valid_to=version.valid_to)
        else:
            joined.append(version)
    return joined


class DatedMatcher:
    """Matches the names of agencies by the list of a day, else by all lists that were ever read."""

    def __init__(self, dated: DatedDirectory, accepted: Mapping[str, str], source: str) -> None:
        self._dated, self._accepted, self._source = dated, accepted, source
        self._matchers: dict[int | None, Matcher] = {}

    def match(self, name: str, on: date) -> Match | None:
        """The agency that a name means on a day; None when it means none or several."""
        own = self._matcher(self._dated.epoch(on)).match(name, on)
        return own or (self._matcher(None).match(name, on) if len(self._dated.epochs) > 1 else None)

    def _matcher(self, epoch: int | None) -> Matcher:
        if epoch not in self._matchers:
            agencies = self._dated.names if epoch is None else self._dated.listed(epoch)
            versions = directory.versions(agencies, directory.places(agencies))
            self._matchers[epoch] = matcher_of(agencies, self._accepted, self._source, versions)
        return self._matchers[epoch]
