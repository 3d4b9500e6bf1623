"""Dump a PostgreSQL database into a folder, and restore it, with PostgreSQL's own programs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from lgsp.errors import SettingError
from lgsp.store.embedded_postgres import programs

# Owners, rights and row security name roles, which belong to a server and not to a database.
WITHOUT = ("--no-owner", "--no-privileges", "--no-policies")


def dump(url: str, folder: Path) -> None:
    """Write a database, as of one moment, into a new folder: one file for each table, not compressed.

    Files that did not change are equal in two dumps, which a backup with deduplication stores once. Raises SettingError.
    """
    _run("pg_dump", url, "--format=directory", "--compress=0", *WITHOUT, f"--file={folder}")


def restore(url: str, folder: Path) -> None:
    """Fill an empty database from such a folder, whole or not at all; what WITHOUT names is left to `lgsp init`. Raises SettingError."""
    _run("pg_restore", url, "--single-transaction", *WITHOUT, str(folder))


def _run(program: str, url: str, *arguments: str) -> None:
    address = make_url(url)
    environment = {**os.environ, **_connection(address)}
    command = [str(programs() / program), "--no-password", f"--dbname={address.database}", *arguments]
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        error = " ".join(result.stderr.split())[-500:] or f"exit code {result.returncode}"
        raise SettingError(f"{program} of the database {address.database} failed: {error}")


def _connection(address: URL) -> dict[str, str]:
    """libpq's variables for an address: on a command line the password would be seen by every user of the machine."""
    given = {
        "PGHOST": address.host, "PGPORT": address.port, "PGUSER": address.username, "PGPASSWORD": address.password,
        **{f"PG{name.upper()}": value for name, value in address.query.items() if name in ("sslmode", "sslrootcert")},
    }  # fmt: skip
    return {name: str(value) for name, value in given.items() if value is not None}
