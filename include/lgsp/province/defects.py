"""What is wrong with the sources' data, at which rates, and in which records.

The marks are drawn once per world, each defect from its own stream, so switching one off moves no other
and a record shows the same defect whenever it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp.province.calendar import local_days
from lgsp.province.dossiers import ONLINE, Dossiers
from lgsp.province.lives import ACCEPTED, FINISHED, NEVER

RATES: Mapping[str, float] = {
    "D01": 0.02,  # text in NFD
    "D08": 0.15,  # agency name spelled otherwise
    "D15": 0.10,  # booleans in many words
    "D17": 0.003,  # HTML in titles
    "D18": 0.01,  # listed twice
    "D19": 0.05,  # a second code minted by the portal (of the online ones)
    "D22": 0.02,  # dummy identity numbers
    "D24": 0.0007,  # test records
    "D26": 0.0005,  # finished before received
    "D34": 0.30,  # procedure code with an agency suffix
    "D36": 0.15,  # edXML prefixes and namespaces
    "D38": 0.0,  # HTML answered with status 200 (of the calls)
    "redelivered": 0.03,  # a document listed on two days, or under two ids
    "uuid-document-id": 0.03,
    "secret": 0.002,  # secret documents and work files, which must not be there
    "status-as-text": 0.02,
    "name-as-object": 0.02,
    "due-null": 0.003,  # dueDate null beside an appointmentDate
    "channel-conflict": 0.005,  # the one-stop calls an online dossier a counter one
    "submitted-overwritten": 0.05,  # NgayNopHoSo holds NgayTiepNhan
    "abstract-missing": 0.05,  # TrichYeuHoSo is Dinhkem
}

_BITS = (
    "D01",
    "D08",
    "D15",
    "D17",
    "D18-one-stop",
    "D18-portal",
    "D22",
    "D24",
    "D26",
    "D34",
    "status-as-text",
    "name-as-object",
    "due-null",
    "channel-conflict",
    "submitted-overwritten",
    "abstract-missing",
)
BIT: Mapping[str, int] = {name: 1 << place for place, name in enumerate(_BITS)}

NOT_LINKED, BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT = range(4)


def chosen(spec: Mapping[str, float] | str | None) -> dict[str, float]:
    """Rates from `none`, `all`, a comma list of ids to keep, or a mapping of changed rates."""
    if spec is None or spec == "all":
        return dict(RATES)
    if spec == "none":
        return dict.fromkeys(RATES, 0.0)
    wanted = dict(spec) if isinstance(spec, Mapping) else {name: RATES.get(name, -1.0) for name in spec.split(",")}
    unknown = sorted(name for name in wanted if name not in RATES)
    if unknown:
        raise ValueError(f"defects {unknown} do not exist; known are {', '.join(RATES)}")
    rest = dict(RATES) if isinstance(spec, Mapping) else dict.fromkeys(RATES, 0.0)
    return rest | wanted


@dataclass(frozen=True)
class Marks:
    """Per dossier: `bits` of the defects it shows, and how the portal's second code is linked."""

    bits: NDArray[np.int32]
    link: NDArray[np.int8]
    minted: NDArray[np.int32]

    def has(self, name: str) -> NDArray[np.bool_]:
        """Which dossiers show a defect."""
        return np.asarray((self.bits & BIT[name]) != 0, np.bool_)


def draw(seed: int, name: str, rate: float, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Choose among the eligible at a rate: at least one early record, when the rate is not zero."""
    if rate <= 0 or not eligible.any():
        return np.zeros(len(eligible), np.bool_)
    rng = np.random.default_rng([seed, 2, *name.encode()])
    hit = eligible & (rng.random(len(eligible)) < rate)
    early = np.flatnonzero(eligible)[: max(1, int(eligible.sum()) // 3)]
    if not hit[early].any():
        hit[early[int(rng.integers(0, len(early)))]] = True
    return hit


def _eligible(dossiers: Dossiers) -> dict[str, NDArray[np.bool_]]:
    lives = dossiers.lives
    in_both = dossiers.in_one_stop & dossiers.in_portal
    is_accepted = (lives.times[:, 1] < NEVER) & (lives.statuses[:, 1] == ACCEPTED)
    is_finished = (lives.statuses == FINISHED) & (lives.times < NEVER)
    finished = np.where(is_finished, lives.times, 0).max(axis=1)
    is_quick = local_days(finished) == local_days(dossiers.submitted)
    ends_that_day = local_days(np.where(lives.times < NEVER, lives.times, 0).max(axis=1)) == local_days(finished)
    is_kept = dossiers.deleted_at == NEVER
    has_due = (lives.due_first >= 0) & (lives.amended_at == NEVER)
    everywhere = np.ones(len(dossiers), np.bool_)
    return {
        "D01": everywhere,
        "D08": everywhere,
        "D15": dossiers.in_portal,
        "D17": everywhere,
        "D18-one-stop": dossiers.in_one_stop,
        "D18-portal": dossiers.in_portal,
        "D22": everywhere,
        "D24": is_kept,
        "D34": everywhere,
        "D26": dossiers.in_one_stop & ~dossiers.in_portal & is_quick & ends_that_day & is_kept,
        "status-as-text": dossiers.in_one_stop,
        "name-as-object": dossiers.in_one_stop,
        "due-null": dossiers.in_one_stop & has_due,
        "channel-conflict": in_both & (dossiers.channel == ONLINE),
        "submitted-overwritten": in_both & is_accepted,
        "abstract-missing": dossiers.in_portal,
        "D19": in_both & (dossiers.channel == ONLINE) & is_accepted,
    }


def mark(seed: int, dossiers: Dossiers, rates: Mapping[str, float]) -> Marks:
    """Draw every dossier's defects."""
    eligible = _eligible(dossiers)
    bits = np.zeros(len(dossiers), np.int32)
    is_test = draw(seed, "D24", rates["D24"], eligible["D24"])
    for name in _BITS:
        allowed = eligible[name] & ~is_test if name == "D26" else eligible[name]
        hit = (
            is_test
            if name == "D24"
            else draw(seed, name, rates[name.removesuffix("-one-stop").removesuffix("-portal")], allowed)
        )
        bits[hit] |= BIT[name]
    doubled = np.flatnonzero(draw(seed, "D19", rates["D19"], eligible["D19"] & ~is_test))
    link = np.zeros(len(dossiers), np.int8)
    link[doubled] = np.array([BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT, BY_OTHER_CODE, BY_NATION_CODE])[
        np.arange(len(doubled)) % 5
    ]
    minted = 10_000 + (dossiers.sequence.astype(np.int64) * 7919 + seed) % 90_000
    return Marks(bits, link, minted.astype(np.int32))
