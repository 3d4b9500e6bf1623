"""Records the calls to a source in the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from lgsp.land.archive import LandedAnswer
from lgsp.store.ledger import Connection


def record_calls(connection: Connection, batch_id: str, calls: Iterable[LandedAnswer]) -> None:
    """Insert one row into ledger.source_call for each answer of a batch."""
    with connection.cursor().copy(
        "copy ledger.source_call (batch_id, number, list, request, status, is_whole, records, bytes, sha256, seconds) from stdin"
    ) as copy:
        for c in calls:
            copy.write_row(
                [batch_id, c.number, c.list, c.request, c.status, c.is_whole, c.records, c.bytes, c.sha256, c.seconds]
            )
