"""The server of the integration tests, and one small store to be copied and harmed."""

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
    """One snapshot of one source published, and a checked batch waiting for the next."""
    return stores.prepared(server, tmp_path_factory.mktemp("faults"), ("one_stop_shop",))


@pytest.fixture
def harmed(store: Store) -> Iterator[Installation]:
    """A copy of it for one test."""
    with store.copy() as made:
        yield made
