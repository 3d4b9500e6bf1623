"""The province as of one instant: which dossiers each system shows, in which state, in which order."""

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
from lgsp_province.world.lives import ACCEPTED, NEVER
from lgsp_province.world.services import Service

_BATCH = 20_000


class Seen(NamedTuple):
    """One dossier as a system sees it: only events up to now, `due` the current promise, -1 for none."""

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
        """The portal's `MaHoSo`: the one-stop's code, unless the portal minted its own."""
        if self.link == NOT_LINKED:
            return self.code
        return code_text(self.agency, self.day, str(self.minted))

    def when(self, status: int) -> int | None:
        """The latest instant at which the dossier reached a status."""
        for at, reached in reversed(self.events):
            if reached == status:
                return at
        return None


@dataclass(frozen=True)
class Listing:
    """Rows in list order, a doubled record twice, with the change time that orders them."""

    rows: NDArray[np.int64]
    modified: Seconds

    def window(self, start: int, end: int) -> NDArray[np.int64]:
        """The rows changed in `[start, end)`."""
        first, last = np.searchsorted(self.modified, [start, end])
        return self.rows[first:last]


@dataclass(frozen=True)
class SystemView:
    """One system's dossiers: how many events of each are visible, 0 for a dossier that is not there."""

    visible: NDArray[np.int8]
    modified: Seconds
    is_deleted: NDArray[np.bool_]
    tie_break: NDArray[np.int64]
    copies: NDArray[np.int8]
    listing: Listing

    def without(self, rows: NDArray[np.int64]) -> "SystemView":
        """The same view when some records are not there, nor any sign of them."""
        visible = self.visible.copy()
        visible[rows] = 0
        listing = _listing(visible > 0, self.modified, self.tie_break, self.copies)
        return replace(self, visible=visible, listing=listing)

    def touched(self, row: int, instant: int) -> "SystemView":
        """The same view after one record changed again."""
        modified = self.modified.copy()
        modified[row] = instant
        listing = _listing(self.visible > 0, modified, self.tie_break, self.copies)
        return replace(self, modified=modified, listing=listing)


def _listing(
    is_there: NDArray[np.bool_], modified: Seconds, tie_break: NDArray[np.int64], copies: NDArray[np.int8]
) -> Listing:
    rows = np.flatnonzero(is_there)
    rows = rows[np.lexsort((tie_break[rows], modified[rows]))]
    rows = np.repeat(rows, copies[rows])
    return Listing(rows, modified[rows])


def _code_ranks() -> NDArray[np.int64]:
    """Each agency's place when agencies are sorted by code."""
    codes = [agency.code for agency in agencies.load()]
    rank = np.empty(len(codes), np.int64)
    rank[np.argsort(codes)] = np.arange(len(codes))
    return rank


def _code_order(dossiers: Dossiers, marks: Marks) -> NDArray[np.int64]:
    """Numbers that sort as the portal's dossier codes do as text."""
    own = dossiers.sequence.astype(np.int64) * 20
    minted = marks.minted.astype(np.int64) * 2 + 1  # "0123" sorts before "01230"
    number = np.where(marks.link == NOT_LINKED, own, minted)
    return (_code_ranks()[dossiers.agency] << 40) | (dossiers.code_days << 20) | number


@dataclass(frozen=True)
class View:
    """Both dossier systems at `as_of`."""

    as_of: int
    dossiers: Dossiers
    marks: Marks
    one_stop: SystemView
    portal: SystemView

    def portal_key(self, code: str) -> int | None:
        """The portal's sort number of a dossier code, `None` for text that is none."""
        try:
            agency, day, number = code.split("-")
            place = next(a.index for a in agencies.load() if a.code == agency)
            date_number = day_number(datetime.strptime(day, "%y%m%d").date())
            key = int(number) * 20 if len(number) == 4 else int(number) * 2 + 1
        except (ValueError, StopIteration):
            return None
        return (int(_code_ranks()[place]) << 40) | (date_number << 20) | key

    def each(self, system: SystemView, rows: NDArray[np.int64]) -> Iterator[Seen]:
        """The same as `seen`, however many rows, a batch at a time."""
        for start in range(0, len(rows), _BATCH):
            yield from self.seen(system, rows[start : start + _BATCH])

    def seen(self, system: SystemView, rows: NDArray[np.int64] | Sequence[int]) -> list[Seen]:
        """The dossiers of some rows as a system shows them, in the order given."""
        place = np.asarray(rows, np.int64)
        dossiers, lives, marks = self.dossiers, self.dossiers.lives, self.marks
        delay = dossiers.sync_delay[place] if system is self.portal else 0
        is_amended = lives.amended_at[place] + delay <= self.as_of
        times, statuses = lives.times[place].tolist(), lives.statuses[place].tolist()
        visible = system.visible[place].tolist()
        events = [
            list(zip(when[:count], what, strict=False))
            for when, what, count in zip(times, statuses, visible, strict=True)
        ]
        columns = (
            place,
            dossiers.agency[place],
            dossiers.service[place],
            dossiers.channel[place],
            dossiers.applicant[place],
            dossiers.is_firm[place],
            dossiers.home[place],
            dossiers.traits[place],
            dossiers.submitted[place],
            dossiers.sequence[place],
            dossiers.code_days[place],
            lives.due_first[place],
            np.where(is_amended, lives.due[place], lives.due_first[place]),
            np.where(is_amended, lives.amended_at[place], NEVER),
            np.where(system.is_deleted[place], dossiers.deleted_at[place], NEVER),
            system.modified[place],
            marks.bits[place],
            marks.link[place],
            marks.minted[place],
        )
        catalogue = dossiers.catalogue.services
        procedures = [catalogue[number] for number in dossiers.service[place].tolist()]
        return [Seen(*values) for values in zip(*(c.tolist() for c in columns), procedures, events, strict=True)]


def _system(
    dossiers: Dossiers,
    marks: Marks,
    as_of: int,
    is_held: NDArray[np.bool_],
    delay: Seconds,
    defect: str,
    tie_break: NDArray[np.int64],
) -> SystemView:
    lives = dossiers.lives
    visible = (lives.times <= (as_of - delay)[:, None]).sum(axis=1).astype(np.int8)
    visible[~is_held] = 0
    last = np.take_along_axis(lives.times, np.maximum(visible - 1, 0)[:, None], axis=1)[:, 0]
    is_amended = lives.amended_at <= as_of - delay
    modified = np.where(is_amended, np.maximum(last, lives.amended_at), last) + delay
    is_deleted = (dossiers.deleted_at <= as_of) & (visible > 0)
    modified = np.where(is_deleted, dossiers.deleted_at, modified)
    copies = (1 + marks.has(defect)).astype(np.int8)
    listing = _listing(visible > 0, modified, tie_break, copies)
    return SystemView(visible, modified, is_deleted, tie_break, copies, listing)


def look(dossiers: Dossiers, marks: Marks, as_of: int) -> View:
    """What both systems show at an instant. The portal learns of every event a few minutes late."""
    rows = np.arange(len(dossiers))
    at_once = np.zeros(len(dossiers), np.int64)
    one_stop = _system(dossiers, marks, as_of, dossiers.in_one_stop, at_once, "D18-one-stop", rows)
    lives = dossiers.lives
    accepted = np.where(lives.statuses[:, 1] == ACCEPTED, lives.times[:, 1], NEVER)
    is_minted_later = (marks.link == BY_RECEIPT) & (accepted + dossiers.sync_delay > as_of)
    is_held = dossiers.in_portal & ~is_minted_later
    order = _code_order(dossiers, marks)
    portal = _system(dossiers, marks, as_of, is_held, dossiers.sync_delay, "D18-portal", order)
    return View(as_of, dossiers, marks, one_stop, portal)
