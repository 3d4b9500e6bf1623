"""Sweep: what a source has over a rolling range, compared with what is known here, key by key.

What the windows missed is read again through the ordinary way; what the source deleted without a word gets a tombstone.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from lgsp import check, harmonise, install, land, store
from lgsp.check import batch_metrics
from lgsp.errors import BatchRefused, ContractError, LgspError
from lgsp.harmonise import tombstones
from lgsp.harmonise.tombstones import NEXT, Tombstone
from lgsp.land import calls, source_client
from lgsp.land.archive import Pack
from lgsp.land.reader import Reader
from lgsp.land.source_client import Client
from lgsp.maintain import compare_keys
from lgsp.maintain.compare_keys import Absent, Difference, List
from lgsp.schema import sources
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.vietnam import times_and_numbers
from lgsp.vietnam.personal_data import mask_key
from lgsp.window import Window, local_day, midnight

log = logging.getLogger(__name__)

# So many times more are not listed that the list itself is broken: to ask for each of them would take days.
BROKEN_LIST_TIMES = 10

# Each window that is read again costs a login, the source's lists and a check: rather few of them, a little wider.
MOST_WINDOWS = 8
CLOSE = timedelta(minutes=5)
# No source tells times more exactly than that at the end of a window.
INSTANT = timedelta(seconds=1)
SAMPLE = 20

# No sweep takes a day: one that still runs after one was killed.
CUT_SHORT = (
    "update ledger.sweep set state = 'failed', why = 'it was cut short', ended_at = now() "
    "where source = %s and state = 'running' and started_at < now() - interval '1 day'"
)


@dataclass
class Swept:
    """What became of one list: how it differs, who is gone, and the batches that mend it."""

    name: str
    sweep_id: int
    state: str = "running"
    why: str | None = None
    compared: int = 0
    living: int = 0
    missing: int = 0
    changed: int = 0
    deleted: int = 0
    batch_ids: list[str] = field(default_factory=list)
    sample_keys: list[str] = field(default_factory=list)
    difference: Difference = field(default_factory=Difference, repr=False)
    tombstones: list[Tombstone] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        found = (
            f"{self.compared:,} compared, {self.missing:,} missing, {self.changed:,} changed, {self.deleted:,} deleted"
        )
        return f"{self.name}: {self.state}, {found}{f': {self.why}' if self.why else ''}"

    @property
    def is_behind(self) -> bool:
        """Whether something of the list must be read again."""
        return bool(self.difference.again())


class Stopped(BatchRefused):
    """More was gone than may be believed: nothing was deleted; `lists` is what the sweep found all the same."""

    def __init__(self, lists: list[Swept]) -> None:
        super().__init__("; ".join(str(swept.why) for swept in lists if swept.state == "stopped"))
        self.lists = lists


@dataclass
class Sweep:
    """One sweep of a source over a range."""

    settings: Settings
    source: Source
    span: Window
    begun_at: datetime
    is_thorough: bool = False
    accepted_by: str | None = None
    due_until: datetime = datetime.max  # what changed since is not missed: its window comes
    lists: list[Swept] = field(default_factory=list)


def default_range(source_name: str, day: date, days: int | None = None) -> Window:
    """The rolling range of a source: so many days before a local day, by default as its description says."""
    back = timedelta(days=days or _told(sources.load(source_name))["range_days"])
    return Window.of_days(day - back, day - timedelta(days=1))


def run(
    settings: Settings,
    source_name: str,
    span: Window,
    *,
    is_thorough: bool = False,
    accepted_by: str | None = None,
) -> list[Swept]:
    """Compare a source with what is known over a range of whole local days, and mend what differs.

    `is_thorough` also reads the days on which the source only counts as many as we know. Raises Stopped when more is
    gone than may be believed (unless somebody, `accepted_by`, says it is so), BatchRefused when a batch that was read
    again was refused, and SourceFailed or SourceRefused as landing does. Repeating it changes nothing further.
    """
    source = sources.load(source_name)
    install.ensure(settings)
    settings.token_key()
    done = Sweep(settings, source, span.whole_days(), datetime.now(UTC), is_thorough, accepted_by)
    with store.connect(settings) as connection:
        connection.execute(CUT_SHORT, [source.name])
        done.lists = [_open(connection, done, name) for name in _told(source)["lists"]]
    try:
        if buried := _compare(done):
            check.run(settings, harmonise.run(settings, [buried]))
        _read_again(done)
    except (LgspError, OSError) as error:
        _close(done, str(error))
        raise
    _close(done)
    if any(swept.state == "stopped" for swept in done.lists):
        raise Stopped(done.lists)
    return done.lists


def _told(source: Source) -> Mapping[str, Any]:
    """What a source's description says of its sweeps. Raises ContractError when it says nothing."""
    if not source.sweep:
        raise ContractError(f"{source.path.name} of {source.name} has no `sweep`: say there what can be compared")
    return source.sweep


def _compare(done: Sweep) -> str | None:
    """Ask for the keys of every list and find what differs; the id of the landed batch of tombstones, if there are any."""
    folder = done.settings.landing / done.source.name / f"sweep-{done.lists[0].sweep_id}"
    pack = Pack(folder)
    try:
        with source_client.connect(done.settings, done.source) as (client, caller):
            for swept in done.lists:
                _compare_list(done, swept, client, Reader(caller, pack))
        stones = [stone for swept in done.lists for stone in swept.tombstones]
        if stones:
            buried = _bury(done, pack, stones)
            for swept in done.lists:
                swept.batch_ids += [buried] if swept.tombstones else []
            return buried
    except (LgspError, OSError):
        pack.abandon()
        raise
    pack.abandon()
    shutil.rmtree(folder)  # what a sweep heard proves deletions; without any there is nothing to keep
    return None


def _compare_list(done: Sweep, swept: Swept, client: Client, reader: Reader) -> None:
    compared = _list(done.source, swept.name)
    span = done.span
    if compared.absent == "deleted":  # a list proves it only when it reaches up to now: whatever changed is later in it
        span = Window(span.start, max(span.end, midnight(local_day(done.begun_at) + timedelta(days=1))))
    with store.connect(done.settings) as connection:
        compare_keys.begin(connection, compared)
        held = None if done.is_thorough else compare_keys.known_by_day(connection, span)
        connection.commit()  # no transaction waits for a source; what is known stays as it was before it was asked
        keys = client.read_keys(reader, swept.name, span, held)
        read_until = _read_until(connection, done)
        done.due_until = max(span.end, read_until)
        swept.difference = compare_keys.of(connection, compared, keys, done.due_until)
        swept.living = compare_keys.living(connection, compared, span)
    if keys.unreadable:
        log.warning("%s %s: %d keys without a readable time of change", done.source.name, swept.name, keys.unreadable)
    swept.compared = len(keys.changed) + keys.same
    gone = _confirm(done, swept, compared, client, reader)
    difference = swept.difference
    swept.missing, swept.changed = len(difference.missing), len(difference.changed) + len(difference.returned)
    if swept.state == "running":
        swept.why = "; ".join(filter(None, [swept.why, *_told_besides(difference)])) or None
    if swept.state == "running" and compared.absent != "report":
        swept.deleted = len(gone)
        swept.tombstones = [
            Tombstone(
                absent.kind,
                absent.source_key,
                max(min(read_until, done.begun_at), absent.changed_at + NEXT),
                answer,
                absent.told,
            )
            for absent, answer in gone
        ]
    sampled = [
        *difference.missing,
        *difference.changed,
        *difference.returned,
        *(absent.source_key for absent, _ in gone),
    ]
    swept.sample_keys = [mask_key(key) for key in sampled[:SAMPLE]]


def _told_besides(difference: Difference) -> list[str]:
    """What the counts do not tell."""
    told = []
    if difference.undelivered:
        told.append(
            f"{difference.undelivered} keys are listed, but what came for them bears no such key: see the quarantine"
        )
    if difference.unread:
        told.append(
            f"{difference.unread} changed where no published window reaches: they were not missed, but not read yet"
        )
    return told


def _confirm(done: Sweep, swept: Swept, compared: List, client: Client, reader: Reader) -> list[tuple[Absent, int]]:
    """Those of our records that the source has no more, each with the answer that says so; stops when they are too many."""
    absent = swept.difference.absent
    if compared.absent == "report":
        if absent:
            swept.why = (
                f"{len(absent)} of ours are not listed any more; {swept.name} never change, so nothing was deleted"
            )
        return []
    if _are_too_many(len(absent), swept.living, BROKEN_LIST_TIMES) and not done.accepted_by:
        swept.state, swept.deleted, swept.why = "stopped", len(absent), _why_stopped(done, swept, is_list_broken=True)
        return []
    gone: list[tuple[Absent, int]] = []
    for one in absent:
        changed, number = None, len(reader.pack.calls) - 1
        if compared.absent == "look_up":
            changed, number = client.look_up(reader, swept.name, one.source_key)
        if changed is None:
            gone.append((one, number))
        elif (moment := times_and_numbers.instant(changed)) and one.changed_at < moment < done.due_until:
            swept.difference.changed[one.source_key] = moment
        if _are_too_many(len(gone), swept.living) and not done.accepted_by:
            swept.state, swept.deleted, swept.why = "stopped", len(absent), _why_stopped(done, swept)
            break
    return gone


def _are_too_many(gone: int, living: int, times: int = 1) -> bool:
    return gone > batch_metrics.most_deleted(living) * times


def _why_stopped(done: Sweep, swept: Swept, is_list_broken: bool = False) -> str:
    first, last = str(done.span).split("..")
    so = "so many that the list may be broken" if is_list_broken else f"more than {batch_metrics.DELETED_SHARE:.0%}"
    return (
        f"{done.source.name} {swept.name} {done.span}: of {swept.living} records we know, {len(swept.difference.absent)} are not listed "
        f"any more, {so}; nothing was deleted. Ask the source. If they are gone for good: "
        f"`lgsp sweep {done.source.name} --from {first} --to {last} --accept-deletions`, or accept_deletions of the Dag sweep_sources"
    )


def _read_until(connection: ledger.Connection, done: Sweep) -> datetime:
    """How far the source was read: nothing we hold is newer, and what changes afterwards will be."""
    row = connection.execute(
        "select max(window_to) as read_until from ledger.batch where source = %s and purpose = 'window' and state not in ('landing', 'failed')",
        [done.source.name],
    ).fetchone()
    return (row and row["read_until"]) or done.span.end


def _bury(done: Sweep, pack: Pack, stones: list[Tombstone]) -> str:
    """Seal what the sweep heard as a landed batch of tombstones; its id."""
    with store.connect(done.settings) as connection:
        batch = ledger.open_batch(connection, done.source.name, done.span, purpose="sweep")
        pack.move(done.settings.landing / batch.landing_path)
        counts = {"declared": len(stones), "read": len(stones), "gap": 0}
        range_told = {
            "from": done.span.start.isoformat(),
            "to": done.span.end.isoformat(),
            "swept_at": done.begun_at.isoformat(),
        }
        pack.seal({"batch_id": batch.batch_id, "source": done.source.name, **range_told, **counts,
                   "deleted": [stone.to_json() for stone in stones]})  # fmt: skip
        if done.accepted_by:
            ledger.overrule(
                connection, batch, "MASS_DELETION", done.accepted_by, "what a sweep found deleted is accepted"
            )
        calls.record_calls(connection, batch.batch_id, pack.calls)
        ledger.advance(connection, batch.batch_id, "landed", declared_count=len(stones), fetched_count=len(stones))
    return batch.batch_id


def _read_again(done: Sweep) -> None:
    """Read the narrowest windows that hold what differs through land, harmonise and check."""
    differences = [swept.difference for swept in done.lists]
    buried_at = {key: at for difference in differences for key, at in difference.buried_at.items()}
    moments = [moment for difference in differences for moment in difference.again()]
    read: list[tuple[Window, str]] = []
    for window in narrowest(moments, is_whole_days=done.source.whole_days):
        landed = land.run(done.settings, done.source.name, window, tombstones.returned(buried_at))
        read += [(window, batch_id) for batch_id in landed]
        for swept in done.lists:
            swept.batch_ids += landed if swept.is_behind else []
    if not read:
        return
    check.run(done.settings, harmonise.run(done.settings, [batch_id for _, batch_id in read]))
    with store.connect(done.settings) as connection:
        for swept in done.lists:
            compare_keys.remember(connection, _list(done.source, swept.name), swept.difference, read)


def narrowest(moments: Iterable[datetime], *, is_whole_days: bool = False, most: int = MOST_WINDOWS) -> list[Window]:
    """Windows that hold these instants, each no wider than its instants; close ones are one, and there are few."""
    exact = [Window(moment, moment + INSTANT) for moment in sorted(moments)]
    windows = [window.whole_days() for window in exact] if is_whole_days else exact
    for doubled in count():
        joined: list[Window] = []
        for window in windows:
            if joined and window.start - joined[-1].end <= CLOSE * 2**doubled:
                window = Window(joined.pop().start, window.end)
            joined.append(window)
        if len(joined) <= most:
            return joined
    raise AssertionError("a gap that doubles joins everything")


def _list(source: Source, name: str) -> List:
    return List.of(source.name, name, _told(source)["lists"][name])


def _open(connection: ledger.Connection, done: Sweep, name: str) -> Swept:
    row = connection.execute(
        "insert into ledger.sweep (source, list, range_from, range_to, started_at, state) values (%s, %s, %s, %s, %s, 'running') returning sweep_id",
        [done.source.name, name, done.span.start, done.span.end, done.begun_at],
    ).fetchone()
    assert row is not None
    return Swept(name, row["sweep_id"])


def _close(done: Sweep, trouble: str | None = None) -> None:
    """Say in the ledger what became of every list."""
    with store.connect(done.settings) as connection:
        for swept in done.lists:
            if swept.state == "running":
                swept.state, swept.why = ("failed", trouble) if trouble else ("done", swept.why)
            connection.execute(
                "update ledger.sweep set ended_at = now(), state = %s, why = %s, compared_count = %s, missing_count = %s, "
                "changed_count = %s, deleted_count = %s, batch_ids = %s, sample_keys = %s where sweep_id = %s",
                [swept.state, swept.why, swept.compared, swept.missing, swept.changed, swept.deleted, swept.batch_ids,
                 swept.sample_keys, swept.sweep_id],
            )  # fmt: skip
            log.log(
                logging.INFO if swept.state == "done" else logging.ERROR, "%s %s %s", done.source.name, done.span, swept
            )
