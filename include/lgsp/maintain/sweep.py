"""Sweeps a source: compares its keys over a rolling range with what is known, and repairs the differences.

What the windows missed is read again through land, harmonise and check. What the source deleted without reporting it
gets a tombstone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from lgsp import check, harmonise, install, land, store
from lgsp.check import batch_metrics
from lgsp.errors import BatchRefused, ContractError, LgspError
from lgsp.harmonise import tombstones
from lgsp.harmonise.tombstones import NEXT, Tombstone
from lgsp.land import bounds, calls, source_client
from lgsp.land.archive import Pack, by_key, remove_unsealed
from lgsp.land.http_client import AttemptsExhausted
from lgsp.land.reader import Reader
from lgsp.land.source_client import Client
from lgsp.maintain import compare_keys
from lgsp.maintain.compare_keys import Absent, ComparedList, Difference
from lgsp.maintain.narrowest_windows import narrowest_windows
from lgsp.schema import sources
from lgsp.schema.sources import Source, SweepDescription
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import decisions, ledger
from lgsp.vietnam import times_and_numbers
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window, local_day, midnight

log = logging.getLogger(__name__)

# With this many times the deletion limit absent, the list itself is broken: requesting each record would take days.
BROKEN_LIST_TIMES = 10

SAMPLE = 20

# No sweep takes a day: one that still runs after a day was killed.
CLOSE_INTERRUPTED = (
    "update ledger.sweep set state = 'failed', why = 'it was interrupted', ended_at = now() "
    "where source = %s and state = 'running' and started_at < now() - interval '1 day'"
)


@dataclass
class ListResult:
    """The result of one list: how it differs, which records were deleted, and the batches that repair it."""

    name: str
    sweep_id: int
    state: str = "running"
    why: str | None = None
    compared: int = 0
    record_count: int = 0
    missing: int = 0
    changed: int = 0
    deleted: int = 0
    fetched: int = 0  # records that no window reaches
    batch_ids: list[str] = field(default_factory=list)
    sample_keys: list[str] = field(default_factory=list)
    difference: Difference = field(default_factory=Difference, repr=False)
    tombstones: list[Tombstone] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        counts = (
            f"{self.compared:,} compared, {self.missing:,} missing, {self.changed:,} changed, {self.deleted:,} deleted"
        )
        return f"{self.name}: {self.state}, {counts}{f': {self.why}' if self.why else ''}"

    @property
    def must_be_read_again(self) -> bool:
        """Whether changes of the list must be read again."""
        return bool(self.difference.times_to_read_again())


class TooManyDeletions(BatchRefused):
    """More records are absent than the limit allows: nothing was deleted. `lists` has the results of all lists."""

    def __init__(self, lists: list[ListResult]) -> None:
        super().__init__("; ".join(str(result.why) for result in lists if result.state == "stopped"))
        self.lists = lists


@dataclass
class Sweep:
    """One sweep of a source over a range."""

    settings: Settings
    source: Source
    span: Window
    started_at: datetime
    is_thorough: bool = False
    accepted_by: str | None = None
    confirmed_by: str | None = None
    due_until: datetime = datetime.max  # later changes are not missed: their window is still to come
    lists: list[ListResult] = field(default_factory=list)


def default_range(source_name: str, day: date, days: int | None = None) -> Window:
    """The rolling range of a source: the `days` local days before `day`; by default the number in its source.yml."""
    back = timedelta(days=days or _config(sources.load(source_name))["range_days"])
    return Window.of_days(day - back, day - timedelta(days=1))


def sweep_window(
    settings: Settings,
    source_name: str,
    span: Window,
    *,
    is_thorough: bool = False,
    accepted_by: str | None = None,
    confirmed_by: str | None = None,
) -> list[ListResult]:
    """Compare a source with what is known over a range of whole local days, and repair the differences.

    `is_thorough` also reads the days on which the source's count equals ours. Raises TooManyDeletions when more records
    are absent than the limit allows, unless `accepted_by` names who accepts it; BatchRefused when a batch that was read
    again was refused; UnlikelyWindow when the range is unlikely for the source, unless `confirmed_by` names who confirms it;
    SourceFailed or SourceRefused as landing does. A second sweep changes nothing more.
    """
    source = sources.load(source_name)
    install.ensure(settings)
    settings.token_key()
    confirmed_by = bounds.confirm(settings, source_name, span, confirmed_by)
    sweep = Sweep(settings, source, span.whole_days(), datetime.now(UTC), is_thorough, accepted_by, confirmed_by)
    with store.connect(settings) as connection:
        connection.execute(CLOSE_INTERRUPTED, [source.name])
        sweep.lists = [_open(connection, sweep, name) for name in _config(source)["lists"]]
    try:
        if found_batch := _compare(sweep):
            check.run(settings, harmonise.run(settings, [found_batch]))
        _read_again(sweep)
    except (LgspError, OSError) as error:
        _close(sweep, str(error))
        raise
    _close(sweep)
    if any(result.state == "stopped" for result in sweep.lists):
        raise TooManyDeletions(sweep.lists)
    return sweep.lists


def _config(source: Source) -> SweepDescription:
    """The `sweep` part of a source's source.yml. Raises ContractError when it has none."""
    if not source.sweep:
        raise ContractError(f"{source.path.name} of {source.name} has no `sweep`: add there which lists are compared")
    return source.sweep


def _compare(sweep: Sweep) -> str | None:
    """Read the keys of every list and compare them; the id of the landed batch of what was found, or None.

    It has the tombstones, and the records that no window reaches.
    """
    folder = sweep.settings.landing / sweep.source.name / f"sweep-{sweep.lists[0].sweep_id}"
    pack = Pack(folder)
    try:
        with source_client.connect(sweep.settings, sweep.source) as (client, caller):
            for result in sweep.lists:
                _compare_list(sweep, result, client, Reader(caller, pack))
            _fetch_undated(sweep, client, Reader(caller, pack))
        stones = [stone for result in sweep.lists for stone in result.tombstones]
        if stones or any(result.fetched for result in sweep.lists):
            found_batch = _land_found(sweep, pack, stones)
            for result in sweep.lists:
                result.batch_ids += [found_batch] if result.tombstones or result.fetched else []
            return found_batch
    except (LgspError, OSError):
        pack.close_unsealed()
        raise
    pack.close_unsealed()
    remove_unsealed(folder)  # the answers prove deletions; without a deletion there is nothing to keep
    return None


def _compare_list(sweep: Sweep, result: ListResult, client: Client, reader: Reader) -> None:
    compared = _compared_list(sweep.source, result.name)
    span = sweep.span
    if compared.absent == "deleted":  # the list proves a deletion only when it reaches up to now
        span = Window(span.start, max(span.end, midnight(local_day(sweep.started_at) + timedelta(days=1))))
    with store.connect(sweep.settings) as connection:
        compare_keys.load_known_keys(connection, compared)
        known_counts = None if sweep.is_thorough else compare_keys.known_counts_by_day(connection, span)
        connection.commit()  # no transaction stays open while the source answers; the temporary tables do not change
        keys = client.read_keys(reader, result.name, span, known_counts)
        read_until = _read_until(connection, sweep)
        sweep.due_until = max(span.end, read_until)
        keys.move_future(max(sweep.due_until, sweep.started_at))
        result.difference = compare_keys.compare(connection, compared, keys, sweep.due_until)
        result.record_count = compare_keys.count_records(connection, compared, span)
    result.compared = len(keys.change_times) + len(keys.undated) + keys.skipped
    deleted = _confirm_deletions(sweep, result, compared, client, reader)
    difference = result.difference
    result.missing, result.changed = len(difference.missing), len(difference.changed) + len(difference.returned)
    if result.state == "running":
        result.why = "; ".join(filter(None, [result.why, *_notes(difference)])) or None
    if result.state == "running" and compared.absent != "report":
        result.deleted = len(deleted)
        result.tombstones = [
            Tombstone(
                absent.kind,
                absent.source_key,
                max(min(read_until, sweep.started_at), absent.changed_at + NEXT),
                answer,
                absent.kept_columns,
            )
            for absent, answer in deleted
        ]
    sampled = [
        *difference.missing,
        *difference.changed,
        *difference.returned,
        *(absent.source_key for absent, _ in deleted),
    ]
    result.sample_keys = [mask_key(key) for key in sampled[:SAMPLE]]


def _notes(difference: Difference) -> list[str]:
    """What the counts do not show."""
    notes = []
    if difference.undated:
        notes.append(
            f"{len(difference.undated)} without a change time or with one in the future: requested by their keys"
        )
    if difference.undelivered:
        notes.append(
            f"{difference.undelivered} keys are listed, but no record with their key was received: see the quarantine"
        )
    if difference.unread:
        notes.append(
            f"{difference.unread} changed outside the published windows: they were not missed, but not read yet"
        )
    return notes


def _confirm_deletions(
    sweep: Sweep, result: ListResult, compared: ComparedList, client: Client, reader: Reader
) -> list[tuple[Absent, int]]:
    """The records that the source has deleted, each with the number of the answer that proves it; stops at the limit."""
    absent = result.difference.absent
    if compared.absent == "report":
        if absent:
            result.why = f"{len(absent)} stored records are not listed any more; {result.name} never change, so nothing was deleted"
        return []
    if _are_too_many(len(absent), result.record_count, BROKEN_LIST_TIMES) and not sweep.accepted_by:
        result.state, result.deleted = "stopped", len(absent)
        result.why = _why_stopped(sweep, result, is_list_broken=True)
        return []
    deleted: list[tuple[Absent, int]] = []
    for record in absent:
        changed, number = None, len(reader.pack.calls) - 1
        if compared.absent == "look_up":
            changed, number = client.look_up(reader, result.name, record.source_key)
        if changed is None:
            deleted.append((record, number))
        elif (moment := times_and_numbers.instant(changed)) and record.changed_at < moment < sweep.due_until:
            result.difference.changed[record.source_key] = moment
        if _are_too_many(len(deleted), result.record_count) and not sweep.accepted_by:
            result.state, result.deleted, result.why = "stopped", len(absent), _why_stopped(sweep, result)
            break
    return deleted


def _are_too_many(deleted: int, record_count: int, times: int = 1) -> bool:
    return deleted > batch_metrics.deletion_limit(record_count) * times


def _why_stopped(sweep: Sweep, result: ListResult, is_list_broken: bool = False) -> str:
    first, last = str(sweep.span).split("..")
    excess = "so many that the list may be broken" if is_list_broken else f"more than {batch_metrics.DELETED_SHARE:.0%}"
    return (
        f"{sweep.source.name} {result.name} {sweep.span}: of {result.record_count} stored records, {len(result.difference.absent)} are not "
        f"listed any more, {excess}; nothing was deleted. Ask the owner of the source. If the deletions are correct: "
        f"`lgsp sweep {sweep.source.name} --from {first} --to {last} --accept-deletions`, or accept_deletions of the Dag sweep_sources"
    )


def _read_until(connection: ledger.Connection, sweep: Sweep) -> datetime:
    """Until when the source was read: no stored change is newer, and later changes are still to be read."""
    row = connection.execute(
        "select max(window_to) as read_until from ledger.batch where source = %s and purpose = 'window' and state not in ('landing', 'failed')",
        [sweep.source.name],
    ).fetchone()
    return (row and row["read_until"]) or sweep.span.end


def _fetch_undated(sweep: Sweep, client: Client, reader: Reader) -> None:
    """Fetch the records without a change time, or with one in the future, by their keys.

    A record that cannot be fetched is reported; the next sweep requests it again.
    """
    for result in sweep.lists:
        missing = []
        for key in sorted(result.difference.undated):
            try:
                changed, _ = client.look_up(reader, result.name, key, by_key(result.name))
            except AttemptsExhausted as error:
                missing.append(f"{mask_key(key)}: {error}")
            else:
                result.fetched += changed is not None
        if missing:
            result.why = "; ".join([*filter(None, [result.why]), f"{len(missing)} records without a change time cannot be fetched, such as {missing[0]}"])  # fmt: skip


def _land_found(sweep: Sweep, pack: Pack, stones: list[Tombstone]) -> str:
    """Seal the answers of the sweep as a landed batch of tombstones and fetched records; its id."""
    with store.connect(sweep.settings) as connection:
        batch = ledger.open_batch(connection, sweep.source.name, sweep.span, purpose="sweep")
        pack.move(sweep.settings.landing / batch.landing_path)
        found = len(stones) + sum(result.fetched for result in sweep.lists)
        counts = {"declared": found, "read": found, "gap": 0}
        returned = {key: at for result in sweep.lists for key, at in result.difference.undated.items() if at}
        times = {
            "from": sweep.span.start.isoformat(),
            "to": sweep.span.end.isoformat(),
            "swept_at": sweep.started_at.isoformat(),
        }
        decided = {"accepted_by": sweep.accepted_by} if sweep.accepted_by else {}
        sha256 = pack.seal({"purpose": "sweep", "batch_id": batch.batch_id, "source": sweep.source.name, **times, **counts, **decided,
                   **tombstones.returned(returned), "latest": max(sweep.due_until, sweep.started_at).isoformat(), "deleted": [stone.to_json() for stone in stones]})  # fmt: skip
        if sweep.accepted_by:
            ledger.accept_deletions(connection, batch, sweep.accepted_by)
        calls.record_calls(connection, batch.batch_id, pack.calls)
        ledger.advance(
            connection, batch.batch_id, "landed", declared_count=found, fetched_count=found, manifest_sha256=sha256
        )
    with store.connect(sweep.settings) as connection:
        decisions.write_journal(sweep.settings, connection)
    return batch.batch_id


def _read_again(sweep: Sweep) -> None:
    """Read the narrowest windows that contain the differences through land, harmonise and check."""
    differences = [result.difference for result in sweep.lists]
    deleted_at = {key: at for difference in differences for key, at in difference.deleted_at.items()}
    moments = [moment for difference in differences for moment in difference.times_to_read_again()]
    read: list[tuple[Window, str]] = []
    for window in narrowest_windows(moments, is_whole_days=sweep.source.whole_days):
        facts = tombstones.returned(deleted_at)
        landed = land.run(sweep.settings, sweep.source.name, window, facts, confirmed_by=sweep.confirmed_by)
        read += [(window, batch_id) for batch_id in landed]
        for result in sweep.lists:
            result.batch_ids += landed if result.must_be_read_again else []
    if not read:
        return
    check.run(sweep.settings, harmonise.run(sweep.settings, [batch_id for _, batch_id in read]))
    with store.connect(sweep.settings) as connection:
        for result in sweep.lists:
            compare_keys.record_reading(connection, _compared_list(sweep.source, result.name), result.difference, read)


def _compared_list(source: Source, name: str) -> ComparedList:
    return ComparedList.from_config(source.name, name, _config(source)["lists"][name])


def _open(connection: ledger.Connection, sweep: Sweep, name: str) -> ListResult:
    cursor = connection.execute(
        "insert into ledger.sweep (source, list, range_from, range_to, started_at, state) values (%s, %s, %s, %s, %s, 'running') returning sweep_id",
        [sweep.source.name, name, sweep.span.start, sweep.span.end, sweep.started_at],
    )
    row = one_row(cursor)
    return ListResult(name, row["sweep_id"])


def _close(sweep: Sweep, error: str | None = None) -> None:
    """Record the result of every list in the ledger."""
    with store.connect(sweep.settings) as connection:
        for result in sweep.lists:
            if result.state == "running":
                result.state, result.why = ("failed", error) if error else ("done", result.why)
            connection.execute(
                "update ledger.sweep set ended_at = now(), state = %s, why = %s, compared_count = %s, missing_count = %s, "
                "changed_count = %s, deleted_count = %s, batch_ids = %s, sample_keys = %s where sweep_id = %s",
                [result.state, result.why, result.compared, result.missing, result.changed, result.deleted, result.batch_ids,
                 result.sample_keys, result.sweep_id],
            )  # fmt: skip
            log.log(
                logging.INFO if result.state == "done" else logging.ERROR,
                "%s %s %s",
                sweep.source.name,
                sweep.span,
                result,
            )
