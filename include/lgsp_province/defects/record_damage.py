"""Damages a rendered record and records each flaw, so that the damage and its description cannot differ."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from lgsp_province.defects import code_styles, mixed_text, rates, text_damage
from lgsp_province.defects.rates import BIT
from lgsp_province.world.view import DossierState

TEXTS = rates.mask("D01", "D02", "D03", "D04", "D05", "D05-lost", "D07", "D47", "D47-lost")
# Marks with which no part of a text is damaged: the whole text is, or the agency is known by its name only.
_UNMIXED = rates.mask("D04", "D05", "D05-lost", "D21")
_POISON = tuple(f"poison-{kind}" for kind in ("nul", "number", "nested"))
_IMPOSSIBLE_DATES = ("D25", "D26", "D28-received", "D28-finished")


SURROGATE = ("poison-surrogate-one-stop", "poison-surrogate-portal")
POISON = rates.mask(*_POISON, *SURROGATE)


def value_bits(side: str) -> int:
    """The bits of the marks that damage values other than dates and texts; `side` is `one-stop` or `portal`."""
    names = ("D16", "D21", "D46", "D49", "D21-test", "D23", "D31", "D41", "schema-drift", f"unknown-status-{side}")
    return rates.mask(*_POISON, f"poison-surrogate-{side}", *names)


def date_bits(side: str, *side_marks: str) -> int:
    """The bits of the marks that damage dates; `side_marks` are the marks of one system only."""
    return rates.mask("D14", *(f"{name}-{side}" for name in _IMPOSSIBLE_DATES), *side_marks)


def text_and_key_bits(side: str) -> int:
    """The bits of the marks that damage texts, keys or the whole record."""
    return TEXTS | rates.mask(f"D42-{side}", f"poison-element-{side}")


ONE_STOP_IMPOSSIBLE, PORTAL_IMPOSSIBLE = (
    rates.mask(
        *(f"{name}-{side}" for name in (*_IMPOSSIBLE_DATES, "unknown-status", "poison-surrogate", "poison-element"))
    )
    for side in ("one-stop", "portal")
)

LONE_SURROGATE = orjson.Fragment(b'"Nguy\\u1ec5n \\ud800 An"')
LONG_NUMBER = "9" * 400
DEEP_LIST = orjson.Fragment(b"[" * 200 + b"]" * 200)
UNKNOWN_STATUS = 99
HUB_CODE = "000.00.00.H47-200101-0001"  # a default of the software, in the form of a dossier code
NO_CODE = "Không có"
_COUNTER_VALUES = ("1", "0000", "BN-01", NO_CODE)
FILLERS = (".", "-", "Dinhkem")
_SPACES = ("\u00a0", "\u200b")
_LETTERS = re.compile(r"[^\x00-\x7f]{2,}")


class Flaw(NamedTuple):
    """One defect in one field; `field` is a dotted path, empty for the whole record."""

    defect: str
    field: str
    outcome: str

    @property
    def is_repairable(self) -> bool:
        """Whether an error-free pipeline recovers the correct value."""
        return rates.is_repairable(self.outcome)


def flaw(defect: str, field: str = "", outcome: str | None = None) -> Flaw:
    """A flaw; without `outcome`, with the usual outcome of the defect."""
    return Flaw(defect, field, outcome or rates.outcome(defect))


def pick(state: DossierState, shift: int, count: int) -> int:
    """A number from 0 to `count` - 1, derived from the dossier's traits from bit `shift` on."""
    return (state.traits >> shift & 0xFFF) % count


class DamagedRecord:
    """A record to be damaged, with its flaws. A field that was replaced or removed is not changed again."""

    def __init__(self, record: dict[str, Any], state: DossierState) -> None:
        self.record, self.state = record, state
        self.flaws: list[Flaw] = []
        self._replaced: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the dossier has a mark."""
        return bool(self.state.bits & BIT[name])

    def _parent(self, field: str) -> tuple[dict[str, Any], str]:
        *path, last = field.split(".")
        parent = self.record
        for name in path:
            value = parent[name]
            parent = value[0] if isinstance(value, list) else value
        return parent, last

    def value(self, field: str) -> Any:
        """The value of a field; in a list, of its first element."""
        parent, last = self._parent(field)
        return parent[last]

    def add_flaw(self, defect: str, field: str = "", outcome: str | None = None) -> None:
        """Record that a field, or the whole record, shows a defect."""
        self.flaws.append(flaw(defect, field, outcome))

    def replace(self, defect: str, field: str, value: Any, outcome: str | None = None) -> None:
        """Replace the value of a field, unless it was replaced before or is the same."""
        parent, last = self._parent(field)
        if field not in self._replaced and parent.get(last) != value:
            parent[last] = value
            self._replaced.add(field)
            self.add_flaw(defect, field, outcome)

    def remove(self, defect: str, field: str) -> None:
        """Remove a field, unless it was replaced before."""
        if field not in self._replaced:
            parent, last = self._parent(field)
            del parent[last]
            self._replaced.add(field)
            self.add_flaw(defect, field)

    def is_unchanged(self, field: str) -> bool:
        """Whether a field was neither replaced nor removed."""
        return field not in self._replaced

    def replace_text(self, defect: str, field: str, damage: Callable[[str], str], outcome: str | None = None) -> None:
        """Damage the text of a field; if the field holds names by language, the text of the first name."""
        if field in self._replaced:
            return
        parent, last = self._parent(field)
        value = parent.get(last)
        if isinstance(value, list | dict):
            parent, last = (value[0] if isinstance(value, list) else value), "name"
            value = parent[last]
        if isinstance(value, str) and (damaged_text := damage(value)) != value:
            parent[last] = damaged_text
            self.add_flaw(defect, field, outcome)


def _to_lossy_mojibake(text: str) -> str:
    """Mojibake in which only the first character of every non-ASCII sequence is kept, the others become U+FFFD."""
    return _LETTERS.sub(lambda run: run[0][0] + "\ufffd" * (len(run[0]) - 1), text_damage.to_mojibake(text))


def _text_damages(state: DossierState) -> Iterator[tuple[str, Callable[[str], str], str | None]]:
    """The damages to a dossier's texts in order, as (defect, function, outcome)."""
    bits = state.bits
    if bits & BIT["D02"]:
        yield "D02", text_damage.to_tcvn3, None
    if bits & BIT["D03"]:
        yield "D03", text_damage.to_vni, None
    if bits & BIT["D04"]:
        yield "D04", text_damage.to_cp1258, None
    if bits & BIT["D05"]:
        yield "D05", text_damage.to_mojibake, None
    if bits & BIT["D05-lost"]:
        yield "D05", _to_lossy_mojibake, "flagged"
    if bits & BIT["D47"] and not bits & _UNMIXED:
        yield "D47", lambda text: mixed_text.damaged(text, state.traits >> 20), None
    if bits & BIT["D47-lost"] and not bits & _UNMIXED:
        yield "D47", lambda text: mixed_text.lost(text, state.traits >> 20), "flagged"
    if bits & BIT["D07"]:
        kinds = (state.traits >> 47 & 127) or 4
        yield "D07", lambda text: text_damage.to_look_alikes(text, kinds), None
    if bits & BIT["D01"]:
        yield "D01", text_damage.to_nfd, None


def damage_texts(damaged: DamagedRecord, texts: tuple[str, ...], codes: tuple[str, ...]) -> None:
    """Damage the text fields; with D07, also append an invisible character to one code."""
    state = damaged.state
    for defect, damage, outcome in _text_damages(state):
        for field in texts:
            damaged.replace_text(defect, field, damage, outcome)
    if state.bits & BIT["D07"]:
        space = _SPACES[pick(state, 48, 2)]
        damaged.replace_text("D07", codes[pick(state, 49, len(codes))], lambda code: f"{code}{space}" if code else code)


def restyle_code(damaged: DamagedRecord, field: str, code: str) -> None:
    """Name a dossier of the other system by its code in another style (D46)."""
    damaged.replace("D46", field, code_styles.restyled(code, pick(damaged.state, 36, 6)))


def shared_code(state: DossierState) -> str:
    """The value that many dossiers have as the code in the other system (D49): half of them the same code."""
    variant = pick(state, 30, 2 * len(_COUNTER_VALUES))
    return _COUNTER_VALUES[variant] if variant < len(_COUNTER_VALUES) else HUB_CODE


def share_code(damaged: DamagedRecord, field: str) -> None:
    """Name no dossier of the other system, but a value that many dossiers share (D49); a word for nothing is no code."""
    value = shared_code(damaged.state)
    damaged.replace("D49", field, value, "repaired" if value == NO_CODE else None)


def rotate_list(damaged: DamagedRecord, field: str) -> None:
    """Rotate the events of a list, so that they are out of order (D31)."""
    events = damaged.value(field)
    if len(events) > 1:
        offset = 1 + pick(damaged.state, 44, len(events) - 1)
        events[:] = events[offset:] + events[:offset]
        damaged.add_flaw("D31", field)


def vietnamese_number(value: int, variant: int) -> str:
    """An amount in đồng in one of five common spellings."""
    grouped = f"{value:,}".replace(",", ".")
    return (f"{grouped} đ", grouped, grouped.replace(".", " "), f"{grouped},00", f"{grouped} VNĐ")[variant]


def excel_number(digits: str) -> str:
    """A long number in the scientific notation of Excel."""
    return f"{float(digits):.4E}"
