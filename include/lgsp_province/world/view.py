"""Computes which dossiers each system returns at an instant, in which state and order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lgsp_province.defects.rates import BY_RECEIPT, NOT_LINKED, Marks
from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, day_number
from lgsp_province.world.dossiers import Dossiers, code_text
from lgsp_province.world.lifecycles import ACCEPTED, NEVER
from lgsp_province.world.services import Service

_BATCH = 20_000


class DossierState(NamedTuple):
    """The state of one dossier in one system at an instant.

    `events` are the (instant, status) pairs up to that instant; `due` is the current due date, -1 for none.
    `amended_at` and `deleted_at` are NEVER if the event has not occurred by then.
    """

    row: int
    agency: int
    service: int
    channel: int
    applicant: int
    is_firm: bool
    home: int
    traits: int
    submitted: int
    sequence: int
    day: int
    due_first: int
    due: int
    amended_at: int
    deleted_at: int
    modified: int
    bits: int
    link: int
    minted: int
    procedure: Service
    events: list[tuple[int, int]]

    @property
    def code(self) -> str:
        return code_text(self.agency, self.day, f"{self.sequence:04d}")

    @property
    def portal_code(self) -> str:
        """The portal's `MaHoSo`: the one-stop-shop's code, unless the portal minted its own."""
        if self.link == NOT_LINKED:
            return self.code
        return code_text(self.agency, self.day, str(self.minted))

    def reached_at(self, status: int) -> int | None:
        """The latest instant at which the dossier reached a status; None if it has not."""
        for at, reached in reversed(self.events):
            if reached == status:
                return at
        return None


@dataclass(frozen=True)
class Listing:
    """Dossier rows in list order, with the change time that orders them; a duplicated record occurs twice."""

    rows: NDArray[np.int64]
    modified: Seconds

    def window(self, start: int, end: int) -> NDArray[np.int64]:
        """The rows changed in `[start, end)`."""
        first, last = np.searchsorted(self.modified, [start, end])
        return self.rows[first:last]


@dataclass(frozen=True)
class SystemView:
    """The dossiers of one system; `visible` is the number of visible events of each, 0 for a dossier not in the system."""

    visible: NDArray[np.int8]
    modified: Seconds
    is_deleted: NDArray[np.bool_]
    tie_break: NDArray[np.int64]
    copies: NDArray[np.int8]
    listing: Listing

    def without_rows(self, rows: NDArray[np.int64]) -> "SystemView":
        """The same view without some rows, as if the system did not have their dossiers."""
        visible = self.visible.copy()
        visible[rows] = 0
        listing = _listing(visible > 0, self.modified, self.tie_break, self.copies)
        return replace(self, visible=visible, listing=listing)

    def with_change(self, row: int, instant: int) -> "SystemView":
        """The same view after the dossier in a row changed at `instant`."""
        modified = self.modified.copy()
        modified[row] = instant
        listing = _listing(self.visible > 0, modified, self.tie_break, self.copies)
        return replace(self, modified=modified, listing=listing)


def _listing(
    is_visible: NDArray[np.bool_], modified: Seconds, tie_break: NDArray[np.int64], copies: NDArray[np.int8]
) -> Listing:
    rows = np.flatnonzero(is_visible)
    rows = rows[np.lexsort((tie_break[rows], modified[rows]))]
    rows = np.repeat(rows, copies[rows])
    return Listing(rows, modified[rows])


def _code_ranks() -> NDArray[np.int64]:
    """The position of each agency when agencies are sorted by code."""
    codes = [agency.code for agency in agencies.load()]
    rank = np.empty(len(codes), np.int64)
    rank[np.argsort(codes)] = np.arange(len(codes))
    return rank


def _code_order(dossiers: Dossiers, marks: Marks) -> NDArray[np.int64]:
    """Numbers that sort like the portal's dossier codes as text."""
    own = dossiers.sequence.astype(np.int64) * 20
    minted = marks.minted.astype(np.int64) * 2 + 1  # "0123" sorts before "01230"
    number = np.where(marks.link == NOT_LINKED, own, minted)
    return (_code_ranks()[dossiers.agency] << 40) | (dossiers.code_days << 20) | number


@dataclass(frozen=True)
class View:
    """Both dossier systems at the instant `as_of`."""

    as_of: int
    dossiers: Dossiers
    marks: Marks
    one_stop: SystemView
    portal: SystemView

    def portal_key(self, code: str) -> int | None:
        """The number of a dossier code in the portal's sort order; None if the text is not a dossier code."""
        try:
            agency, day, number = code.split("-")
            agency_index = next(a.index for a in agencies.load() if a.code == agency)
            date_number = day_number(datetime.strptime(day, "%y%m%d").date())
            key = int(number) * 20 if len(number) == 4 else int(number) * 2 + 1
        except (ValueError, StopIteration):
            return None
        return (int(_code_ranks()[agency_index]) << 40) | (date_number << 20) | key

    def iter_dossier_states(self, system: SystemView, rows: NDArray[np.int64]) -> Iterator[DossierState]:
        """Iterate over the same states as `dossier_states` returns, in batches, for any number of rows."""
        for start in range(0, len(rows), _BATCH):
            yield from self.dossier_states(system, rows[start : start + _BATCH])

    def dossier_states(self, system: SystemView, rows: NDArray[np.int64] | Sequence[int]) -> list[DossierState]:
        """The states of the dossiers in `rows` in one system, in the order given."""
        indexes = np.asarray(rows, np.int64)
        dossiers, lifecycles, marks = self.dossiers, self.dossiers.lifecycles, self.marks
        delay = dossiers.sync_delay[indexes] if system is self.portal else 0
        is_amended = lifecycles.amended_at[indexes] + delay <= self.as_of
        times, statuses = lifecycles.times[indexes].tolist(), lifecycles.statuses[indexes].tolist()
        visible = system.visible[indexes].tolist()
        events = [
            list(zip(instants[:count], reached, strict=False))
            for instants, reached, count in zip(times, statuses, visible, strict=True)
        ]
        columns = (
            indexes,
            dossiers.agency[indexes],
            dossiers.service[indexes],
            dossiers.channel[indexes],
            dossiers.applicant[indexes],
            dossiers.is_firm[indexes],
            dossiers.home[indexes],
            dossiers.traits[indexes],
            dossiers.submitted[indexes],
            dossiers.sequence[indexes],
            dossiers.code_days[indexes],
            lifecycles.due_first[indexes],
            np.where(is_amended, lifecycles.due[indexes], lifecycles.due_first[indexes]),
            np.where(is_amended, lifecycles.amended_at[indexes], NEVER),
            np.where(system.is_deleted[indexes], dossiers.deleted_at[indexes], NEVER),
            system.modified[indexes],
            marks.bits[indexes],
            marks.link[indexes],
            marks.minted[indexes],
        )
        catalogue = dossiers.catalogue.services
        procedures = [catalogue[number] for number in dossiers.service[indexes].tolist()]
        return [
            DossierState(*values) for values in zip(*(c.tolist() for c in columns), procedures, events, strict=True)
        ]


def _system(
    dossiers: Dossiers,
    marks: Marks,
    as_of: int,
    is_stored: NDArray[np.bool_],
    delay: Seconds,
    defect: str,
    tie_break: NDArray[np.int64],
) -> SystemView:
    lifecycles = dossiers.lifecycles
    visible = (lifecycles.times <= (as_of - delay)[:, None]).sum(axis=1).astype(np.int8)
    visible[~is_stored] = 0
    last = np.take_along_axis(lifecycles.times, np.maximum(visible - 1, 0)[:, None], axis=1)[:, 0]
    is_amended = lifecycles.amended_at <= as_of - delay
    modified = np.where(is_amended, np.maximum(last, lifecycles.amended_at), last) + delay
    is_deleted = (dossiers.deleted_at <= as_of) & (visible > 0)
    modified = np.where(is_deleted, dossiers.deleted_at, modified)
    copies = (1 + marks.has(defect)).astype(np.int8)
    listing = _listing(visible > 0, modified, tie_break, copies)
    return SystemView(visible, modified, is_deleted, tie_break, copies, listing)


def build(dossiers: Dossiers, marks: Marks, as_of: int) -> View:
    """Both systems at an instant. The portal receives every event `sync_delay` seconds later than the one-stop-shop."""
    rows = np.arange(len(dossiers))
    no_delay = np.zeros(len(dossiers), np.int64)
    one_stop = _system(dossiers, marks, as_of, dossiers.in_one_stop, no_delay, "D18-one-stop", rows)
    lifecycles = dossiers.lifecycles
    accepted = np.where(lifecycles.statuses[:, 1] == ACCEPTED, lifecycles.times[:, 1], NEVER)
    is_minted_later = (marks.link == BY_RECEIPT) & (accepted + dossiers.sync_delay > as_of)
    is_stored = dossiers.in_portal & ~is_minted_later
    order = _code_order(dossiers, marks)
    portal = _system(dossiers, marks, as_of, is_stored, dossiers.sync_delay, "D18-portal", order)
    return View(as_of, dossiers, marks, one_stop, portal)
