"""The SQL of answers: pages, streams, counts, one row, and the changes between two snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from lgsp.schema.column import Column
from lgsp.serve import model
from lgsp.serve.database import Connection
from lgsp.serve.filter_sql import TRUE, Compiler, column, searched
from lgsp.serve.model import EntitySet
from lgsp.serve.query import Query
from lgsp.serve.snapshots import Snapshot

ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class Sort:
    """A column that rows are ordered by. Nulls come first, in descending order last."""

    column: Column
    is_descending: bool


@dataclass(frozen=True)
class Rows:
    """The rows of a set in a snapshot that match a query and that an account may see; `agencies` None: all."""

    entity_set: EntitySet
    snapshot: Snapshot
    query: Query
    agencies: Sequence[str] | None
    by_code_point: Composable

    @property
    def sorts(self) -> tuple[Sort, ...]:
        """What rows are ordered by: `$orderby`, then the key. Names are ordered by `name_sort` where the set has it."""
        found: dict[str, Sort] = {}
        for name, is_descending in (*self.query.order, *((name, False) for name in self.entity_set.key)):
            for each in (f"{name}_sort", name):
                if (existing := self.entity_set.columns.get(each)) is not None:
                    # rows of snapshots before the upgrade that brought the sort key lack it
                    sorted_by = existing if each == name else replace(existing, is_required=False)
                    found.setdefault(each, Sort(sorted_by, is_descending))
        return tuple(found.values())

    def count(self, connection: Connection) -> int:
        """How many rows there are."""
        compiler, condition = self._conditions(self.snapshot)
        query = SQL("select count(*) from {} r where {}").format(self.snapshot.rows(self.entity_set), condition)
        row = connection.execute(query, compiler.values).fetchone()
        return int(row[0]) if row else 0

    def page(
        self, connection: Connection, after: Sequence[Any] | None, limit: int, skip: int
    ) -> tuple[list[tuple[Any, ...]], list[Any] | None]:
        """At most `limit` rows after the one with these values of `sorts`; and those of the last row if more follow."""
        if not limit:
            return [], None
        statement, values = self._select(after, [sort.column.name for sort in self.sorts])
        limits = SQL(" limit {} offset {}").format(Literal(limit + 1), Literal(skip))
        found = connection.execute(statement + limits, values).fetchall()
        width = len(self.query.columns)
        last = list(found[limit - 1][width:]) if len(found) > limit else None
        return [row[:width] for row in found[:limit]], last

    def stream(self, connection: Connection) -> Iterator[list[tuple[Any, ...]]]:
        """All rows in order, in lists, from a cursor on the server."""
        statement, values = self._select(None, [])
        if self.query.top is not None or self.query.skip:
            top = Literal(self.query.top) if self.query.top is not None else SQL("all")
            statement += SQL(" limit {} offset {}").format(top, Literal(self.query.skip))
        return self._fetched(connection, statement, values)

    def one(self, connection: Connection, keys: Sequence[Mapping[str, Any]]) -> tuple[Any, ...] | None:
        """The row with the first of these keys that has one."""
        for key in keys:
            compiler, condition = self._conditions(self.snapshot)
            equal = [SQL("{} = {}").format(column(name), _typed(compiler, self.entity_set, name, value)) for name, value in key.items()]  # fmt: skip
            statement = SQL("select {} from {} r where {}").format(
                _listed(self.entity_set, self.query.columns), self.snapshot.rows(self.entity_set), SQL(" and ").join([*equal, condition])
            )  # fmt: skip
            if row := connection.execute(statement, compiler.values).fetchone():
                return tuple(row)
        return None

    def changes(
        self, connection: Connection, since: Snapshot, after: Sequence[Any] | None, limit: int
    ) -> tuple[list[tuple[Any, ...]], list[Any] | None]:
        """At most `limit` net changes since a snapshot after the one with this key, and the key of the last if more follow.

        Each has the reason (None for a row that is there, `deleted`, or `changed` when it left the filter or the scope),
        the columns of the query, and the key.
        """
        statement, values = self._changes(since, after)
        found = connection.execute(statement + SQL(" limit {}").format(Literal(limit + 1)), values).fetchall()
        last = list(found[limit - 1][1 + len(self.query.columns) :]) if len(found) > limit else None
        return found[:limit], last

    def stream_changes(self, connection: Connection, since: Snapshot) -> Iterator[list[tuple[Any, ...]]]:
        """All net changes since a snapshot, as `changes` gives them."""
        return self._fetched(connection, *self._changes(since, None))

    def _changes(self, since: Snapshot, after: Sequence[Any] | None) -> tuple[Composed, dict[str, Any]]:
        compiler, condition = self._conditions(self.snapshot)
        _, condition_before = self._conditions(since, compiler)
        key = SQL(", ").join(column(name) for name in self.entity_set.key)
        was_there: Composable = TRUE
        if condition_before is not TRUE:
            was_there = SQL("({}) in (select {} from {} r where {})").format(key, key, since.rows(self.entity_set), condition_before)  # fmt: skip
        is_there = SQL("r.change <> 'delete' and {}").format(condition)
        conditions: list[Composable] = [SQL("(({}) or (r.change <> 'insert' and {}))").format(is_there, was_there)]
        sorts = [Sort(self.entity_set.columns[name], False) for name in self.entity_set.key]
        if after is not None:
            conditions.append(self._after(compiler, sorts, after))
        changes = SQL("{}({}, {})").format(
            Identifier("history", f"{self.entity_set.name}_changes"),
            Literal(since.number),
            Literal(self.snapshot.number),
        )
        statement = SQL(
            "with change as materialized (select * from {}) "
            "select case when {} then null when r.change = 'delete' then 'deleted' else 'changed' end, {}, {} "
            "from ({}) r where {} order by {}"
        ).format(
            changes, is_there, _listed(self.entity_set, self.query.columns), key, self._changed(since),
            SQL(" and ").join(conditions), self._ordered(sorts),
        )  # fmt: skip
        return statement, compiler.values

    def _changed(self, since: Snapshot) -> Composable:
        """The changed rows, and rows without a version of their own that look different: the time of their period moved,
        or, for an account with agencies, their dossier went to another agency."""
        name, table = self.entity_set.name, self.entity_set.contract
        names = SQL(", ").join(column(each) for each in self.entity_set.names)
        source = SQL("select r.change, {} from change r").format(names)
        moved: list[Composable] = []
        if period := table.period_column:
            moved.append(SQL(
                "({}, r.period_start) in (select v.period, v.period_start from history.as_of_by_period v "
                "where v.feed = {} and v.snapshot_from > {} and v.snapshot_from <= {})"
            ).format(Literal(period.period) + SQL("::text") if period.period else column("period"), Literal(period.feed), since.number, self.snapshot.number))  # fmt: skip
        decider = self.entity_set.decider
        if self.agencies is not None and decider is not self.entity_set:
            id_ = column(*decider.key)
            changes = Identifier("history", f"{decider.name}_changes")
            moved.append(
                SQL("{} in (select {} from {}({}, {}) r where r.change = 'update')").format(
                    id_, id_, changes, since.number, self.snapshot.number
                )
            )
        if not moved:
            return source
        key = SQL(", ").join(column(each) for each in self.entity_set.key)
        known = SQL(", ").join(Identifier("c", each) for each in self.entity_set.key)
        others = SQL("select 'update', {} from {} r where ({}) and ({}) not in (select {} from change c)").format(
            names, self.snapshot.rows(model.sets()[name]), SQL(" or ").join(moved), key, known
        )
        return SQL("{} union all {}").format(source, others)

    def _fetched(
        self, connection: Connection, statement: Composed, values: dict[str, Any]
    ) -> Iterator[list[tuple[Any, ...]]]:
        with connection.cursor(name="stream") as cursor:
            cursor.execute(statement, values)
            while found := cursor.fetchmany(ROWS_AT_ONCE):
                yield found

    def _select(self, after: Sequence[Any] | None, hidden: Sequence[str]) -> tuple[Composed, dict[str, Any]]:
        compiler, condition = self._conditions(self.snapshot)
        conditions = [condition]
        if after is not None:
            conditions.append(self._after(compiler, self.sorts, after))
        statement = SQL("select {} from {} r where {} order by {}").format(
            _listed(self.entity_set, [*self.query.columns, *hidden]), self.snapshot.rows(self.entity_set),
            SQL(" and ").join(conditions), self._ordered(self.sorts),
        )  # fmt: skip
        return statement, compiler.values

    def _conditions(self, snapshot: Snapshot, compiler: Compiler | None = None) -> tuple[Compiler, Composable]:
        """The condition of filter, search and scope on rows `r` of a snapshot; TRUE where there is none."""
        compiler = compiler or Compiler(self.by_code_point)
        conditions = []
        if self.query.condition is not None:
            conditions.append(compiler.condition(self.query.condition))
        if self.query.words:
            conditions.append(searched(compiler, self.entity_set, self.query.words))
        if self.agencies is not None and self.entity_set.is_fact:
            decider, agencies = self.entity_set.decider, compiler.parameter(list(self.agencies))
            named = decider.contract.agency_columns
            own = [SQL("{} = any({}::text[])").format(column(name), agencies) for name in named]
            seen: Composable = SQL("({})").format(SQL(" or ").join(own))
            if decider is not self.entity_set:
                id_, rows = column(*decider.key), snapshot.rows(decider)
                seen = SQL("{} in (select {} from {} r where {})").format(id_, id_, rows, seen)
            conditions.append(seen)
        return compiler, SQL("({})").format(SQL(" and ").join(conditions)) if conditions else TRUE

    def _ordered(self, sorts: Sequence[Sort]) -> Composable:
        return SQL(", ").join(
            column(sort.column.name) + self._collation(sort.column)
            + (SQL(" desc nulls last") if sort.is_descending else SQL(" nulls first" if model.is_nullable(sort.column) else ""))
            for sort in sorts
        )  # fmt: skip

    def _after(self, compiler: Compiler, sorts: Sequence[Sort], values: Sequence[Any]) -> Composable:
        """The condition that a row comes after one with these values, in the order of `sorts`."""
        names = [column(sort.column.name) + self._collation(sort.column) for sort in sorts]
        placed = [None if value is None else _typed(compiler, self.entity_set, sort.column.name, value) for sort, value in zip(sorts, values, strict=True)]  # fmt: skip
        if not any(sort.is_descending or model.is_nullable(sort.column) for sort in sorts):
            return SQL("({}) > ({})").format(SQL(", ").join(names), SQL(", ").join(each for each in placed if each))
        conditions: list[Composable] = []
        equal: list[Composable] = []
        for sort, name, value in zip(sorts, names, placed, strict=True):
            later: Composable
            if value is None:
                later = SQL("false") if sort.is_descending else SQL("{} is not null").format(name)
                same = SQL("{} is null").format(name)
            elif sort.is_descending:
                later, same = SQL("({0} < {1} or {0} is null)").format(name, value), SQL("{} = {}").format(name, value)
            else:
                later, same = SQL("{} > {}").format(name, value), SQL("{} = {}").format(name, value)
            conditions.append(SQL("({})").format(SQL(" and ").join([*equal, later])))
            equal.append(same)
        return SQL("({})").format(SQL(" or ").join(conditions))

    def _collation(self, of: Column) -> Composable:
        return self.by_code_point if of.type == "text" else SQL("")


def _typed(compiler: Compiler, entity_set: EntitySet, name: str, value: Any) -> Composable:
    """A parameter with the type of a column."""
    return compiler.parameter(value) + SQL(f"::{entity_set.columns[name].type}")


def _listed(entity_set: EntitySet, names: Sequence[str]) -> Composable:
    """The columns of an answer; a list that is null is empty."""
    return SQL(", ").join(
        SQL("coalesce({}, '{{}}')").format(column(name)) if entity_set.columns[name].type == "text[]" else column(name)
        for name in names
    )
