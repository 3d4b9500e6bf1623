"""What a report reads: answers of one snapshot, each with the statement that gives it again, word for word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg.sql import Literal

from lgsp import sql, store
from lgsp.errors import SettingError
from lgsp.settings import Settings
from lgsp.store import snapshot_lookup

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """Rows of a snapshot, and the statement that gives them to whoever asks again."""

    name: str
    statement: str
    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """Its only row."""
        return self.rows[0]


@dataclass(frozen=True)
class Snapshot:
    """One snapshot, read in one transaction."""

    snapshot_id: int
    as_of: datetime
    is_newest: bool
    _connection: psycopg.Connection[Any] = field(repr=False)

    def ask(self, question: str, name: str | None = None, **told: str | int | date) -> Answer:
        """The answer to a question of `sql/`, as the snapshot gave it on the day it was published."""
        values = {"snapshot": self.snapshot_id, **told}
        literals = {
            name: Literal(values[name]).as_string(self._connection)
            for name in sql.placeholders("lgsp.report", question)
        }
        statement = sql.load("lgsp.report", question, **literals).strip()
        try:
            rows = self._connection.execute(statement.encode()).fetchall()
        except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedColumn) as error:
            lacking = error.diag.message_primary
            raise SettingError(f"the store is of another version ({lacking}): `lgsp init` upgrades it") from error
        return Answer(name or question, statement, tuple(rows))


@contextmanager
def opened(settings: Settings, snapshot_id: int | None) -> Iterator[Snapshot]:
    """A snapshot (the newest unless one is named) that stays the same while it is read, by whoever may read at all.

    Raises NothingPublished before the first one, SettingError when the history of that one was retired or never was.
    """
    with store.connect(settings) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("set local timezone = 'Asia/Ho_Chi_Minh'")
        shown = snapshot_lookup.find(connection, snapshot_id)
        yield Snapshot(shown.snapshot_id, shown.as_of, shown.is_newest, connection)
