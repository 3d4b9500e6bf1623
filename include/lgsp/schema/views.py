"""Load the descriptions of the views of schema `shared` that exist in SQL only (`views.yml`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from lgsp.errors import ContractError
from lgsp.schema import contract, yaml_file
from lgsp.schema.column import COMPUTED, Column
from lgsp.schema.contract import Contract

FILE = Path(str(files("lgsp.schema"))) / "views.yml"


@dataclass(frozen=True)
class View:
    """A view in SQL only: its columns are some of those of the table or view `source`, then its own."""

    name: str
    description: str
    meaning_vi: str
    key: tuple[str, ...]
    source: str
    taken: tuple[Column, ...]
    own: tuple[Column, ...]
    without: tuple[str, ...] = ()  # the columns of `source` that it does not have
    period: str | None = None  # of a view with one period of the indicator table

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in order."""
        return (*self.taken, *self.own)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def table(self) -> Contract:
        """The contract of the table whose rows it shows, and which decides who may see them."""
        views = by_name()
        return views[self.source].table if self.source in views else contract.load(self.source)


@cache
def by_name() -> dict[str, View]:
    """All views, each after the one it reads. Raises ContractError for a column that its source does not have."""
    views: dict[str, View] = {}
    for name, entry in yaml_file.read(FILE).items():
        known = views[entry["from"]].columns if entry["from"] in views else contract.load(entry["from"]).columns
        view = _view(name, entry, known)
        for parts in entry.get("copies", [{}]):
            copy = _filled(view, parts)
            views[copy.name] = copy
    return views


def every() -> tuple[View, ...]:
    """All views, each after the one it reads."""
    return tuple(by_name().values())


def _view(name: str, entry: dict[str, Any], known: tuple[Column, ...]) -> View:
    key, without = tuple(entry["key"]), tuple(entry.get("without", ()))
    if missing := set(without) - {column.name for column in known}:
        raise ContractError(f"{FILE.name}: {entry['from']} has no column {', '.join(sorted(missing))} to leave out")
    described = {item["name"]: item for item in entry.get("columns", [])}
    taken = tuple(
        _taken(column, key, described.pop(column.name, None)) for column in known if column.name not in without
    )
    own = tuple(
        Column(item["name"], item["type"], item["description"], item["vi"], False, False, False)
        for item in described.values()
    )
    return View(name, entry["description"], entry["vi"], key, entry["from"], taken, own, without)


def _taken(column: Column, key: tuple[str, ...], item: dict[str, str] | None) -> Column:
    """A column of the source as the view has it; `item` has another description of it, if there is one."""
    taken = replace(column, is_key=column.name in key, is_partition=False, origin=COMPUTED, period=None)
    return replace(taken, description=item["description"], meaning_vi=item["vi"]) if item else taken


def _filled(view: View, parts: dict[str, str]) -> View:
    """The view with the parts of one copy in its name and description."""
    texts = (view.name, view.description, view.meaning_vi)
    name, description, meaning_vi = (Template(text).substitute(parts) for text in texts)
    return replace(view, name=name, description=description, meaning_vi=meaning_vi, period=parts.get("period"))
