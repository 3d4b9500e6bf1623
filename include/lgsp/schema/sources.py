"""The sources: one folder each, found by its `source.yml`; there is no list to edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from lgsp import sql
from lgsp.errors import ContractError
from lgsp.schema.corrections import Correction

FOLDER = Path(str(files("lgsp.sources")))


@dataclass(frozen=True)
class Source:
    """What a source's `source.yml` says: how to ask, how to cut, what its fields are."""

    name: str
    title: str
    description: str
    manners: Mapping[str, Any] = field(default_factory=dict)
    records_per_batch: int = 50_000
    days_per_batch: int = 31
    whole_days: bool = False
    unknown_field: str = "warn"
    lists: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    volume: Mapping[str, Any] = field(default_factory=dict)
    freshness: Mapping[str, Any] = field(default_factory=lambda: {"hours": 36})
    sweep: Mapping[str, Any] = field(default_factory=dict)
    corrections: tuple[Correction, ...] = ()

    @property
    def path(self) -> Path:
        """The description this came from: the file to edit."""
        return FOLDER / self.name / "source.yml"

    def code(self, module: str) -> ModuleType:
        """One of the source's own modules: `client` or `rows`."""
        return import_module(f"lgsp.sources.{self.name}.{module}")

    def sql(self, name: str) -> str:
        """One of the source's own SQL files."""
        return sql.load(f"lgsp.sources.{self.name}", name)


def names() -> list[str]:
    """The short names of all sources, in alphabetical order."""
    return sorted(path.parent.name for path in FOLDER.glob("*/source.yml"))


@cache
def load(name: str) -> Source:
    """The description of one source. Raises ContractError when there is none or it says something unknown."""
    import yaml

    path = FOLDER / name / "source.yml"
    if not path.exists():
        raise ContractError(f"there is no source {name!r}; known are {', '.join(names())}")
    told = yaml.safe_load(path.read_text())
    try:
        return Source(name=name, corrections=_corrections(name), **told)
    except TypeError as error:
        raise ContractError(f"{path.name} of {name}: {error}") from None


def _corrections(name: str) -> tuple[Correction, ...]:
    """The known errors of a source, from its `corrections.yml`; none where it has no such file."""
    import yaml

    path = FOLDER / name / "corrections.yml"
    if not path.exists():
        return ()
    try:
        return tuple(
            Correction(**{**item, "reported_on": str(item["reported_on"])})
            for item in yaml.safe_load(path.read_text()) or []
        )
    except (TypeError, KeyError) as error:
        raise ContractError(
            f"{path.name} of {name}: {error}; a correction has list, field, says, means, reason, reported_on, status"
        ) from None
