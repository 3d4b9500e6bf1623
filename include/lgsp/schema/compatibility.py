"""Compare the contracts with those that were committed before, and determine which part of a version must rise.

`docs/contract-versions.yml` has what readers depend on: the version of each contract, its columns, and a fingerprint of its
texts. A test compares it with the contracts; `lgsp contract-versions` writes it again once the versions are high enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lgsp.errors import ContractError
from lgsp.schema import contract, yaml_file
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract
from lgsp.schema.fingerprint import fingerprint

State = Mapping[str, Any]
HEAD = """\
# What readers of each table depend on: its version and its columns. Written by `make docs`, which refuses a changed contract
# whose version was not raised (compatibility.md); `texts` is a fingerprint of the descriptions.
"""


class Part(IntEnum):
    """A part of a version, by how much its change asks of readers."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Change:
    """A difference between two states of a contract, and the part of the version that must rise for it."""

    part: Part
    what: str


def described(table: Contract) -> dict[str, Any]:
    """What readers of a table depend on."""
    texts = [table.description, table.meaning_vi, *(t for c in table.columns for t in (c.description, c.meaning_vi))]
    return {
        "version": table.version, "texts": fingerprint(texts), "columns": {c.name: _column(c) for c in table.columns},
    }  # fmt: skip


def _column(column: Column) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "type": column.type, "key": column.is_key, "required": column.is_required, "partition": column.is_partition,
        "codes": list(column.codes), "deprecated": column.deprecation.since if column.deprecation else None,
    }  # fmt: skip
    return {name: fact for name, fact in facts.items() if fact}


def changes(before: State, after: State) -> Iterator[Change]:
    """The differences between two states of one contract."""
    old, new = before["columns"], after["columns"]
    for name in old.keys() - new.keys():
        yield Change(Part.MAJOR, f"column {name} was removed or renamed")
    for name in new.keys() - old.keys():
        yield Change(Part.MINOR, f"column {name} was added")
    for name in old.keys() & new.keys():
        yield from _column_changes(name, old[name], new[name])
    keys = [[name for name, column in columns.items() if column.get("key")] for columns in (old, new)]
    if keys[0] != keys[1]:
        yield Change(Part.MAJOR, f"the key was ({', '.join(keys[0])}) and is ({', '.join(keys[1])})")
    if before["texts"] != after["texts"]:
        yield Change(Part.PATCH, "a description was changed")


def _column_changes(name: str, old: State, new: State) -> Iterator[Change]:
    if old["type"] != new["type"]:
        yield Change(Part.MAJOR, f"column {name} was {old['type']} and is {new['type']}")
    for fact in ("required", "partition"):
        if old.get(fact) != new.get(fact):
            yield Change(Part.MAJOR, f"column {name} {'is now' if new.get(fact) else 'is no longer'} {fact}")
    gone, added = (set(a.get("codes", ())) - set(b.get("codes", ())) for a, b in ((old, new), (new, old)))
    if old.get("codes") and new.get("codes"):
        if gone:
            yield Change(Part.MAJOR, f"column {name} no longer has the codes {', '.join(sorted(gone))}")
        if added:
            yield Change(Part.MINOR, f"column {name} has the new codes {', '.join(sorted(added))}")
    elif gone or added:
        yield Change(Part.MINOR, f"the codes of column {name} are {'now' if added else 'no longer'} listed")
    if old.get("deprecated") != new.get("deprecated"):
        yield Change(Part.MINOR, f"column {name} {'is now' if new.get('deprecated') else 'is no longer'} deprecated")


def problems(before: Mapping[str, State], after: Mapping[str, State]) -> list[str]:
    """Why the contracts may not be published as they are: a line for each change whose version did not rise enough."""
    lines = [f"{name}: the table was removed; readers need it" for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        old, new = (_numbers(state[name]["version"], name) for state in (before, after))
        if new < old:
            lines.append(f"{name}: version {after[name]['version']} is lower than {before[name]['version']}")
        for change in sorted(changes(before[name], after[name]), key=lambda change: (-change.part, change.what)):
            if not _has_risen(change.part, old, new):
                lines.append(
                    f"{name}: {change.what}: raise the {change.part.name.lower()} version, now {after[name]['version']}"
                )
        lines += _removed_too_early(name, before[name], after[name])
    return lines


def _removed_too_early(name: str, before: State, after: State) -> Iterator[str]:
    """A column may be removed once two minor versions had it as deprecated."""
    last = _numbers(before["version"], name)
    for column in sorted(before["columns"].keys() - after["columns"].keys()):
        since = before["columns"][column].get("deprecated")
        if since is None or _numbers(since, name)[:2] >= last[:2]:
            yield f"{name}: column {column} was removed, but it was not deprecated for two minor versions"


def _has_risen(part: Part, old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    length = Part.MAJOR - part + 1
    return new[:length] > old[:length]


def _numbers(version: str, name: str) -> tuple[int, ...]:
    numbers = version.split(".")
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        raise ContractError(f"{name}: version {version!r} is not major.minor.patch")
    return tuple(int(number) for number in numbers)


def current() -> dict[str, dict[str, Any]]:
    """The state of every contract."""
    return {table.name: described(table) for table in contract.every()}


def parse(text: str) -> dict[str, dict[str, Any]]:
    """The states in a file that `encode` wrote; none in an empty file."""
    return yaml_file.loads(text) or {}


def encode(states: Mapping[str, State]) -> str:
    """The states as YAML, with one line for each column."""
    import yaml

    lines = [HEAD.rstrip()]
    for name, state in states.items():
        lines += [f"{name}:", f"  version: {state['version']}", f"  texts: '{state['texts']}'", "  columns:"]
        for column, facts in state["columns"].items():
            flow = yaml.safe_dump(facts, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
            lines.append(f"    {column}: {flow.strip()}")
    return "\n".join([*lines, ""])
