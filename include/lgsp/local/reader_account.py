"""The reader of the demo: an account on the embedded server, whose password is in LGSP_HOME/reader.json."""

from __future__ import annotations

from pathlib import Path

from lgsp import store
from lgsp.local.secrets_file import load_or_create
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import readers
from lgsp.store.readers import Account

USER = "reader"
CONNECTIONS = 20


def url(settings: Settings) -> str:
    """The address of the database for the queries of the demo: of its reader, with the password.

    On the embedded server the account is created on first use. On another server accounts are made with
    `lgsp reader add`, and the address is the one of LGSP_DATABASE_URL: do not show it.
    """
    if settings.database_url:
        return store.url(settings)
    password = load_or_create(_file(settings), {USER: readers.new_secret()})[USER]
    with store.connect(settings) as connection:
        known = one_row(connection.execute(
            "select exists (select from pg_roles where rolname = %s) as has_login, exists (select from ledger.reader where name = %s) as has_account",
            [USER, USER],
        ))  # fmt: skip
    if not known["has_login"] and known["has_account"]:  # restored on another server
        readers.rotate(settings, USER, password)
    elif not known["has_login"]:
        readers.add(settings, Account(USER, connections=CONNECTIONS), "demo", password)
    return readers.address(settings, USER, password)


def secret(settings: Settings) -> str | None:
    """The password and token of the reader of the demo; None where there is none."""
    if settings.database_url or not _file(settings).exists():
        return None
    return load_or_create(_file(settings), {})[USER]


def user(settings: Settings) -> str:
    """The login for an address that is shown: the reader of the demo where there is one, else a placeholder."""
    return USER if not settings.database_url and _file(settings).exists() else readers.PLACEHOLDER


def _file(settings: Settings) -> Path:
    return settings.home / "reader.json"
