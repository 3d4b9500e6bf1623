"""Find schema drift in a batch: differences from the source's description and from earlier batches."""

from __future__ import annotations

from dataclasses import dataclass

from lgsp.check import baselines
from lgsp.sql import one_row
from lgsp.store import ledger
from lgsp.window import Window


@dataclass(frozen=True)
class Finding:
    """One difference between a batch and the source's description or earlier batches."""

    batch_id: str
    window: Window
    list: str
    change: str
    description: str


MAX_NAMES = 5


# The keys of `ledger.batch.schema_drift`, and the names shown to people.
CHANGES = {"new": "new field", "gone": "gone field", "respelled": "respelled field", "retyped": "retyped field",
         "unknown": "unknown code"}  # fmt: skip


def find_drift(connection: ledger.Connection, batch_id: str) -> list[Finding]:
    """The schema drift of a batch by list, and its fields that are empty unusually often or unusually rarely."""
    batch = ledger.batch(connection, batch_id)
    row = one_row(connection.execute("select schema_drift from ledger.batch where batch_id = %s", [batch_id]))
    drifted = [
        Finding(batch_id, batch.window, item["of"], change, description)
        for item in row["schema_drift"]
        for key, change in CHANGES.items()
        if key in item  # older versions did not record retyped fields
        for description in _shortened(item[key])
    ]
    return drifted + [
        Finding(batch_id, batch.window, null.list, "empty", null.description)
        for null in baselines.unusual_nulls(connection, batch)
    ]


def _shortened(names: list[str]) -> list[str]:
    """The names, or one line for all when there are many: a record with field names in another case changes all of them."""
    if len(names) <= MAX_NAMES:
        return names
    return [f"{len(names)} fields, such as {', '.join(names[:MAX_NAMES])}"]


def newest_batches(connection: ledger.Connection, source: str, count: int) -> list[str]:
    """The ids of the newest harmonised batches of a source, latest window first."""
    rows = connection.execute(
        "select batch_id from ledger.batch where source = %s and harmonised_at is not null and purpose = 'window' "
        "order by window_to desc, created_at desc, batch_id desc limit %s",
        [source, count],
    ).fetchall()
    return [row["batch_id"] for row in rows]
