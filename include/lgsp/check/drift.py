"""What in a batch differs from the source's description or from the batches before it."""

from __future__ import annotations

from dataclasses import dataclass

from lgsp.check import baselines
from lgsp.store import ledger
from lgsp.window import Window


@dataclass(frozen=True)
class Finding:
    """One thing in which a batch is unlike the source's description or the batches before it."""

    batch_id: str
    window: Window
    list: str
    what: str
    told: str


FEW = 5


# How the ledger calls it, and how people do.
DRIFT = {"new": "new field", "gone": "gone field", "respelled": "respelled field", "retyped": "retyped field",
         "unknown": "unknown code"}  # fmt: skip


def drift_of(connection: ledger.Connection, batch_id: str) -> list[Finding]:
    """What drifted in a batch, list by list, and which of its fields are empty unusually often or seldom."""
    batch = ledger.batch(connection, batch_id)
    row = connection.execute("select schema_drift from ledger.batch where batch_id = %s", [batch_id]).fetchone()
    assert row is not None
    drifted = [
        Finding(batch_id, batch.window, item["of"], what, said)
        for item in row["schema_drift"]
        for name, what in DRIFT.items()
        if name in item  # older versions knew no retyped fields
        for said in _few(item[name])
    ]
    return drifted + [
        Finding(batch_id, batch.window, null.list, "empty", null.told) for null in baselines.nulls(connection, batch)
    ]


def _few(names: list[str]) -> list[str]:
    """Each name by itself, or in one line where they are many: a record in other case has all its fields so."""
    if len(names) <= FEW:
        return names
    return [f"{len(names)} fields, such as {', '.join(names[:FEW])}"]


def newest_batches(connection: ledger.Connection, source: str, count: int) -> list[str]:
    """The newest batches of a source that were harmonised, those of the latest windows first."""
    rows = connection.execute(
        "select batch_id from ledger.batch where source = %s and harmonised_at is not null and purpose = 'window' "
        "order by window_to desc, created_at desc, batch_id desc limit %s",
        [source, count],
    ).fetchall()
    return [row["batch_id"] for row in rows]
