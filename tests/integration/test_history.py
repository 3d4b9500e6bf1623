"""SQL shows every snapshot as it was published, and the changes turn a copy of a snapshot into any later one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lgsp.install import init
from lgsp.publish import merge
from lgsp.schema import contract, views
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract
from lgsp.snapshots import changes
from lgsp.store import connect, history, url
from lgsp.store.transaction import Transaction, publishing
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation

# The rows of a table in each snapshot: the number of a row's data by the number of its key; other keys have no row.
WORLDS = st.lists(st.dictionaries(st.integers(1, 4), st.integers(0, 2), max_size=4), min_size=3, max_size=5)
OF_TYPE = {
    "text": "'text {n}'", "integer": "{n}", "bigint": "{n}", "double precision": "{n} / 8.0", "boolean": "{n} > 1",
    "date": "date '2026-07-30' + {n}", "timestamptz": "timestamptz '2026-07-30 08:00+07' + interval '1 day' * {n}",
    "text[]": "array['text', '{n}']",
}  # fmt: skip
ANNOUNCE = "insert into ledger.publication (snapshot_id, published_at, manifest_sha256, batch_count, token) values "


@pytest.fixture
def announced(empty_store: Installation) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Three empty snapshots, published on 1, 2 and 3 August; the history of the first is retired."""
    with publishing(url(empty_store.settings)) as transaction, connect(empty_store.settings) as connection:
        for number in (1, 2, 3):
            published_at = f"timestamptz '2026-08-01 06:00+07' + interval '1 day' * {number - 1}"
            connection.execute(f"{ANNOUNCE} ({number}, {published_at}, '', 0, {transaction.token})")
        connection.execute("update ledger.publication set history_retired_at = '2026-08-05' where snapshot_id = 1")
        yield connection
        connection.rollback()


def _row(table: Contract, key: int, data: int, snapshot_id: int) -> str:
    def value(column: Column) -> str:
        if column.name == "batch_id":
            return f"'batch {snapshot_id}'"  # each publication reads everything again
        number = key if column.is_key else data
        is_nullable = not (column.is_key or column.is_required)
        if is_nullable and data == 0:
            return f"null::{column.type}"
        if column.codes:
            return f"'{column.codes[number % len(column.codes)]}'"
        return OF_TYPE[column.type].format(n=number)

    names = [column for column in table.columns if column.name != "snapshot_id"]
    return "select " + ", ".join(f"({value(column)})::{column.type} as {column.name}" for column in names)


def _publish(transaction: Transaction, table: Contract, snapshot_id: int, world: dict[int, int]) -> None:
    rows = [_row(table, key, data, snapshot_id) for key, data in world.items()]
    merge.stage_query(transaction, table, " union all ".join(rows) or f"{_row(table, 1, 1, snapshot_id)} where false")
    merge.merge_staged(transaction, table, "true", snapshot_id, changes.Changes())
    transaction.do(
        f"{ANNOUNCE} ({snapshot_id}, now() + interval '1 second' * {snapshot_id}, '', 0, {transaction.token})"
    )


def _retire(transaction: Transaction, table: Contract, snapshots: set[int]) -> None:
    """Retire the history of some snapshots and delete the row versions that no other snapshot shows."""
    for number in snapshots:
        transaction.do(f"update ledger.publication set history_retired_at = now() where snapshot_id = {number}")
    transaction.do(
        f"delete from history.{table.name} where not exists (select from ledger.publication "
        "where history_retired_at is null and snapshot_id >= snapshot_from and snapshot_id < snapshot_to)"
    )


Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def _rows(transaction: Transaction, table: Contract, source: str) -> Rows:
    """All columns of some rows, by key."""
    key = [table.names.index(name) for name in table.key]
    rows = transaction.rows(f"select {', '.join(table.names)} from {source}")
    return {tuple(row[n] for n in key): tuple(map(repr, row)) for row in rows}


def _data(table: Contract, rows: Rows) -> Rows:
    """The same rows without lineage columns."""
    data = [table.names.index(name) for name in table.data_names]
    return {key: tuple(row[n] for n in data) for key, row in rows.items()}


def _applied(copy: Rows, changes: Rows, kinds: dict[tuple[Any, ...], tuple[str, int]]) -> Rows:
    """A copy after a consumer has applied the changes."""
    for key, (change, _) in kinds.items():
        assert (key in copy) == (change != "insert")
    deleted = {key for key, (change, _) in kinds.items() if change == "delete"}
    return {key: row for key, row in (copy | changes).items() if key not in deleted}


# A fact, its part, a key of a date, a reference list, versions of a list, and two indicators, of which one has no period.
EACH_KIND = (
    "dossier",
    "dossier_event",
    "working_day",
    "admin_unit_crosswalk",
    "organisation",
    "service_kpi",
    "reconciliation",
)


@pytest.mark.parametrize(
    "name", [*EACH_KIND, *exhaustive(*(name for name in contract.names() if name not in EACH_KIND))]
)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds=WORLDS, retired=st.sets(st.integers(1, 4), max_size=2))
def test_the_changes_turn_a_snapshot_into_any_later_one(
    name: str, worlds: list[dict[int, int]], retired: set[int], empty_store: Installation
) -> None:
    table = contract.load(name)
    shown: list[Rows] = [{}]
    with publishing(url(empty_store.settings)) as transaction:
        for number, world in enumerate(worlds, start=1):
            _publish(transaction, table, number, world)
            shown.append(_rows(transaction, table, f"shared.{name}"))
        newest = len(worlds)
        retained = [number for number in range(newest + 1) if number not in retired - {newest}]
        _retire(transaction, table, retired - {newest})
        for number in retained:
            assert _rows(transaction, table, f"history.{name}_as_of({number})") == shown[number]
        for since in retained:
            for until in retained[retained.index(since) :]:
                call = f"history.{name}_changes({since}, {until})"
                key = ", ".join(table.key)
                listed = transaction.rows(f"select change, changed_in, {key} from {call}")
                kinds = {tuple(row[2:]): (row[0], row[1]) for row in listed}
                assert len(kinds) == len(listed), "each row is listed once"
                assert all(since < changed_in <= until for _, changed_in in kinds.values())
                before, after = _data(table, shown[since]), _data(table, shown[until])
                differs = {key for key in before | after if before.get(key) != after.get(key)}
                assert set(kinds) == differs, "a row with the same data at both ends is no change"
                changes = _rows(transaction, table, call)
                assert _data(table, _applied(shown[since], changes, kinds)) == after
                assert all(changes[key] == shown[until][key] for key in differs & set(after)), "with lineage columns"
        open_end = transaction.rows(f"select * from history.{name}_changes(0) order by {table.key[0]}")
        assert open_end == transaction.rows(
            f"select * from history.{name}_changes(0, {newest}) order by {table.key[0]}"
        )


def test_every_snapshot_is_as_published_with_any_search_path(published_twice: Installation) -> None:
    with psycopg.connect(url(published_twice.settings)) as connection:
        published = connection.execute(
            "select snapshot_id, table_name, row_count, content_hash::text from ledger.publication_table"
        ).fetchall()
        connection.execute("set role lgsp_reader")
        for name in ("dossier", "held"):
            connection.execute(f"create temporary table {name} (dossier_id text)")
        connection.execute("set search_path = pg_temp, public")
        assert {row[0] for row in published} == {1, 2}
        for snapshot_id, name, *expected in published:
            table = contract.load(name)
            sums = f"count(*), coalesce(sum({table.hash_sql('postgresql', table.names)}), 0)::text"
            row = connection.execute(f"select {sums} from history.{name}_as_of({snapshot_id})").fetchone()
            assert list(row or ()) == expected, f"{name} of snapshot {snapshot_id}"
            changes = connection.execute(f"select change, changed_in from history.{name}_changes(1)").fetchall()
            assert {changed_in for _, changed_in in changes} <= {2}
        first_published_at = "select published_at from shared.snapshot where snapshot_id = 1"
        first, newest = (
            connection.execute(f"select count(*) from history.dossier_as_of(history.snapshot_at({at}))").fetchone()
            for at in (f"({first_published_at})", "'infinity'")
        )
        assert first and newest and 0 < first[0] < newest[0]


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-08-01 05:59:59+07", 0), ("2026-08-01 06:00+07", 1), ("2026-08-02 00:00+07", 1), ("2026-08-02 12:00+07", 2), ("infinity", 3)],
)  # fmt: skip
def test_snapshot_at_a_time_is_the_newest_published_by_then(
    announced: psycopg.Connection[dict[str, Any]], at: str, expected: int
) -> None:
    (row,) = announced.execute("select history.snapshot_at(%s) as number", [at]).fetchall()
    assert row["number"] == expected


@pytest.mark.parametrize("zone", ["UTC", "Asia/Ho_Chi_Minh", "America/New_York"])
@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("'2026-08-02'", 1), ("'2026-08-03'", 2), ("date '2026-08-02'", 1), ("'2026-08-02 06:00'", 2), ("'2026-08-02 05:59'", 1),
        ("timestamp '2026-08-02 06:00'", 2), ("'02/08/2026 06:00'", 2), ("'2026-08-01 23:00Z'", 2), ("timestamptz '2026-08-01 23:00Z'", 2),
        ("null::date", None),
    ],
)  # fmt: skip
def test_snapshot_at_is_local_time_in_every_session(
    announced: psycopg.Connection[dict[str, Any]], zone: str, at: str, expected: int | None
) -> None:
    announced.execute(f"set local timezone = '{zone}'")
    (row,) = announced.execute(f"select history.snapshot_at({at}) as number").fetchall()
    assert row["number"] == expected


@pytest.mark.parametrize(
    ("call", "message", "hint"),
    [
        ("dossier_as_of(4)", "snapshot 4 was never published", "shared.snapshot lists"),
        ("dossier_as_of(null)", "snapshot null was never published", "shared.snapshot lists"),
        ("dossier_as_of(1)", "the history of snapshot 1 was retired on 2026-08-05", "with history is 2"),
        ("dossier_as_of(history.snapshot_at('2026-08-01 12:00+07'))", "the history of snapshot 1 was retired", "is 2"),
        ("dossier_changes(1)", "the history of snapshot 1 was retired", "is 2"),
        ("dossier_changes(0, 1)", "the history of snapshot 1 was retired", "is 2"),
        ("dossier_changes(4)", "snapshot 4 was never published", "shared.snapshot lists"),
        ("dossier_changes(3, 2)", "changes are only available forward", "the older snapshot first"),
    ],
)
def test_an_error_names_the_snapshots_that_can_be_queried(
    announced: psycopg.Connection[dict[str, Any]], call: str, message: str, hint: str
) -> None:
    with pytest.raises(psycopg.Error, match=message) as error:
        announced.execute(f"select * from history.{call}")
    assert hint in str(error.value.diag.message_hint)


@pytest.mark.parametrize("call", ["dossier_as_of(0)", "dossier_as_of(2)", "dossier_changes(0)", "dossier_changes(2, 3)"])  # fmt: skip
def test_an_empty_retained_snapshot_can_be_queried(announced: psycopg.Connection[dict[str, Any]], call: str) -> None:
    assert announced.execute(f"select * from history.{call}").fetchall() == []


def _plan(connection: psycopg.Connection[dict[str, Any]], query: str) -> str:
    return "\n".join(str(row["QUERY PLAN"]) for row in connection.execute(f"explain (costs off) {query}"))


@pytest.mark.parametrize(
    "query",
    [
        "select * from history.dossier_as_of(2) where dossier_id = 'dossier 7'",
        "select * from history.dossier_as_of(history.snapshot_at('2026-08-02 12:00+07')) where dossier_id = 'dossier 7'",
        "select * from history.dossier_changes(2)",
        "select * from history.dossier_changes(2, 3)",
    ],
)
def test_a_query_on_one_row_or_one_publication_uses_indexes(
    announced: psycopg.Connection[dict[str, Any]], query: str
) -> None:
    table = contract.load("dossier")
    others = ", ".join(name for name in table.names if name not in ("dossier_id", "snapshot_id"))
    newest = "case when n <= 50 then 3 else 1 end"
    for schema, extra, snapshots in (
        ("shared", "", newest),
        ("history", ", snapshot_from, snapshot_to", f"1, 1, {newest} + 1"),
    ):
        announced.execute(
            f"insert into {schema}.dossier (dossier_id, {others}, snapshot_id{extra}) "
            f"select 'dossier ' || n, {others}, {snapshots} from ({_row(table, 1, 1, 1)}) template, generate_series(1, 5000) n"
        )
        announced.execute(f"analyze {schema}.dossier")
    plan = _plan(announced, query)
    assert "Seq Scan" not in plan and plan.count("Index Scan") >= 2
    assert "One-Time Filter: history.held" in plan, "evaluated once, not for every row"


def test_an_upgrade_replaces_functions_that_return_other_columns(
    install: Callable[..., Installation], quiet_province: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = install(quiet_province, is_initialised=False)
    today = contract.load("dossier")
    columns = [replace(c, type="integer") if c.name == "fee_vnd" else c for c in today.columns if c.name != "channel"]
    older = [
        replace(table, columns=tuple(reversed(columns))) if table is today else table for table in contract.every()
    ]
    with monkeypatch.context() as patch:
        patch.setattr(contract, "every", lambda: older)
        patch.setattr(views, "every", tuple)  # it had none that read the column
        init(store.settings)
    init(store.settings)
    with connect(store.settings) as connection:
        assert not any(history.is_outdated(connection, table) for table in contract.every())
        for call in ("dossier_as_of(0)", "dossier_changes(0)"):
            returned = connection.execute(f"select * from history.{call}").description or []
            names = [column.name for column in returned if column.name not in ("change", "changed_in")]
            assert names == list(today.names)
        connection.execute("create view shared.of_a_reader as select dossier_id from history.dossier_as_of(1)")
    init(store.settings)  # an unchanged function is replaced in place: a view depends on it
