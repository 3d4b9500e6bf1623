"""The clean dossiers of the province: who asked what of whom, when and how."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies, people, services, succession
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, Seconds, WorkCalendar, day_number, local_days
from lgsp_province.world.lives import NEVER, Intake, Lives, live
from lgsp_province.world.services import Catalogue

ONLINE, COUNTER, POSTAL = 0, 1, 2
CHANNELS = ("online", "counter", "postal")

_LEVEL_SHARES = {agencies.COMMUNE: 0.55, agencies.DISTRICT: 0.30, agencies.PROVINCE: 0.15}
_ONLINE_SHARE = 0.42
_POSTAL_SHARE = 0.03
_WEEKDAYS = np.array([1.3, 1.05, 1.0, 0.95, 0.9, 0.0, 0.0])
_ONLINE_WEEKDAYS = np.array([1.15, 1.05, 1.0, 1.0, 0.95, 0.3, 0.25])
_WEDNESDAY_COMMUNE = "000.25.20.H47"
_COUNTER_SLOTS = (
    (7.25, 8),
    (8, 9),
    (9, 10),
    (10, 11),
    (11, 11.5),
    (13.5, 14),
    (14, 15),
    (15, 16),
    (16, 16.6),
)
_COUNTER_SHARES = np.array([0.1, 0.21, 0.2, 0.14, 0.04, 0.05, 0.14, 0.09, 0.03])
_ONLINE_HOURS = np.array([1, 0.5, 0.3, 0.2, 0.3, 0.8, 2, 5, 9, 10, 8, 5, 3, 5, 9, 8, 6, 4, 3, 4, 5, 5, 3.5, 2])


@dataclass(frozen=True)
class Dossiers:
    """Columns of equal length, in order of submission; the row number is the dossier's identity."""

    submitted: Seconds
    agency: NDArray[np.int16]
    service: NDArray[np.int16]
    channel: NDArray[np.int8]
    applicant: NDArray[np.uint64]
    is_firm: NDArray[np.bool_]
    home: NDArray[np.int16]
    traits: NDArray[np.uint64]
    sequence: NDArray[np.int32]
    in_one_stop: NDArray[np.bool_]
    in_portal: NDArray[np.bool_]
    sync_delay: Seconds
    deleted_at: Seconds
    lives: Lives
    catalogue: Catalogue = field(default_factory=services.usual)  # what `service` is a place in

    def __len__(self) -> int:
        return len(self.submitted)

    @cached_property
    def code_days(self) -> Seconds:
        """The local day in each dossier's code."""
        return local_days(self.submitted)

    def code(self, row: int) -> str:
        """The official code `000.25.20.H47-220601-0007`."""
        return code_text(int(self.agency[row]), int(self.code_days[row]), f"{self.sequence[row]:04d}")


def code_text(agency: int, day: int, number: str) -> str:
    """A dossier code from its parts."""
    return f"{agencies.load()[agency].code}-{_compact_day(day)}-{number}"


_compact_days: dict[int, str] = {}


def _compact_day(day: int) -> str:
    text = _compact_days.get(day)
    if text is None:
        text = _compact_days[day] = (date(1970, 1, 1) + timedelta(days=day)).strftime("%y%m%d")
    return text


def _agency_weights(rng: np.random.Generator) -> NDArray[np.float64]:
    """Share of the province's dossiers at each agency: log-normal within its level."""
    everyone = agencies.before_merger()
    spread = rng.normal(size=len(everyone))
    weights = np.zeros(len(everyone))
    for agency in everyone:
        sigma = 0.4 if agency.level == agencies.PROVINCE else 1.2 if agency.level == agencies.COMMUNE else 0.6
        push = 1.0 if agency.code == _WEDNESDAY_COMMUNE else float(np.clip(spread[agency.index], -2.5, 2.5))
        weights[agency.index] = 0.0 if agency.is_silent else agency.weight * np.exp(sigma * push)
    for level, share in _LEVEL_SHARES.items():
        members = [agency.index for agency in everyone if agency.level == level]
        weights[members] *= share / weights[members].sum()
    return weights


def _offering_columns(
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Services, agencies and shares of all offerings of the years before 2025: what people want outlives who gives it."""
    pairs = [(s, a) for s, a in services.offerings() if s.replaces is None and a.index < len(agencies.before_merger())]
    service = np.array([s.index for s, _ in pairs])
    agency = np.array([a.index for _, a in pairs])
    weight = np.array([s.weight for s, _ in pairs])
    totals = np.bincount(agency, weights=weight, minlength=len(agencies.before_merger()))
    share = weight / totals[agency] * _agency_weights(rng)[agency]
    return service, agency, share / share.sum()


def _channels(rng: np.random.Generator, service: NDArray[np.int64], agency: NDArray[np.int64]) -> NDArray[np.int8]:
    catalogue, everyone = services.load(), agencies.before_merger()
    appeal = np.array(
        [
            0.0 if s.online_level < 3 else 4.0 if s.is_vertical else 1.3 if s.online_level == 4 else 0.75
            for s in catalogue
        ]
    )
    open_to = np.array([0.0 if a.is_offline else 1.0 for a in everyone]) * rng.uniform(0.5, 1.5, len(everyone))
    odds = appeal[service] * open_to[agency]
    scale = _ONLINE_SHARE
    for _ in range(30):  # the share is capped per offering, so the scale is found by approach
        scale *= _ONLINE_SHARE / max(float(np.minimum(odds * scale, 0.95).mean()), 1e-9)
    draw = rng.random(len(service))
    is_online = draw < np.minimum(odds * scale, 0.95)
    is_postal = ~is_online & (rng.random(len(service)) < _POSTAL_SHARE)
    return np.where(is_online, ONLINE, np.where(is_postal, POSTAL, COUNTER)).astype(np.int8)


class _Days:
    """Likelihood of each day of the range, by kind of intake."""

    def __init__(self, calendar: WorkCalendar, start: date, end: date) -> None:
        self.numbers = np.arange(day_number(start), day_number(end) + 1)
        place = self.numbers - calendar.first
        self.weekday = (self.numbers + 3) % 7
        is_off = calendar.is_holiday[place] & ~calendar.is_working[place]
        busy = self._around_breaks(calendar, place)
        weekday = np.where(calendar.is_working[place], np.maximum(_WEEKDAYS[self.weekday], 0.8), 0.0)
        self.counter = weekday * busy
        self.saturday = self.counter + np.where((self.weekday == 5) & ~is_off, 0.3, 0.0)
        self.wednesday = self.counter * np.where(self.weekday == 2, 4.0, 1.0)
        self.online = np.where(is_off, 0.06, _ONLINE_WEEKDAYS[self.weekday]) * busy

    @staticmethod
    def _around_breaks(calendar: WorkCalendar, place: NDArray[np.int64]) -> NDArray[np.float64]:
        """Quiet before a long holiday, crowded in the four days after it."""
        off = np.array([calendar.is_holiday[max(0, p - 5) : p].sum() for p in place])
        ahead = np.array([calendar.is_holiday[p : p + 5].sum() for p in place])
        return np.where(off >= 3, 1.6, np.where(ahead >= 3, 0.6, 1.0))

    def draw(self, rng: np.random.Generator, likelihood: NDArray[np.float64], count: int) -> Seconds:
        total = likelihood.sum()
        share = likelihood / total if total > 0 else np.full(len(likelihood), 1 / len(likelihood))
        return rng.choice(self.numbers, count, p=share)


def _submissions(
    rng: np.random.Generator, days: _Days, agency: NDArray[np.int64], channel: NDArray[np.int8]
) -> Seconds:
    """When each dossier is handed in."""
    wednesday = next(a.index for a in agencies.before_merger() if a.code == _WEDNESDAY_COMMUNE)
    likelihoods = (days.online, days.wednesday, days.saturday, days.counter)
    group = np.where(channel == ONLINE, 0, np.where(agency == wednesday, 1, np.where(agency % 9 == 0, 2, 3)))
    day = np.zeros(len(agency), np.int64)
    for number, likelihood in enumerate(likelihoods):
        members = np.flatnonzero(group == number)
        day[members] = days.draw(rng, likelihood, len(members))
    slots = np.array(_COUNTER_SLOTS) * 3600
    slot = slots[rng.choice(len(slots), len(agency), p=_COUNTER_SHARES)]
    within = rng.random(len(agency))
    at_counter = slot[:, 0] + within * (slot[:, 1] - slot[:, 0])
    hour = rng.choice(24, len(agency), p=_ONLINE_HOURS / _ONLINE_HOURS.sum())
    time = np.where(channel == ONLINE, hour * 3600 + within * 3600, at_counter)
    return day * DAY + time.astype(np.int64) - LOCAL_OFFSET


def sequences(agency: NDArray[np.int64], submitted: Seconds) -> NDArray[np.int32]:
    """Running number of each dossier within its agency's day."""
    key = agency * 100_000 + local_days(submitted)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    lengths = np.diff(np.r_[starts, len(key)])
    sequence = np.empty(len(key), np.int32)
    sequence[order] = np.arange(len(key)) - np.repeat(starts, lengths) + 1
    if len(key) and int(sequence.max()) > 9_999:
        raise ValueError(f"{int(sequence.max())} dossiers in one agency's day: codes end at 9999; use more days")
    return sequence


def _homes(rng: np.random.Generator, agency: NDArray[np.int64]) -> NDArray[np.int16]:
    """Where applicants live: mostly in the territory of the agency they turn to."""
    everyone = agencies.before_merger()
    communes = np.array([a.index for a in everyone if a.level == agencies.COMMUNE])
    anywhere = communes[rng.integers(0, len(communes), len(agency))]
    near = np.arange(len(everyone))[agency]
    for district in (a for a in everyone if a.level == agencies.DISTRICT):
        members = np.flatnonzero(agency == district.index)
        own = np.array([a.index for a in everyone if a.parent == district.index])
        near[members] = own[rng.integers(0, len(own), len(members))]
    is_local = (rng.random(len(agency)) < 0.85) & (near >= communes[0])
    return np.where(is_local, near, anywhere).astype(np.int16)


def _deletions(rng: np.random.Generator, submitted: Seconds, lives: Lives) -> Seconds:
    """When each dossier is deleted; nothing happens to it afterwards."""
    is_deleted = rng.random(len(submitted)) < 0.002
    when = submitted + rng.integers(DAY, 12 * DAY, len(submitted))
    deleted_at = np.where(is_deleted, when, NEVER)
    gone = lives.times[:, 1:] > (deleted_at - 3600)[:, None]
    lives.times[:, 1:][gone] = NEVER
    lives.amended_at[lives.amended_at > deleted_at - 3600] = NEVER
    return deleted_at


def _total(days: _Days, count: int, end: date) -> int:
    """Dossiers of the whole range, when `count` fall on or before `end`."""
    wanted = days.counter + days.online
    core = float(wanted[days.numbers <= day_number(end)].sum())
    return round(count * float(wanted.sum()) / core) if core > 0 else count


def generate(seed: int, calendar: WorkCalendar, start: date, end: date, tail: int, count: int) -> Dossiers:
    """About `count` dossiers handed in from `start` to `end`, and as densely for `tail` more days."""
    rng = np.random.default_rng([seed, 1])
    days = _Days(calendar, start, end + timedelta(days=tail))
    total = _total(days, count, end)
    offered_service, offered_agency, share = _offering_columns(rng)
    pick = rng.choice(len(share), total, p=share)
    service, agency = offered_service[pick], offered_agency[pick]
    channel = _channels(rng, service, agency)
    submitted = _submissions(rng, days, agency, channel)
    order = np.argsort(submitted, kind="stable")
    return _assembled(rng, calendar, service[order], agency[order], channel[order], submitted[order], seed)


def _assembled(
    rng: np.random.Generator,
    calendar: WorkCalendar,
    service: NDArray[np.int64],
    agency: NDArray[np.int64],
    channel: NDArray[np.int8],
    submitted: Seconds,
    seed: int,
) -> Dossiers:
    total = len(submitted)
    is_vertical = np.array([s.is_vertical for s in services.load()])[service]
    standard_days = np.array([s.standard_days for s in services.load()])[service]
    late_share = rng.uniform(0.006, 0.034, len(agencies.before_merger()))[agency]
    lives = live(rng, Intake(submitted, channel == COUNTER, is_vertical, standard_days, late_share), calendar)
    numbers = np.arange(total, dtype=np.uint64)
    population = np.uint64(max(1, int(total * 0.6)))
    persons = people.mix(numbers + np.uint64(seed * 1_000_003)) % population
    applicant = people.mix(persons + np.uint64(seed + 7))
    home = succession.homes(_homes(rng, agency).astype(np.int64), submitted).astype(np.int16)
    receiving = succession.receiving(seed, agency, channel == ONLINE, submitted)
    return Dossiers(
        submitted=submitted,
        agency=receiving.astype(np.int16),
        service=succession.procedures(service, submitted).astype(np.int16),
        channel=channel,
        applicant=applicant,
        is_firm=(applicant % np.uint64(17)) == 0,
        home=home,
        traits=people.mix(numbers + np.uint64(seed * 7919 + 13)),
        sequence=sequences(receiving, submitted),
        in_one_stop=~is_vertical,
        in_portal=is_vertical | (channel == ONLINE) | (rng.random(total) < 0.5),
        sync_delay=rng.integers(60, 600, total),
        deleted_at=_deletions(rng, submitted, lives),
        lives=lives,
    )
