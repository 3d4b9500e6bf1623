"""A login for people who read: a user of the embedded server that sees what is shared, nothing else."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from lgsp import store
from lgsp.local.secrets_file import kept
from lgsp.settings import Settings

USER = "reader"


def url(settings: Settings) -> str:
    """The address of the shared tables for a reader.

    The embedded server gets the user on first use. In a store of one's own, users are made by its keeper,
    as members of ``lgsp_reader``; the address is then ours.
    """
    ours = store.url(settings)
    if settings.database_url:
        return ours
    password = kept(settings.home / "reader.json", {USER: secrets.token_urlsafe(9)})[USER]
    with psycopg.connect(ours) as connection:
        if not connection.execute("select 1 from pg_roles where rolname = %s", [USER]).fetchone():
            statement = sql.SQL("create role {} login password {} in role lgsp_reader")
            connection.execute(statement.format(sql.Identifier(USER), sql.Literal(password)))
    parts = urlsplit(ours)
    return urlunsplit(parts._replace(netloc=f"{USER}:{password}@{parts.hostname}:{parts.port}"))
