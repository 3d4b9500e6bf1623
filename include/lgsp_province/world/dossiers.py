"""Generates the dossiers of the province, without defects: applicant, service, agency, channel and times."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lgsp_province.world import agencies, people, services, succession
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, Seconds, WorkCalendar, day_number, local_days
from lgsp_province.world.lifecycles import NEVER, Intake, Lifecycles, generate_lifecycles
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
    """Columns of equal length, in order of submission; the row number identifies the dossier."""

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
    lifecycles: Lifecycles
    catalogue: Catalogue = field(default_factory=services.default_catalogue)  # `service` is an index into its services

    def __len__(self) -> int:
        return len(self.submitted)

    @cached_property
    def code_days(self) -> Seconds:
        """The local day number in each dossier's code."""
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
    """Share of the province's dossiers at each agency; log-normal within each level."""
    all_agencies = agencies.before_merger()
    z_scores = rng.normal(size=len(all_agencies))
    weights = np.zeros(len(all_agencies))
    for agency in all_agencies:
        sigma = 0.4 if agency.level == agencies.PROVINCE else 1.2 if agency.level == agencies.COMMUNE else 0.6
        z_score = 1.0 if agency.code == _WEDNESDAY_COMMUNE else float(np.clip(z_scores[agency.index], -2.5, 2.5))
        weights[agency.index] = 0.0 if agency.is_silent else agency.weight * np.exp(sigma * z_score)
    for level, share in _LEVEL_SHARES.items():
        members = [agency.index for agency in all_agencies if agency.level == level]
        weights[members] *= share / weights[members].sum()
    return weights


def _offering_columns(
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Services, agencies and shares of all offerings of the years before 2025; later years use the same shares."""
    catalogue, count = services.default_catalogue(), len(agencies.before_merger())
    pairs = [
        (s, a)
        for s, a in catalogue.offerings
        if s.replaces is None and a.index < count and (s.index, a.index) not in catalogue.taken_over
    ]
    service = np.array([s.index for s, _ in pairs])
    agency = np.array([a.index for _, a in pairs])
    weight = np.array([s.weight for s, _ in pairs])
    totals = np.bincount(agency, weights=weight, minlength=len(agencies.before_merger()))
    share = weight / totals[agency] * _agency_weights(rng)[agency]
    return service, agency, share / share.sum()


def _channels(rng: np.random.Generator, service: NDArray[np.int64], agency: NDArray[np.int64]) -> NDArray[np.int8]:
    catalogue, all_agencies = services.load(), agencies.before_merger()
    online_appeal = np.array(
        [
            0.0 if s.online_level < 3 else 4.0 if s.is_vertical else 1.3 if s.online_level == 4 else 0.75
            for s in catalogue
        ]
    )
    agency_openness = np.array([0.0 if a.is_offline else 1.0 for a in all_agencies]) * rng.uniform(
        0.5, 1.5, len(all_agencies)
    )
    odds = online_appeal[service] * agency_openness[agency]
    scale = _ONLINE_SHARE
    for _ in range(30):  # the share is capped per offering, so the scale is approximated iteratively
        scale *= _ONLINE_SHARE / max(float(np.minimum(odds * scale, 0.95).mean()), 1e-9)
    draw = rng.random(len(service))
    is_online = draw < np.minimum(odds * scale, 0.95)
    is_postal = ~is_online & (rng.random(len(service)) < _POSTAL_SHARE)
    return np.where(is_online, ONLINE, np.where(is_postal, POSTAL, COUNTER)).astype(np.int8)


class _Days:
    """Likelihood of each day of the range, by type of intake."""

    def __init__(self, calendar: WorkCalendar, start: date, end: date) -> None:
        self.numbers = np.arange(day_number(start), day_number(end) + 1)
        offset = self.numbers - calendar.first
        self.weekday = (self.numbers + 3) % 7
        is_off = calendar.is_holiday[offset] & ~calendar.is_working[offset]
        factor = self._holiday_factor(calendar, offset)
        weekday = np.where(calendar.is_working[offset], np.maximum(_WEEKDAYS[self.weekday], 0.8), 0.0)
        self.counter = weekday * factor
        self.saturday = self.counter + np.where((self.weekday == 5) & ~is_off, 0.3, 0.0)
        self.wednesday = self.counter * np.where(self.weekday == 2, 4.0, 1.0)
        self.online = np.where(is_off, 0.06, _ONLINE_WEEKDAYS[self.weekday]) * factor

    @staticmethod
    def _holiday_factor(calendar: WorkCalendar, offset: NDArray[np.int64]) -> NDArray[np.float64]:
        """Factor per day: 1.6 if 3 of the 5 days before are holidays, 0.6 if 3 of the next 5 are, otherwise 1."""
        holidays_before = np.array([calendar.is_holiday[max(0, p - 5) : p].sum() for p in offset])
        holidays_ahead = np.array([calendar.is_holiday[p : p + 5].sum() for p in offset])
        return np.where(holidays_before >= 3, 1.6, np.where(holidays_ahead >= 3, 0.6, 1.0))

    def draw(self, rng: np.random.Generator, likelihood: NDArray[np.float64], count: int) -> Seconds:
        total = likelihood.sum()
        share = likelihood / total if total > 0 else np.full(len(likelihood), 1 / len(likelihood))
        return rng.choice(self.numbers, count, p=share)


def _submissions(
    rng: np.random.Generator, days: _Days, agency: NDArray[np.int64], channel: NDArray[np.int8]
) -> Seconds:
    """The instant at which each dossier is submitted."""
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


def sequence_numbers(agency: NDArray[np.int64], submitted: Seconds) -> NDArray[np.int32]:
    """Running number of each dossier within its agency and local day, from 1.

    Raises ValueError when an agency receives more than 9,999 dossiers in a day.
    """
    key = agency * 100_000 + local_days(submitted)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    lengths = np.diff(np.r_[starts, len(key)])
    sequence = np.empty(len(key), np.int32)
    sequence[order] = np.arange(len(key)) - np.repeat(starts, lengths) + 1
    if len(key) and int(sequence.max()) > 9_999:
        raise ValueError(
            f"{int(sequence.max())} dossiers for one agency in one day; codes allow at most 9999: use more days"
        )
    return sequence


def _homes(rng: np.random.Generator, agency: NDArray[np.int64]) -> NDArray[np.int16]:
    """The home commune of each applicant; for 85% it lies in the territory of the agency they apply to."""
    all_agencies = agencies.before_merger()
    communes = np.array([a.index for a in all_agencies if a.level == agencies.COMMUNE])
    random_home = communes[rng.integers(0, len(communes), len(agency))]
    local_home = np.arange(len(all_agencies))[agency]
    for district in (a for a in all_agencies if a.level == agencies.DISTRICT):
        members = np.flatnonzero(agency == district.index)
        own = np.array([a.index for a in all_agencies if a.parent == district.index])
        local_home[members] = own[rng.integers(0, len(own), len(members))]
    is_local = (rng.random(len(agency)) < 0.85) & (local_home >= communes[0])
    return np.where(is_local, local_home, random_home).astype(np.int16)


def _deletions(rng: np.random.Generator, submitted: Seconds, lifecycles: Lifecycles) -> Seconds:
    """The instant at which each dossier is deleted, or NEVER; removes its later events from `lifecycles`."""
    is_deleted = rng.random(len(submitted)) < 0.002
    when = submitted + rng.integers(DAY, 12 * DAY, len(submitted))
    deleted_at = np.where(is_deleted, when, NEVER)
    is_after_deletion = lifecycles.times[:, 1:] > (deleted_at - 3600)[:, None]
    lifecycles.times[:, 1:][is_after_deletion] = NEVER
    lifecycles.amended_at[lifecycles.amended_at > deleted_at - 3600] = NEVER
    return deleted_at


def _total(days: _Days, count: int, end: date) -> int:
    """Number of dossiers in the whole range if `count` of them fall on or before `end`."""
    likelihood = days.counter + days.online
    until_end = float(likelihood[days.numbers <= day_number(end)].sum())
    return round(count * float(likelihood.sum()) / until_end) if until_end > 0 else count


def generate(seed: int, calendar: WorkCalendar, start: date, end: date, tail: int, count: int) -> Dossiers:
    """About `count` dossiers submitted from `start` to `end`, and `tail` more days at the same rate."""
    rng = np.random.default_rng([seed, 1])
    days = _Days(calendar, start, end + timedelta(days=tail))
    total = _total(days, count, end)
    offered_service, offered_agency, share = _offering_columns(rng)
    offering = rng.choice(len(share), total, p=share)
    service, agency = offered_service[offering], offered_agency[offering]
    channel = _channels(rng, service, agency)
    submitted = _submissions(rng, days, agency, channel)
    order = np.argsort(submitted, kind="stable")
    return _assemble(rng, calendar, service[order], agency[order], channel[order], submitted[order], seed)


def _assemble(
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
    lifecycles = generate_lifecycles(
        rng, Intake(submitted, channel == COUNTER, is_vertical, standard_days, late_share), calendar
    )
    numbers = np.arange(total, dtype=np.uint64)
    population = np.uint64(max(1, int(total * 0.6)))
    persons = people.splitmix64(numbers + np.uint64(seed * 1_000_003)) % population
    applicant = people.splitmix64(persons + np.uint64(seed + 7))
    home = succession.home_communes(_homes(rng, agency).astype(np.int64), submitted).astype(np.int16)
    receiving = succession.receiving_agencies(seed, agency, channel == ONLINE, submitted)
    return Dossiers(
        submitted=submitted,
        agency=receiving.astype(np.int16),
        service=succession.valid_procedures(service, submitted).astype(np.int16),
        channel=channel,
        applicant=applicant,
        is_firm=(applicant % np.uint64(17)) == 0,
        home=home,
        traits=people.splitmix64(numbers + np.uint64(seed * 7919 + 13)),
        sequence=sequence_numbers(receiving, submitted),
        in_one_stop=~is_vertical,
        in_portal=is_vertical | (channel == ONLINE) | (rng.random(total) < 0.5),
        sync_delay=rng.integers(60, 600, total),
        deleted_at=_deletions(rng, submitted, lifecycles),
        lifecycles=lifecycles,
    )
