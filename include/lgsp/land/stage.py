"""Lands one window of one source: reads it and stores the exact bytes of every answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from lgsp import config, store
from lgsp.errors import LgspError
from lgsp.land import calls, orphans, source_client
from lgsp.land.archive import Pack
from lgsp.land.http_client import Caller
from lgsp.land.reader import Reader
from lgsp.land.source_client import Client
from lgsp.schema import sources
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.store import disk, heartbeat, ledger
from lgsp.window import Window

log = logging.getLogger(__name__)


def run(
    settings: Settings,
    source_name: str,
    window: Window,
    facts: Mapping[str, Any] | None = None,
    *,
    is_overlapping: bool = False,
    confirmed_by: str | None = None,
) -> list[str]:
    """Land a window of a source and return the ids of its batches: one, or several when the window is large.

    `facts` are written to each manifest, for the later stages. With `is_overlapping` the request begins earlier than the
    window, by the source's overlap: a change that the source stored late is still read. The window of the batches is the same.
    `confirmed_by` is who confirmed an unlikely window (`bounds.confirm`); ledger and manifest record it.

    Raises SourceFailed when the source does not answer as its interface promises (a retry may help) and SourceRefused
    when it refuses our requests. A partly landed batch is never read.
    """
    config.activate(settings)
    source = sources.load(source_name)
    wanted = window.whole_days() if source.whole_days else window
    orphans.close(settings, source_name)
    settings.token_key()  # fail before the first request: without the key nothing can be harmonised
    with source_client.connect(settings, source) as (client, caller):
        try:
            parts = _split(client, source, wanted)
        except BaseException as error:
            with store.connect(settings) as connection:
                ledger.advance(
                    connection, ledger.open_batch(connection, source.name, wanted, confirmed_by=confirmed_by).batch_id,
                    "failed", why=_why(error),
                )  # fmt: skip
            raise
        overlap = timedelta(minutes=source.overlap_minutes) if is_overlapping else timedelta()
        margins = [overlap, *[timedelta()] * (len(parts) - 1)]
        confirmation = {"confirmed_by": confirmed_by} if confirmed_by else {}
        return [
            _land(settings, source, client, caller, part, margin, {**(facts or {}), **confirmation})
            for part, margin in zip(parts, margins, strict=True)
        ]


def open_rebuild_batches(settings: Settings, source_name: str, window: Window) -> list[str]:
    """Open new batches over the landed bytes of a window, to harmonise them again without the source; their ids."""
    with store.connect(settings) as connection:
        return [open_rebuild(connection, before) for before in ledger.overlapping(connection, source_name, window)]


def open_rebuild(connection: ledger.Connection, before: ledger.Batch) -> str:
    """Open a new batch over the bytes of a landed batch; its id."""
    rebuilt = ledger.open_batch(connection, before.source, before.window, rebuilt_from=before, purpose=before.purpose)
    ledger.advance(connection, rebuilt.batch_id, "landed", declared_count=before.counts["declared_count"])
    return rebuilt.batch_id


def _why(error: BaseException) -> str:
    """The reason of a failed batch, on one line."""
    return str(error) if isinstance(error, LgspError | OSError) else f"{type(error).__name__}: {error}".splitlines()[0]


def _split(client: Client, source: Source, window: Window) -> list[Window]:
    """The window in parts of at most `records_per_batch` records, by the source's own count; a day is never split."""
    if len(window.days()) > source.days_per_batch:
        return [part for piece in window.split(source.days_per_batch) for part in _split(client, source, piece)]
    if len(window.days()) == 1 or client.count_records(window) <= source.records_per_batch:
        return [window]
    half = (len(window.days()) + 1) // 2
    return [part for piece in window.split(half) for part in _split(client, source, piece)]


def _land(
    settings: Settings, source: Source, client: Client, caller: Caller, window: Window, margin: timedelta, facts: Mapping[str, Any]
) -> str:  # fmt: skip
    with store.connect(settings) as connection:
        batch = ledger.open_batch(connection, source.name, window, confirmed_by=facts.get("confirmed_by"))
    folder = settings.landing / batch.landing_path
    with disk.closing(settings, batch.batch_id, folder):
        pack = Pack(folder)
    try:
        reader = Reader(caller, pack)
        with heartbeat.beating(settings, batch.batch_id, pack.progress):
            client.read_lists(reader)
            readings = source_client.read_window(client, reader, Window(window.start - margin, window.end))
        declared, read = (sum(getattr(reading, name) for reading in readings.values()) for name in ("declared", "read"))
        gap = sum(abs(reading.declared - reading.read) for reading in readings.values())
        sha256 = pack.seal({**facts, "purpose": "window", "batch_id": batch.batch_id, "source": source.name, "from": window.start.isoformat(),
                   "to": window.end.isoformat(), "requested_from": (window.start - margin).isoformat(), "declared": declared, "read": read, "gap": gap})  # fmt: skip
    except BaseException as error:  # also an error in our code or Ctrl-C: the batch is closed with its reason
        with suppress(OSError):
            pack.close_unsealed()
        failed = disk.failure(error, folder) if isinstance(error, OSError) and error.errno in disk.ADVICE else error
        with store.connect(settings) as connection:
            calls.record_calls(connection, batch.batch_id, pack.calls)
            ledger.advance(connection, batch.batch_id, "failed", why=_why(failed))
        if failed is error:
            raise
        raise failed from error
    with store.connect(settings) as connection:
        calls.record_calls(connection, batch.batch_id, pack.calls)
        ledger.advance(
            connection, batch.batch_id, "landed", declared_count=declared, fetched_count=read, manifest_sha256=sha256
        )
    log.info(
        "%s %s: %d answers, %d records landed, %d declared by the source",
        source.name,
        window,
        len(pack.calls),
        read,
        declared,
    )
    return batch.batch_id
