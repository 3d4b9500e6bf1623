"""Creates a database user for readers of the embedded server, who can read the shared tables and nothing else."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from lgsp import store
from lgsp.local.secrets_file import load_or_create
from lgsp.settings import Settings

USER = "reader"


def url(settings: Settings) -> str:
    """The address of the database for a reader.

    On the embedded server the user is created on first use. On another server its administrator creates the users, as
    members of ``lgsp_reader``, and the address is the one of LGSP_DATABASE_URL.
    """
    owner_url = store.url(settings)
    if settings.database_url:
        return owner_url
    password = load_or_create(settings.home / "reader.json", {USER: secrets.token_urlsafe(9)})[USER]
    with psycopg.connect(owner_url) as connection:
        if not connection.execute("select 1 from pg_roles where rolname = %s", [USER]).fetchone():
            statement = sql.SQL("create role {} login password {} in role lgsp_reader")
            connection.execute(statement.format(sql.Identifier(USER), sql.Literal(password)))
    parts = urlsplit(owner_url)
    return urlunsplit(parts._replace(netloc=f"{USER}:{password}@{parts.hostname}:{parts.port}"))
