"""A column of a shared table: its type and meaning, its codes, what it refers to, and whether it is deprecated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from lgsp.errors import ContractError
from lgsp.schema import codelists

# The origin of a column of a merged table: the leading record (of the one-stop-shop, else of the portal), the record of
# one role, the records of several roles as the linking SQL merges them, or (the default) computed from other columns. In an
# indicator table a column can also be the same for all rows of a period; it is no part of a row and of its versions.
COMPUTED, PERIOD = "computed", "period"
ORIGINS = ("lead", "one_stop", "portal", "merged", COMPUTED, PERIOD)


@dataclass(frozen=True)
class Reference:
    """What the values of a column refer to: a key column of a shared table.

    `exceptions` are values that refer to nothing, such as ALL for the province as a whole.
    """

    table: str
    column: str
    exceptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deprecation:
    """Since which version of the contract, and which day, readers should no longer use a column; the version that removes it,
    and the day before which it is not removed."""

    since: str
    since_on: date
    removal: str
    removal_on: date
    replacement: str | None = None

    def __str__(self) -> str:
        use = f"; use {self.replacement}" if self.replacement else ""
        return f"Deprecated since {self.since} ({self.since_on}), removed in {self.removal} (not before {self.removal_on}){use}"

    @property
    def in_vietnamese(self) -> str:
        """The same in Vietnamese."""
        use = f"; thay bằng {self.replacement}" if self.replacement else ""
        days = (f"{day:%d/%m/%Y}" for day in (self.since_on, self.removal_on))
        since, removal = (f"{version} ({day})" for version, day in zip((self.since, self.removal), days, strict=True))
        return f"Ngừng khuyến nghị sử dụng từ phiên bản {since}, bỏ ở phiên bản {removal} hoặc muộn hơn{use}"


@dataclass(frozen=True)
class Column:
    """One column of a shared table."""

    name: str
    type: str
    description: str
    meaning_vi: str
    is_required: bool
    is_key: bool
    is_partition: bool
    origin: str = COMPUTED
    unknown: str | None = None  # the value that means "not known", where the column has one
    period: str | None = None  # with the origin `period`: the period of all rows, in a table without that column
    feed: str = "dossiers"  # with the origin `period`: the feed whose time it is, dossiers or documents
    codes: tuple[str, ...] = ()  # all values that it can have, where the contract lists them
    reference: Reference | None = None
    deprecation: Deprecation | None = None
    is_searched: bool = False  # whether `$search` of the read API looks in it
    collation: str | None = None  # the collation by which SQL sorts it, where it must not be that of the database

    @classmethod
    def parse(cls, item: Any, file: str) -> Column:
        """The column that a property of an ODCS schema describes. Raises ContractError, naming the file, when it is invalid."""
        properties = {p.property: p.value for p in item.customProperties or []}
        origin = str(properties.get("origin", COMPUTED))
        if origin not in ORIGINS:
            raise ContractError(f"{file}: column {item.name} has the origin {origin!r}; known are {', '.join(ORIGINS)}")
        return cls(
            name=item.name, type=item.physicalType, description=item.description or "", meaning_vi=item.businessName or "",
            is_required=bool(item.required), is_key=bool(item.primaryKey), is_partition=bool(item.partitioned),
            origin=origin, unknown=properties.get("unknown"), period=properties.get("period"),
            feed=str(properties.get("feed", "dossiers")), codes=_codes(properties), reference=_reference(item, file),
            deprecation=_deprecation(item.name, properties.get("deprecated"), file),
            is_searched=bool(properties.get("searched", False)), collation=properties.get("collation"),
        )  # fmt: skip

    @property
    def base_type(self) -> str:
        """Its SQL type without precision and scale: `numeric` of `numeric(12,2)`."""
        return self.type.partition("(")[0]

    @property
    def precision_and_scale(self) -> tuple[int, int]:
        """How many digits a decimal has, and how many of them are after the point. Raises ValueError for another type."""
        precision, scale = self.type.partition("(")[2].removesuffix(")").split(",")
        return int(precision), int(scale)

    @property
    def definition(self) -> str:
        """Its SQL type, with its collation."""
        return f'{self.type} collate "{self.collation}"' if self.collation else self.type

    @property
    def is_recorded(self) -> bool:
        """Whether sources fill it; such a column is also a column of their records."""
        return self.origin not in (COMPUTED, PERIOD)

    @property
    def is_stored(self) -> bool:
        """Whether each row stores it."""
        return self.origin != PERIOD

    @property
    def is_nullable(self) -> bool:
        """Whether it can be empty."""
        return not (self.is_required or self.is_key)

    @property
    def note(self) -> str:
        """Its description, with the deprecation if there is one."""
        return f"{self.description}. {self.deprecation}" if self.deprecation else self.description

    @property
    def note_vi(self) -> str:
        """Its meaning in Vietnamese, with the deprecation if there is one."""
        return f"{self.meaning_vi}. {self.deprecation.in_vietnamese}" if self.deprecation else self.meaning_vi


def _codes(properties: dict[str, Any]) -> tuple[str, ...]:
    """The meanings in the code list of the column, the further `values`, and the value that means not known."""
    listed = codelists.all_meanings(properties["codelist"]) if "codelist" in properties else []
    codes = [*listed, *properties.get("values", [])]
    unknown = [properties["unknown"]] if codes and "unknown" in properties else []
    return tuple(dict.fromkeys(str(code) for code in codes + unknown))


def _reference(item: Any, file: str) -> Reference | None:
    relationships = item.relationships or []
    if not relationships:
        return None
    if len(relationships) > 1 or not isinstance(relationships[0].to, str) or relationships[0].to.count(".") != 1:
        raise ContractError(f"{file}: column {item.name} needs one relationship to a column, written table.column")
    properties = {p.property: p.value for p in relationships[0].customProperties or []}
    table, _, column = relationships[0].to.partition(".")
    return Reference(table, column, tuple(properties.get("except", ())))


def _deprecation(name: str, value: Any, file: str) -> Deprecation | None:
    if value is None:
        return None
    required = {"since", "since_on", "removal", "removal_on"}
    if not isinstance(value, dict) or not required <= value.keys() <= required | {"replacement"}:
        raise ContractError(
            f"{file}: column {name}: deprecated must have since and removal (versions of the contract), since_on and removal_on (days), and may have replacement"
        )
    try:
        since_on, removal_on = (date.fromisoformat(str(value[key])) for key in ("since_on", "removal_on"))
    except ValueError as error:
        raise ContractError(f"{file}: column {name}: deprecated: {error}") from None
    if removal_on <= since_on:
        raise ContractError(f"{file}: column {name}: deprecated: removal_on must be after since_on")
    replacement = str(value["replacement"]) if "replacement" in value else None
    return Deprecation(str(value["since"]), since_on, str(value["removal"]), removal_on, replacement)
