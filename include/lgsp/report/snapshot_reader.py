"""Read the data of a report from one snapshot; each result carries the SQL query that returned it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg
from psycopg.sql import Literal

from lgsp import sql, store
from lgsp.errors import SettingError
from lgsp.settings import Settings
from lgsp.store import snapshot_lookup
from lgsp.store.snapshot_lookup import PublishedSnapshot

Row = dict[str, Any]


@dataclass(frozen=True)
class QueryResult:
    """Rows of a snapshot, with the SQL query that returns the same rows again."""

    name: str
    statement: str
    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """The first row."""
        return self.rows[0]


@dataclass(frozen=True)
class SnapshotReader(PublishedSnapshot):
    """A published snapshot with the transaction that reads it."""

    _connection: psycopg.Connection[Any] = field(repr=False)

    def query(self, query_name: str, name: str | None = None, **parameters: str | int | date) -> QueryResult:
        """The result of a query of the folder `sql/` on this snapshot; `name` is its name in the report.

        Raises SettingError when the store has another schema version.
        """
        values = {"snapshot": self.snapshot_id, **parameters}
        literals = {
            parameter: Literal(values[parameter]).as_string(self._connection)
            for parameter in sql.placeholders("lgsp.report", query_name)
        }
        statement = sql.load("lgsp.report", query_name, **literals).strip()
        try:
            rows = self._connection.execute(statement.encode()).fetchall()
        except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn) as error:
            missing = error.diag.message_primary
            raise SettingError(
                f"the store has another schema version ({missing}): run `lgsp init` to upgrade it"
            ) from error
        return QueryResult(name or query_name, statement, tuple(rows))


@contextmanager
def open_snapshot(settings: Settings, snapshot_id: int | None) -> Iterator[SnapshotReader]:
    """A snapshot, by default the newest, in one read-only transaction; any role that can read the shared tables can use it.

    Raises NothingPublished before the first publication, SettingError when the snapshot never existed or its history was
    deleted.
    """
    with store.connect(settings) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("set local timezone = 'Asia/Ho_Chi_Minh'")
        publication = snapshot_lookup.find(connection, snapshot_id)
        yield SnapshotReader(**vars(publication), _connection=connection)
