"""Tests that the file of a month, made from the previous file and the changes, equals the rows in SQL."""

from __future__ import annotations

import pytest

from lgsp import store
from lgsp.maintain import verify
from lgsp.schema import contract
from lgsp.snapshots import partitions, writer
from lgsp.store.transaction import reading
from tests.integration.conftest import WHOLE, Installation

EARLIER, LATER = WHOLE.split(6)


@pytest.mark.exhaustive
def test_a_file_made_from_the_previous_file_has_the_bytes_of_sql(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    installation.ingest_all(EARLIER)
    installation.publish()
    shared = installation.settings.shared
    (altered,) = (shared / "current" / "dossier_event").rglob("month=2026-08/*.parquet")
    altered.write_bytes(altered.read_bytes()[:-1] + b"?")
    path = shared / "snapshots" / "1" / altered.relative_to(shared / "current")
    installation.ingest_all(LATER)
    installation.publish()

    messages = [message for message in caplog.messages if "the part is written from SQL" in message]
    assert messages == [f"{path} is not the file that was published: the part is written from SQL"]
    assert all(proof.is_equal for proof in verify.verify_snapshot(installation.settings)[1])
    with reading(store.url(installation.settings)) as transaction:
        for table in contract.every():
            for path in (shared / "current" / table.name).rglob("*.parquet"):
                month = path.parent.name.removeprefix("month=")
                where = partitions.part_condition(table, month) if table.partition and month != table.name else "true"
                rows = transaction.arrow(f"select {', '.join(table.names)} from shared.{table.name} where {where}")
                assert path.read_bytes() == writer.encode(table, rows).to_pybytes(), path
