"""Tests that every record is accounted for once, in any sequence of changes, crashes, decisions and repetitions.

`EXAMPLES=50 pytest tests/integration/test_conservation.py` runs 50 sequences, different ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lgsp.store import connect, ledger, transaction
from tests.integration.conftest import Installation
from tests.integration.conservation import RECENT, Conservation
from tests.integration.model_source import DUE, NOON, ONE_STOP, PORTAL, SPAN, STATUS, Change
from tests.samples import DAY

EXAMPLES = int(os.environ.get("EXAMPLES", "1"))
STEPS = 15


@pytest.fixture
def store(install: Callable[..., Installation]) -> Installation:
    """An installation without sources."""
    return install({})


@pytest.fixture
def machine(install: Callable[..., Installation]) -> Iterator[Conservation]:
    """The state machine, for a sequence of steps that the test chooses."""
    machine = Conservation(lambda: install({}))
    yield machine
    machine.release()


def test_every_record_is_accounted_for_in_random_sequences(install: Callable[..., Installation]) -> None:
    class RandomSequence(Conservation):
        def __init__(self) -> None:
            super().__init__(lambda: install({}))

    run_state_machine_as_test(
        RandomSequence,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize="EXAMPLES" not in os.environ, deadline=None,
            database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
        ),
    )  # fmt: skip


@pytest.mark.exhaustive
def test_every_record_is_accounted_for_after_each_kind_of_step(machine: Conservation) -> None:
    """Every step of the state machine at least once, in an order in which it has an effect."""
    status, late = frozenset({STATUS}), NOON[1]
    machine.publish_first_snapshot([
        (ONE_STOP, Change(1, late, breaks=status)), (PORTAL, Change(2, late, breaks=frozenset({DUE}))),
        (PORTAL, Change(3, late, breaks=status | {DUE})), (ONE_STOP, Change(4, late, is_trial=True)),
    ])  # fmt: skip
    changed = [(ONE_STOP, Change(2, NOON[3], fee=4)), (ONE_STOP, Change(3, NOON[3], is_deleted=True))]
    machine.ingest(changed, ONE_STOP, RECENT, shifts_pages=True)
    for share, function in ((0.5, "do"), (0.9, "rows"), (0.3, "write"), (0.0, "activate"), (0.0, "switch_to")):
        machine.publish_with_a_power_cut(share, function)
    machine.decide(0, is_accepted=True)
    machine.decide(0, is_accepted=False)
    machine.fix_the_code_list()
    machine.redrive()
    machine.process_again(0)
    machine.process_again(99)
    unlinked = [(PORTAL, Change(1, NOON[2], fee=3, is_linked=False))]
    machine.ingest(unlinked, PORTAL, SPAN, shifts_pages=True, power_cut_before="checked")
    machine.every_batch_accounts_for_its_records()
    machine.publish()
    machine.retry_unfinished()
    machine.change_and_delete([(PORTAL, Change(3, late, fee=2))], ONE_STOP, 0)
    machine.sweep([(PORTAL, Change(4, late))], ONE_STOP)
    machine.sweep([], PORTAL)
    machine.publish()
    machine.change_and_delete([], PORTAL, 1)
    machine.sweep([], ONE_STOP)
    machine.rebuild(PORTAL, SPAN)
    machine.publish()
    machine.every_batch_accounts_for_its_records()
    machine.finish()


@pytest.mark.exhaustive
def test_a_record_discarded_after_the_check_is_not_published(machine: Conservation) -> None:
    machine.publish_first_snapshot([(ONE_STOP, Change(1, NOON[1], breaks=frozenset({STATUS})))])
    machine.fix_the_code_list()
    machine.ingest([], ONE_STOP, SPAN)
    machine.decide(0, is_accepted=False)
    machine.publish()
    machine.finish()


PUBLICATION = {
    "taken_count": 3,
    "inserted_count": 2,
    "replaced_count": 1,
    "record_count": 12,
    "dossier_record_count": 5,
    "work_file_record_count": 4,
}


def _insert_publications(store: Installation, **counts: int) -> None:
    """Insert a publication of ten records and one of three; `counts` replace counts of the second one."""
    columns = {**PUBLICATION, **counts}
    with connect(store.settings) as connection:
        connection.execute(transaction.TAKE_PUBLISH_LOCK)
        connection.execute("select nextval('ledger.publish_token')")
        token = "(select last_value from ledger.publish_token)"
        for snapshot_id, count in ((1, 10), (2, 3)):
            batch = ledger.open_batch(connection, ONE_STOP, DAY)
            ledger.advance(connection, batch.batch_id, "checked")
            facts: dict[str, Any] = {"fetched_count": count, "published_count": count, "snapshot_id": snapshot_id}
            ledger.advance(connection, batch.batch_id, "published", **facts)
        connection.execute(
            "insert into ledger.publication (snapshot_id, token, manifest_sha256, batch_count, taken_count, inserted_count, replaced_count, record_count) "
            f"values (1, {token}, '', 1, 10, 10, 0, 10)"
        )
        connection.execute(
            f"insert into ledger.publication (snapshot_id, published_at, token, manifest_sha256, batch_count, {', '.join(columns)}) "
            f"values (2, clock_timestamp(), {token}, '', 1, {', '.join(map(str, columns.values()))})"
        )
        for table, count in (("dossier_source", 5), ("work_file", 4)):
            connection.execute("insert into ledger.publication_table values (2, %s, %s, 0, 0)", [table, count])


def test_the_database_accepts_a_publication_with_correct_counts(store: Installation) -> None:
    _insert_publications(store)
    assert store.query("select count(*) as n from ledger.publication")[0]["n"] == 2


@pytest.mark.parametrize("count", PUBLICATION)
@pytest.mark.parametrize("error", [-1, 1])
def test_the_database_refuses_a_publication_with_a_wrong_count(count: str, error: int, store: Installation) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="snapshot 2"):
        _insert_publications(store, **{count: PUBLICATION[count] + error})
    assert store.query("select count(*) as n from ledger.publication")[0]["n"] == 0


@pytest.mark.parametrize("state", ["checked", "published"])
def test_the_database_refuses_a_lost_or_an_extra_record(state: str, store: Installation) -> None:
    counts = (
        "superseded_count",
        "duplicate_count",
        "quarantined_count",
        "ignored_count",
        "accepted_count" if state == "checked" else "published_count",
    )
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, ONE_STOP, DAY)
        if state == "published":
            ledger.advance(connection, batch.batch_id, "checked")
        correct: dict[str, Any] = {"fetched_count": 5, **dict.fromkeys(counts, 1)}
        for wrong in ({"fetched_count": 6}, {"fetched_count": 4}, *({count: 0} for count in counts)):
            with pytest.raises(psycopg.errors.CheckViolation, match=f"conservation_{state}"), connection.transaction():
                ledger.advance(connection, batch.batch_id, state, **{**correct, **wrong})
        ledger.advance(connection, batch.batch_id, state, **correct)
    assert store.batch(batch.batch_id).state == state
