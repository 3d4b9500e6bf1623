"""Transactions that read and load rows as Arrow, and the publish lock.

One transaction at a time holds the publish lock: the lock of a table that only roles with the right to publish can lock, so
no reader can stop a publication. Lock and transaction are one, so a publisher that loses the one loses the other: the server
ends a publisher that is silent for longer than its lease, and the database refuses a publication whose fencing token is not
the newest (`ledger.publication_in_turn`).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import pyarrow as pa

from lgsp import sql
from lgsp.errors import CommitFailed, PublishLockHeld, SettingError
from lgsp.settings import LEASE_SECONDS, PUBLISH_WAIT_SECONDS

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection, Cursor

log = logging.getLogger(__name__)

# A session that waits for the publish lock reports this often who has it, with the step that it has reached.
REPORT_SECONDS = 60
# PostgreSQL cuts longer names.
MOST_NAME = 63

# The table whose lock is the publish lock. It has no rows.
PUBLISH_LOCK = "ledger.publish_lock"
PUBLISH_LOCK_DDL = f"""
create table if not exists {PUBLISH_LOCK} ();
comment on table {PUBLISH_LOCK} is 'Has no rows: its lock in mode EXCLUSIVE is the publish lock';
"""
# In this mode a copy of the database (pg_dump) does not wait for a publisher, nor a publisher for it.
TAKE_PUBLISH_LOCK = f"lock table {PUBLISH_LOCK} in exclusive mode"
LOCK_NOT_AVAILABLE = "55P03"
# The session that holds the publish lock.
HOLDER = f"""
select pid, coalesce(usename, '?') as usename, coalesce(application_name, '') as application_name, xact_start, wait_event, query_start
from pg_locks join pg_stat_activity using (pid)
where relation = '{PUBLISH_LOCK}'::regclass and pg_locks.database = (select oid from pg_database where datname = current_database())
    and granted and mode in ('ExclusiveLock', 'AccessExclusiveLock') and pid <> pg_backend_pid()"""
DESCRIBED_HOLDER = f"""
select 'process ' || pid || ' (' || coalesce(nullif(application_name, ''), 'no application name') || ', user ' || usename
    || coalesce(', since ' || to_char(xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '') || ')' from ({HOLDER}) h
"""
# Ends the session that holds the publish lock and has not sent or received rows for longer than the lease.
END_HANGING = f"""
select pg_terminate_backend(pid)::text from ({HOLDER}) h
where wait_event in ('ClientRead', 'ClientWrite') and query_start < clock_timestamp() - make_interval(secs => """


def session_name(command: str, step: str = "") -> str:
    """The application name of a session of a command, which `store.activity` reads: command, step, process id and host."""
    return f"lgsp {command}{' ' * bool(step)}{step} {os.getpid()}@{socket.gethostname()}"[:MOST_NAME]


class Transaction:
    """A connection in a transaction; nothing of it is visible to others before `commit`."""

    command = "publish"  # the command whose publish session this is
    token = 0  # the fencing token: larger than that of any earlier publisher; 0 without the publish lock

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor: Cursor = connection.cursor()

    def do(self, statement: str, *parameters: Any) -> None:
        """Run one statement."""
        self._cursor.execute(statement, list(parameters) or None)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        self._cursor.execute(query, list(parameters) or None)
        return list(self._cursor.fetchall())

    def one(self, query: str, *parameters: Any) -> Any:
        """The single value of a query that gives one row. Raises LookupError when it gives none."""
        for row in self.rows(query, *parameters):
            return row[0]
        raise LookupError(f"no row: {query}")

    def arrow(self, query: str) -> pa.Table:
        """All rows of a query as Arrow."""
        self._cursor.execute(query)
        return self._cursor.fetch_arrow_table()

    def load(self, table: str, rows: pa.Table) -> None:
        """Append Arrow rows to a temporary table of this transaction."""
        if rows.num_rows:
            self._cursor.adbc_ingest(table, rows, mode="append", temporary=True)

    def temporary(self, table: str, like: str) -> None:
        """Create an empty temporary table with the columns of another table; it is dropped at the end of the transaction."""
        self.do(f"drop table if exists pg_temp.{table}")
        self.do(f"create temporary table {table} (like {like}) on commit drop")

    def changed(self, statement: str, *parameters: Any) -> int:
        """Run an insert, update or delete; the number of rows it changed."""
        return int(self.one(f"with touched as ({statement} returning 1) select count(*) from touched", *parameters))

    def show_step(self, step: str) -> None:
        """Show to others which step the session has reached."""
        self.do(f"set application_name = {sql.quoted(session_name(self.command, step))}")

    def acquire_publish_lock(self, lease_seconds: int, wait_seconds: float) -> None:
        """Wait for the publish lock; this transaction holds it until it ends.

        A holder that hangs in the middle of a transfer, which no timeout of the server covers, is ended. Raises
        PublishLockHeld, which names the holder, when it is not free within `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        options = " nowait"
        while True:
            try:
                self.do(TAKE_PUBLISH_LOCK + options)
                return
            except adbc_driver_manager.Error as error:
                if error.sqlstate != LOCK_NOT_AVAILABLE:
                    raise
            self._connection.rollback()
            self.rows(f"{END_HANGING}{lease_seconds})")
            holder = "; ".join(row[0] for row in self.rows(DESCRIBED_HOLDER)) or "a session that ended meanwhile"
            self._connection.rollback()
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise PublishLockHeld(
                    f"the publish lock is not free after {wait_seconds:.0f} s (LGSP_PUBLISH_WAIT_SECONDS): {holder} has it; "
                    f"run the command again when it has ended, or end it"
                )
            log.warning(
                "lgsp %s waits for the publish lock, for at most %.0f s: %s has it", self.command, remaining, holder
            )
            self.do(f"set lock_timeout = '{int(1000 * min(lease_seconds, remaining, REPORT_SECONDS)) + 1}ms'")
            self._connection.commit()
            options = ""

    def commit(self) -> None:
        """Commit. Raises CommitFailed when the server refused it, or did not answer: then the outcome is unknown."""
        try:
            self._connection.commit()
        except adbc_driver_manager.Error as error:
            raise CommitFailed(str(error)) from error


@contextmanager
def publishing(
    url: str, lease_seconds: int = LEASE_SECONDS, wait_seconds: float = PUBLISH_WAIT_SECONDS, command: str = "publish"
) -> Iterator[Transaction]:
    """The publisher's transaction: it waits for the publish lock, and is rolled back unless the block commits it.

    A commit ends the lock: what the block does in the database afterwards needs `acquire_publish_lock` again. The server
    ends the session when it sends no statement for `lease_seconds`. `command` is what others see as the holder of the lock.
    """
    with _connected(url) as transaction:
        transaction.command = command
        transaction.show_step("")
        for timeout in ("idle_in_transaction_session_timeout", "idle_session_timeout"):
            transaction.do(f"set {timeout} = '{lease_seconds}s'")
        transaction.commit()
        transaction.acquire_publish_lock(lease_seconds, wait_seconds)
        transaction.do(f"set lock_timeout = '{lease_seconds}s'")
        transaction.token = transaction.one("select nextval('ledger.publish_token')")
        yield transaction


@contextmanager
def reading(url: str) -> Iterator[Transaction]:
    """A read-only transaction in which every statement sees the same state of the database; it takes no locks."""
    with _connected(url) as transaction:
        transaction.do("set transaction isolation level repeatable read, read only")
        yield transaction


@contextmanager
def _connected(url: str) -> Iterator[Transaction]:
    import adbc_driver_postgresql.dbapi as adbc  # imports pandas: a command that does not publish must not wait for it

    try:
        connection = adbc.connect(url)
    except adbc_driver_manager.Error as error:
        raise SettingError(f"the SQL store does not answer: {error}") from error
    try:
        yield Transaction(connection)
    finally:
        with suppress(adbc_driver_manager.Error):  # the server may have cut the connection
            connection.rollback()
        connection.close()


def values(items: Sequence[str]) -> str:
    """Texts without blanks as one parameter, read back in SQL by string_to_array(…, ' ')."""
    return " ".join(items)
