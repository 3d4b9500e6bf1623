"""The tables with one row for each id, and the views for readers, computed a second time in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from lgsp import install, store
from lgsp.publish import reference_tables
from lgsp.schema import contract, views
from lgsp.store import constraints
from lgsp.vietnam.text import name_keys
from lgsp.window import LOCAL, Window
from tests.integration.conftest import FIRST, SOURCES, Installation

Row = dict[str, Any]
VERSIONS = {
    "organisation_current": "organisation", "service_current": "service",
    "admin_unit_current": "admin_unit", "indicator_current": "indicator_definition",
}  # fmt: skip
PERIODS = ("week", "month", "quarter", "half_year", "year")
DATA_DAY = date(2026, 8, 10)  # the last day that the published windows cover
LATER = date(2031, 1, 1)


def _parquet(installation: Installation, table: str) -> list[Row]:
    rows: list[Row] = pq.read_table(
        installation.settings.shared / "current" / table, schema=contract.load(table).arrow_schema()
    ).to_pylist()
    return rows


def _expected_current(versions: list[Row], key: str) -> dict[str, Row]:
    """The newest version of each id that has begun on the data's day, else its first."""
    by_id: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(versions, key=lambda row: row["valid_from"]):
        by_id[row[key]].append(row)
    return {
        id_: max((row for row in rows if row["valid_from"] <= DATA_DAY), key=lambda row: row["valid_from"], default=rows[0])
        for id_, rows in by_id.items()
    }  # fmt: skip


def _own_columns(name: str) -> list[str]:
    return [column.name for view in views.every() if view.name == name for column in view.own]


@pytest.fixture
def connection(published: Installation) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the published store; what a test changes is rolled back."""
    with store.connect(published.settings) as opened:
        yield opened
        opened.rollback()


@pytest.mark.parametrize(("current", "versions"), VERSIONS.items())
def test_a_current_table_has_one_version_of_each_id(published: Installation, current: str, versions: str) -> None:
    (key,) = contract.load(current).key
    columns = [name for name in contract.load(current).data_names if name != "is_current"]
    expected = _expected_current(_parquet(published, versions), key)
    for rows in (_parquet(published, current), published.query(f"select * from shared.{current}")):
        actual = {row[key]: row for row in rows}
        assert len(actual) == len(rows) == len(expected) > 0
        assert {id_: [row[c] for c in columns] for id_, row in actual.items()} == {
            id_: [row[c] for c in columns] for id_, row in expected.items()
        }
        if "is_current" in contract.load(current).names:
            in_force = {
                id_ for id_, row in expected.items() if row["valid_from"] <= DATA_DAY < (row["valid_to"] or LATER)
            }
            assert {id_ for id_, row in actual.items() if row["is_current"]} == in_force


def test_territories_and_agencies_have_several_versions(published: Installation) -> None:
    several = {
        name: max(Counter(row[contract.load(name).key[0]] for row in _parquet(published, name)).values())
        for name in ("admin_unit", "indicator_definition")
    }
    assert min(several.values()) > 1, "otherwise the tests above choose among nothing"


def test_a_version_of_the_future_is_not_current(connection: psycopg.Connection[Any]) -> None:
    one = "select * from shared.service_current order by service_code limit 1"
    (before,) = connection.execute(one).fetchall()
    columns = ", ".join(contract.load("service").names)
    later = columns.replace("valid_from", f"date '{LATER}'").replace(" name,", " 'Tên mới',")
    new = columns.replace("service_code", "'9.999999'").replace("valid_from", f"date '{LATER}'")
    for shown in (later, new):
        connection.execute(
            f"insert into shared.service ({columns}) select {shown} from shared.service where service_code = %s limit 1",
            [before["service_code"]],
        )
    rows = {row["service_code"]: row for row in connection.execute(reference_tables.query("service_current").encode())}
    assert {name: rows[before["service_code"]][name] for name in ("name", "valid_from", "is_current")} == {
        name: before[name] for name in ("name", "valid_from", "is_current")
    }
    assert rows["9.999999"]["is_current"] is False and rows["9.999999"]["valid_from"] == LATER


def test_names_have_the_keys_that_sort_and_find_them(published: Installation) -> None:
    for table in contract.every():
        if "name_sort" in table.names:
            rows = _parquet(published, table.name)
            assert rows and all(
                (row["name_sort"], row["name_search"])
                == (name_keys.of(row["name"]).name_sort, name_keys.of(row["name"]).name_search)
                for row in rows
            )
            ordered = published.query(f"select name_sort from shared.{table.name} order by name_sort")
            assert [row["name_sort"] for row in ordered] == sorted(row["name_sort"] for row in rows)


def test_freshness_is_what_the_published_windows_cover(installation: Installation) -> None:
    days = [Window.of_days(FIRST + timedelta(n), FIRST + timedelta(n)) for n in range(4)]
    for window in (days[0], days[2]):
        installation.ingest_all(window)
    installation.ingest("documents", days[3])
    assert installation.publish() is not None
    rows = {row["source"]: row for row in _parquet(installation, "freshness")}
    assert rows.keys() == set(SOURCES)
    for source, row in rows.items():
        until = days[3].end if source == "documents" else days[2].end
        assert (row["covered_from"], row["covered_until"], row["gap_count"]) == (days[0].start, until, 1)
    installation.ingest("documents", days[1])
    assert installation.publish() is not None, "a gap is closed"
    (row,) = installation.query("select * from shared.freshness where source = 'documents'")
    assert (row["covered_until"].astimezone(LOCAL), row["gap_count"]) == (days[3].end, 0)
    (before,) = installation.query("select * from history.freshness_as_of(1) where source = 'documents'")
    assert before["gap_count"] == 1, "its history is kept like that of any table"


def test_rows_that_did_not_change_are_not_written_again(published_twice: Installation) -> None:
    first, second = (
        {row["table_name"]: row["n"] for row in published_twice.query(
            "select table_name, content_hash::text as n from ledger.publication_table where snapshot_id = %s", number
        )}
        for number in (1, 2)
    )  # fmt: skip
    assert first["freshness"] != second["freshness"]
    for name in ("admin_unit_current", "indicator_current"):
        assert first[name] == second[name]
        assert published_twice.query(f"select count(*) as n from history.{name}")[0]["n"] == 0


def test_dossier_wide_has_every_dossier_once_with_its_names(published: Installation) -> None:
    rows = published.query("select * from shared.dossier_wide")
    dossiers = {row["dossier_id"]: row for row in _parquet(published, "dossier")}
    agencies = {row["organisation_id"]: row for row in _parquet(published, "organisation_current")}
    services = {row["service_code"]: row for row in _parquet(published, "service_current")}
    units = defaultdict(list)
    for unit in _parquet(published, "admin_unit"):
        units[unit["admin_unit_code"]].append(unit)

    def unit_name(code: str | None, day: date) -> str | None:
        names = [u["name"] for u in units[code] if u["valid_from"] <= day and (u["valid_to"] or LATER) > day]
        assert len(names) <= 1, "two versions of one code are in force"
        return names[0] if names else None

    assert len(rows) == len(dossiers) and {row["dossier_id"] for row in rows} == dossiers.keys()
    for row in rows:
        agency, service = agencies.get(row["receiving_organisation_id"], {}), services.get(row["service_code"], {})
        assert (row["receiving_organisation_name"], row["receiving_organisation_level"]) == (agency.get("name"), agency.get("level"))  # fmt: skip
        assert (row["service_name"], row["field_name"]) == (service.get("name"), service.get("field_name"))
        assert row["competent_organisation_name"] == agencies.get(row["competent_organisation_id"], {}).get("name")
        assert row["admin_unit_name"] == unit_name(row["admin_unit_code"], row["opened_on"])
        assert row["applicant_admin_unit_name"] == unit_name(row["applicant_admin_unit_code"], row["opened_on"])
        assert row["status"] == dossiers[row["dossier_id"]]["status"]
    assert all(any(row[name] for row in rows) for name in _own_columns("dossier_wide"))


def test_an_unknown_agency_or_procedure_loses_no_dossier(connection: psycopg.Connection[Any]) -> None:
    count = "select count(*) as n, count(service_name) as named from shared.dossier_wide"
    (before,) = connection.execute(count).fetchall()
    connection.execute("update shared.dossier set service_code = 'UNKNOWN', receiving_organisation_id = 'UNKNOWN'")
    (after,) = connection.execute(count).fetchall()
    assert (after["n"], after["named"]) == (before["n"], 0) and before["named"] > 0


@pytest.mark.parametrize("period", PERIODS)
def test_a_plain_sum_of_one_period_counts_nothing_twice(published: Installation, period: str) -> None:
    agencies = {row["organisation_id"] for row in _parquet(published, "organisation_current")}
    expected: Counter[tuple[str, date]] = Counter()
    for row in _parquet(published, "service_kpi"):
        if row["period"] == period and row["organisation_id"] in agencies:
            expected[row["kpi_id"], row["period_start"]] += row["denominator"]
    rows = published.query(f"select * from shared.service_kpi_{period}")
    assert len(rows) == len({(row["kpi_id"], row["organisation_id"], row["period_start"]) for row in rows}) > 0
    assert {row["organisation_id"] for row in rows} <= agencies and all(row["organisation_name"] for row in rows)
    actual: Counter[tuple[str, date]] = Counter()
    for row in rows:
        actual[row["kpi_id"], row["period_start"]] += row["denominator"]
    assert actual == expected and expected["online_share_all", max(start for _, start in expected)] > 0


def test_of_two_definitions_of_one_period_the_newest_counts(connection: psycopg.Connection[Any]) -> None:
    columns = ", ".join(contract.load("service_kpi").stored_names)
    old = (
        columns.replace("definition_version", "'1.0'").replace(" numerator,", " denominator,").replace(" value,", " 1,")
    )
    connection.execute(
        f"insert into indicator.service_kpi ({columns}) select {old} from indicator.service_kpi "
        "where kpi_id = 'online_share' and definition_version = '2.0' and period = 'month'"
    )
    rows = connection.execute("select * from shared.service_kpi_month where kpi_id = 'online_share'").fetchall()
    assert len(rows) == len({(row["organisation_id"], row["period_start"]) for row in rows}) > 0
    assert {row["definition_version"] for row in rows} == {"2.0"}


def test_named_indicators_mark_totals(published: Installation) -> None:
    rows = published.query("select * from shared.service_kpi_named")
    assert len(rows) == published.query("select count(*) as n from shared.service_kpi")[0]["n"]
    names = {(r["kpi_id"], r["definition_version"]): r["name_vi"] for r in _parquet(published, "indicator_definition")}
    assert all(row["kpi_name_vi"] == names[row["kpi_id"], row["definition_version"]] for row in rows)
    assert {row["organisation_name"] for row in rows if row["is_total"]} == {"Toàn tỉnh"}
    assert {row["organisation_id"] for row in rows if row["is_total"]} == {"ALL"}


def test_every_column_that_readers_see_has_a_comment(published: Installation) -> None:
    columns = published.query(
        "select relname as name, attname as column, col_description(a.attrelid, attnum) as comment, obj_description(c.oid) as about "
        "from pg_attribute a join pg_class c on c.oid = attrelid where relkind in ('r', 'v') and attnum > 0 and not attisdropped "
        "and (relnamespace = 'shared'::regnamespace or c.oid = 'history.as_of_by_period'::regclass)"
    )
    assert [row for row in columns if not row["comment"] or not row["about"]] == []
    described = {view.name: set(view.names) for view in views.every()}
    assert {name: {r["column"] for r in columns if r["name"] == name} for name in described} == described


def test_the_store_declares_every_check_and_reference(published: Installation) -> None:
    with store.connect(published.settings) as connection:
        declared = {(each.table, each.name): each for each in constraints.declared(connection.info.server_version)}
        stored = {(row["table"], row["name"]): row for row in constraints._stored(connection)}
        assert list(constraints.statements(connection)) == []
    assert declared.keys() <= stored.keys()
    assert all(stored[key]["is_valid"] for key, each in declared.items() if each.is_check)


def test_a_check_refuses_a_value_that_no_code_list_has(connection: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="dossier_status_known"):
        connection.execute("update shared.dossier set status = 'done'")


def test_a_changed_code_list_is_declared_again(published_copy: Installation) -> None:
    install.ensure(published_copy.settings)
    with store.connect(published_copy.settings) as connection:
        connection.execute("alter table shared.dossier drop constraint dossier_status_known")
        connection.execute(
            "alter table shared.dossier add constraint dossier_status_known check (status <> 'new') not valid"
        )
        connection.execute("update ledger.installation set made_of = 'an older version'")
    install.ensure(published_copy.settings)
    (row,) = published_copy.query(
        "select convalidated as is_valid, pg_get_constraintdef(oid) as definition from pg_constraint where conname = 'dossier_status_known' "
        "and conrelid = 'shared.dossier'::regclass"
    )
    assert row["is_valid"] and "supplement_requested" in row["definition"]


def test_existing_rows_that_break_a_check_do_not_stop_it(published_copy: Installation) -> None:
    installation = published_copy
    with store.connect(installation.settings) as connection:
        connection.execute("alter table shared.dossier drop constraint dossier_channel_known")
        connection.execute("update shared.dossier set channel = 'fax' where channel = 'postal'")
        connection.execute("update ledger.installation set made_of = 'an older version'")
    install.ensure(installation.settings)
    valid = "select convalidated as is_valid from pg_constraint where conname = 'dossier_channel_known'"
    assert not installation.query(valid)[0]["is_valid"]
    with pytest.raises(psycopg.errors.CheckViolation):
        installation.query("update shared.dossier set channel = 'telex' where channel = 'online' returning 1")
