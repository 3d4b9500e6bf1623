"""Accounts of readers for tests: created with the public verb, connected to over TCP with their password, removed afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lgsp import install
from lgsp.store import readers
from lgsp.store.readers import Account
from tests.integration.conftest import Installation

_NUMBERS = itertools.count(1)


def new_name() -> str:
    """A name that no other test of this process uses: logins belong to the server, not to a database."""
    return f"dashboard_{next(_NUMBERS)}"


@contextmanager
def account(installation: Installation, **options: Any) -> Iterator[str]:
    """The address, with the password, of a new account."""
    install.init(installation.settings)  # a copy of a database has the rights of a new one
    name = new_name()
    secret = readers.add(installation.settings, Account(name, **options), "Lan")
    try:
        yield readers.address(installation.settings, name, secret)
    finally:
        readers.remove(installation.settings, name)
