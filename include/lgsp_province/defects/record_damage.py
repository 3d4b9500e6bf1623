"""Damage done to a rendered record, and the note of what was done where: the same code spoils and tells."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from lgsp_province.defects import rates, text_damage
from lgsp_province.defects.rates import BIT
from lgsp_province.world.view import Seen

TEXTS = rates.mask("D01", "D02", "D03", "D04", "D05", "D05-lost", "D07")
_POISON = tuple(f"poison-{what}" for what in ("surrogate", "nul", "number", "nested"))
_IMPOSSIBLE_DATES = ("D25", "D26", "D28-received", "D28-finished")


POISON = rates.mask(*_POISON)


def values_spoilt(side: str) -> int:
    """The bits of the damage done to values that are neither dates nor texts."""
    return POISON | rates.mask("D16", "D21", "D21-test", "D23", "D31", "D41", "schema-drift", f"unknown-status-{side}")


def dates_spoilt(side: str, *more: str) -> int:
    """The bits of the damage done to dates; `more` are the marks that only one side bears."""
    return rates.mask("D14", *(f"{name}-{side}" for name in _IMPOSSIBLE_DATES), *more)


def spoilt(side: str) -> int:
    """The bits of the damage done to texts, keys and the record itself."""
    return TEXTS | rates.mask(f"D42-{side}", f"poison-element-{side}")


ONE_STOP_IMPOSSIBLE, PORTAL_IMPOSSIBLE = (
    rates.mask(*(f"{name}-{side}" for name in (*_IMPOSSIBLE_DATES, "unknown-status", "poison-element")))
    for side in ("one-stop", "portal")
)

LONE_SURROGATE = orjson.Fragment(b'"Nguy\\u1ec5n \\ud800 An"')
LONG_NUMBER = "9" * 400
DEEP_LIST = orjson.Fragment(b"[" * 200 + b"]" * 200)
UNKNOWN_STATUS = 99
FILLERS = (".", "-", "Dinhkem")
_SPACES = ("\u00a0", "\u200b")
_LETTERS = re.compile(r"[^\x00-\x7f]{2,}")


class Flaw(NamedTuple):
    """One defect as one field shows it; `field` is dotted, empty when the whole record is meant."""

    defect: str
    field: str
    outcome: str

    @property
    def is_repairable(self) -> bool:
        """Whether a perfect reader gets the true value back."""
        return rates.is_repairable(self.outcome)


def flaw(defect: str, field: str = "", outcome: str | None = None) -> Flaw:
    """A flaw with what a perfect reader does about it."""
    return Flaw(defect, field, outcome or rates.outcome(defect))


def pick(seen: Seen, place: int, count: int) -> int:
    """One of `count` ways, by the dossier's own traits."""
    return (seen.traits >> place & 0xFFF) % count


class Sheet:
    """A record being spoilt. A field that has been replaced is not touched again."""

    def __init__(self, record: dict[str, Any], seen: Seen) -> None:
        self.record, self.seen = record, seen
        self.flaws: list[Flaw] = []
        self._replaced: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the dossier bears a mark."""
        return bool(self.seen.bits & BIT[name])

    def _holder(self, field: str) -> tuple[dict[str, Any], str]:
        *path, last = field.split(".")
        holder = self.record
        for name in path:
            value = holder[name]
            holder = value[0] if isinstance(value, list) else value
        return holder, last

    def value(self, field: str) -> Any:
        """What stands in a field; of a list, in its first element."""
        holder, last = self._holder(field)
        return holder[last]

    def note(self, defect: str, field: str = "", outcome: str | None = None) -> None:
        """Keep that a field, or the whole record, shows a defect."""
        self.flaws.append(flaw(defect, field, outcome))

    def replace(self, defect: str, field: str, value: Any, outcome: str | None = None) -> None:
        """Put another value in a field for good."""
        holder, last = self._holder(field)
        if field not in self._replaced and holder.get(last) != value:
            holder[last] = value
            self._replaced.add(field)
            self.note(defect, field, outcome)

    def remove(self, defect: str, field: str) -> None:
        """Leave a field out."""
        if field not in self._replaced:
            holder, last = self._holder(field)
            del holder[last]
            self._replaced.add(field)
            self.note(defect, field)

    def is_free(self, field: str) -> bool:
        """Whether a field still holds what it should."""
        return field not in self._replaced

    def reword(self, defect: str, field: str, spoil: Callable[[str], str], outcome: str | None = None) -> None:
        """Spoil the text of a field, also of one that holds names by language."""
        if field in self._replaced:
            return
        holder, last = self._holder(field)
        value = holder.get(last)
        if isinstance(value, list | dict):
            holder, last = (value[0] if isinstance(value, list) else value), "name"
            value = holder[last]
        if isinstance(value, str) and (worse := spoil(value)) != value:
            holder[last] = worse
            self.note(defect, field, outcome)


def _lossy(text: str) -> str:
    """Mojibake of which a second program has kept only the first sign of every run."""
    return _LETTERS.sub(lambda run: run[0][0] + "\ufffd" * (len(run[0]) - 1), text_damage.to_mojibake(text))


def _damages(seen: Seen) -> Iterator[tuple[str, Callable[[str], str], str | None]]:
    """What befalls a dossier's texts, in order."""
    bits = seen.bits
    if bits & BIT["D02"]:
        yield "D02", text_damage.to_tcvn3, None
    if bits & BIT["D03"]:
        yield "D03", text_damage.to_vni, None
    if bits & BIT["D04"]:
        yield "D04", text_damage.to_cp1258, None
    if bits & BIT["D05"]:
        yield "D05", text_damage.to_mojibake, None
    if bits & BIT["D05-lost"]:
        yield "D05", _lossy, "flagged"
    if bits & BIT["D07"]:
        signs = (seen.traits >> 47 & 127) or 4
        yield "D07", lambda text: text_damage.to_look_alikes(text, signs), None
    if bits & BIT["D01"]:
        yield "D01", text_damage.to_nfd, None


def spoil_texts(sheet: Sheet, texts: tuple[str, ...], codes: tuple[str, ...]) -> None:
    """Spoil texts, and one code with a sign that does not show."""
    seen = sheet.seen
    for defect, spoil, outcome in _damages(seen):
        for field in texts:
            sheet.reword(defect, field, spoil, outcome)
    if seen.bits & BIT["D07"]:
        space = _SPACES[pick(seen, 48, 2)]
        sheet.reword("D07", codes[pick(seen, 49, len(codes))], lambda code: f"{code}{space}" if code else code)


def spoil_list(sheet: Sheet, field: str) -> None:
    """Put the events of a list out of order."""
    events = sheet.value(field)
    if len(events) > 1:
        turn = 1 + pick(sheet.seen, 44, len(events) - 1)
        events[:] = events[turn:] + events[:turn]
        sheet.note("D31", field)


def vietnamese_number(value: int, way: int) -> str:
    """A number of đồng as people write it."""
    grouped = f"{value:,}".replace(",", ".")
    return (f"{grouped} đ", grouped, grouped.replace(".", " "), f"{grouped},00", f"{grouped} VNĐ")[way]


def excel_number(digits: str) -> str:
    """A long number as Excel shows it."""
    return f"{float(digits):.4E}"
