"""What a source's description says of its fields, as SQL: how each is taken out, treated, and what was odd about it.

A field is a treatment (a pair of macros `read_…` and `odd_…` of `sql/converters.sql`), the name of a code list,
`words` (Vietnamese text), `label` (a name in Vietnamese, as text, object or list of languages), or `ignored`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson

from lgsp import sql
from lgsp.errors import ContractError
from lgsp.schema import codelists
from lgsp.schema.corrections import Correction
from lgsp.sql import quoted

WORDS = ("words", "label")
IGNORED = "ignored"


@cache
def treatments() -> frozenset[str]:
    """The names a field's treatment may have, besides those of code lists."""
    text = sql.load("lgsp.harmonise", "converters")
    macros = {line.split("(")[0].removeprefix("create macro ") for line in text.splitlines()}
    return frozenset(name.removeprefix("read_") for name in macros if name.startswith("read_"))


@dataclass(frozen=True)
class Described:
    """A list of a source as its description tells it."""

    name: str
    records: str
    fields: Mapping[str, Any]
    corrections: tuple[Correction, ...] = ()

    def structure(self) -> str:
        """The DuckDB structure to take the fields out by; ignored ones are left out."""
        return orjson.dumps(_shape(self.fields)).decode()

    def objects(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every described object by its JSON path; `[*]` is each element of a list."""
        return list(_objects(self.fields, "$"))

    def words(self) -> list[tuple[str, str]]:
        """Every field of Vietnamese text: the expression of what was sent, and its treatment."""
        return [(_named(path), treatment) for path, treatment in _leaves(self.fields) if treatment in WORDS]

    def columns(self) -> str:
        """The select list that makes typed columns: of `s`, joined with `words` once for each field of text."""
        columns = [f'{self._value(name, told)} as "{name}"'
                   for name, told in self.fields.items() if told != IGNORED]  # fmt: skip
        odd = [f"{quoted(path + ':')} || {sql}" for path, sql in self._odd()]
        odd.append("case when is_respelled then 'record:key_case' end")
        unknown = [sql for _, sql in self._unknown()] or ["null"]
        columns.append(f"nullif(concat_ws(',', {', '.join(odd)}), '') as repairs")
        columns.append(f"nullif(concat_ws('; ', {', '.join(unknown)}), '') as unknown_codes")
        return ",\n".join(columns)

    def joins(self) -> str:
        """The joins with `words` that the select list needs."""
        return "\n".join(
            f"left join words w{place} on w{place}.sent = {path}::varchar"
            for place, (path, _) in enumerate(self.words())
        )

    def _value(self, path: str, told: Any) -> str:
        if isinstance(told, dict):
            inner = [f'"{key}" := {self._value(f"{path}.{key}", item)}'
                     for key, item in told.items() if item != IGNORED]  # fmt: skip
            return f"struct_pack({', '.join(inner)})" if inner else "null"
        if isinstance(told, list):
            return f"list_transform({_named(path)}, lambda x: {self._element(told[0], 'x')})"
        if told in WORDS:
            return self._corrected(path)
        sent = self._corrected(path)
        return f"{told}(trim({sent}))" if told in codelists.names() else f"read_{told}({sent})"

    def _element(self, told: Any, name: str) -> str:
        if isinstance(told, dict):
            inner = [f'"{key}" := {self._element(item, f"""{name}."{key}" """.strip())}'
                     for key, item in told.items() if item != IGNORED]  # fmt: skip
            return f"struct_pack({', '.join(inner)})"
        return f"{told}(trim({name}))" if told in codelists.names() else f"read_{told}({name})"

    def _said(self, path: str) -> str:
        """What a field says: a text as it was treated, anything else as it was sent."""
        word = self._word(path)
        return f"{word}.text" if word else _named(path)

    def _word(self, path: str) -> str | None:
        """The row of `words` that holds a field's text; None for a field of another treatment."""
        places = {expression: place for place, (expression, _) in enumerate(self.words())}
        return f"w{places[_named(path)]}" if _named(path) in places else None

    def _corrected(self, path: str) -> str:
        sent = self._said(path)
        mine = [c for c in self.corrections if c.field == path]
        whens = " ".join(f"when {c.condition(self._said)} then {quoted(c.means)}" for c in mine)
        return f"case {whens} else {sent} end" if mine else sent

    def _odd(self) -> Iterator[tuple[str, str]]:
        for path, treatment in _leaves(self.fields):
            if treatment in WORDS:
                yield path, f"{self._word(path)}.odd"
            elif treatment not in codelists.names():
                yield path, f"odd_{treatment}({self._corrected(path)})"
        for path, treatment in _elements(self.fields):
            if treatment not in codelists.names():
                outer, inner = path.split("[*].")
                yield path, _first(_named(outer), f"odd_{treatment}(x.{_quoted_path(inner)})")
        for correction in self.corrections:
            yield correction.field, f"case when {correction.condition(self._said)} then 'corrected' end"

    def _unknown(self) -> Iterator[tuple[str, str]]:
        """Codes that are there and that the code list does not know, with where to add them."""
        for path, treatment in (*_leaves(self.fields), *_elements(self.fields)):
            if treatment not in codelists.names():
                continue
            if "[*]." in path:
                outer, inner = path.split("[*].")
                sent = f"x.{_quoted_path(inner)}"
                value = _first(_named(outer), f"case when {_is_unknown(treatment, sent)} then {sent} end")
            else:
                sent = self._corrected(path)
                value = f"case when {_is_unknown(treatment, sent)} then {sent} end"
            yield path, f"{quoted(path + ' ')} || shown({value}) || {quoted(f' (codelists/{treatment}.yml)')}"


def described(name: str, told: Mapping[str, Any], file: str, corrections: tuple[Correction, ...]) -> Described:
    """One list of a source. Raises ContractError for a treatment nobody knows."""
    listed = Described(name, told["records"], told["fields"], tuple(c for c in corrections if c.list == name))
    known = treatments() | set(codelists.names()) | {*WORDS, IGNORED}
    for path, treatment in (*_leaves(listed.fields, True), *_elements(listed.fields, True)):
        if treatment not in known:
            raise ContractError(
                f"{file}: {name}.{path} has the treatment {treatment!r}; known are {', '.join(sorted(known))}"
            )
        if "[*]" in path and treatment in WORDS:
            raise ContractError(f"{file}: {name}.{path} is {treatment} in a list; only fields outside lists can be")
    _prove(listed, file)
    return listed


def _prove(listed: Described, file: str) -> None:
    if any(isinstance(item, list) for path, fields in listed.objects() if "[*]" in path for item in fields.values()):
        raise ContractError(f"{file}: {listed.name} has a list in a list, which nobody can read yet")
    paths = {path for path, treatment in _leaves(listed.fields)}
    for correction in listed.corrections:
        what = f"corrections.yml beside {file}: the correction of {listed.name}.{correction.field}"
        if unknown := {correction.field, *correction.where} - paths:
            raise ContractError(
                f"{what} speaks of {', '.join(sorted(unknown))}, which {file} does not read outside lists"
            )
        for pattern in (correction.says, *correction.where.values()):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ContractError(f"{what}: {pattern!r} is no regular expression: {error}") from None


def _is_unknown(code_list: str, sent: str) -> str:
    return f"not is_filler(trim({sent})) and {code_list}(trim({sent})) is null"


def _first(elements: str, expression: str) -> str:
    """The first element of a list for which an expression (of x) is something."""
    return f"list_filter(list_transform({elements}, lambda x: {expression}), lambda y: y is not null)[1]"


def _named(path: str) -> str:
    return "s." + _quoted_path(path)


def _quoted_path(path: str) -> str:
    return ".".join(f'"{part}"' for part in path.split("."))


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _shape(item) for name, item in value.items() if item != IGNORED}
        return inner or "JSON"
    if isinstance(value, list):
        return [_shape(value[0])]
    return "JSON" if value in ("json", "label") else "VARCHAR"


def _leaves(fields: Mapping[str, Any], with_ignored: bool = False, above: str = "") -> Iterator[tuple[str, str]]:
    for name, told in fields.items():
        if isinstance(told, Mapping):
            yield from _leaves(told, with_ignored, f"{above}{name}.")
        elif isinstance(told, str) and (with_ignored or told != IGNORED):
            yield f"{above}{name}", told


def _elements(fields: Mapping[str, Any], with_ignored: bool = False, above: str = "") -> Iterator[tuple[str, str]]:
    for name, told in fields.items():
        if isinstance(told, Mapping):
            yield from _elements(told, with_ignored, f"{above}{name}.")
        elif isinstance(told, list):
            yield from _leaves(told[0], with_ignored, f"{above}{name}[*].")


def _objects(fields: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, fields
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _objects(value, f"{path}.{name}")
        elif isinstance(value, list):
            yield from _objects(value[0], f"{path}.{name}[*]")
