"""Find the record that the store does not accept, so that a publication that fails on data is published without it.

The checks know the limits of the store. This is for what nobody foresaw: a constraint or a size limit that refuses one
record, and with it every later publication. The waiting batches are tried in halves, in transactions that are rolled
back, then the keys of the culprit; the record goes to quarantine, or its batch is set aside with the error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lgsp import files, store
from lgsp.check import quarantine
from lgsp.publish.batches import accepted_folder, refuse
from lgsp.publish.context import CheckedBatch
from lgsp.publish.session import open_session
from lgsp.schema import records
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.vietnam.personal_data import mask_key

log = logging.getLogger(__name__)
T = TypeVar("T")

Key = tuple[str, str]
"""A record of a batch: (kind, source_key)."""

RULE = "STORE_REFUSES"

Attempt = Callable[[Sequence[CheckedBatch], Mapping[str, frozenset[Key]] | None], str | None]
"""Tries to publish batches, of some only the given keys, and rolls back; the error of the store, or None."""


def set_aside(settings: Settings, batches: Sequence[CheckedBatch], attempt: Attempt) -> str | None:
    """Put the record that the store refuses into quarantine, or refuse its batch; a description, or None if none is found.

    Makes at most ⌈log₂ n⌉ + 1 attempts for n batches, and as many again for the keys of the culprit.
    """
    found = _find(batches, lambda part: attempt(part, None))
    if found is None:
        return None
    batch, error = found
    record = _find(_keys(settings, batch), lambda part: attempt([batch], {batch.batch_id: frozenset(part)}))
    done = _quarantine(settings, batch, *record) if record else _refuse(settings, batch, error)
    log.error("ALARM: the store refused a publication: %s", done)
    return done


def _find(items: Sequence[T], fails: Callable[[Sequence[T]], str | None]) -> tuple[T, str] | None:
    """The one item with which an attempt fails, and the error, by halves; None when no single item fails alone."""
    error = None
    while len(items) > 1:
        half = items[: len(items) // 2]
        error = fails(half)
        items = half if error else items[len(half) :]
    error = error or (fails(items) if items else None)
    return (items[0], error) if error else None


def _keys(settings: Settings, batch: CheckedBatch) -> list[Key]:
    """The keys of the accepted records of a batch and of the rows of its lists, in order."""
    folder = accepted_folder(settings, batch.batch_id)
    return [
        (kind, key)
        for kind in records.KINDS
        if (path := folder / f"{kind}.parquet").exists()
        for key in sorted(pq.read_table(path, columns=["source_key"])["source_key"].to_pylist())
    ]


def _quarantine(settings: Settings, batch: CheckedBatch, key: Key, error: str) -> str:
    """Move an accepted record of a batch to quarantine, with the error of the store as its reason."""
    kind, source_key = key
    path = accepted_folder(settings, batch.batch_id) / f"{kind}.parquet"
    rows = pq.read_table(path)
    is_culprit = pc.equal(rows["source_key"], source_key)
    culprit = rows.filter(is_culprit).slice(0, 1).to_pylist()[0]
    name, is_fact = mask_key(source_key), records.KINDS[kind] in records.FACTS
    row = {
        "source_key": name, "kind": kind, "rule_id": RULE, "rule_version": "1.0.0",
        "record_hash": culprit["raw_hash"] or culprit["content_hash"], "source_updated_at": culprit["source_updated_at"],
        "raw_pointer": culprit["raw_pointer"] if is_fact else "", "organisation_id": None, "occurred_on": None,
        "reason": f"The store refuses the record: {error}",
    }  # fmt: skip
    with store.connect(settings) as connection:
        if is_fact and not _is_quarantined(connection, batch, row):
            connection.execute(
                "update ledger.batch set accepted_count = accepted_count - 1, quarantined_count = quarantined_count + 1 where batch_id = %s",
                [batch.batch_id],
            )
        quarantine.add(connection, ledger.batch(connection, batch.batch_id), [row])
    # after the commit: a crash in between leaves the record in both places, and the next publication comes here again
    _replace(path, rows.filter(pc.invert(is_culprit)))
    return f"{batch.batch_id}: {kind} {name} is in quarantine: {error}"


def _is_quarantined(connection: ledger.Connection, batch: CheckedBatch, row: dict[str, Any]) -> bool:
    rows = connection.execute(
        "select 1 from ledger.quarantine where batch_id = %s and (kind, source_key, rule_id) = (%s, %s, %s)",
        [batch.batch_id, row["kind"], row["source_key"], RULE],
    )
    return rows.fetchone() is not None


def _replace(path: Path, rows: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    files.replace(path, sink.getvalue().to_pybytes())


def _refuse(settings: Settings, batch: CheckedBatch, error: str) -> str:
    why = f"the store refuses it, and no single record is the cause: {error}"
    with open_session(settings) as session:
        refuse(session.transaction, batch.batch_id, why)
        session.commit(None)
    return f"{batch.batch_id} is refused: {why}"
