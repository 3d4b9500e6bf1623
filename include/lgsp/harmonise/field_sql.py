"""Generate the SQL that reads the fields of a source description: extraction, conversion, repairs and unknown codes.

A field is declared as a treatment (a pair of macros `read_…` and `repair_…` of `sql/converters.sql`), the name of a code
list, `words` (Vietnamese text), `label` (a Vietnamese name, as text, object or list of languages), or `ignored`.
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
NUMBERS = ("number", "count", "money")  # extracted with their JSON type, which decides what a point means


@cache
def treatments() -> frozenset[str]:
    """The names of all treatments, without those of code lists."""
    text = sql.load("lgsp.harmonise", "converters")
    macros = {line.split("(")[0].removeprefix("create macro ") for line in text.splitlines()}
    return frozenset(name.removeprefix("read_") for name in macros if name.startswith("read_"))


@dataclass(frozen=True)
class SourceList:
    """A list of a source, as its source description declares it."""

    name: str
    records: str
    fields: Mapping[str, Any]
    corrections: tuple[Correction, ...] = ()
    record: str | None = None  # where a record is that was requested by its key; None: the whole answer

    def structure(self) -> str:
        """The DuckDB structure that extracts the fields from JSON, without the ignored ones."""
        return orjson.dumps(_shape(self.fields)).decode()

    def objects(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Every declared object with its JSON path; `[*]` stands for each element of a list."""
        return list(_objects(self.fields, "$"))

    def text_fields(self) -> list[tuple[str, str]]:
        """Every field of Vietnamese text: the SQL expression of the sent value, and the treatment."""
        return [(_sent(path), treatment) for path, treatment in _leaves(self.fields) if treatment in WORDS]

    def columns(self) -> str:
        """The select list of the typed columns, over `s` and the joins of `joins`."""
        columns = [f'{self._value(name, declared)} as "{name}"'
                   for name, declared in self.fields.items() if declared != IGNORED]  # fmt: skip
        repairs = [f"{quoted(path + ':')} || {sql}" for path, sql in self._repairs()]
        repairs.append("case when is_respelled then 'record:key_case' end")
        unknown = [sql for _, sql in self._unknown_codes()] or ["null"]
        columns.append(f"nullif(concat_ws(',', {', '.join(repairs)}), '') as repairs")
        columns.append(f"nullif(concat_ws('; ', {', '.join(unknown)}), '') as unknown_codes")
        return ",\n".join(columns)

    def joins(self) -> str:
        """The joins with `text_value` that the select list needs, one for each text field."""
        return "\n".join(
            f"left join text_value t{number} on t{number}.sent = {path}::varchar"
            for number, (path, _) in enumerate(self.text_fields())
        )

    def _value(self, path: str, declared: Any) -> str:
        """The SQL expression of a column."""
        if isinstance(declared, dict):
            inner = [f'"{key}" := {self._value(f"{path}.{key}", item)}'
                     for key, item in declared.items() if item != IGNORED]  # fmt: skip
            return f"struct_pack({', '.join(inner)})" if inner else "null"
        if isinstance(declared, list):
            return f"list_transform({_sent(path)}, lambda x: {self._element(declared[0], 'x')})"
        if declared in WORDS:
            return self._corrected(path)
        sent = self._corrected(path)
        return f"{declared}(trim({sent}))" if declared in codelists.names() else f"read_{declared}({sent})"

    def _element(self, declared: Any, name: str) -> str:
        """The SQL expression of an element of a list."""
        if isinstance(declared, dict):
            inner = [f'"{key}" := {self._element(item, f"""{name}."{key}" """.strip())}'
                     for key, item in declared.items() if item != IGNORED]  # fmt: skip
            return f"struct_pack({', '.join(inner)})"
        return f"{declared}(trim({name}))" if declared in codelists.names() else f"read_{declared}({name})"

    def _input(self, path: str) -> str:
        """The input of a field's treatment: the repaired text of a text field, otherwise the sent value."""
        row = self._text_row(path)
        return f"{row}.text" if row else _sent(path)

    def _text_row(self, path: str) -> str | None:
        """The alias of the row of `text_value` with a field's text; None for a field of another treatment."""
        numbers = {expression: number for number, (expression, _) in enumerate(self.text_fields())}
        return f"t{numbers[_sent(path)]}" if _sent(path) in numbers else None

    def _corrected(self, path: str) -> str:
        """The input of a field's treatment after the corrections of known errors."""
        value = self._input(path)
        corrections = [c for c in self.corrections if c.field == path]
        is_json = dict(_leaves(self.fields)).get(path) in NUMBERS
        whens = " ".join(
            f"when {c.condition(self._compared)} then {f'to_json({quoted(c.means)})' if is_json else quoted(c.means)}"
            for c in corrections
        )
        return f"case {whens} else {value} end" if corrections else value

    def _compared(self, path: str) -> str:
        """The text of a field that the corrections are compared with: a number that came as JSON text without its quotes."""
        is_json = dict(_leaves(self.fields)).get(path) in NUMBERS
        return f"bare({self._input(path)})" if is_json else self._input(path)

    def _repairs(self) -> Iterator[tuple[str, str]]:
        """The path of each field, and the SQL expression of the name of its repair."""
        for path, treatment in _leaves(self.fields):
            if treatment in WORDS:
                yield path, f"{self._text_row(path)}.repairs"
            elif treatment not in codelists.names():
                yield path, f"repair_{treatment}({self._corrected(path)})"
        for path, treatment in _elements(self.fields):
            if treatment not in codelists.names():
                outer, inner = path.split("[*].")
                yield path, _first(_sent(outer), f"repair_{treatment}(x.{_quoted_path(inner)})")
        for correction in self.corrections:
            yield correction.field, f"case when {correction.condition(self._compared)} then 'corrected' end"

    def _unknown_codes(self) -> Iterator[tuple[str, str]]:
        """The path of each code, and the SQL expression of a code that the code list lacks, with the file to edit."""
        for path, treatment in (*_leaves(self.fields), *_elements(self.fields)):
            if treatment not in codelists.names():
                continue
            if "[*]." in path:
                outer, inner = path.split("[*].")
                sent = f"x.{_quoted_path(inner)}"
                value = _first(_sent(outer), f"case when {_is_unknown(treatment, sent)} then {sent} end")
            else:
                sent = self._corrected(path)
                value = f"case when {_is_unknown(treatment, sent)} then {sent} end"
            yield path, f"{quoted(path + ' ')} || displayable({value}) || {quoted(f' (codelists/{treatment}.yml)')}"


def load_list(name: str, declared: Mapping[str, Any], file: str, corrections: tuple[Correction, ...]) -> SourceList:
    """A list of a source with its corrections.

    Raises ContractError for an unknown treatment, and for a correction that cannot be applied.
    """
    source_list = SourceList(
        name,
        declared["records"],
        declared["fields"],
        tuple(c for c in corrections if c.list == name),
        declared.get("record"),
    )
    known = treatments() | set(codelists.names()) | {*WORDS, IGNORED}
    for path, treatment in (*_leaves(source_list.fields, True), *_elements(source_list.fields, True)):
        if treatment not in known:
            raise ContractError(
                f"{file}: {name}.{path} has the treatment {treatment!r}; known are {', '.join(sorted(known))}"
            )
        if "[*]" in path and treatment in WORDS:
            raise ContractError(f"{file}: {name}.{path} is {treatment} in a list; only fields outside lists can be")
    _check_list(source_list, file)
    return source_list


def _check_list(source_list: SourceList, file: str) -> None:
    """Raise ContractError for a list within a list, and for a correction with an unknown field or an invalid pattern."""
    if any(
        isinstance(item, list) for path, fields in source_list.objects() if "[*]" in path for item in fields.values()
    ):
        raise ContractError(f"{file}: {source_list.name} has a list in a list, which is not supported")
    paths = {path for path, treatment in _leaves(source_list.fields)}
    for correction in source_list.corrections:
        subject = f"corrections.yml next to {file}: the correction of {source_list.name}.{correction.field}"
        if unknown := {correction.field, *correction.where} - paths:
            raise ContractError(
                f"{subject} names {', '.join(sorted(unknown))}, which {file} does not read outside lists"
            )
        for pattern in (correction.says, *correction.where.values()):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ContractError(f"{subject}: {pattern!r} is not a regular expression: {error}") from None


def _is_unknown(code_list: str, sent: str) -> str:
    return f"not is_filler(trim({sent})) and {code_list}(trim({sent})) is null"


def _first(elements: str, expression: str) -> str:
    """The first non-null value of an expression (of x) over the elements of a list."""
    return f"list_filter(list_transform({elements}, lambda x: {expression}), lambda y: y is not null)[1]"


def _sent(path: str) -> str:
    """The SQL expression of a field as it was sent."""
    return "s." + _quoted_path(path)


def _quoted_path(path: str) -> str:
    return ".".join(f'"{part}"' for part in path.split("."))


def _shape(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _shape(item) for name, item in value.items() if item != IGNORED}
        return inner or "JSON"
    if isinstance(value, list):
        return [_shape(value[0])]
    return "JSON" if value in ("json", "label", *NUMBERS) else "VARCHAR"


def _leaves(fields: Mapping[str, Any], with_ignored: bool = False, above: str = "") -> Iterator[tuple[str, str]]:
    """The fields outside lists: their paths and treatments."""
    for name, declared in fields.items():
        if isinstance(declared, Mapping):
            yield from _leaves(declared, with_ignored, f"{above}{name}.")
        elif isinstance(declared, str) and (with_ignored or declared != IGNORED):
            yield f"{above}{name}", declared


def _elements(fields: Mapping[str, Any], with_ignored: bool = False, above: str = "") -> Iterator[tuple[str, str]]:
    """The fields within lists: their paths, with `[*]` after the list, and treatments."""
    for name, declared in fields.items():
        if isinstance(declared, Mapping):
            yield from _elements(declared, with_ignored, f"{above}{name}.")
        elif isinstance(declared, list):
            yield from _leaves(declared[0], with_ignored, f"{above}{name}[*].")


def _objects(fields: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield path, fields
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _objects(value, f"{path}.{name}")
        elif isinstance(value, list):
            yield from _objects(value[0], f"{path}.{name}[*]")
