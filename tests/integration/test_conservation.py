"""Nothing is lost and nothing is there twice, whatever happens in whatever order: changes, crashes, decisions, repeats.

`EXAMPLES=50 pytest tests/integration/test_conservation.py` tries as many lives, other ones each time.
"""

from __future__ import annotations

import os
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lgsp.store import connect, ledger, transaction
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import Installation, installed
from tests.integration.conservation import RECENT, Conservation
from tests.integration.model_source import DUE, NOON, ONE_STOP, PORTAL, SPAN, STATUS, Change
from tests.samples import DAY

EXAMPLES = int(os.environ.get("EXAMPLES", "1"))
STEPS = 15


@pytest.fixture
def bare(server: Server, tmp_path: Any) -> Installation:
    """An installation that knows no system: what it is asked is answered by the test."""
    return installed(server, tmp_path, {})


def test_nothing_is_lost_whatever_happens(server: Server, tmp_path: Any) -> None:
    class Alone(Conservation):
        def __init__(self) -> None:
            super().__init__(lambda: installed(server, tmp_path, {}))

    run_state_machine_as_test(
        Alone,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize="EXAMPLES" not in os.environ, deadline=None,
            database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
        ),
    )  # fmt: skip


def test_a_life_in_which_everything_happens_once(server: Server, tmp_path: Any) -> None:
    """Each of the steps above at least once, in an order in which it matters."""
    life = Conservation(lambda: installed(server, tmp_path, {}))
    try:
        _live(life)
        life.finish()
    finally:
        life.give_back()


def _live(life: Conservation) -> None:
    wrong, late = frozenset({STATUS}), NOON[1]
    life.begin([
        (ONE_STOP, Change(1, late, breaks=wrong)), (PORTAL, Change(2, late, breaks=frozenset({DUE}))),
        (PORTAL, Change(3, late, breaks=wrong | {DUE})), (ONE_STOP, Change(4, late, is_trial=True)),
    ])  # fmt: skip
    life.pull(
        [(ONE_STOP, Change(2, NOON[3], fee=4)), (ONE_STOP, Change(3, NOON[3], is_deleted=True))],
        ONE_STOP,
        RECENT,
        True,
        None,
    )
    for place, where in ((0.5, "do"), (0.9, "rows"), (0.3, "_write"), (0.0, "enter"), (0.0, "point")):
        life.publish_while_the_power_fails(place, where)
    life.decide(0, is_accepted=True)
    life.decide(0, is_accepted=False)
    life.mend_the_code_list()
    life.redrive()
    life.read_once_more(0)
    life.read_once_more(99)
    life.pull([(PORTAL, Change(1, NOON[2], fee=3, is_linked=False))], PORTAL, SPAN, True, "checked")
    life.every_batch_adds_up()
    life.publish()
    life.try_again()
    life.change_and_forget([(PORTAL, Change(3, late, fee=2))], ONE_STOP, 0)
    life.sweep([(PORTAL, Change(4, late))], ONE_STOP)
    life.sweep([], PORTAL)
    life.publish()
    life.change_and_forget([], PORTAL, 1)
    life.sweep([], ONE_STOP)
    life.rebuild(PORTAL, SPAN)
    life.publish()
    life.every_batch_adds_up()


def test_what_was_discarded_after_the_check_is_not_published(server: Server, tmp_path: Any) -> None:
    life = Conservation(lambda: installed(server, tmp_path, {}))
    try:
        life.begin([(ONE_STOP, Change(1, NOON[1], breaks=frozenset({STATUS})))])
        life.mend_the_code_list()
        life.pull([], ONE_STOP, SPAN, False, None)
        life.decide(0, is_accepted=False)
        life.publish()
        life.finish()
    finally:
        life.give_back()


PUBLICATION = {
    "taken_count": 3,
    "inserted_count": 2,
    "replaced_count": 1,
    "record_count": 12,
    "dossier_record_count": 5,
    "work_file_record_count": 4,
}


def _publish_by_hand(store: Installation, **counts: int) -> None:
    """A publication after one of ten records, with a batch that brought three; as whoever would write it by hand."""
    told = {**PUBLICATION, **counts}
    with connect(store.settings) as connection:
        connection.execute(
            "select pg_advisory_xact_lock(%s), nextval('ledger.publish_token')", [transaction.PUBLISH_LOCK]
        )
        turn = "(select last_value from ledger.publish_token)"
        for snapshot_id, count in ((1, 10), (2, 3)):
            batch = ledger.open_batch(connection, ONE_STOP, DAY)
            ledger.advance(connection, batch.batch_id, "checked")
            brought: dict[str, Any] = {"fetched_count": count, "published_count": count, "snapshot_id": snapshot_id}
            ledger.advance(connection, batch.batch_id, "published", **brought)
        connection.execute(
            "insert into ledger.publication (snapshot_id, token, manifest_sha256, batch_count, taken_count, inserted_count, replaced_count, record_count) "
            f"values (1, {turn}, '', 1, 10, 10, 0, 10)"
        )
        connection.execute(
            f"insert into ledger.publication (snapshot_id, published_at, token, manifest_sha256, batch_count, {', '.join(told)}) "
            f"values (2, clock_timestamp(), {turn}, '', 1, {', '.join(map(str, told.values()))})"
        )
        for table, count in (("dossier_source", 5), ("work_file", 4)):
            connection.execute("insert into ledger.publication_table values (2, %s, %s, 0, 0)", [table, count])


def test_a_publication_that_adds_up_is_taken(bare: Installation) -> None:
    _publish_by_hand(bare)
    assert bare.query("select count(*) as n from ledger.publication")[0]["n"] == 2


@pytest.mark.parametrize("count", PUBLICATION)
@pytest.mark.parametrize("off", [-1, 1])
def test_the_database_refuses_a_publication_whose_counts_are_off_by_one(
    count: str, off: int, bare: Installation
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="snapshot 2"):
        _publish_by_hand(bare, **{count: PUBLICATION[count] + off})
    assert bare.query("select count(*) as n from ledger.publication")[0]["n"] == 0


@pytest.mark.parametrize("state", ["checked", "published"])
def test_the_database_refuses_a_batch_of_which_one_record_is_nowhere_or_twice(state: str, bare: Installation) -> None:
    places = (
        "superseded_count",
        "duplicate_count",
        "quarantined_count",
        "ignored_count",
        "accepted_count" if state == "checked" else "published_count",
    )
    with connect(bare.settings) as connection:
        batch = ledger.open_batch(connection, ONE_STOP, DAY)
        if state == "published":
            ledger.advance(connection, batch.batch_id, "checked")
        whole: dict[str, Any] = dict.fromkeys(places, 1)
        for counts in (
            {"fetched_count": 6},
            {"fetched_count": 4},
            *({"fetched_count": 5, place: 0} for place in places),
        ):
            with pytest.raises(psycopg.errors.CheckViolation, match=f"conservation_{state}"), connection.transaction():
                ledger.advance(connection, batch.batch_id, state, **{**whole, **counts})
        ledger.advance(connection, batch.batch_id, state, fetched_count=5, **whole)
    assert bare.batch(batch.batch_id).state == state
