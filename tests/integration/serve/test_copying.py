"""The copying program of the documentation misses and doubles nothing, whatever is published and whenever it is killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgsp.maintain import rollback
from lgsp.publish import hold
from lgsp.schema import contract
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import SOURCES, WHOLE, installed
from tests.integration.serve import copying
from tests.integration.serve.conftest import Api, add_account, serving

TABLES = ("dossier", "weekly_digest")
FOLLOWED = (
    "dossier",
    "dossier_event",
    "organisation",
    "document_delivery",
    "service_kpi",
    "zero_activity",
    "freshness",
)
PUBLICATIONS = 20
ROLLBACKS = (7, 13)


def test_the_copying_program_misses_and_doubles_nothing(changing: Callable[..., Any], tmp_path: Path) -> None:
    assert len(copying.COPY.splitlines()) <= 55
    chance, kills = random.Random(1), 0
    with changing() as api:
        for target in (None, 1, 2):
            if target is not None:
                rollback.roll_back(api.installation.settings, target, "An", "a test")
            for table in TABLES:
                while not copying.run(api, table, tmp_path / table, chance):
                    kills += 1
                assert copying.content(tmp_path / table) == copying.in_order(api.rows(table)), (table, target)
        assert kills > 5
        with connect(api.installation.settings) as connection:
            connection.execute("insert into ledger.epoch (epoch, why, first_snapshot) values (2, 'a test', 4)")
        while not copying.run(api, "dossier", tmp_path / "dossier", chance):
            pass
        assert copying.content(tmp_path / "dossier") == copying.in_order(api.rows("dossier")), "read again after 410"


@pytest.mark.exhaustive
def test_a_copy_follows_twenty_publications(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    chance, late = random.Random(5), 0
    installation = installed(server, tmp_path, quiet_province)
    installation.ingest("one_stop_shop", WHOLE.split(2)[0])
    assert installation.publish() is not None
    windows = [(source, window) for source in SOURCES for window in WHOLE.split(1)]
    chance.shuffle(windows)  # most windows are read after a later one, as by a backfill
    add_account(installation, "whole", "all", [])
    with serving(installation) as api:
        published = 1
        while published < PUBLICATIONS:
            if published in ROLLBACKS:
                rollback.roll_back(installation.settings, published - 3, "An", "a test")
                published += 1
                hold.release(installation.settings, "An")
            else:
                installation.ingest(*windows.pop())
                published += installation.publish() is not None
            for table in FOLLOWED:
                if copying.run(api, table, tmp_path / table, chance, 0.1):
                    late += _check(api, table, tmp_path / table) != f"1-{published}"
        assert api.get("snapshot/$count").text == str(PUBLICATIONS)
        assert late > 5, "pages of a killed run were read after later publications"
        for (
            table
        ) in FOLLOWED:  # the first run ends the pages of a killed one, the second follows to the newest snapshot
            assert all(copying.run(api, table, tmp_path / table, chance, 0) for _ in range(2))
            assert _check(api, table, tmp_path / table) == f"1-{PUBLICATIONS}"


def _check(api: Api, table: str, file: Path) -> str:
    """The snapshot that a copy has, all cells of which are compared but those about how a row was published."""
    snapshot, names = copying.snapshot(file), contract.load(table).data_names
    rows = api.rows(f"at/{snapshot}/{table}", Prefer="odata.maxpagesize=10000")
    copied, published = (
        [{name: row[name] for name in names} for row in each] for each in (copying.content(file), rows)
    )
    assert copying.in_order(copied) == copying.in_order(published), (table, snapshot)
    return snapshot
