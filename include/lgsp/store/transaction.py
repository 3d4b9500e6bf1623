"""Transactions that read and load rows as Arrow, and the publish lock.

One database session at a time holds the publish lock. Lock and transaction belong to the same session, so a publisher
that loses the one loses the other: the server ends a publisher that is silent for longer than its lease, and the
database refuses a publication whose fencing token is not the newest (`ledger.publication_in_turn`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import pyarrow as pa

from lgsp.errors import CommitFailed, SettingError
from lgsp.settings import LEASE_SECONDS

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection, Cursor

# Advisory lock: one publisher at a time.
PUBLISH_LOCK = 0x16_59_02
LOCK_NOT_AVAILABLE = "55P03"
# Ends the session that holds the publish lock and has not sent or received rows for longer than the lease.
END_HANGING = f"""
select pg_terminate_backend(pid)::text from pg_locks join pg_stat_activity using (pid)
where locktype = 'advisory' and granted and pg_locks.objid = {PUBLISH_LOCK} and pg_locks.classid = 0 and pid <> pg_backend_pid()
    and pg_locks.database = (select oid from pg_database where datname = current_database())
    and wait_event in ('ClientRead', 'ClientWrite') and query_start < clock_timestamp() - make_interval(secs => """


class Transaction:
    """A connection in a transaction; nothing of it is visible to others before `commit`."""

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

    def acquire_publish_lock(self, lease_seconds: int) -> None:
        """Wait for the publish lock.

        A holder that hangs in the middle of a transfer, which no timeout of the server covers, is ended.
        """
        while True:
            try:
                self.rows(f"select pg_advisory_lock({PUBLISH_LOCK})::text")
                return
            except adbc_driver_manager.Error as error:
                if error.sqlstate != LOCK_NOT_AVAILABLE:
                    raise
                self._connection.rollback()
                self.rows(f"{END_HANGING}{lease_seconds})")
                self._connection.rollback()

    def commit(self) -> None:
        """Commit. Raises CommitFailed when the server refused it, or did not answer: then the outcome is unknown."""
        try:
            self._connection.commit()
        except adbc_driver_manager.Error as error:
            raise CommitFailed(str(error)) from error


@contextmanager
def publishing(url: str, lease_seconds: int = LEASE_SECONDS) -> Iterator[Transaction]:
    """The publisher's transaction: it waits for the publish lock, and is rolled back unless the block commits it.

    The lock is held until the block ends, also after the commit, because the pointer is switched under it. The server
    ends the session when it sends no statement for `lease_seconds`.
    """
    with _connected(url) as transaction:
        for timeout in ("idle_in_transaction_session_timeout", "idle_session_timeout", "lock_timeout"):
            transaction.do(f"set {timeout} = '{lease_seconds}s'")
        transaction.commit()
        transaction.acquire_publish_lock(lease_seconds)
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
