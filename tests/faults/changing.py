"""Make batches that change published records again, derived from these records, to keep a publisher busy."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import store
from lgsp.schema import records
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.transaction import reading
from lgsp.window import Window

SOURCES = ("one_stop_shop", "online_services")

# A newer version of some records: another fee or rating, and one in twenty is deleted or restored.
CHANGED = {
    "source_updated_at": "source_updated_at + interval '1 minute'",
    "raw_hash": "md5(raw_hash || $1::text)",
    "content_hash": "md5(content_hash || $1::text)",
    "batch_id": "$1::text",
    "fee_vnd": "coalesce(fee_vnd, 0) + 1000",
    "satisfaction": "1 + coalesce(satisfaction, 0) % 5",
    "is_deleted": "coalesce(is_deleted, false) <> (md5(source_key || $1::text) < '0d')",
}


def batches(settings: Settings, size: int) -> list[str]:
    """The ids of one new checked batch for each source of dossiers, with newer versions of `size` records.

    Each batch covers the hour after the newest published window of its source.
    """
    batch_ids = []
    with store.connect(settings) as connection:
        for source in SOURCES:
            row = connection.execute(
                "select max(window_to) as covered_to from ledger.batch where source = %s and state = 'published'",
                [source],
            ).fetchone()
            assert row is not None
            start = row["covered_to"]
            window = Window(start, start + timedelta(hours=1))  # type: ignore[operator, arg-type]
            batch_id = ledger.open_batch(connection, source, window).batch_id
            rows = _newer(settings, source, batch_id, size)
            folder = settings.staging / batch_id / "accepted"
            folder.mkdir(parents=True)
            pq.write_table(rows, folder / "dossier.parquet")
            counts = {"fetched_count": rows.num_rows, "accepted_count": rows.num_rows}
            ledger.advance(connection, batch_id, "checked", declared_count=rows.num_rows, **counts)
            batch_ids.append(batch_id)
    return batch_ids


def _newer(settings: Settings, source: str, batch_id: str, size: int) -> pa.Table:
    columns = ", ".join(f"{CHANGED.get(name, name)} as {name}" for name in records.DOSSIER.names)
    tokens = ", ".join(f"null::text as {name}" for name in records.TOKENS)
    query = (
        f"select {columns}, {tokens} from record.dossier where source = '{source}' order by md5(source_key || $1::text) limit {size}"
    ).replace("$1::text", f"'{batch_id}'")
    with reading(store.url(settings)) as transaction:
        return transaction.arrow(query)
