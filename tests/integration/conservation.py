"""A state machine of everything that can happen to an installation, with the invariants after each step."""

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
    copy_in_another_order,
    landed,
    source_changes,
    sources,
)

RECENT = Window.of_days(DAYS[-2], DAYS[-1])
WINDOWS = [SPAN, RECENT, RECENT, *(Window.of_days(day, day) for day in DAYS[:2])]

# About how many calls a publication makes of each function; the power cut happens at a random one of them.
CALLS = {"do": 60, "rows": 30, "write": 12, "activate": 0, "switch_to": 0}

# Functions that a publication calls after it has committed a snapshot.
AFTER_COMMIT = ("activate", "switch_to")

windows = st.sampled_from(WINDOWS)


class PowerCut(Exception):
    """Raised in the middle of a step, as if the process ended there."""


class Conservation(RuleBasedStateMachine):
    """An installation that reads from two systems, and a small model of what it must contain."""

    def __init__(self, install: Callable[[], Installation]) -> None:
        super().__init__()
        self.install = install
        self.store = install()
        self.connection = psycopg.connect(store.url(self.store.settings), autocommit=True)
        self.patch = pytest.MonkeyPatch()
        self.systems = Systems()
        self.patch.setattr(source_client, "connect", self.systems.connect)
        self.is_code_list_fixed = False
        self.accepted: set[tuple[Key, str, str]] = set()
        self.discarded: set[tuple[Key, str]] = set()
        self.unfinished: list[str] = []  # landed or harmonised before a power cut
        self.waiting: dict[str, list[Version]] = {}  # accepted versions of each checked batch
        self.published: dict[Key, Version] = {}
        self.quarantined: set[Version] = set()
        self.trials: set[Key] = set()
        self.harmonised_with_fix: dict[str, bool] = {}  # of each batch: whether the code list was fixed before
        self.taken_count = 0

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.finish()
        finally:
            self.release()

    def release(self) -> None:
        """Undo the patches of this process and close the connection."""
        self.patch.undo()
        self.connection.close()

    # Steps: changes in the systems, and commands of the platform.

    @initialize(given=source_changes)
    def publish_first_snapshot(self, given: list[tuple[str, Change]]) -> None:
        for number in range(1, RECORDS):
            for source in (ONE_STOP, PORTAL):
                self.systems.change(source, Change(number, NOON[0]))
        self.change(given)
        for source in (ONE_STOP, PORTAL):
            self._process(land.run(self.store.settings, source, SPAN))
        self.publish()

    def change(self, given: list[tuple[str, Change]]) -> None:
        for source, change in given:
            self.systems.change(source, change)

    @rule(given=source_changes, source=sources, index=st.integers(0, RECORDS))
    def change_and_delete(self, given: list[tuple[str, Change]], source: str, index: int) -> None:
        """Records that were deleted before come back, then another record is deleted without a notice."""
        self.systems.restore(source)
        self.change(given)
        self.systems.delete(source, index)

    @rule(
        given=source_changes,
        source=sources,
        window=windows,
        shifts_pages=st.booleans(),
        power_cut_before=st.sampled_from([None, None, "harmonised", "checked"]),
    )
    def ingest(
        self,
        given: list[tuple[str, Change]],
        source: str,
        window: Window,
        shifts_pages: bool = False,
        power_cut_before: str | None = None,
    ) -> None:
        self.change(given)
        self.systems.shifts_pages = shifts_pages
        batch_ids = land.run(self.store.settings, source, window)
        self.systems.shifts_pages = False
        if power_cut_before is None:
            self._process(batch_ids)
            return
        before = self._rows("select * from ledger.quarantine order by quarantine_id")
        original = ledger.advance

        def advance(connection: ledger.Connection, batch_id: str, state: str, *rest: Any, **facts: Any) -> None:
            if state == power_cut_before:
                raise PowerCut
            original(connection, batch_id, state, *rest, **facts)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(ledger, "advance", advance)
            check.run(self.store.settings, harmonise.run(self.store.settings, batch_ids))
        assert self._rows("select * from ledger.quarantine order by quarantine_id") == before
        self.unfinished += batch_ids

    @precondition(lambda self: self.unfinished)
    @rule()
    def retry_unfinished(self) -> None:
        batch_ids, self.unfinished = self.unfinished, []
        self._process(batch_ids)

    @rule(index=st.integers(0, 99))
    def process_again(self, index: int) -> None:
        """As when an operator clears successful tasks: a checked batch is checked again, a published one is unchanged."""
        known = self._rows("select batch_id from ledger.batch where state in ('checked', 'published') order by 1")
        batch_id = known[index % len(known)][0]
        before = self.store.batch(batch_id)
        check.run(self.store.settings, harmonise.run(self.store.settings, [batch_id]))
        if before.state == "published":
            assert self.store.batch(batch_id) == before
        else:
            self.harmonised_with_fix[batch_id] = self.is_code_list_fixed
            self._expect_counts(batch_id)

    @rule(source=sources, window=windows)
    def rebuild(self, source: str, window: Window) -> None:
        self._process(land.open_rebuild_batches(self.store.settings, source, window))

    @rule(given=source_changes, source=sources)
    def sweep(self, given: list[tuple[str, Change]], source: str) -> None:
        self.change(given)
        before = {row[0] for row in self._rows("select batch_id from ledger.batch")}
        sweep.sweep_window(self.store.settings, source, SPAN)
        after = self._rows("select batch_id from ledger.batch order by right(batch_id, 6)")
        for batch_id in [row[0] for row in after if row[0] not in before]:
            self._expect_counts(batch_id)

    @precondition(lambda self: not self.is_code_list_fixed)
    @rule()
    def fix_the_code_list(self) -> None:
        load, known = codelists.load.__wrapped__, codelists.load("dossier_status")
        fixed = {source: {**meanings, "77": "finished"} for source, meanings in known.items()}
        self.patch.setattr(codelists, "load", lambda name: fixed if name == "dossier_status" else load(name))
        self.is_code_list_fixed = True

    @precondition(lambda self: self.quarantined)
    @rule()
    def redrive(self) -> None:
        for batch_id in redrive.redrive_rows(self.store.settings).batch_ids:
            self._expect_counts(batch_id)

    @precondition(lambda self: self.quarantined)
    @rule(index=st.integers(0, 99), is_accepted=st.booleans())
    def decide(self, index: int, is_accepted: bool) -> None:
        query = "select quarantine_id, source, source_key, record_hash, rule_id from ledger.quarantine where state = 'open' and (rule_id = %s or %s) order by 1"
        if not (open_rows := self._rows(query, DUE, not is_accepted)):
            return
        quarantine_id, source, source_key, record_hash, rule_id = open_rows[index % len(open_rows)]
        with store.connect(self.store.settings) as connection:
            (quarantine.accept if is_accepted else quarantine.discard)(connection, quarantine_id, "an", "confirmed")
        if is_accepted:
            self.accepted.add(((source, source_key), record_hash, rule_id))
        else:
            self.discarded.add(((source, source_key), record_hash))

    @precondition(lambda self: self.waiting)
    @rule()
    def publish(self) -> None:
        publish.run(self.store.settings)
        self._expect_published()

    @precondition(lambda self: self.waiting)
    @rule(share=st.floats(0, 1), function=st.sampled_from(sorted(CALLS)))
    def publish_with_a_power_cut(self, share: float, function: str) -> None:
        before, snapshots, remaining = self._readable(), self._snapshots(), [round(share * CALLS[function])]
        owners = {"do": Transaction, "rows": Transaction, "write": files, "activate": writer, "switch_to": pointer}
        owner: Any = owners[function]
        original = getattr(owner, function)

        def fail_after_the_share(*arguments: Any, **options: Any) -> Any:
            remaining[0] -= 1
            if remaining[0] < 0:
                raise PowerCut
            return original(*arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(owner, function, fail_after_the_share)
            try:
                publish.run(self.store.settings)
            except PowerCut:
                if function not in AFTER_COMMIT or self._snapshots() == snapshots:
                    assert self._readable() == before, "an interrupted publication changed something"
                    return
        self._expect_published()

    # Invariants.

    def _process(self, batch_ids: list[str]) -> None:
        self.store.process(batch_ids)
        self.harmonised_with_fix.update(dict.fromkeys(batch_ids, self.is_code_list_fixed))
        for batch_id in batch_ids:
            self._expect_counts(batch_id)

    def _expect_counts(self, batch_id: str) -> None:
        """Compare the counts of a checked batch with those computed from its landed bytes."""
        batch = self.store.batch(batch_id)
        assert batch.state == "checked", batch.why
        received = self._received(batch)
        is_fixed = self.harmonised_with_fix.setdefault(batch_id, self.is_code_list_fixed)
        distinct = set(received)
        trials = {version for version in distinct if version.is_trial}
        quarantined = {version for version in distinct - trials if self._is_quarantined(version, is_fixed)}
        newest: dict[Key, Version] = {}
        for version in sorted(distinct - trials - quarantined):
            newest[version.key] = version
        counts = {
            "fetched": len(received), "duplicate": len(received) - len(distinct), "ignored": len(trials),
            "quarantined": len(quarantined), "accepted": len(newest),
            "superseded": len(distinct) - len(trials) - len(quarantined) - len(newest),
        }  # fmt: skip
        assert {name: batch.counts[f"{name}_count"] for name in counts} == counts
        self.waiting[batch_id] = list(newest.values())
        self.quarantined |= quarantined
        self.trials |= {version.key for version in trials}

    def _received(self, batch: ledger.Batch) -> list[Version]:
        """The versions of records that a batch processes."""
        folder = self.store.settings.landing / batch.landing_path
        versions = landed(batch.source, Batch.open(folder))
        if batch.purpose != "redrive":
            return versions
        picked = self._rows(
            "select source_key, record_hash from ledger.redriven_record where batch_id = %s", batch.batch_id
        )
        return [next(v for v in versions if (v.key[1], v.raw_hash) == (key, raw)) for key, raw in picked]

    def _is_quarantined(self, version: Version, is_fixed: bool) -> bool:
        if (version.key, version.raw_hash) in self.discarded:
            return True
        broken = version.breaks - ({STATUS} if is_fixed else set())
        return any((version.key, version.raw_hash, rule_id) not in self.accepted for rule_id in broken)

    def _expect_published(self) -> None:
        """Check that the newest accepted version of every record is published."""
        before = dict(self.published)
        for version in sorted(version for accepted in self.waiting.values() for version in accepted):
            is_newer = version > self.published.get(version.key, _OLDEST)
            if is_newer and (version.key, version.raw_hash) not in self.discarded:
                self.published[version.key] = version
        self.taken_count += sum(before.get(key) != version for key, version in self.published.items())
        self.waiting.clear()
        self._every_record_is_in_one_place()
        self._the_counts_agree()

    def _every_record_is_in_one_place(self) -> None:
        known = self._rows("select source, source_key, source_updated_at, raw_hash, is_deleted from record.dossier")
        assert {(source, key): (changed, raw, is_deleted) for source, key, changed, raw, is_deleted in known} == {
            key: (version.changed_at, version.raw_hash, version.is_deleted) for key, version in self.published.items()
        }
        shown = self._rows(
            "select source, source_key from shared.dossier_source join shared.dossier using (dossier_id)"
        )
        existing = [key for key, version in self.published.items() if not version.is_deleted]
        assert sorted(shown) == sorted(existing), "every record that is not deleted is part of one dossier"
        rows = self._rows("select source, source_key, record_hash, state, source_updated_at from ledger.quarantine")
        assert {(source, key, raw) for source, key, raw, _, _ in rows} == {
            (*v.key, v.raw_hash) for v in self.quarantined
        }
        waiting = {row[:3] for row in rows if row[3] in ("open", "accepted", "discarded")}
        for source, key, raw, state, changed in rows:
            published = self.published.get((source, key))
            is_superseded = published is not None and published.changed_at >= changed
            assert (source, key, raw) in waiting or is_superseded, f"{key} {raw} left the quarantine unpublished"
            assert state != "open" or not is_superseded, f"{key} {raw} is open though a newer version is published"
        quarantined = {(source, key) for source, key, _, state, _ in rows if state in ("open", "accepted", "discarded")}
        keys = {v.key for source in self.systems.records for v in self._all_landed(source)}
        unfinished = {version.key for version in self._unfinished_versions()}
        assert keys == set(self.published) | quarantined | self.trials | unfinished

    def _the_counts_agree(self) -> None:
        ((taken_count, inserted, replaced),) = self._rows(
            "select sum(taken_count), sum(inserted_count), sum(replaced_count) from ledger.publication"
        )
        ((record_count, existing_count),) = self._rows(
            "select record_count, dossier_record_count from ledger.publication order by snapshot_id desc limit 1"
        )
        assert (taken_count, inserted, taken_count) == (self.taken_count, len(self.published), inserted + replaced)
        assert (record_count, existing_count) == (
            len(self.published),
            sum(not version.is_deleted for version in self.published.values()),
        )

    def _unfinished_versions(self) -> Iterable[Version]:
        for batch_id in self.unfinished:
            yield from self._received(self.store.batch(batch_id))

    def _all_landed(self, source: str) -> Iterable[Version]:
        folders = self._rows("select distinct landing_path from ledger.batch where source = %s", source)
        for (path,) in folders:
            yield from landed(source, Batch.open(self.store.settings.landing / path))

    @invariant()
    def every_batch_accounts_for_its_records(self) -> None:
        unbalanced = self._rows("""
            select batch_id, state from ledger.batch where state in ('checked', 'published') and fetched_count <> superseded_count
                + duplicate_count + quarantined_count + ignored_count + case state when 'checked' then accepted_count else published_count end
            """)
        assert unbalanced == []
        assert [row for row in self._rows("select source, lost_count from ledger.conservation") if row[1]] == []

    def _readable(self) -> list[Any]:
        """The published tables, the state of the batches, and the snapshot that the pointer names."""
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

    # End.

    def finish(self) -> None:
        """Check that SQL and files agree, and that the same batches in another order give the same dataset."""
        self.retry_unfinished()
        self.redrive()
        self.publish()
        _, proofs = verify.verify_snapshot(self.store.settings)
        assert all(proof.is_equal for proof in proofs)
        other = self.install()
        other.process(copy_in_another_order(self.store, other))
        other.publish()
        assert other.data_hashes() == self.store.data_hashes()


_OLDEST = Version(datetime.min.replace(tzinfo=LOCAL), "", ("", ""))
