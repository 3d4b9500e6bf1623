"""What is wrong with the sources' data, at which rates, and in which records.

The marks are drawn once per world, each from its own stream, so switching one defect off moves no other
and a record shows the same defect whenever it is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp_province.defects import eligibility
from lgsp_province.world.dossiers import Dossiers

RATES: Mapping[str, float] = {
    "D01": 0.02,  # text in NFD
    "D02": 0.0015,  # text in TCVN3, of a dozen communes with old programmes
    "D03": 0.0015,  # text in VNI, likewise
    "D04": 0.002,  # text in Windows-1258
    "D05": 0.001,  # UTF-8 read as Windows-1252; of some, bytes are lost
    "D06": 0.10,  # new-style tones
    "D07": 0.01,  # look-alikes and invisible signs, in names and codes
    "D08": 0.15,  # agency name spelled otherwise
    "D09": 0.002,  # the portal's dates as people write them
    "D11": 0.002,  # the one-stop's dates as epoch milliseconds
    "D12": 0.002,  # the one-stop's dates as /Date(…)/
    "D14": 0.005,  # sentinels for an empty date
    "D15": 0.10,  # booleans in many words
    "D16": 0.01,  # numbers as Vietnamese text
    "D17": 0.003,  # HTML in titles
    "D18": 0.01,  # listed twice
    "D19": 0.05,  # a second code minted by the portal (of the online ones)
    "D20": 0.05,  # agency code of the new style
    "D21": 0.005,  # agency code missing; a tenth as many of a test agency
    "D22": 0.02,  # dummy identity numbers
    "D23": 0.01,  # filler text
    "D24": 0.0007,  # test records
    "D25": 0.0002,  # received in the future
    "D26": 0.0005,  # finished or returned before received
    "D27": 0.001,  # online at a service that only informs
    "D28": 0.001,  # at work without a received date, finished without a finish date
    "D31": 0.01,  # events out of order
    "D32": 0.03,  # packed lists (of the documents)
    "D33": 0.30,  # phones in every spelling
    "D34": 0.30,  # procedure code with an agency suffix
    "D36": 0.15,  # edXML prefixes and namespaces
    "D37": 0.002,  # hostile XML
    "D38": 0.0,  # HTML answered with status 200 (of the calls)
    "D41": 0.001,  # what Excel does
    "D42": 0.003,  # keys in another case; in the one-stop a third as many
    "redelivered": 0.03,  # a document listed on two days, or under two ids
    "uuid-document-id": 0.03,
    "secret": 0.002,  # secret documents and work files, which must not be there
    "status-form": 0.10,  # a document's status in another spelling
    "private-subject": 0.03,  # a document's subject that tells of persons
    "status-as-text": 0.02,
    "name-as-object": 0.02,
    "misprint": 0.5,  # the one-stop's code of one procedure at one counter, two digits exchanged
    "due-null": 0.003,  # dueDate null beside an appointmentDate
    "channel-conflict": 0.005,  # the one-stop calls an online dossier a counter one
    "submitted-overwritten": 0.05,  # NgayNopHoSo holds NgayTiepNhan
    "abstract-missing": 0.05,  # TrichYeuHoSo is Dinhkem
    "unknown-status": 0.0003,  # a status code that no list has
    "poison": 0.0003,  # values that break careless programs
    "schema-drift": 0.0,  # a field more and a field renamed
}
_WHEN_NAMED = {"D38": 0.01, "schema-drift": 0.005}  # rates of those that are off unless asked for by name

# What a perfect reader does; anything else it repairs.
_OUTCOMES: Mapping[str, str] = {
    "D18": "linked",
    "D19": "linked",
    "D22": "flagged",
    "D24": "ignored",
    "D25": "quarantined",
    "D26": "quarantined",
    "D27": "flagged",
    "D28": "quarantined",
    "D30": "reconciled",
    "D37": "quarantined",
    "secret": "quarantined",
    "channel-conflict": "reconciled",
    "submitted-overwritten": "reconciled",
    "closed-at-receipt": "reconciled",
    "unknown-status": "quarantined",
    "schema-drift": "flagged",
}
_UNREPAIRED = ("flagged", "quarantined", "ignored")


@dataclass(frozen=True, slots=True)
class Mark:
    """One way in which a defect shows; `is_of_all` rates are of all dossiers, others of the eligible ones."""

    name: str
    defect: str
    share: float = 1.0
    is_of_all: bool = False


_MARKS = (
    *(Mark(name, name, is_of_all=True) for name in ("D01", "D02", "D03", "D04", "D07", "D11", "D12", "D17", "D27")),
    Mark("D05", "D05", 0.8, is_of_all=True),
    Mark("D05-lost", "D05", 0.2, is_of_all=True),
    *(Mark(name, name) for name in ("D06", "D08", "D09", "D14", "D15", "D16", "D20", "D21", "D22", "D23", "D24")),
    Mark("D21-test", "D21", 0.1, is_of_all=True),
    *(Mark(f"{name}-{side}", name) for name in ("D18",) for side in ("one-stop", "portal")),
    *(Mark(f"{name}-{side}", name, 0.5, True) for name in ("D25", "D26") for side in ("one-stop", "portal")),
    *(
        Mark(f"D28-{what}-{side}", "D28", 0.25, True)
        for what in ("received", "finished")
        for side in ("one-stop", "portal")
    ),
    *(Mark(name, name) for name in ("D31", "D33", "D34", "D41")),
    Mark("D42-one-stop", "D42", 1 / 3),
    Mark("D42-portal", "D42"),
    *(Mark(name, name) for name in ("status-as-text", "name-as-object", "due-null", "channel-conflict")),
    *(Mark(name, name) for name in ("submitted-overwritten", "abstract-missing", "schema-drift", "misprint")),
    *(Mark(f"unknown-status-{side}", "unknown-status", 0.5, True) for side in ("one-stop", "portal")),
    *(Mark(f"poison-{what}", "poison", 0.2) for what in ("surrogate", "nul", "number", "nested")),
    *(Mark(f"poison-element-{side}", "poison", 0.1, True) for side in ("one-stop", "portal")),
)
DEFECT: Mapping[str, str] = {mark.name: mark.defect for mark in _MARKS}
BIT: Mapping[str, int] = {mark.name: 1 << place for place, mark in enumerate(_MARKS)}

NOT_LINKED, BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT = range(4)


def mask(*names: str) -> int:
    """The bits of some marks together."""
    return sum({BIT[name] for name in names})


def outcome(defect: str) -> str:
    """What a perfect reader does with a record that shows a defect."""
    return _OUTCOMES.get(defect, "repaired")


def is_repairable(outcome: str) -> bool:
    """Whether an outcome leaves nothing lost."""
    return outcome not in _UNREPAIRED


def chosen(spec: Mapping[str, float] | str | None) -> dict[str, float]:
    """Rates from `none`, `all`, a comma list of ids to keep, or a mapping of changed rates."""
    if spec is None or spec == "all":
        return dict(RATES)
    if spec == "none":
        return dict.fromkeys(RATES, 0.0)
    named = {**RATES, **_WHEN_NAMED}
    wanted = dict(spec) if isinstance(spec, Mapping) else {name: named.get(name, -1.0) for name in spec.split(",")}
    unknown = sorted(name for name in wanted if name not in RATES)
    if unknown:
        raise ValueError(f"defects {unknown} do not exist; known are {', '.join(RATES)}")
    rest = dict(RATES) if isinstance(spec, Mapping) else dict.fromkeys(RATES, 0.0)
    return rest | wanted


@dataclass(frozen=True)
class Marks:
    """Per dossier: `bits` of the defects it shows, and how the portal's second code is linked."""

    bits: NDArray[np.int64]
    link: NDArray[np.int8]
    minted: NDArray[np.int32]

    def has(self, *names: str) -> NDArray[np.bool_]:
        """Which dossiers show any of some marks."""
        return np.asarray((self.bits & mask(*names)) != 0, np.bool_)


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


def mark(seed: int, dossiers: Dossiers, rates: Mapping[str, float]) -> Marks:
    """Draw every dossier's defects."""
    eligible = eligibility.by_mark(dossiers)
    everyone = np.ones(len(dossiers), np.bool_)
    bits = np.zeros(len(dossiers), np.int64)
    for kind in _MARKS:
        allowed = eligible.get(kind.name, everyone)
        rate = rates[kind.defect] * kind.share
        if kind.is_of_all:
            rate *= len(dossiers) / max(1, int(allowed.sum()))
        bits[draw(seed, kind.name, rate, allowed)] |= BIT[kind.name]
    doubled = np.flatnonzero(draw(seed, "D19", rates["D19"], eligible["D19"]))
    link = np.zeros(len(dossiers), np.int8)
    link[doubled] = np.array([BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT, BY_OTHER_CODE, BY_NATION_CODE])[
        np.arange(len(doubled)) % 5
    ]
    minted = 10_000 + (dossiers.sequence.astype(np.int64) * 7919 + seed) % 90_000
    return Marks(bits, link, minted.astype(np.int32))
