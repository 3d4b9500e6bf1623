"""The time that indicators reach is stored once per period and snapshot: a row changes only when its numbers change."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from lgsp import install
from lgsp.errors import PublicationFailed, SettingError
from lgsp.maintain import retention, rollback, verify
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store import as_of_by_period, connect, views
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import WHOLE, Installation, copied, installed

TABLES = [table for table in contract.every() if table.period_column]
FRIDAY, SUNDAY, TUESDAY = WHOLE.split(2)[:3]


@pytest.fixture(scope="module")
def three_times(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """Two days published, then a weekend without dossiers, then two working days."""
    installation = installed(server, tmp_path_factory.mktemp("as_of"), quiet_province)
    for window in (FRIDAY, SUNDAY, TUESDAY):
        for source in ("one_stop_shop", "online_services"):
            installation.ingest(source, window)
        installation.publish()
    return installation


@pytest.fixture
def published(server: Server, three_times: Installation, tmp_path: Any) -> Installation:
    """A copy of the three publications, for a test that changes it."""
    return copied(server, three_times, tmp_path)


def _times(installation: Installation, rows: str) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for row in installation.query(f"select distinct period, period_start, as_of at time zone 'Asia/Ho_Chi_Minh' as at from {rows}"):  # fmt: skip
        found.setdefault((row["period"], str(row["period_start"])), set()).add(str(row["at"]))
    return found


def test_a_clock_that_moves_gives_no_row_a_new_version(three_times: Installation) -> None:
    for table in TABLES:
        replaced = three_times.query(f"select count(*) as n from history.{table.name} where snapshot_to = 2")
        assert replaced == [{"n": 0}], table.name
        changes = three_times.query(f"select distinct change from history.{table.name}_changes(1, 2)")
        assert [row["change"] for row in changes] in ([], ["insert"]), "rows of August, which has begun"
    assert three_times.query("select count(*) > 0 as has_changes from history.service_kpi where snapshot_to = 3")[0]["has_changes"]  # fmt: skip


def test_each_snapshot_shows_the_time_its_data_reached(three_times: Installation) -> None:
    expected = {1: "2026-08-01 00:00:00", 2: "2026-08-03 00:00:00", 3: "2026-08-05 00:00:00"}
    for snapshot_id, at in expected.items():
        times = _times(three_times, f"history.service_kpi_as_of({snapshot_id})")
        assert times["quarter", "2026-07-01"] == times["week", "2026-07-30"] == {at}
        assert times["month", "2026-07-01"] == {"2026-08-01 00:00:00"}, "the period is over"
    assert _times(three_times, "shared.service_kpi") == _times(three_times, "history.service_kpi_as_of(3)")
    assert _times(three_times, "history.service_kpi_changes(1, 2)") == {("month", "2026-08-01"): {expected[2]}}


@pytest.mark.parametrize("snapshot_id", [1, 2, 3])
def test_files_and_sql_of_every_snapshot_are_equal(three_times: Installation, snapshot_id: int) -> None:
    assert all(proof.is_equal for proof in verify.verify_snapshot(three_times.settings, snapshot_id)[1])


def test_only_files_with_an_open_period_are_written_again(three_times: Installation) -> None:
    def files(snapshot_id: int, table: str) -> dict[str, str]:
        folder = three_times.settings.shared / "snapshots" / str(snapshot_id) / table
        return {path.parent.name: path.name for path in folder.rglob("*.parquet")}

    first, second = files(1, "zero_activity"), files(2, "zero_activity")
    assert {month for month in second if first.get(month) != second[month]} == {"month=2026-01", "month=2026-07", "month=2026-08"}  # fmt: skip
    first, second = files(1, "weekly_digest"), files(2, "weekly_digest")
    assert {month for month in second if first.get(month) != second[month]} == {"month=2026-07"}


def test_a_rollback_restores_the_time_of_the_data(published: Installation) -> None:
    before = _times(published, "history.index_766_as_of(1)")
    assert rollback.roll_back(published.settings, 1, "An", "wrong figures") == 4
    assert _times(published, "shared.index_766") == before
    assert all(proof.is_equal for proof in verify.verify_snapshot(published.settings)[1])
    assert _times(published, "history.index_766_as_of(3)")["quarter", "2026-07-01"] == {"2026-08-05 00:00:00"}


def test_retired_history_leaves_the_times_of_kept_snapshots(published: Installation) -> None:
    with connect(published.settings) as connection:
        connection.execute("set session_replication_role = replica")  # without it a trigger refuses to alter these rows
        connection.execute("update ledger.publication set published_at = published_at - interval '400 days'")
    kept = {"LGSP_KEEP_EVERY_DAYS": "1", "LGSP_KEEP_HISTORY_DAYS": "1"}
    aged = Installation(Settings.from_env({**published.settings.environment, **kept}))
    retention.retire_expired(aged.settings)
    assert published.query(f"select min(snapshot_to) as oldest from {as_of_by_period.TABLE}") == [{"oldest": None}]
    assert _times(published, "shared.service_kpi") == _times(published, "history.service_kpi_as_of(3)")


def test_a_store_with_the_time_in_every_row_is_upgraded(published: Installation) -> None:
    snapshots = range(1, 4)
    before = {(table.name, n): _times(published, _rows(table.name, n)) for table in (contract.load("zero_activity"), contract.load("index_766")) for n in snapshots}  # fmt: skip
    with connect(published.settings) as connection:
        for table in TABLES:
            connection.execute(_stored_in_rows(table))
        connection.execute(f"drop table {as_of_by_period.TABLE}")
        connection.execute("update ledger.installation set made_of = 'version 0.1.0'")
    install.ensure(published.settings)
    assert before == {key: _times(published, _rows(*key)) for key in before}
    shutil.rmtree(published.settings.shared / "snapshots" / "3")  # its rows had other versions
    assert published.publish() is not None
    assert all(proof.is_equal for proof in verify.verify_snapshot(published.settings)[1])


def test_an_upgrade_names_the_view_that_depends_on_a_column(published: Installation) -> None:
    with connect(published.settings) as connection:
        connection.execute(_stored_in_rows(contract.load("service_kpi")))
        connection.execute("create view public.board as select kpi_id, as_of from shared.service_kpi")
    with pytest.raises(SettingError, match=r"view board depends on column as_of.*Drop them, run `lgsp init`"):
        install.init(published.settings)
    with connect(published.settings) as connection:
        connection.execute("drop view public.board")
    install.init(published.settings)
    assert _times(published, "shared.service_kpi") == _times(published, "history.service_kpi_as_of(3)")


def _rows(table: str, snapshot_id: int) -> str:
    return f"history.{table}_as_of({snapshot_id})"


def _stored_in_rows(table: contract.Contract) -> str:
    """The statements that store `as_of` in every row and version, as version 0.1.0 did."""
    stored = ", ".join(f"r.{name}" for name in table.stored_names)
    period = "'week'" if table.name == "weekly_digest" else "r.period"
    names = ", ".join(("snapshot_id", *(name for name in table.stored_names if name != "snapshot_id")))
    others = ", ".join(f"r.{name}" for name in table.stored_names if name != "snapshot_id")
    joined = (
        f"from (select {stored}, r.snapshot_id as first, null::bigint as last from indicator.{table.name} r "
        f"union all select {stored}, snapshot_from, snapshot_to from history.{table.name} r) r "
        f"join {as_of_by_period.TABLE} p on p.feed = '{table.period_column.feed}' and p.period = {period} and p.period_start = r.period_start "
        "and int8range(r.first, r.last) && int8range(p.snapshot_from, p.snapshot_to)"
    )
    first, last = "greatest(r.first, p.snapshot_from)", "least(r.last, p.snapshot_to)"
    return f"""
    create temporary table version on commit drop as select {first} as snapshot_id, {others}, p.as_of, {last} as snapshot_to {joined};
    drop function history.{table.name}_as_of(bigint), history.{table.name}_changes(bigint, bigint);
    {"; ".join(views.dropped())};
    drop view shared.{table.name};
    alter table indicator.{table.name} set schema shared;
    alter table shared.{table.name} add column as_of timestamptz;
    alter table history.{table.name} add column as_of timestamptz;
    truncate shared.{table.name}, history.{table.name};
    insert into shared.{table.name} ({names}, as_of) select {names}, as_of from version where snapshot_to is null;
    insert into history.{table.name} ({names}, as_of, snapshot_from, snapshot_to) select {names}, as_of, snapshot_id, snapshot_to from version where snapshot_to is not null;
    drop table version;
    """


@pytest.mark.exhaustive
def test_documents_have_the_time_of_their_own_feed(installation: Installation) -> None:
    early, late = WHOLE.split(6)
    for source in ("one_stop_shop", "online_services"):
        installation.ingest(source)
    installation.publish()
    month = ("month", "2026-08-01")
    assert _times(installation, "shared.document_kpi")[month] == {"2026-08-01 00:00:00"}, "no document was read"
    assert _times(installation, "shared.service_kpi")[month] == {"2026-08-11 00:00:00"}
    for number, (window, until) in enumerate(((early, "2026-08-05 00:00:00"), (late, "2026-08-11 00:00:00")), 2):
        installation.ingest("documents", window)
        installation.publish()
        assert _times(installation, "shared.document_kpi")[month] == {until}
        assert _times(installation, _rows("document_kpi", number))[month] == {until}
        assert _times(installation, "shared.service_kpi")[month] == {"2026-08-11 00:00:00"}
        assert all(proof.is_equal for proof in verify.verify_snapshot(installation.settings)[1])


def test_an_altered_period_is_found_also_without_rows(published_copy: Installation) -> None:
    assert verify.verify_snapshot(published_copy.settings)
    for statement in (
        "delete from history.as_of_by_period where ctid = (select ctid from history.as_of_by_period where snapshot_from = 1 order by feed, period, period_start limit 1)",
        "update history.as_of_by_period set is_complete = not is_complete where ctid = (select max(ctid) from history.as_of_by_period)",
    ):
        with connect(published_copy.settings) as connection:
            kept = connection.execute("select * from history.as_of_by_period").fetchall()
            assert connection.execute(statement).rowcount == 1
        with pytest.raises(PublicationFailed, match="as_of_by_period is not what was published as of snapshot"):
            verify.verify_snapshot(published_copy.settings)
        with connect(published_copy.settings) as connection:
            connection.execute("delete from history.as_of_by_period")
            for row in kept:
                columns = ", ".join(row)
                connection.execute(
                    f"insert into history.as_of_by_period ({columns}) values ({', '.join(['%s'] * len(row))})",
                    list(row.values()),
                )
        assert verify.verify_snapshot(published_copy.settings)
