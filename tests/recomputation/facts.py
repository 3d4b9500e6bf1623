"""The clean facts of a simulated province that indicators count, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from lgsp_province import World
from lgsp_province.truth import truth
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import LOCAL, midnight
from lgsp_province.world.lives import ACCEPTED, FINISHED, PAUSES, RETURNED, SUPPLEMENT
from lgsp_province.world.view import Seen

MODES = {2: "information", 3: "partial", 4: "full"}
CLOSED = ("withdrawn", "not_accepted")
UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class Agency:
    """An agency while it is in force, and the territory it serves."""

    id: str
    level: str
    kind: str
    unit: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True)
class Offering:
    """A procedure at an agency while it is offered."""

    service: str
    agency: str
    online_level: int
    integrated_on: date | None
    valid_from: date
    valid_to: date | None

    @property
    def mode(self) -> str:
        """The level in the words of the decree of 2022."""
        return MODES[self.online_level]


@dataclass(frozen=True)
class Dossier:
    """A dossier as a perfect reader of both systems knows it; `pauses` are `[from, until)` instants."""

    agency: str
    service: str
    field: str
    online_level: int
    channel: str
    status: str
    received_on: date | None
    due_on: date | None
    due_first_on: date | None
    finished_on: date | None
    closed_on: date | None
    pauses: tuple[tuple[datetime, datetime | None], ...]
    fee: int | None
    is_paid_online: bool
    is_digitised: bool
    is_reused: bool
    has_digital_result: bool
    is_on_portal: bool
    rating: int | None

    @property
    def is_closed(self) -> bool:
        """Withdrawn, or never accepted."""
        return self.status in CLOSED

    @property
    def done_on(self) -> date | None:
        """The day it was finished as every indicator means it."""
        return None if self.is_closed else self.finished_on

    @property
    def ended_on(self) -> date | None:
        """The day from which it was open no more."""
        return self.closed_on if self.is_closed else self.finished_on

    def is_paused(self, moment: datetime) -> bool:
        """Whether its clock stood still at an instant."""
        return any(begun < moment and (over is None or moment <= over) for begun, over in self.pauses)


@dataclass(frozen=True)
class Held:
    """A record in quarantine, the agency and the day it belongs to."""

    agency: str
    day: date


class Facts:
    """All that happened in a world until an instant, which is the beginning of a local day."""

    def __init__(self, world: World, until: date) -> None:
        self.world, self.until, self.first = world, until, world.start
        self._view = world.view(midnight(until))
        self.truth = world.truth(midnight(until))

    @cached_property
    def agencies(self) -> list[Agency]:
        """Every agency that the lists know by then."""
        return [
            Agency(a.new_code, agencies.LEVELS[a.level], a.kind, a.unit_code, a.valid_from, a.valid_to)
            for a in agencies.listed(self.until)
        ]

    @cached_property
    def levels(self) -> list[str]:
        """The levels that agencies have."""
        return sorted({agency.level for agency in self.agencies})

    @cached_property
    def offerings(self) -> list[Offering]:
        """Every procedure at every agency that offers or offered it."""
        found = []
        for service, agency in services.offerings():
            ends = [end for end in (service.valid_to, agency.valid_to) if end is not None]
            begin = max(service.valid_from, agency.valid_from)
            integrated_on = service.integrated_on if service.is_integrated else None
            offering = Offering(
                service.code, agency.new_code, service.online_level, integrated_on, begin, min(ends, default=None)
            )
            if begin <= self.until:
                found.append(offering)
        return found

    @cached_property
    def dossiers(self) -> list[Dossier]:
        """Every dossier that is published."""
        view, rows = self._view, truth.published(self._view).rows
        on_portal = {seen.row: seen for seen in view.each(view.portal, rows)}
        in_one_stop = {seen.row: seen for seen in view.each(view.one_stop, rows)}
        told = self.truth.dossiers.to_pylist()
        return [
            _dossier(
                row,
                in_one_stop[number] if row["in_one_stop"] else on_portal[number],
                on_portal[number],
            )
            for row, number in zip(told, rows.tolist(), strict=True)
        ]

    @cached_property
    def held(self) -> list[Held]:
        """Dossier records in quarantine of which the agency can be told, on the day received, else the day handed in.

        That one was received in the future is not believed; of when it was handed in, the portal may tell when it was received.
        """
        view, found = self._view, []
        for side, system in (("one-stop", view.one_stop), ("portal", view.portal)):
            spoilt = truth.quarantined(view, side)
            undated = view.marks.has(f"D28-received-{side}", f"D25-{side}")
            if side == "portal":
                undated &= ~view.marks.has("submitted-overwritten")
            spoilt &= ~view.marks.has(f"poison-element-{side}")
            for seen in view.each(system, spoilt.nonzero()[0]):
                received = None if undated[seen.row] else seen.when(ACCEPTED)
                day = local_day(seen.submitted if received is None else received)
                found.append(Held(agencies.load()[seen.agency].new_code, day))
        return found

    @cached_property
    def held_papers(self) -> list[Held]:
        """Documents that were stopped, of which nothing is read, on the day they were listed; secret work files on the day opened."""
        papers, now = self.world.papers, midnight(self.until)
        found = [Held(UNKNOWN, local_day(d.listed_at)) for d in papers.documents if d.stopped_as and d.listed_at <= now]
        for file in papers.work_files:
            if file.is_secret and file.opened_at <= now:
                found.append(Held(agencies.load()[file.agency].new_code, local_day(file.opened_at)))
        return found

    def is_worked(self, day: date) -> bool:
        """Whether offices are open."""
        return self.world.calendar.is_open(day)


def local_day(at: int) -> date:
    """The local day of an instant in seconds."""
    return (datetime.fromtimestamp(at, LOCAL)).date()


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(LOCAL).date()


def _dossier(row: dict[str, Any], lead: Seen, portal: Seen) -> Dossier:
    service, is_led = services.load()[lead.service], row["in_one_stop"]
    reached = {status for _, status in lead.events}
    components, reused = lead.traits >> 26 & 3, lead.traits >> 28 & 1
    is_rated = row["in_online_services"] and portal.when(RETURNED) is not None and lead.traits >> 32 & 15 < 6
    # who finished something says by a code of the one-stop, or by handing it over on the portal
    has_result = FINISHED in reached and lead.traits >> 29 & 3 > 0 if is_led else RETURNED in reached
    return Dossier(
        row["receiving_organisation_id"], row["service_code"], service.field_code, service.online_level, row["channel"],
        row["status"], row["received_on"], row["due_on"], _first_due(row, lead), row["finished_on"], _day(row["closed_at"]),
        tuple(_pauses(lead)) if is_led else (), row["fee_vnd"],
        service.fee_vnd > 0 and lead.channel == 0 and lead.traits >> 24 & 3 > 0,
        components > 0, reused > 0, has_result, row["in_online_services"],
        min(5, 3 + (lead.traits >> 32 & 15) % 3) if is_rated else None,
    )  # fmt: skip


def _first_due(row: dict[str, Any], lead: Seen) -> date | None:
    """The first promise; the portal tells it only where it was amended for a supplement."""
    if row["due_at"] is None:
        return None
    is_told = row["in_one_stop"] or lead.when(SUPPLEMENT) is not None
    return local_day(lead.due_first) if is_told else row["due_on"]


def _pauses(seen: Seen) -> Iterator[tuple[datetime, datetime | None]]:
    """When its clock stood still."""
    ends = [*(at for at, _ in seen.events[1:]), None]
    for (at, status), end in zip(seen.events, ends, strict=True):
        if status in PAUSES:
            yield datetime.fromtimestamp(at, LOCAL), None if end is None else datetime.fromtimestamp(end, LOCAL)
