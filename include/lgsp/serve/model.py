"""The entity sets of the read API: one for each contract and each view, and the list of snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from lgsp.schema import contract, views
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract
from lgsp.schema.views import View

NAMESPACE = "lgsp"
VERSION = "v1"

# The EDM type of each SQL type of a contract.
EDM_TYPES = {
    "text": "Edm.String", "boolean": "Edm.Boolean", "integer": "Edm.Int32", "bigint": "Edm.Int64", "date": "Edm.Date",
    "timestamptz": "Edm.DateTimeOffset", "double precision": "Edm.Double",
    "text[]": "Collection(Edm.String)", "numeric": "Edm.Decimal",
}  # fmt: skip

# The list of snapshots has no contract: it describes publications, and is no part of one.
SNAPSHOT = Contract(
    name="snapshot",
    version="1.0.0",
    description="A published snapshot",
    meaning_vi="Lần công bố",
    columns=tuple(
        Column(name, type_, english, vietnamese, is_required, is_key=name == "snapshot_id", is_partition=False)
        for name, type_, english, vietnamese, is_required in (
            ("snapshot_id", "bigint", "Number of the snapshot", "Số lần công bố", True),
            ("epoch", "integer", "Epoch of the store that published it", "Thời kỳ của kho dữ liệu", True),
            ("published_at", "timestamptz", "Time of publication", "Thời điểm công bố", True),
            ("as_of", "timestamptz", "Time up to which its data reach", "Số liệu tính đến", False),
            ("kind", "text", "publication or rollback", "Công bố hay khôi phục", True),
            (
                "restores",
                "bigint",
                "For a rollback: the snapshot that it restores",
                "Lần công bố được khôi phục",
                False,
            ),
            ("verdict", "text", "pass, or overruled by a person", "Kết quả kiểm tra", True),
        )
    ),
    rules=(),
)


@dataclass(frozen=True)
class EntitySet:
    """One set: its contract, how the rows of an agency are found, and the view whose rows it has, if it is none of a table."""

    contract: Contract
    view: View | None = None

    @property
    def name(self) -> str:
        """The name of the set, the table and the entity type."""
        return self.contract.name

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns, in order."""
        return self.contract.key

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return self.contract.names

    @property
    def is_published(self) -> bool:
        """Whether it is a table of each snapshot, with files and changes; a view and the list of snapshots are not."""
        return self.view is None and self.contract is not SNAPSHOT

    @property
    def is_fact(self) -> bool:
        """Whether an account with the scope `indicators` cannot read it."""
        return bool(self.contract.agency_columns or self.contract.agency_of)

    @property
    def decider(self) -> EntitySet:
        """The set whose row of the same id has the agencies that may see a row: the set itself, or another fact table."""
        return sets()[self.contract.agency_of] if self.contract.agency_of else self

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.contract.columns}

    @property
    def searched(self) -> tuple[str, ...]:
        """The columns in which `$search` looks; empty where the contract names none."""
        return tuple(column.name for column in self.contract.columns if column.is_searched)


@cache
def sets() -> dict[str, EntitySet]:
    """All sets by name, in alphabetical order."""
    tables = [EntitySet(table) for table in (*contract.every(), SNAPSHOT)]
    found = {each.name: each for each in (*tables, *map(_of_view, views.every()))}
    return {name: found[name] for name in sorted(found)}


def _of_view(view: View) -> EntitySet:
    """The set of a view. Its rows are seen by those who may see the rows of its table."""
    table = view.table
    described = Contract(
        view.name, table.version, view.description, view.meaning_vi, view.columns, (), table.agency_columns, table.agency_of,
    )  # fmt: skip
    return EntitySet(described, view)


def edm_type(column: Column) -> str:
    """The EDM type of a column."""
    return EDM_TYPES[column.base_type]


def is_nullable(column: Column) -> bool:
    """Whether the API answers null for it. A list is never null: an empty one is `[]`."""
    return not (column.is_required or column.is_key or column.type == "text[]")
