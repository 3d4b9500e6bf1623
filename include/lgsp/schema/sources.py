"""Load the source descriptions: every folder with a `source.yml` is a source; there is no list of sources to edit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NotRequired

from typing_extensions import TypedDict

from lgsp import config, sql
from lgsp.errors import ContractError
from lgsp.schema import csv_file, yaml_file
from lgsp.schema.corrections import Correction
from lgsp.schema.quiet_hours import QuietHours

if TYPE_CHECKING:
    from pydantic import TypeAdapter

OWN, OWN_CORRECTIONS = "sources", "corrections"  # the folders in LGSP_CONFIG
FOLDER = Path(str(files("lgsp.sources")))

# The roles of sources, in order of precedence. Shared SQL joins on roles, never on names of sources.
ROLES = ("one_stop", "portal", "documents")
DOSSIER_ROLES = ("one_stop", "portal")


class ListDescription(TypedDict):
    """One list of a source: where its records are in an answer, and the converter of each field.

    `record` is where a record is that was requested by its key; by default it is the whole answer.
    """

    records: str
    record: NotRequired[str]
    fields: dict[str, Any]


class Volume(TypedDict):
    """When the number of records is suspicious: `most_times` as many as usual, from `from_count` records on."""

    key: str
    most_times: float
    from_count: int


class FreshnessLimit(TypedDict):
    """After how many hours without new data a source is stale."""

    hours: float


class WindowBounds(TypedDict):
    """Which windows are likely: none begins more than `reach_back_days` ago, or before the source had a record.

    Without `first_record_on` the first day with records is learnt from what was read.
    """

    reach_back_days: int
    first_record_on: NotRequired[date]


class SweptList(TypedDict):
    """How a sweep compares a list: its kinds of record, the time by which they are selected, and what proves a deletion."""

    kinds: list[str]
    by: str
    absent: str
    keeps: NotRequired[list[str]]


class SweepDescription(TypedDict):
    """What a sweep compares: how many days back, and which lists."""

    range_days: int
    lists: dict[str, SweptList]


@dataclass(frozen=True)
class Source:
    """A `source.yml`: the role and limits of a source, the size of its batches, and the fields of its lists."""

    name: str
    title: str
    description: str
    role: str
    volume: Volume
    rank: int | None = None
    manners: dict[str, int | float] = field(default_factory=dict)
    quiet_hours: str | tuple[str, ...] = ()
    records_per_batch: int = 50_000
    days_per_batch: int = 31
    whole_days: bool = False
    windows: WindowBounds = field(default_factory=lambda: WindowBounds(reach_back_days=3660))
    overlap_minutes: int = 0  # the Dag's request begins so much earlier than its window
    unknown_field: Literal["warn", "stop"] = "warn"
    lists: Mapping[str, ListDescription] = field(default_factory=dict)
    list_loss: float = 0.2  # the share of the rows of a list that may be gone since the reading before
    freshness: FreshnessLimit = field(default_factory=lambda: FreshnessLimit(hours=36))
    sweep: SweepDescription | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def path(self) -> Path:
        """The path of the `source.yml`."""
        return FOLDER / self.name / "source.yml"

    def code(self, module: str) -> ModuleType:
        """A module of the source: `client` or `rows`."""
        return import_module(f"lgsp.sources.{self.name}.{module}")

    def sql(self, name: str, **parts: object) -> str:
        """The text of an SQL file of the source, with its placeholders replaced."""
        return sql.load(f"lgsp.sources.{self.name}", name, **parts)


def names() -> list[str]:
    """The short names of all sources, in alphabetical order."""
    return sorted(path.parent.name for path in FOLDER.glob("*/source.yml"))


@config.cached()
def load(name: str) -> Source:
    """The description of a source, with what `sources/<name>.yml` and `corrections/<name>.yml` of LGSP_CONFIG change.

    Raises ContractError when it is missing, or has an unknown key, value or role.
    """
    from pydantic import ValidationError

    path = FOLDER / name / "source.yml"
    if not path.exists():
        raise ContractError(f"there is no source {name!r}; known are {', '.join(names())}")
    if not name.isidentifier():
        importable = re.sub(r"\W", "_", name)
        raise ContractError(f"sources/{name}: a source's name is a Python identifier, such as {importable!r}")
    described = {"name": name, "corrections": _corrections(name), **yaml_file.read(path)}
    if own := config.file(f"{OWN}/{name}.yml"):
        described = _merged(described, yaml_file.loads(csv_file.read_text(own)))
    try:
        source: Source = _schema().validate_python(described)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ContractError(f"sources/{name}/{path.name}: {wrong}") from None
    try:
        QuietHours.parse(source.quiet_hours)
    except ContractError as error:
        raise ContractError(f"sources/{name}/{path.name}: {error}") from None
    if source.role not in ROLES:
        raise ContractError(f"sources/{name}/{path.name}: unknown role {source.role!r}; known are {', '.join(ROLES)}")
    return source


def _merged(shipped: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A description with the values of another one, key by key."""
    merged = dict(shipped)
    for key, value in own.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


@cache
def _schema() -> TypeAdapter[Source]:
    from pydantic import ConfigDict, TypeAdapter, with_config

    for shape in (ListDescription, Volume, FreshnessLimit, WindowBounds, SweptList, SweepDescription, Source):
        with_config(ConfigDict(extra="forbid"))(shape)
    return TypeAdapter(Source)


def every() -> list[Source]:
    """All sources in order of precedence, by role and rank: of each attribute the first value is used.

    Raises ContractError when two sources of one role have no rank or the same rank.
    """
    descriptions = [load(name) for name in names()]
    for role in ROLES:
        same_role = [source for source in descriptions if source.role == role]
        if len(same_role) > 1 and len({source.rank for source in same_role} - {None}) < len(same_role):
            files = ", ".join(f"sources/{source.name}/source.yml" for source in same_role)
            raise ContractError(
                f"{files}: they share the role {role!r}, so each must declare a different `rank` (1 wins)"
            )
    return sorted(descriptions, key=lambda source: (ROLES.index(source.role), source.rank or 0))


def of_dossiers() -> list[str]:
    """The names of the sources with dossiers, in order of precedence."""
    return [source.name for source in every() if source.role in DOSSIER_ROLES]


def _corrections(name: str) -> tuple[Correction, ...]:
    """The known errors of a source, from its `corrections.yml` and that of the province; empty without such files."""
    paths = (FOLDER / name / "corrections.yml", config.file(f"{OWN_CORRECTIONS}/{name}.yml"))
    return tuple(correction for path in paths if path and path.exists() for correction in read_corrections(name, path))


def read_corrections(name: str, path: Path) -> Iterator[Correction]:
    """The corrections of a source in a file. Raises ContractError for one with other keys."""
    try:
        for item in yaml_file.loads(csv_file.read_text(path)) or []:
            yield Correction(**{**item, "reported_on": str(item["reported_on"])})
    except (TypeError, KeyError) as error:
        raise ContractError(
            f"{path.name} of {name}: {error}; a correction has list, field, says, means, reason, reported_on, status"
        ) from None
