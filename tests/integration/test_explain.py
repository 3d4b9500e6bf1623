"""Every published number is what its rows make, and every row leads back to the bytes that were landed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner

from lgsp import explain
from lgsp.cli.main import main
from lgsp.errors import LgspError
from lgsp.explain import COUNTED, NOT_COUNTED, Explanation, lineage
from lgsp.indicators import periods
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window, midnight
from lgsp_province import World, serving
from tests.integration.conftest import FIRST, Installation, copied, installed

OF_DOSSIERS = (
    "on_time", "on_time_first_due", "no_due", "overdue_open", "progress_766", "online_share", "online_share_all", "paid_online",
    "digital_result", "digitised", "reused", "synced", "satisfied",
)  # fmt: skip
OF_OFFERINGS = ("service_active", "service_active_online", "offered_online", "integrated_national", "full_online", "payment_active")  # fmt: skip
OF_PAPERS = ("sent", "sent_deliveries", "received", "paperless", "signed", "accepted_in_time", "work_file_electronic")
COUNTS = ("sent", "sent_deliveries", "received")
WEEK, MONTH = "2026-08-06", "2026-08"


def _explained(
    store: Installation, kpi: str, organisation: str = "ALL", period: str = MONTH, **more: Any
) -> Explanation:
    with connect(store.settings) as connection:
        return explain.number(connection, kpi, organisation, period, **more)


def _traced(store: Installation, kind: str, key: str, **more: Any) -> lineage.Trace:
    with connect(store.settings) as connection:
        return lineage.row(store.settings, connection, kind, key, **more)


def _differing(explained: Explanation, rows: list[dict[str, Any]], columns: dict[str, str]) -> list[Any]:
    """Agencies whose published row is not the sum of what the rows tell of them; `columns` are theirs by ours."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in explained.rows:
        found[row.organisation_id].update({name: getattr(row, name) for name in columns})
    told = {row["organisation_id"]: {name: row[column] for name, column in columns.items()} for row in rows}
    nothing = dict.fromkeys(columns, 0)
    return [
        (agency, told[agency], dict(found[agency])) for agency in told if told[agency] != nothing | dict(found[agency])
    ]


@pytest.mark.parametrize("period", [WEEK, MONTH])
@pytest.mark.parametrize("kpi_id", [*OF_DOSSIERS, *OF_PAPERS])
def test_every_agency_s_number_is_what_its_rows_make(published: Installation, kpi_id: str, period: str) -> None:
    table = "document_kpi" if kpi_id in OF_PAPERS else "service_kpi"
    asked = periods.parse(period)
    explained = _explained(published, kpi_id, period=period)
    columns = {"numerator": "numerator", "denominator": "denominator", "excluded": "excluded_count", "quarantined": "quarantined_count"}  # fmt: skip
    if kpi_id in COUNTS:
        del columns["denominator"]
    rows = published.query(
        f"select * from shared.{table} where kpi_id = %s and period = %s and period_start = %s and organisation_id <> 'ALL'",
        kpi_id, asked.kind, asked.start,
    )  # fmt: skip
    assert explained.differences == () and explained.rows and len(rows) > 100
    assert _differing(explained, rows, columns) == []


@pytest.mark.parametrize("kpi_id", OF_OFFERINGS)
def test_every_agency_s_number_of_offerings_is_what_they_make(published: Installation, kpi_id: str) -> None:
    explained = _explained(published, kpi_id)
    rows = published.query(
        "select * from shared.service_kpi where kpi_id = %s and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL'",
        kpi_id,
    )
    assert explained.differences == ()
    assert _differing(explained, rows, {"numerator": "numerator", "denominator": "denominator"}) == []
    assert {row.kind for row in explained.rows} >= {"offering"}


@pytest.mark.parametrize("level", ["province", "district", "commune"])
def test_a_level_s_number_is_what_the_rows_of_its_agencies_make(published: Installation, level: str) -> None:
    explained = _explained(published, "on_time", level=level)
    assert explained.differences == () and explained.question.row["level"] == level


@pytest.fixture(scope="module")
def busiest(published: Installation) -> str:
    """The agency with the most dossiers."""
    (row,) = published.query(
        "select receiving_organisation_id as agency from shared.dossier where receiving_organisation_id <> 'UNKNOWN' group by 1 order by count(*) desc, 1 limit 1"
    )
    return str(row["agency"])


@pytest.mark.parametrize("column", explain.question.FORM)
def test_every_column_of_form_06a_is_what_its_dossiers_make(published: Installation, busiest: str, column: str) -> None:
    explained = _explained(published, f"form_06a.{column}", busiest, WEEK)
    assert explained.differences == ()
    assert sum(row.numerator for row in explained.rows) == explained.question.row["numerator"]


@pytest.mark.parametrize("channel", ["any", "online"])
@pytest.mark.parametrize("period", [WEEK, MONTH, "2026-08/1"])
def test_every_agency_s_activity_is_what_its_dossiers_make(
    published: Installation, busiest: str, channel: str, period: str
) -> None:
    assert _explained(published, f"zero_activity.{channel}", busiest, period).differences == ()


def test_an_agency_is_told_what_the_province_is_told_of_it(published: Installation, busiest: str) -> None:
    whole, own = _explained(published, "progress_766"), _explained(published, "progress_766", busiest)
    assert own.rows and list(own.rows) == [row for row in whole.rows if row.organisation_id == busiest]


def test_reasons_say_what_the_dossiers_say(published: Installation) -> None:
    explained = _explained(published, "on_time")
    late = [row for row in explained.rows if row.reason == "finished after the due day"]
    assert late and all(row.verdict == NOT_COUNTED and row.facts["finished_on"] > row.facts["due_on"] for row in late)
    without = [row for row in explained.rows if row.reason == "finished without a due day"]
    assert without and all(row.facts["due_on"] is None and not row.denominator for row in without)
    on_time = {"finished before the due day", "finished on the due day"}
    assert {row.reason for row in explained.rows if row.verdict == COUNTED} == on_time
    given_up = {row.reason: row.facts["status"] for row in explained.rows if row.verdict == explain.EXCLUDED}
    assert given_up == {"withdrawn in the period": "withdrawn", "not accepted in the period": "not_accepted"}
    held = [row for row in explained.rows if row.verdict == explain.QUARANTINED]
    assert held and all(row.detail.startswith("DOS_") for row in held)


def test_who_is_left_out_of_the_online_share_is_told_the_level(published: Installation) -> None:
    rows = _explained(published, "online_share").rows
    low = [row for row in rows if row.reason == "for a service that is not offered online that day"]
    assert low and all(row.facts["online_mode"] not in ("partial", "full") and not row.denominator for row in low)
    assert {row.reason for row in rows if row.verdict == NOT_COUNTED} >= {"received at the counter", "received by post"}


def test_the_index_leads_to_its_components_and_they_to_their_dossiers(published: Installation, busiest: str) -> None:
    total = _explained(published, "index_766", busiest)
    assert total.differences == () and {part["part"] for part in total.parts} >= {"1c", "2", "3c", "5d"}
    component = _explained(published, "index_766.3c", busiest)
    assert component.differences == () and [part["part"] for part in component.parts] == ["online_share"]
    assert sum(row.denominator for row in component.rows) == component.question.row["denominator"] > 0
    assert "none of the systems" in _explained(published, "index_766.5d", busiest).notes[0]


@pytest.mark.parametrize("metric", ["on_time", "index_766"])
def test_a_territory_of_the_map_leads_to_what_colours_it(published: Installation, metric: str) -> None:
    (row,) = published.query(
        "select organisation_id from shared.institution_map where metric = %s and period = 'month' and period_start = '2026-08-01' "
        "and value is not null and organisation_id <> 'ALL' order by denominator desc, 1 limit 1",
        metric,
    )
    explained = _explained(published, f"institution_map.{metric}", row["organisation_id"])
    assert explained.differences == () and explained.parts


@pytest.mark.parametrize(("asked", "told"), [
    (("on_tme", "ALL", MONTH), "similar: on_time"),
    (("on_time", "UBND xã Tam Dan", MONTH), "UBND xã Tam Dân"),
    (("on_time", "ALL", "2025-08"), "published for 2026-07, 2026-08"),
    (("form_06a.open_lat", "H47.161", MONTH), "similar: open_late"),
    (("on_time.online", "ALL", MONTH), "it is a single number"),
    (("on_time", "ALL", "2026-08/1"), "only for half_year, month"),
])  # fmt: skip
def test_what_nobody_published_is_answered_with_what_there_is(
    published: Installation, asked: tuple[str, str, str], told: str
) -> None:
    with pytest.raises(LgspError, match=told):
        _explained(published, *asked)


def _body(page: dict[str, Any]) -> bytes:
    frame = Path(page["file"]).read_bytes()[page["offset"] : page["offset"] + page["length"]]
    return zstandard.ZstdDecompressor().decompress(frame)


def test_a_dossier_leads_to_the_bytes_that_were_landed(published: Installation) -> None:
    (row,) = published.query(
        "select min(dossier_id) as dossier_id from shared.reconciliation where attribute = 'status'"
    )
    traced = _traced(published, "dossier", row["dossier_id"])
    assert {record["source"] for record in traced.records} == {"one_stop_shop", "online_services"}
    for record in traced.records:
        page = record["page"]
        assert page["state"] == "as landed" and hashlib.sha256(_body(page)).hexdigest() == page["sha256"]
        assert record["source_key"].encode() in _body(page)
        (call,) = published.query(
            "select request from ledger.source_call where batch_id = %s and sha256 = %s and number = %s",
            record["batch_id"], page["sha256"], page["number"],
        )  # fmt: skip
        assert call["request"] == page["request"]
    values = {value["attribute"]: value for value in traced.values}
    assert values["status"]["from"] == ["one_stop_shop"] and len(set(values["status"]["disputed"].values())) == 2
    assert values["received_on"]["from"] == ["derived"]
    assert [batch["state"] for batch in traced.batches] == ["published", "published"]


def test_a_dossier_is_found_by_the_code_its_other_system_gave_it(published: Installation) -> None:
    (row,) = published.query("select dossier_id, source_key from shared.dossier_source where source_key <> dossier_id and source = 'one_stop_shop' order by 1 limit 1")  # fmt: skip
    assert _traced(published, "dossier", row["source_key"]).key == row["dossier_id"]


@pytest.mark.parametrize("kind", ["document", "work_file"])
def test_papers_lead_to_the_bytes_that_were_landed(published: Installation, kind: str) -> None:
    (row,) = published.query(f"select min({kind}_id) as key from shared.{kind}")
    traced = _traced(published, kind, row["key"])
    assert traced.records and all(record["page"]["state"] == "as landed" for record in traced.records)


def test_versions_are_told_apart_in_a_store_whose_columns_stand_in_another_order(own: Installation) -> None:
    (row,) = own.query("select min(dossier_id) as key from shared.dossier where status is not null")
    names = contract.load("dossier").names
    with connect(own.settings) as connection:
        connection.execute(
            f"insert into history.dossier ({', '.join(names)}, snapshot_from, snapshot_to) "
            f"select {', '.join(names)}, 0, 1 from shared.dossier where dossier_id = %s",
            [row["key"]],
        )
        # as an upgrade leaves it: what was added later stands last
        connection.execute("drop function history.dossier_as_of, history.dossier_changes")
        connection.execute("alter table shared.dossier rename service_code to older")
        connection.execute("alter table shared.dossier add column service_code text")
        connection.execute("update shared.dossier set service_code = older")
        connection.execute("alter table shared.dossier drop column older")
    traced = _traced(own, "dossier", row["key"], is_read=False)
    assert [version["changed"] for version in traced.versions] == [[], []], "the same row twice"


def test_a_row_that_is_not_there_is_answered_with_its_neighbours(published: Installation) -> None:
    (row,) = published.query("select min(dossier_id) as key from shared.dossier where dossier_id like 'H47.%%'")
    with pytest.raises(LgspError, match=row["key"]):
        _traced(published, "dossier", row["key"][:-1] + "x")


@pytest.fixture
def own(server: Server, published: Installation, tmp_path: Path) -> Installation:
    """A copy of the published store that a test may spoil."""
    return copied(server, published, tmp_path)


@pytest.fixture
def lgsp(own: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    for name, value in own.settings.environment.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(main, ["explain", *words])


def test_a_number_that_its_rows_do_not_make_ends_with_1(own: Installation, lgsp: Callable[..., Any]) -> None:
    asked = ("on_time", "--period", MONTH, "--json")
    honest = lgsp(*asked)
    assert honest.exit_code == 0 and json.loads(honest.stdout)["is_proven"]
    with connect(own.settings) as connection:
        connection.execute(
            "update shared.service_kpi set numerator = numerator - 1 where kpi_id = 'on_time' and organisation_id = 'ALL' "
            "and level = 'ALL' and period = 'month' and period_start = '2026-08-01'"
        )
    spoilt = lgsp(*asked)
    assert spoilt.exit_code == 1 and "the rows do not add up to the number: numerator" in spoilt.stderr
    assert not json.loads(spoilt.stdout)["is_proven"]


def test_a_reported_figure_leads_to_who_reported_it_and_the_documents_it_is_divided_by(own: Installation) -> None:
    with connect(own.settings) as connection:
        connection.execute(
            "insert into shared.manual_indicator select 'hours_saved', 'ALL', 'month', '2026-08-01', 3000, 'hours', 'Văn phòng', null, null, 1"
        )
        connection.execute(
            "insert into shared.document_kpi (kpi_id, organisation_id, level, period, period_start, numerator, denominator, value, unit, is_plausible, "
            "excluded_count, quarantined_count, definition_version, as_of, snapshot_id) select 'claimed_hours_per_document', 'ALL', 'ALL', period, "
            "period_start, 3000, numerator, 3000.0 / numerator, 'hours', false, 0, quarantined_count, '1.0', as_of, 1 from shared.document_kpi "
            "where kpi_id = 'sent' and organisation_id = 'ALL' and level = 'ALL' and period = 'month' and period_start = '2026-08-01'"
        )
    explained = _explained(own, "claimed_hours_per_document")
    assert explained.differences == () and "3000" in explained.notes[0] and "Văn phòng" in explained.notes[0]
    assert {row.verdict for row in explained.rows} >= {NOT_COUNTED}


def test_a_landed_page_that_was_altered_is_told(own: Installation, lgsp: Callable[..., Any]) -> None:
    (row,) = own.query("select min(dossier_id) as key from shared.dossier where in_one_stop and in_online_services")
    assert "as landed" in lgsp("dossier", row["key"]).output
    for file in own.settings.landing.glob("one_stop_shop/*/bodies.pack"):
        file.write_bytes(file.read_bytes()[::-1])
    told = lgsp("dossier", row["key"])
    assert told.exit_code == 0 and "NOT as landed" in told.output and told.output.count("as landed") == 2


def test_all_rows_go_into_a_file_for_spreadsheets(lgsp: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    told = lgsp("on_time", "--period", MONTH, "--show", "counted", "--limit", "1", "--csv", str(file))
    assert told.exit_code == 0 and "more: --limit" in told.output
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("key,kind,organisation_id,verdict,reason") and len(lines) > 100


def test_an_older_snapshot_is_explained_as_it_was(world: World, server: Server, tmp_path: Path) -> None:
    days = (FIRST, date(2026, 8, 6), date(2026, 8, 11))
    with serving(world, as_of=midnight(days[1])) as early, serving(world, as_of=midnight(days[2])) as late:
        first = installed(server, tmp_path, early)
        first.ingest("one_stop_shop", Window(midnight(days[0]), midnight(days[1])))
        first.ingest("online_services", Window(midnight(days[0]), midnight(days[1])))
        first.publish()
        known = {f"AIRFLOW_CONN_{source.upper()}": json.dumps(told) for source, told in late.items()}
        second = Installation(Settings.from_env({**first.settings.environment, **known}))
        second.ingest("one_stop_shop", Window(midnight(days[1]), midnight(days[2])))
        second.ingest("online_services", Window(midnight(days[1]), midnight(days[2])))
        second.publish()
    for kpi_id in ("on_time", "progress_766", "online_share", "service_active"):
        before, now = _explained(second, kpi_id, snapshot_id=1), _explained(second, kpi_id)
        assert before.differences == now.differences == ()
        assert before.question.row["numerator"] < now.question.row["numerator"]
    (changed,) = second.query("select min(dossier_id) as key from history.dossier")
    traced = _traced(second, "dossier", changed["key"], is_read=False)
    assert [version["snapshot_to"] for version in traced.versions][:1] == [2] and traced.versions[-1]["changed"]
    with pytest.raises(LgspError, match="never published"):
        _explained(second, "on_time", snapshot_id=9)
