"""The server of the integration tests, and one small store that tests copy and damage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lgsp.store.embedded_postgres import Server
from tests.faults import stores
from tests.faults.stores import Store
from tests.integration.conftest import Installation, server

__all__ = ["harmed", "server", "store"]


@pytest.fixture(scope="session")
def store(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One published snapshot of one source, and a checked batch for the next one."""
    return stores.prepared(server, tmp_path_factory.mktemp("faults"), ("one_stop_shop",))


@pytest.fixture
def harmed(store: Store) -> Iterator[Installation]:
    """A copy of the store for one test."""
    with store.copy() as installation:
        yield installation
