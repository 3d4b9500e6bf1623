"""What may happen to an installation, step by step, and what must be true of it after every step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lgsp import check, files, harmonise, land, publish, store
from lgsp.check import quarantine
from lgsp.land import source_client
from lgsp.land.archive import Batch
from lgsp.maintain import redrive, sweep, verify
from lgsp.schema import codelists
from lgsp.snapshots import pointer, writer
from lgsp.store import ledger
from lgsp.store.transaction import Transaction
from lgsp.window import LOCAL, Window
from tests.integration.conftest import Installation
from tests.integration.model_source import (
    DAYS,
    DUE,
    NOON,
    ONE_STOP,
    PORTAL,
    RECORDS,
    SPAN,
    STATUS,
    Change,
    Key,
    Systems,
    Version,
    fed_in_another_order,
    landed,
    sources,
    told,
)

RECENT = Window.of_days(DAYS[-2], DAYS[-1])
WINDOWS = [SPAN, RECENT, RECENT, *(Window.of_days(day, day) for day in DAYS[:2])]

# How many there are of each in a publication, about: what is cut short is cut at any of them.
STATEMENTS = {"do": 60, "rows": 30, "write": 12, "enter": 0, "point": 0}

windows = st.sampled_from(WINDOWS)


class PowerCut(Exception):
    """What no program foresees."""


class Conservation(RuleBasedStateMachine):
    """One installation over two systems, and beside it what a handful of lines say must be true of it."""

    def __init__(self, install: Callable[[], Installation]) -> None:
        super().__init__()
        self.install = install
        self.store = install()
        self.connection = psycopg.connect(store.url(self.store.settings), autocommit=True)
        self.patch = pytest.MonkeyPatch()
        self.systems = Systems()
        self.patch.setattr(source_client, "connect", self.systems.asking)
        self.is_mended = False
        self.accepted: set[tuple[Key, str, str]] = set()
        self.discarded: set[tuple[Key, str]] = set()
        self.unfinished: list[str] = []  # landed or harmonised, and then the power was cut
        self.waiting: dict[str, list[Version]] = {}  # of each checked batch: what passed
        self.published: dict[Key, Version] = {}
        self.held: set[Version] = set()
        self.trials: set[Key] = set()
        self.read_mended: dict[str, bool] = {}  # of each batch: whether the code list was mended when it was harmonised
        self.taken = 0

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.finish()
        finally:
            self.give_back()

    def give_back(self) -> None:
        """Leave the process as it was."""
        self.patch.undo()
        self.connection.close()

    # What the systems do, and what is done about it.

    @initialize(given=told)
    def begin(self, given: list[tuple[str, Change]]) -> None:
        for number in range(1, RECORDS):
            for source in (ONE_STOP, PORTAL):
                self.systems.change(source, Change(number, NOON[0]))
        self.change(given)
        for source in (ONE_STOP, PORTAL):
            self._drive(land.run(self.store.settings, source, SPAN))
        self.publish()

    def change(self, given: list[tuple[str, Change]]) -> None:
        for source, change in given:
            self.systems.change(source, change)

    @rule(given=told, source=sources, place=st.integers(0, RECORDS))
    def change_and_forget(self, given: list[tuple[str, Change]], source: str, place: int) -> None:
        """What was forgotten before comes back, then something else is deleted without a word."""
        self.systems.remember(source)
        self.change(given)
        self.systems.forget(source, place)

    @rule(
        given=told,
        source=sources,
        window=windows,
        is_restless=st.booleans(),
        cut=st.sampled_from([None, None, "harmonised", "checked"]),
    )
    def pull(
        self, given: list[tuple[str, Change]], source: str, window: Window, is_restless: bool, cut: str | None
    ) -> None:
        self.change(given)
        self.systems.is_restless = is_restless
        batch_ids = land.run(self.store.settings, source, window)
        self.systems.is_restless = False
        if cut is None:
            self._drive(batch_ids)
            return
        before = self._rows("select * from ledger.quarantine order by quarantine_id")
        genuine = ledger.advance

        def advance(connection: ledger.Connection, batch_id: str, state: str, *rest: Any, **facts: Any) -> None:
            if state == cut:
                raise PowerCut
            genuine(connection, batch_id, state, *rest, **facts)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(ledger, "advance", advance)
            check.run(self.store.settings, harmonise.run(self.store.settings, batch_ids))
        assert self._rows("select * from ledger.quarantine order by quarantine_id") == before
        self.unfinished += batch_ids

    @precondition(lambda self: self.unfinished)
    @rule()
    def try_again(self) -> None:
        batch_ids, self.unfinished = self.unfinished, []
        self._drive(batch_ids)

    @rule(place=st.integers(0, 99))
    def read_once_more(self, place: int) -> None:
        """As when somebody clears tasks that had succeeded: what waits is judged again, what is published is left alone."""
        known = self._rows("select batch_id from ledger.batch where state in ('checked', 'published') order by 1")
        batch_id = known[place % len(known)][0]
        before = self.store.batch(batch_id)
        check.run(self.store.settings, harmonise.run(self.store.settings, [batch_id]))
        if before.state == "published":
            assert self.store.batch(batch_id) == before
        else:
            self.read_mended[batch_id] = self.is_mended
            self._expect(batch_id)

    @rule(source=sources, window=windows)
    def rebuild(self, source: str, window: Window) -> None:
        self._drive(land.open_rebuild_batches(self.store.settings, source, window))

    @rule(given=told, source=sources)
    def sweep(self, given: list[tuple[str, Change]], source: str) -> None:
        self.change(given)
        before = {row[0] for row in self._rows("select batch_id from ledger.batch")}
        sweep.sweep_window(self.store.settings, source, SPAN)
        made = self._rows("select batch_id from ledger.batch order by right(batch_id, 6)")
        for batch_id in [row[0] for row in made if row[0] not in before]:
            self._expect(batch_id)

    @precondition(lambda self: not self.is_mended)
    @rule()
    def mend_the_code_list(self) -> None:
        genuine, known = codelists.load.__wrapped__, codelists.load("dossier_status")
        mended = {source: {**meanings, "77": "finished"} for source, meanings in known.items()}
        self.patch.setattr(codelists, "load", lambda name: mended if name == "dossier_status" else genuine(name))
        self.is_mended = True

    @precondition(lambda self: self.held)
    @rule()
    def redrive(self) -> None:
        for batch_id in redrive.redrive_rows(self.store.settings).batch_ids:
            self._expect(batch_id)

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 99), is_accepted=st.booleans())
    def decide(self, place: int, is_accepted: bool) -> None:
        query = "select quarantine_id, source, source_key, record_hash, rule_id from ledger.quarantine where state = 'open' and (rule_id = %s or %s) order by 1"
        if not (open_rows := self._rows(query, DUE, not is_accepted)):
            return
        quarantine_id, source, source_key, record_hash, rule_id = open_rows[place % len(open_rows)]
        with store.connect(self.store.settings) as connection:
            (quarantine.accept if is_accepted else quarantine.discard)(
                connection, quarantine_id, "an", "as it should be"
            )
        if is_accepted:
            self.accepted.add(((source, source_key), record_hash, rule_id))
        else:
            self.discarded.add(((source, source_key), record_hash))

    @precondition(lambda self: self.waiting)
    @rule()
    def publish(self) -> None:
        publish.run(self.store.settings)
        self._take_up()

    @precondition(lambda self: self.waiting)
    @rule(place=st.floats(0, 1), where=st.sampled_from(sorted(STATEMENTS)))
    def publish_while_the_power_fails(self, place: float, where: str) -> None:
        before, known, left = self._seen(), self._snapshots(), [round(place * STATEMENTS[where])]
        owners = {"do": Transaction, "rows": Transaction, "write": files, "enter": writer, "point": writer}
        of: Any = owners[where]
        genuine = getattr(of, where)

        def cut(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCut
            return genuine(*given, **named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(of, where, cut)
            try:
                publish.run(self.store.settings)
            except PowerCut:
                if where not in ("enter", "point") or self._snapshots() == known:
                    assert self._seen() == before, "a publication that was cut short left something"
                    return
        self._take_up()

    # What must be true.

    def _drive(self, batch_ids: list[str]) -> None:
        check.run(self.store.settings, harmonise.run(self.store.settings, batch_ids))
        self.read_mended.update(dict.fromkeys(batch_ids, self.is_mended))
        for batch_id in batch_ids:
            self._expect(batch_id)

    def _expect(self, batch_id: str) -> None:
        """The counts of a checked batch, as its landed bytes say."""
        batch = self.store.batch(batch_id)
        assert batch.state == "checked", batch.why
        came = self._came(batch)
        is_mended = self.read_mended.setdefault(batch_id, self.is_mended)
        once = set(came)
        trials = {version for version in once if version.is_trial}
        held = {version for version in once - trials if self._is_held(version, is_mended)}
        newest: dict[Key, Version] = {}
        for version in sorted(once - trials - held):
            newest[version.key] = version
        places = {
            "fetched": len(came), "duplicate": len(came) - len(once), "ignored": len(trials), "quarantined": len(held),
            "accepted": len(newest), "superseded": len(once) - len(trials) - len(held) - len(newest),
        }  # fmt: skip
        assert {name: batch.counts[f"{name}_count"] for name in places} == places
        self.waiting[batch_id] = list(newest.values())
        self.held |= held
        self.trials |= {version.key for version in trials}

    def _came(self, batch: ledger.Batch) -> list[Version]:
        folder = self.store.settings.landing / batch.landing_path
        versions = landed(batch.source, Batch.open(folder))
        if batch.purpose != "redrive":
            return versions
        picked = self._rows(
            "select source_key, record_hash from ledger.redriven_record where batch_id = %s", batch.batch_id
        )
        return [next(v for v in versions if (v.key[1], v.raw_hash) == (key, raw)) for key, raw in picked]

    def _is_held(self, version: Version, is_mended: bool) -> bool:
        if (version.key, version.raw_hash) in self.discarded:
            return True
        broken = version.breaks - ({STATUS} if is_mended else set())
        return any((version.key, version.raw_hash, rule_id) not in self.accepted for rule_id in broken)

    def _take_up(self) -> None:
        """What waited is published: of every record the newest version that ever passed."""
        before = dict(self.published)
        for version in sorted(version for passed in self.waiting.values() for version in passed):
            if (version.key, version.raw_hash) not in self.discarded and version > self.published.get(
                version.key, _NONE
            ):
                self.published[version.key] = version
        self.taken += sum(before.get(key) != version for key, version in self.published.items())
        self.waiting.clear()
        self._every_record_is_in_one_place()
        self._the_counts_agree()

    def _every_record_is_in_one_place(self) -> None:
        known = self._rows("select source, source_key, source_updated_at, raw_hash, is_deleted from record.dossier")
        assert {(source, key): (changed, raw, gone) for source, key, changed, raw, gone in known} == {
            key: (version.changed_at, version.raw_hash, version.is_deleted) for key, version in self.published.items()
        }
        shown = self._rows(
            "select source, source_key from shared.dossier_source join shared.dossier using (dossier_id)"
        )
        living = [key for key, version in self.published.items() if not version.is_deleted]
        assert sorted(shown) == sorted(living), "every living record is part of one dossier"
        rows = self._rows("select source, source_key, record_hash, state, source_updated_at from ledger.quarantine")
        assert {(source, key, raw) for source, key, raw, _, _ in rows} == {(*v.key, v.raw_hash) for v in self.held}
        waits = {row[:3] for row in rows if row[3] in ("open", "accepted", "discarded")}
        for source, key, raw, state, changed in rows:
            good = self.published.get((source, key))
            is_overtaken = good is not None and good.changed_at >= changed
            assert (source, key, raw) in waits or is_overtaken, f"{key} {raw} left the quarantine, and is not published"
            assert state != "open" or not is_overtaken, f"{key} {raw} waits though a good version is published"
        held = {(source, key) for source, key, _, state, _ in rows if state in ("open", "accepted", "discarded")}
        returned = {v.key for source in self.systems.holds for v in self._all_landed(source)}
        assert returned == set(self.published) | held | self.trials | {version.key for version in self._unread()}

    def _the_counts_agree(self) -> None:
        ((taken, inserted, replaced),) = self._rows(
            "select sum(taken_count), sum(inserted_count), sum(replaced_count) from ledger.publication"
        )
        ((known, living),) = self._rows(
            "select record_count, dossier_record_count from ledger.publication order by snapshot_id desc limit 1"
        )
        assert (taken, inserted, taken) == (self.taken, len(self.published), inserted + replaced)
        assert (known, living) == (
            len(self.published),
            sum(not version.is_deleted for version in self.published.values()),
        )

    def _unread(self) -> Iterable[Version]:
        for batch_id in self.unfinished:
            yield from self._came(self.store.batch(batch_id))

    def _all_landed(self, source: str) -> Iterable[Version]:
        folders = self._rows("select distinct landing_path from ledger.batch where source = %s", source)
        for (path,) in folders:
            yield from landed(source, Batch.open(self.store.settings.landing / path))

    @invariant()
    def every_batch_adds_up(self) -> None:
        lost = self._rows("""
            select batch_id, state from ledger.batch where state in ('checked', 'published') and fetched_count <> superseded_count
                + duplicate_count + quarantined_count + ignored_count + case state when 'checked' then accepted_count else published_count end
            """)
        assert lost == []
        assert [row for row in self._rows("select source, lost_count from ledger.conservation") if row[1]] == []

    def _seen(self) -> list[Any]:
        tables = (
            "ledger.batch",
            "ledger.publication",
            "ledger.quarantine",
            "record.dossier",
            "shared.dossier_source",
            "history.dossier",
        )
        return [self._rows(f"select * from {table} order by 1, 2") for table in tables] + [
            pointer.current(self.store.settings.shared)
        ]

    def _snapshots(self) -> int:
        return int(self._rows("select count(*) from ledger.publication")[0][0])

    def _rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()

    # In the end.

    def finish(self) -> None:
        """SQL and files agree, and the same batches in another order, with the same decisions, say the same."""
        self.try_again()
        self.redrive()
        self.publish()
        _, proofs = verify.verify_snapshot(self.store.settings)
        assert all(proof.is_equal for proof in proofs)
        other = self.install()
        batch_ids = fed_in_another_order(self.store, other)
        check.run(other.settings, harmonise.run(other.settings, batch_ids))
        other.publish()
        assert other.data_hashes() == self.store.data_hashes()


_NONE = Version(datetime.min.replace(tzinfo=LOCAL), "", ("", ""))
