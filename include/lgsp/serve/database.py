"""Connections of the read API: a pool with the rights of `lgsp_api`, and read-only transactions that see one state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable
from psycopg_pool import ConnectionPool, PoolTimeout

from lgsp import store
from lgsp.serve.errors import ApiError
from lgsp.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

ROLE = "lgsp_api"
MOST_CONNECTIONS, WAIT_SECONDS, START_SECONDS = 24, 10.0, 30.0
PAGE_SECONDS, STREAM_SECONDS = 30, 600

IS_BY_CODE_POINT = """
select datcollate in ('C', 'POSIX') or datcollate like 'C.%' or coalesce(to_jsonb(d)->>'datlocale', '') like 'C%'
from pg_database d where datname = current_database()
"""


class Database:
    """The connections of one process.

    LGSP_SERVE_DATABASE_URL names a login of its own, a member of `lgsp_api`. Without it the store's address is used, and
    every connection gives up the rights of its user for those of `lgsp_api`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._own_url = settings.environment.get("LGSP_SERVE_DATABASE_URL")
        self.by_code_point: Composable = SQL("")

    def start(self) -> None:
        """Connect. Raises PoolTimeout when the database does not answer."""
        self._pool = ConnectionPool(
            self._own_url or store.url(self._settings), min_size=1, max_size=MOST_CONNECTIONS, timeout=WAIT_SECONDS, open=True,
            configure=self._configure, check=ConnectionPool.check_connection, name="lgsp-serve",
        )  # fmt: skip
        self._pool.wait(START_SECONDS)
        with self.reading() as connection:
            row = connection.execute(IS_BY_CODE_POINT).fetchone()
        if not (row and row[0]):
            self.by_code_point = SQL(' collate "C"')

    def stop(self) -> None:
        """Close all connections."""
        self._pool.close()

    @contextmanager
    def reading(self, seconds: int = PAGE_SECONDS) -> Iterator[Connection]:
        """A read-only transaction that sees one state of the database.

        Raises ApiError (503) when no connection is free, a statement takes longer than `seconds`, or the database is away.
        """
        try:
            with self._pool.connection() as connection:
                connection.execute(SQL("set local statement_timeout = {}").format(seconds * 1000))
                yield connection
        except PoolTimeout:
            raise _unavailable("all connections are in use", "mọi kết nối đang bận") from None
        except psycopg.errors.QueryCanceled:
            raise _unavailable(f"the query took longer than {seconds} s", f"truy vấn lâu hơn {seconds} giây") from None
        except psycopg.errors.UntranslatableCharacter:
            raise ApiError(
                "InvalidQuery", "a text has a character that no table can have", "ký tự không hợp lệ"
            ) from None
        except psycopg.OperationalError as error:
            if not isinstance(error, psycopg.errors.AdminShutdown) and error.sqlstate:
                raise
            raise _unavailable("the database does not answer", "cơ sở dữ liệu không trả lời") from error

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if not self._own_url:
            connection.execute(f"set role {ROLE}")
        connection.execute("set timezone = 'Etc/GMT-7'")  # of every year +07:00, as the API writes times
        connection.execute("set search_path = pg_catalog, pg_temp")
        connection.execute(
            f"set idle_in_transaction_session_timeout = '{STREAM_SECONDS + 60}s'"
        )  # a reader that stalls
        connection.execute("set application_name = 'lgsp serve'")
        connection.commit()


def _unavailable(english: str, vietnamese: str) -> ApiError:
    return ApiError("QueryTooSlow", english, vietnamese, headers={"Retry-After": "5"})
