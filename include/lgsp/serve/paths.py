"""Read the path of a request: what it asks for, and of which snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from urllib.parse import quote, unquote_to_bytes

from lgsp.serve import errors, literals, model
from lgsp.serve.filter_tree import KINDS, Value
from lgsp.serve.model import EntitySet
from lgsp.vietnam import codes

SERVICE, METADATA, ROWS, COUNT, ROW = "service", "metadata", "rows", "count", "row"
MANIFEST, SIGNATURE, FILE = "manifest.json", "manifest.json.sig", "files"
CATALOG, CONTRACT, OPENAPI, HEALTH = "catalog", "contract", "openapi", "health"
PUBLIC = (CATALOG, CONTRACT, OPENAPI, HEALTH)
ANSWERS_LATER = ("$batch", "$all", "$entity", "$crossjoin")
LARGEST: dict[str, int] = {"integer": 2**31 - 1, "bigint": 2**63 - 1}
# A dossier code: the agency in the form of 2020 or of 2025, the day, a number.
NEW_STYLE = re.compile(r"([A-Z][0-9]{2})((?:\.[0-9]{2,3}){0,3})(-[0-9]{6}-[0-9]+)")
OLD_STYLE = re.compile(r"([0-9]{3})\.([0-9]{2})\.([0-9]{2})\.([A-Z][0-9]{2})(-.*)")

Key = Mapping[str, str | int | date]


@dataclass(frozen=True)
class Path:
    """What a request asks for; `snapshot` is the name after `at/`, and `keys` are equivalent keys of one row."""

    kind: str
    snapshot: str | None = None
    entity_set: EntitySet | None = None
    keys: tuple[Key, ...] = ()
    file: str = ""


def parse(raw: bytes) -> Path:
    """What an encoded path asks for. Raises ApiError (404) when there is nothing."""
    segments = _segments(raw)
    if segments == ["health"]:
        return Path(HEALTH)
    if not segments or segments[0] != model.VERSION:
        raise _nothing(raw)
    segments, snapshot = segments[1:], None
    if segments[:1] == ["at"] and len(segments) > 1:
        snapshot, segments = segments[1], segments[2:]
        match segments:
            case ["manifest.json"]:
                return Path(MANIFEST, snapshot)
            case ["manifest.json.sig"]:
                return Path(SIGNATURE, snapshot)
            case ["files", *parts] if parts:
                return Path(FILE, snapshot, file="/".join(parts))
    match segments:
        case [] | [""]:
            return Path(SERVICE, snapshot)
        case ["$metadata"]:
            return Path(METADATA, snapshot)
        case ["catalog"] if snapshot is None:
            return Path(CATALOG)
        case ["openapi.json"] if snapshot is None:
            return Path(OPENAPI)
        case ["contracts", name] if snapshot is None and name in model.sets() and model.sets()[name].is_published:
            return Path(CONTRACT, entity_set=model.sets()[name])
        case [first, *rest]:
            return _of_set(raw, snapshot, first, rest)
    raise _nothing(raw)


def _of_set(raw: bytes, snapshot: str | None, first: str, rest: list[str]) -> Path:
    name, parenthesis, key = first.partition("(")
    if name in ANSWERS_LATER:
        raise errors.not_implemented(name)
    entity_set = model.sets().get(name)
    if entity_set is None:
        raise _nothing(raw)
    if parenthesis:
        if rest:
            raise errors.not_implemented("a path below a row")
        return Path(ROW, snapshot, entity_set, keys(entity_set, key))
    if rest == ["$count"]:
        return Path(COUNT, snapshot, entity_set)
    if rest:
        raise errors.not_implemented("a path below a set") if rest[0].startswith("$") else _nothing(raw)
    return Path(ROWS, snapshot, entity_set)


def _segments(raw: bytes) -> list[str]:
    """The decoded segments; a slash within quotes belongs to its segment, also where a client did not encode it."""
    found: list[str] = []
    for part in raw.removeprefix(b"/").split(b"/"):
        try:
            text = unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise errors.invalid("the path is not UTF-8", "đường dẫn không phải UTF-8") from None
        if found and found[-1].count("'") % 2 and "(" in found[-1]:
            found[-1] += "/" + text
        else:
            found.append(text)
    return found


def keys(entity_set: EntitySet, text: str) -> tuple[Key, ...]:
    """The key in parentheses, whose opening one was read: more than one where a code has several forms."""
    found = literals.tokens(text, "key")
    values: dict[str, Value] = {}
    at = 0
    while True:
        name = entity_set.key[0] if len(entity_set.key) == 1 else ""
        if found[at][0] == "name" and found[at + 1] == ("sign", "="):
            name, at = found[at][1], at + 2
        kind, literal = found[at]
        if kind not in literals.LITERALS or not name or name in values:
            raise literals.unreadable(literal, "key")
        values[name] = literals.literal(kind, literal, "key")
        at += 1
        if found[at] != ("sign", ","):
            break
        at += 1
    if found[at:] != [("sign", ")"), ("end", "")] or values.keys() != set(entity_set.key):
        raise errors.invalid(f"the key of {entity_set.name} is {', '.join(entity_set.key)}", "khóa không đúng", "key")
    key = {name: _checked(entity_set, name, value) for name, value in values.items()}
    if entity_set.key != ("dossier_id",):
        return (key,)
    return tuple({"dossier_id": form} for form in dossier_codes(str(key["dossier_id"])))


def _checked(entity_set: EntitySet, name: str, value: Value) -> str | int | date:
    column = entity_set.columns.get(name)
    type_ = column.base_type if column else ""
    if column is not None and KINDS[type_] == value.kind:
        if value.kind in ("string", "date") and isinstance(value.value, str | date):
            return value.value
        if type_ in LARGEST and isinstance(value.value, int | Decimal) and value.value == int(value.value):
            number = int(value.value)
            if abs(number) > LARGEST[type_]:
                raise errors.not_found("there is no such row", "không có dòng này")
            return number
    raise errors.wrong_type(f"{name} is of type {model.EDM_TYPES.get(type_, '?')}", f"{name} sai kiểu", "key")


def dossier_codes(text: str) -> list[str]:
    """The forms in which a dossier's code can be published, the given one first; it may have blanks, dashes and any case."""
    typed = codes.plain(text)
    upper = typed.upper().replace(" ", "")
    forms = [text, typed, upper]
    if match := OLD_STYLE.fullmatch(upper):
        unit, office, agency, province, number = match.groups()
        forms.append(f"{province}.{agency}.{office}.{unit}{number}")
        upper = forms[-1]
    if match := NEW_STYLE.fullmatch(upper):
        province, groups, number = match.groups()
        parts = groups.split(".")[1:]
        while parts and not parts[-1].strip("0"):
            parts.pop()
        padded = [*parts, *("00", "00", "000")[len(parts) :]]
        forms.append(f"{padded[2].zfill(3)}.{padded[1]}.{padded[0]}.{province}{number}")
        forms += [".".join([province, *padded[:length]]) + number for length in range(len(parts), 4)]
    return list(dict.fromkeys(forms))


def row_id(entity_set: EntitySet, key: Mapping[str, object]) -> str:
    """The address of a row below the root: `dossier('H17.40-220601-0007')`."""

    def literal(value: object) -> str:
        return quote("'" + value.replace("'", "''") + "'", safe="'$,:;=()!*") if isinstance(value, str) else str(value)

    if len(key) == 1:
        return f"{entity_set.name}({literal(*key.values())})"
    return f"{entity_set.name}({','.join(f'{name}={literal(value)}' for name, value in key.items())})"


def _nothing(raw: bytes) -> errors.ApiError:
    path = raw[:80].decode("ascii", "replace")
    return errors.not_found(f"there is nothing at {path}", f"không có gì ở {path}")
