"""Provides the correct facts of a simulated province that indicators count, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from lgsp.window import Window
from lgsp_province import World
from lgsp_province.truth import dossiers as true_dossiers
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import agencies, services
from lgsp_province.world.calendar import LOCAL, day_date, midnight
from lgsp_province.world.lifecycles import FINISHED, PAUSES, RETURNED, SUPPLEMENT
from lgsp_province.world.view import DossierState
from tests.recomputation.periods import read_from

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
        """The online level in the terms of the decree of 2022: `information`, `partial` or `full`."""
        return MODES[self.online_level]


@dataclass(frozen=True)
class Dossier:
    """A dossier with the correct values of both systems; `pauses` are pairs of instants `[from, until)`."""

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
        """Whether it was withdrawn or not accepted."""
        return self.status in CLOSED

    @property
    def completed_on(self) -> date | None:
        """The day it was finished, for all indicators; None for a withdrawn or unaccepted dossier."""
        return None if self.is_closed else self.finished_on

    @property
    def ended_on(self) -> date | None:
        """The day on which it was finished, withdrawn or not accepted."""
        return self.closed_on if self.is_closed else self.finished_on

    def is_paused(self, moment: datetime) -> bool:
        """Whether its processing was paused at an instant."""
        return any(start < moment and (end is None or moment <= end) for start, end in self.pauses)


@dataclass(frozen=True)
class QuarantinedRecord:
    """A record in quarantine, with the agency and the day to which it is counted."""

    agency: str
    day: date


def empty_window(world: World) -> Window:
    """A day long before the world, on which no system had a record; the platform reads it too."""
    day = world.start - timedelta(days=400)
    return Window.of_days(day, day)


class Facts:
    """The facts of a world until the start of a local day."""

    def __init__(self, world: World, until: date) -> None:
        self.world, self.until = world, until
        self.first = read_from([(empty_window(world).days()[0], 0), (world.start, len(world.dossiers))])
        self._view = world.view(midnight(until))
        self.truth = truth_of(world, midnight(until))

    @cached_property
    def agencies(self) -> list[Agency]:
        """Every agency that the lists contain on that day, in force as long as its territory: lists have no other days."""
        begin = agencies.CODES_VALID_FROM
        days = [(begin, None) if a.level == agencies.PROVINCE else (a.valid_from, a.valid_to) for a in self._listed]
        return [
            Agency(a.new_code, agencies.LEVELS[a.level], a.kind, a.unit_code, *of_agency)
            for a, of_agency in zip(self._listed, days, strict=True)
        ]

    @property
    def _listed(self) -> tuple[agencies.Agency, ...]:
        return agencies.listed(self.until)

    @cached_property
    def levels(self) -> list[str]:
        """The levels that agencies have."""
        return sorted({agency.level for agency in self.agencies})

    @cached_property
    def offerings(self) -> list[Offering]:
        """Every procedure at every agency that offers or offered it."""
        offerings, catalogue = [], services.default_catalogue()
        for service, agency in catalogue.offerings:
            ends = [end for end in (service.valid_to, agency.valid_to) if end is not None]
            start = catalogue.offered_from(service, agency)
            integrated_on = service.integrated_on if service.is_integrated else None
            offering = Offering(
                service.code, agency.new_code, service.online_level, integrated_on, start, min(ends, default=None)
            )
            if start <= self.until:
                offerings.append(offering)
        return offerings

    @cached_property
    def dossiers(self) -> list[Dossier]:
        """Every published dossier."""
        view, rows = self._view, true_dossiers.published(self._view).rows
        on_portal = {state.row: state for state in view.iter_dossier_states(view.portal, rows)}
        in_one_stop = {state.row: state for state in view.iter_dossier_states(view.one_stop, rows)}
        table = self.truth.dossiers.to_pylist()
        return [
            _dossier(
                row,
                in_one_stop[number] if row["in_one_stop"] else on_portal[number],
                on_portal[number],
            )
            for row, number in zip(table, rows.tolist(), strict=True)
        ]

    @cached_property
    def quarantined_dossiers(self) -> list[QuarantinedRecord]:
        """Dossier records in quarantine with a known agency, and the day to which each is counted."""
        every = agencies.load()
        return [
            QuarantinedRecord(every[agency].new_code, day_date(day))
            for agency, day in true_dossiers.quarantined_days(self._view)
        ]

    @cached_property
    def quarantined_documents(self) -> list[QuarantinedRecord]:
        """Quarantined documents, without an agency, on the day of listing; secret work files on the day of opening."""
        data, now = self.world.document_data, midnight(self.until)
        records = [
            QuarantinedRecord(UNKNOWN, local_day(d.listed_at))
            for d in data.documents
            if d.excluded_by and d.listed_at <= now
        ]
        for file in data.work_files:
            if file.is_secret and file.opened_at <= now:
                records.append(QuarantinedRecord(agencies.load()[file.agency].new_code, local_day(file.opened_at)))
        return records

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open on a day."""
        return self.world.calendar.is_open(day)


def local_day(at: int) -> date:
    """The local day of an instant in seconds."""
    return (datetime.fromtimestamp(at, LOCAL)).date()


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(LOCAL).date()


def _dossier(row: dict[str, Any], primary: DossierState, portal: DossierState) -> Dossier:
    service, in_one_stop = services.load()[primary.service], row["in_one_stop"]
    reached = {status for _, status in primary.events}
    components, reused = primary.traits >> 26 & 3, primary.traits >> 28 & 1
    is_rated = row["in_online_services"] and portal.reached_at(RETURNED) is not None and primary.traits >> 32 & 15 < 6
    # the one-stop shop reports an electronic result by a code, the portal by the return of the result
    has_result = FINISHED in reached and primary.traits >> 29 & 3 > 0 if in_one_stop else RETURNED in reached
    return Dossier(
        row["receiving_organisation_id"], row["service_code"], service.field_code, service.online_level, row["channel"],
        row["status"], row["received_on"], row["due_on"], _first_due(row, primary), row["finished_on"], _day(row["closed_at"]),
        tuple(_pauses(primary, PAUSES if in_one_stop else (SUPPLEMENT,))), row["fee_vnd"],
        service.fee_vnd > 0 and primary.channel == 0 and primary.traits >> 24 & 3 > 0,
        components > 0, reused > 0, has_result, row["in_online_services"],
        min(5, 3 + (primary.traits >> 32 & 15) % 3) if is_rated else None,
    )  # fmt: skip


def _first_due(row: dict[str, Any], primary: DossierState) -> date | None:
    """The first due date; the portal reports it only if it was amended for a supplement."""
    if row["due_at"] is None:
        return None
    is_reported = row["in_one_stop"] or primary.reached_at(SUPPLEMENT) is not None
    return local_day(primary.due_first) if is_reported else row["due_on"]


def _pauses(state: DossierState, statuses: tuple[int, ...]) -> Iterator[tuple[datetime, datetime | None]]:
    """Start and end of each pause by one of the statuses; the end is None if the pause lasts."""
    ends = [*(at for at, _ in state.events[1:]), None]
    for (at, status), end in zip(state.events, ends, strict=True):
        if status in statuses:
            yield datetime.fromtimestamp(at, LOCAL), None if end is None else datetime.fromtimestamp(end, LOCAL)
