"""Tests of `lgsp explain`: published numbers equal the sums of their rows, and rows are traced to the landed bytes."""

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
from lgsp.store import connect, views
from lgsp.window import Window, midnight
from lgsp_province import World, serving
from tests.exhaustive import exhaustive
from tests.integration.conftest import FIRST, Installation, set_environment

DOSSIER_KPIS = (
    "on_time", "on_time_first_due", "no_due", "overdue_open", "progress_766", "online_share", "online_share_all", "paid_online",
    "digital_result", "digitised", "reused", "synced", "satisfied",
)  # fmt: skip
OFFERING_KPIS = ("service_active", "service_active_online", "offered_online", "integrated_national", "full_online", "payment_active")  # fmt: skip
DOCUMENT_KPIS = (
    "sent",
    "sent_deliveries",
    "received",
    "paperless",
    "signed",
    "accepted_in_time",
    "work_file_electronic",
)
COUNT_KPIS = ("sent", "sent_deliveries", "received")
WEEK, MONTH = "2026-08-06", "2026-08"


def _explain(
    store: Installation, kpi: str, organisation: str = "ALL", period: str = MONTH, **options: Any
) -> Explanation:
    with connect(store.settings) as connection:
        return explain.number(connection, kpi, organisation, period, **options)


def _trace(store: Installation, kind: str, key: str, **options: Any) -> lineage.Trace:
    with connect(store.settings) as connection:
        return lineage.row(store.settings, connection, kind, key, **options)


def _differing(explanation: Explanation, rows: list[dict[str, Any]], columns: dict[str, str]) -> list[Any]:
    """Agencies whose published row is not the sum of its explained rows; `columns` maps counts to published columns."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in explanation.rows:
        sums[row.organisation_id].update({name: getattr(row, name) for name in columns})
    published = {row["organisation_id"]: {name: row[column] for name, column in columns.items()} for row in rows}
    zero = dict.fromkeys(columns, 0)
    return [
        (agency, values, dict(sums[agency]))
        for agency, values in published.items()
        if values != zero | dict(sums[agency])
    ]


@pytest.mark.parametrize("period", [WEEK, *exhaustive(MONTH)])
@pytest.mark.parametrize("kpi_id", [*DOSSIER_KPIS, *DOCUMENT_KPIS])
def test_the_number_of_every_agency_is_the_sum_of_its_rows(published: Installation, kpi_id: str, period: str) -> None:
    table = "document_kpi" if kpi_id in DOCUMENT_KPIS else "service_kpi"
    parsed = periods.parse(period)
    explanation = _explain(published, kpi_id, period=period)
    columns = {"numerator": "numerator", "denominator": "denominator", "excluded": "excluded_count", "quarantined": "quarantined_count"}  # fmt: skip
    if kpi_id in COUNT_KPIS:
        del columns["denominator"]
    rows = published.query(
        f"select * from shared.{table} where kpi_id = %s and period = %s and period_start = %s and organisation_id <> 'ALL'",
        kpi_id, parsed.kind, parsed.start,
    )  # fmt: skip
    assert explanation.differences == () and explanation.rows and len(rows) > 100
    assert _differing(explanation, rows, columns) == []


@pytest.mark.parametrize("kpi_id", OFFERING_KPIS)
def test_the_number_of_every_agency_is_the_sum_of_its_offerings(published: Installation, kpi_id: str) -> None:
    explanation = _explain(published, kpi_id)
    rows = published.query(
        "select * from shared.service_kpi where kpi_id = %s and period = 'month' and period_start = '2026-08-01' and organisation_id <> 'ALL'",
        kpi_id,
    )
    assert explanation.differences == ()
    assert _differing(explanation, rows, {"numerator": "numerator", "denominator": "denominator"}) == []
    assert {row.kind for row in explanation.rows} >= {"offering"}


@pytest.mark.parametrize("level", ["province", "district", "commune"])
def test_the_number_of_a_level_is_the_sum_of_its_agencies(published: Installation, level: str) -> None:
    explanation = _explain(published, "on_time", level=level)
    assert explanation.differences == () and explanation.question.row["level"] == level


@pytest.fixture(scope="module")
def busiest(published: Installation) -> str:
    """The agency with the most dossiers."""
    (row,) = published.query(
        "select receiving_organisation_id as agency from shared.dossier where receiving_organisation_id <> 'UNKNOWN' group by 1 order by count(*) desc, 1 limit 1"
    )
    return str(row["agency"])


@pytest.mark.parametrize("column", explain.question.FORM)
def test_every_column_of_form_06a_is_the_sum_of_its_dossiers(
    published: Installation, busiest: str, column: str
) -> None:
    explanation = _explain(published, f"form_06a.{column}", busiest, WEEK)
    assert explanation.differences == ()
    assert sum(row.numerator for row in explanation.rows) == explanation.question.row["numerator"]


@pytest.mark.parametrize("channel", ["any", "online"])
@pytest.mark.parametrize("period", [WEEK, MONTH, "2026-08/1"])
def test_the_activity_of_an_agency_is_the_sum_of_its_dossiers(
    published: Installation, busiest: str, channel: str, period: str
) -> None:
    assert _explain(published, f"zero_activity.{channel}", busiest, period).differences == ()


def test_an_agency_has_the_rows_that_the_province_has_of_it(published: Installation, busiest: str) -> None:
    province, agency = _explain(published, "progress_766"), _explain(published, "progress_766", busiest)
    assert agency.rows and list(agency.rows) == [row for row in province.rows if row.organisation_id == busiest]


def test_reasons_agree_with_the_dossiers(published: Installation) -> None:
    explanation = _explain(published, "on_time")
    late = [row for row in explanation.rows if row.reason == "finished after the due day"]
    assert late and all(row.verdict == NOT_COUNTED and row.facts["finished_on"] > row.facts["due_on"] for row in late)
    without_due = [row for row in explanation.rows if row.reason == "finished without a due day"]
    assert without_due and all(row.facts["due_on"] is None and not row.denominator for row in without_due)
    on_time = {"finished before the due day", "finished on the due day"}
    assert {row.reason for row in explanation.rows if row.verdict == COUNTED} == on_time
    excluded = {row.reason: row.facts["status"] for row in explanation.rows if row.verdict == explain.EXCLUDED}
    assert excluded == {"withdrawn in the period": "withdrawn", "not accepted in the period": "not_accepted"}
    quarantined = [row for row in explanation.rows if row.verdict == explain.QUARANTINED]
    assert quarantined and all(row.detail.startswith("DOS_") for row in quarantined)


def test_dossiers_outside_the_online_share_have_their_level(published: Installation) -> None:
    rows = _explain(published, "online_share").rows
    offline = [row for row in rows if row.reason == "for a service that is not offered online that day"]
    assert offline and all(row.facts["online_mode"] not in ("partial", "full") for row in offline)
    assert not any(row.denominator for row in offline)
    assert {row.reason for row in rows if row.verdict == NOT_COUNTED} >= {"received at the counter", "received by post"}


def test_the_index_is_explained_by_its_components(published: Installation, busiest: str) -> None:
    total = _explain(published, "index_766", busiest)
    assert total.differences == () and {part["part"] for part in total.parts} >= {"1c", "2", "3c", "5d"}
    component = _explain(published, "index_766.3c", busiest)
    assert component.differences == () and [part["part"] for part in component.parts] == ["online_share"]
    assert sum(row.denominator for row in component.rows) == component.question.row["denominator"] > 0
    assert "none of the systems" in _explain(published, "index_766.5d", busiest).notes[0]


@pytest.mark.parametrize("metric", ["on_time", "index_766"])
def test_a_territory_of_the_map_is_explained_by_its_metric(published: Installation, metric: str) -> None:
    (row,) = published.query(
        "select organisation_id from shared.institution_map where metric = %s and period = 'month' and period_start = '2026-08-01' "
        "and value is not null and organisation_id <> 'ALL' order by denominator desc, 1 limit 1",
        metric,
    )
    explanation = _explain(published, f"institution_map.{metric}", row["organisation_id"])
    assert explanation.differences == () and explanation.parts


@pytest.mark.parametrize(("question", "message"), [
    (("on_tme", "ALL", MONTH), "similar: on_time"),
    (("on_time", "UBND xã Tam Dan", MONTH), "UBND xã Tam Dân"),
    (("on_time", "ALL", "2025-08"), "published for 2026-07, 2026-08"),
    (("form_06a.open_lat", "H17.161", MONTH), "similar: open_late"),
    (("on_time.online", "ALL", MONTH), "it is a single number"),
    (("on_time", "ALL", "2026-08/1"), "only for half_year, month"),
])  # fmt: skip
def test_an_unpublished_number_is_refused_with_suggestions(
    published: Installation, question: tuple[str, str, str], message: str
) -> None:
    with pytest.raises(LgspError, match=message):
        _explain(published, *question)


def _body(page: dict[str, Any]) -> bytes:
    frame = Path(page["file"]).read_bytes()[page["offset"] : page["offset"] + page["length"]]
    return zstandard.ZstdDecompressor().decompress(frame)


def test_a_dossier_is_traced_to_the_landed_bytes(published: Installation) -> None:
    (row,) = published.query(
        "select min(dossier_id) as dossier_id from shared.reconciliation where attribute = 'status'"
    )
    trace = _trace(published, "dossier", row["dossier_id"])
    assert {record["source"] for record in trace.records} == {"one_stop_shop", "online_services"}
    for record in trace.records:
        page = record["page"]
        assert page["state"] == "as landed" and hashlib.sha256(_body(page)).hexdigest() == page["sha256"]
        assert record["source_key"].encode() in _body(page)
        (call,) = published.query(
            "select request from ledger.source_call where batch_id = %s and sha256 = %s and number = %s",
            record["batch_id"], page["sha256"], page["number"],
        )  # fmt: skip
        assert call["request"] == page["request"]
    values = {value["attribute"]: value for value in trace.values}
    assert values["status"]["from"] == ["one_stop_shop"] and len(set(values["status"]["disputed"].values())) == 2
    assert values["received_on"]["from"] == ["derived"]
    assert [batch["state"] for batch in trace.batches] == ["published", "published"]


def test_a_dossier_is_found_by_the_code_of_its_other_system(published: Installation) -> None:
    (row,) = published.query("select dossier_id, source_key from shared.dossier_source where source_key <> dossier_id and source = 'one_stop_shop' order by 1 limit 1")  # fmt: skip
    assert _trace(published, "dossier", row["source_key"]).key == row["dossier_id"]


@pytest.mark.parametrize("kind", ["document", "work_file"])
def test_documents_and_work_files_are_traced_to_landed_bytes(published: Installation, kind: str) -> None:
    (row,) = published.query(f"select min({kind}_id) as key from shared.{kind}")
    trace = _trace(published, kind, row["key"])
    assert trace.records and all(record["page"]["state"] == "as landed" for record in trace.records)


def test_versions_are_compared_by_column_name_not_by_position(published_copy: Installation) -> None:
    (row,) = published_copy.query("select min(dossier_id) as key from shared.dossier where status is not null")
    names = contract.load("dossier").names
    with connect(published_copy.settings) as connection:
        connection.execute(
            f"insert into history.dossier ({', '.join(names)}, snapshot_from, snapshot_to) "
            f"select {', '.join(names)}, 0, 1 from shared.dossier where dossier_id = %s",
            [row["key"]],
        )
        # as after an upgrade: a column that was added later is the last one
        for statement in views.dropped():
            connection.execute(statement)
        connection.execute("drop function history.dossier_as_of, history.dossier_changes")
        connection.execute("alter table shared.dossier rename service_code to older")
        connection.execute("alter table shared.dossier add column service_code text")
        connection.execute("update shared.dossier set service_code = older")
        connection.execute("alter table shared.dossier drop column older")
    trace = _trace(published_copy, "dossier", row["key"], is_read=False)
    assert [version["changed"] for version in trace.versions] == [[], []], "both versions are equal"


def test_an_unknown_key_is_refused_with_similar_keys(published: Installation) -> None:
    (row,) = published.query("select min(dossier_id) as key from shared.dossier where dossier_id like 'H17.%%'")
    with pytest.raises(LgspError, match=row["key"]):
        _trace(published, "dossier", row["key"][:-1] + "x")


@pytest.fixture
def lgsp_explain(published_copy: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function that invokes `lgsp explain` for the copy of the published store; it gives the result of the command."""
    set_environment(monkeypatch, published_copy.settings)
    return lambda *arguments: CliRunner().invoke(main, ["explain", *arguments])


def test_a_number_that_differs_from_its_rows_exits_with_1(
    published_copy: Installation, lgsp_explain: Callable[..., Any]
) -> None:
    arguments = ("on_time", "--period", MONTH, "--json")
    equal = lgsp_explain(*arguments)
    assert equal.exit_code == 0 and json.loads(equal.stdout)["is_proven"]
    with connect(published_copy.settings) as connection:
        connection.execute(
            "update indicator.service_kpi set numerator = numerator - 1 where kpi_id = 'on_time' and organisation_id = 'ALL' "
            "and level = 'ALL' and period = 'month' and period_start = '2026-08-01'"
        )
    different = lgsp_explain(*arguments)
    assert different.exit_code == 1 and "the rows do not add up to the number: numerator" in different.stderr
    assert not json.loads(different.stdout)["is_proven"]


def test_a_reported_figure_is_explained_by_report_and_documents(published_copy: Installation) -> None:
    with connect(published_copy.settings) as connection:
        connection.execute(
            "insert into shared.manual_indicator select 'hours_saved', 'ALL', 'month', '2026-08-01', 3000, 'hours', 'Văn phòng', null, null, 1"
        )
        connection.execute(
            "insert into indicator.document_kpi (kpi_id, organisation_id, level, period, period_start, numerator, denominator, value, unit, is_plausible, "
            "excluded_count, quarantined_count, definition_version, snapshot_id) select 'claimed_hours_per_document', 'ALL', 'ALL', period, "
            "period_start, 3000, numerator, 3000.0 / numerator, 'hours', false, 0, quarantined_count, '1.0', 1 from shared.document_kpi "
            "where kpi_id = 'sent' and organisation_id = 'ALL' and level = 'ALL' and period = 'month' and period_start = '2026-08-01'"
        )
    explanation = _explain(published_copy, "claimed_hours_per_document")
    assert explanation.differences == () and "3000" in explanation.notes[0] and "Văn phòng" in explanation.notes[0]
    assert {row.verdict for row in explanation.rows} >= {NOT_COUNTED}


def test_an_altered_landed_page_is_detected(published_copy: Installation, lgsp_explain: Callable[..., Any]) -> None:
    (row,) = published_copy.query(
        "select min(dossier_id) as key from shared.dossier where in_one_stop and in_online_services"
    )
    assert "as landed" in lgsp_explain("dossier", row["key"]).output
    for file in published_copy.settings.landing.glob("one_stop_shop/*/bodies.pack"):
        file.write_bytes(file.read_bytes()[::-1])
    result = lgsp_explain("dossier", row["key"])
    assert result.exit_code == 0 and "NOT as landed" in result.output and result.output.count("as landed") == 2


def test_the_csv_option_writes_all_rows_to_a_file(lgsp_explain: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    result = lgsp_explain("on_time", "--period", MONTH, "--show", "counted", "--limit", "1", "--csv", str(file))
    assert result.exit_code == 0 and "more: --limit" in result.output
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("key,kind,organisation_id,verdict,reason") and len(lines) > 100


@pytest.mark.exhaustive
def test_an_older_snapshot_is_explained_with_its_own_rows(world: World, install: Callable[..., Installation]) -> None:
    days = (FIRST, date(2026, 8, 6), date(2026, 8, 11))
    with serving(world, as_of=midnight(days[1])) as early, serving(world, as_of=midnight(days[2])) as late:
        first = install(early)
        first.ingest("one_stop_shop", Window(midnight(days[0]), midnight(days[1])))
        first.ingest("online_services", Window(midnight(days[0]), midnight(days[1])))
        first.publish()
        second = first.connected_to(late)
        second.ingest("one_stop_shop", Window(midnight(days[1]), midnight(days[2])))
        second.ingest("online_services", Window(midnight(days[1]), midnight(days[2])))
        second.publish()
    for kpi_id in ("on_time", "progress_766", "online_share", "service_active"):
        before, now = _explain(second, kpi_id, snapshot_id=1), _explain(second, kpi_id)
        assert before.differences == now.differences == ()
        assert before.question.row["numerator"] < now.question.row["numerator"]
    (changed,) = second.query("select min(dossier_id) as key from history.dossier")
    trace = _trace(second, "dossier", changed["key"], is_read=False)
    assert [version["snapshot_to"] for version in trace.versions][:1] == [2] and trace.versions[-1]["changed"]
    with pytest.raises(LgspError, match="never published"):
        _explain(second, "on_time", snapshot_id=9)


PASTED = {
    "blanks": lambda key: f" {key}\u00a0",
    "invisible signs": lambda key: f"\ufeff{key[:5]}\u200b{key[5:]}",
    "dashes of a word processor": lambda key: key.replace("-", "\u2013"),
    "letter case": str.lower,
}


@pytest.mark.parametrize("style", PASTED)
@pytest.mark.parametrize("kind", ["dossier", "document", "work_file"])
def test_an_id_is_found_as_it_is_pasted(published: Installation, kind: str, style: str) -> None:
    key = published.query(f"select min({lineage.KEYS[kind]}) as key from shared.{kind}")[0]["key"]
    assert _trace(published, kind, PASTED[style](key)).key == key


def test_an_id_is_found_with_an_agency_in_the_old_style(published: Installation) -> None:
    query = "select {0} as key from shared.{1} where {0} ~ '^H17[.][0-9]{{2}}[-,]' limit 1"
    for kind, separator in (("dossier", "-"), ("document", ",")):
        rows = published.query(query.format(lineage.KEYS[kind], kind))
        assert rows
        for key in (row["key"] for row in rows):
            agency, _, rest = key.partition(separator)
            old = ".".join(["000", "00", *reversed(agency.split("."))])
            assert _trace(published, kind, f"{old}{separator}{rest}").key == key


def test_a_number_is_found_by_pasted_codes(published: Installation) -> None:
    plain = _explain(published, "on_time", "H17.14", MONTH)
    pasted = _explain(published, " On_Time\u200b", "000.00.14.h17 ", MONTH.replace("-", "\u2011"))
    assert pasted.question.row == plain.question.row
