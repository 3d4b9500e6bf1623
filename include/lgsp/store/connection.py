"""Connect to the SQL store: an external PostgreSQL server or the embedded one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from lgsp.errors import SettingError
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server

log = logging.getLogger(__name__)


def url(settings: Settings) -> str:
    """The store's URL for libpq. Starts the embedded server when LGSP_DATABASE_URL is not set."""
    if settings.database_url:
        return make_url(settings.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    server = Server(settings.home)
    server.ensure()
    return server.url()


@contextmanager
def connect(settings: Settings) -> Iterator[psycopg.Connection[dict[str, object]]]:
    """A connection whose transaction ends with the block: committed, or rolled back on an error.

    Raises SettingError when the store does not answer.
    """
    try:
        connection = psycopg.connect(url(settings), row_factory=dict_row)
    except psycopg.OperationalError as error:
        raise SettingError(
            f"the SQL store does not answer (LGSP_DATABASE_URL, or the server in LGSP_HOME): {error}"
        ) from error
    with connection:
        yield connection
