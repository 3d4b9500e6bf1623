"""Defines the defects of the sources' data and their rates, and draws the records that show them.

The marks are drawn once per world, each from its own random stream. Switching off one defect therefore does not
change the others, and a record shows the same defects on every read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lgsp_province.defects import eligibility
from lgsp_province.world.dossiers import Dossiers

RATES: Mapping[str, float] = {
    "D01": 0.02,  # text in NFD
    "D02": 0.0015,  # text in TCVN3, from a dozen communes with legacy software
    "D03": 0.0015,  # text in VNI, also from these communes
    "D04": 0.002,  # text in Windows-1258
    "D05": 0.001,  # UTF-8 read as Windows-1252; some bytes are lost in a fifth of them
    "D06": 0.10,  # new-style tones
    "D07": 0.01,  # look-alike and invisible characters, in names and codes
    "D08": 0.15,  # agency name in an unofficial spelling
    "D09": 0.002,  # the portal's dates in formats typed by hand
    "D11": 0.002,  # the one-stop-shop's dates as epoch milliseconds
    "D12": 0.002,  # the one-stop-shop's dates as /Date(…)/
    "D14": 0.005,  # sentinels for an empty date
    "D15": 0.10,  # booleans in several spellings
    "D16": 0.01,  # numbers as Vietnamese text
    "D17": 0.003,  # HTML in titles
    "D18": 0.01,  # record listed twice
    "D19": 0.05,  # a second code minted by the portal (rate of the online dossiers)
    "D20": 0.05,  # agency code in the other style
    "D21": 0.005,  # agency code missing; a test agency in a tenth as many records
    "D22": 0.02,  # dummy identity numbers
    "D23": 0.01,  # filler text
    "D24": 0.0007,  # test records
    "D25": 0.0002,  # received in the future
    "D26": 0.0005,  # finished or returned before received
    "D27": 0.001,  # online channel at a service of level 2 (information only)
    "D28": 0.001,  # in processing without a received date, finished without a finish date
    "D31": 0.01,  # events out of order
    "D32": 0.03,  # several recipients packed into one value (rate of the documents)
    "D33": 0.30,  # phone numbers in several spellings
    "D34": 0.30,  # procedure code with an agency suffix
    "D36": 0.15,  # edXML prefixes and namespaces
    "D37": 0.002,  # hostile XML
    "D38": 0.0,  # HTML page with status 200 (rate of the requests)
    "D41": 0.001,  # values changed by Excel
    "D42": 0.003,  # keys in another case; a third as many in the one-stop-shop
    "D43": 0.0,  # a temporary answer of the gateway: 403, 404, 408, 425, a redirect, a login page (rate of the list calls)
    "D44": 0.0,  # HTTPS with a certificate from the province's own authority (all calls, at any rate)
    "D46": 0.01,  # a code in another style where one system names the other's (rate of the dossiers in both), and in a reference to a document
    "D47": 0.003,  # a part of a text in TCVN3, VNI or misread UTF-8; letters are lost in a fifth of them
    "D48": 0.0,  # lists without the agencies that ended, and without what they offered (a switch: all lists, at any rate)
    "D49": 0.0,  # one value as the other system's code in many dossiers: a default code, or what a counter enters
    "D50": 0.0,  # a document that the gateway lists and never delivers: 404, 500, too large, or cut
    "redelivered": 0.03,  # a document listed on two days, or under two ids
    "uuid-document-id": 0.03,
    "secret": 0.002,  # secret documents and work files, which the sources must not send
    "status-form": 0.10,  # a document's status in another spelling
    "private-subject": 0.03,  # document subject with personal data
    "status-as-text": 0.02,
    "name-as-object": 0.02,
    "misprint": 0.5,  # one procedure code at one counter of the one-stop-shop, with two digits swapped
    "due-null": 0.003,  # dueDate null although appointmentDate has a value
    "channel-conflict": 0.005,  # the one-stop-shop reports the counter as the channel of an online dossier
    "submitted-overwritten": 0.05,  # NgayNopHoSo has the value of NgayTiepNhan
    "abstract-missing": 0.05,  # TrichYeuHoSo is Dinhkem
    "unknown-status": 0.0003,  # a status code that is in no code list
    "poison": 0.0003,  # values that break parsers
    "schema-drift": 0.0,  # one field added and one renamed
}
_RATES_WHEN_NAMED = {
    "D38": 0.01,
    "D43": 0.01,
    "D44": 1.0,
    "D48": 1.0,
    "D49": 0.2,
    "D50": 0.02,
    "schema-drift": 0.005,
}  # rates of the defects that are off unless requested by id

# What an error-free pipeline does with a record that shows a defect; all other defects are repaired.
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
    "D46": "linked",
    "D49": "flagged",
    "D50": "quarantined",
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
    """One form of a defect; its rate applies to all dossiers if `is_of_all_dossiers`, otherwise to the eligible ones."""

    name: str
    defect: str
    share: float = 1.0
    is_of_all_dossiers: bool = False


_MARKS = (
    *(
        Mark(name, name, is_of_all_dossiers=True)
        for name in ("D01", "D02", "D03", "D04", "D07", "D11", "D12", "D17", "D27")
    ),
    Mark("D05", "D05", 0.8, is_of_all_dossiers=True),
    Mark("D05-lost", "D05", 0.2, is_of_all_dossiers=True),
    *(Mark(name, name) for name in ("D06", "D08", "D09", "D14", "D15", "D16", "D20", "D21", "D22", "D23", "D24")),
    Mark("D21-test", "D21", 0.1, is_of_all_dossiers=True),
    *(Mark(f"{name}-{side}", name) for name in ("D18",) for side in ("one-stop", "portal")),
    *(Mark(f"{name}-{side}", name, 0.5, True) for name in ("D25", "D26") for side in ("one-stop", "portal")),
    *(
        Mark(f"D28-{event}-{side}", "D28", 0.25, True)
        for event in ("received", "finished")
        for side in ("one-stop", "portal")
    ),
    *(Mark(name, name) for name in ("D31", "D33", "D34", "D41")),
    Mark("D42-one-stop", "D42", 1 / 3),
    Mark("D42-portal", "D42"),
    *(Mark(name, name) for name in ("status-as-text", "name-as-object", "due-null", "channel-conflict")),
    *(Mark(name, name) for name in ("submitted-overwritten", "abstract-missing", "schema-drift", "misprint")),
    *(Mark(f"unknown-status-{side}", "unknown-status", 0.5, True) for side in ("one-stop", "portal")),
    *(Mark(f"poison-{kind}", "poison", 0.2) for kind in ("nul", "number", "nested")),
    *(
        Mark(f"poison-{kind}-{side}", "poison", 0.1, True)
        for kind in ("surrogate", "element")
        for side in ("one-stop", "portal")
    ),
    Mark("D46", "D46"),
    Mark("D47", "D47", 0.8, is_of_all_dossiers=True),
    Mark("D47-lost", "D47", 0.2, is_of_all_dossiers=True),
    Mark("D49", "D49"),
)
DEFECT: Mapping[str, str] = {mark.name: mark.defect for mark in _MARKS}
BIT: Mapping[str, int] = {mark.name: 1 << position for position, mark in enumerate(_MARKS)}

NOT_LINKED, BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT = range(4)


def mask(*names: str) -> int:
    """The combined bits of some marks."""
    return sum({BIT[name] for name in names})


def outcome(defect: str) -> str:
    """What an error-free pipeline does with a record that shows a defect: `repaired`, `flagged`, `quarantined` …"""
    return _OUTCOMES.get(defect, "repaired")


def is_repairable(outcome: str) -> bool:
    """Whether the correct value is recovered under an outcome."""
    return outcome not in _UNREPAIRED


def parse_rates(spec: Mapping[str, float] | str | None) -> dict[str, float]:
    """Rates by defect id, from `none`, `all`, a comma-separated list of ids, or a mapping of changed rates.

    `all` stands for every defect that is on by default: `all,D48` adds one that is off. Raises ValueError when a defect id is unknown.
    """
    if spec is None or spec == "all":
        return dict(RATES)
    if spec == "none":
        return dict.fromkeys(RATES, 0.0)
    if isinstance(spec, Mapping):
        rest, requested = dict(RATES), dict(spec)
    else:
        names = spec.split(",")
        rest = dict(RATES) if "all" in names else dict.fromkeys(RATES, 0.0)
        default_rates = {**RATES, **_RATES_WHEN_NAMED}
        requested = {name: default_rates.get(name, 0.0) for name in names if name != "all"}
    unknown = sorted(requested.keys() - RATES.keys())
    if unknown:
        raise ValueError(f"unknown defects {unknown}; known defects: {', '.join(RATES)}")
    return rest | requested


@dataclass(frozen=True)
class Marks:
    """Per dossier: `bits` of the marks it shows, and how the portal's second code (`minted`) is linked."""

    bits: NDArray[np.int64]
    link: NDArray[np.int8]
    minted: NDArray[np.int32]

    def has(self, *names: str) -> NDArray[np.bool_]:
        """Which dossiers show at least one of some marks."""
        return np.asarray((self.bits & mask(*names)) != 0, np.bool_)


def draw(seed: int, name: str, rate: float, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dossiers drawn from the eligible ones at a rate; at least one early dossier if the rate is not zero."""
    if rate <= 0 or not eligible.any():
        return np.zeros(len(eligible), np.bool_)
    rng = np.random.default_rng([seed, 2, *name.encode()])
    drawn = eligible & (rng.random(len(eligible)) < rate)
    early = np.flatnonzero(eligible)[: max(1, int(eligible.sum()) // 3)]
    if not drawn[early].any():
        drawn[early[int(rng.integers(0, len(early)))]] = True
    return drawn


def draw_marks(seed: int, dossiers: Dossiers, rates: Mapping[str, float]) -> Marks:
    """The marks of every dossier, drawn at the given rates."""
    eligible = eligibility.by_mark(dossiers)
    all_dossiers = np.ones(len(dossiers), np.bool_)
    bits = np.zeros(len(dossiers), np.int64)
    for kind in _MARKS:
        allowed = eligible.get(kind.name, all_dossiers)
        rate = rates[kind.defect] * kind.share
        if kind.is_of_all_dossiers:
            rate *= len(dossiers) / max(1, int(allowed.sum()))
        bits[draw(seed, kind.name, rate, allowed)] |= BIT[kind.name]
    recoded = np.flatnonzero(draw(seed, "D19", rates["D19"], eligible["D19"]))
    link = np.zeros(len(dossiers), np.int8)
    link[recoded] = np.array([BY_OTHER_CODE, BY_NATION_CODE, BY_RECEIPT, BY_OTHER_CODE, BY_NATION_CODE])[
        np.arange(len(recoded)) % 5
    ]
    minted = 10_000 + (dossiers.sequence.astype(np.int64) * 7919 + seed) % 90_000
    return Marks(bits, link, minted.astype(np.int32))
