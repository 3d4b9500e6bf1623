"""Tests the score of a dataset: a correct one meets every expectation, and each error misses the matching expectation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgsp import store
from lgsp.schema import contract, records
from lgsp.settings import Settings
from lgsp.window import LOCAL
from lgsp_province import World
from lgsp_province.cli import province
from lgsp_province.defects import rates
from lgsp_province.score import dataset, score, text_report
from lgsp_province.score.world import ExpectedDataset, expected_dataset
from lgsp_province.world import people
from tests.exhaustive import exhaustive
from tests.integration.conftest import with_short_catalogue

FIRST, LAST, MIDNIGHT = date(2022, 4, 1), date(2022, 4, 30), datetime(2022, 5, 1, tzinfo=LOCAL)
RATES = {
    "D02": 0.01, "D03": 0.01, "D04": 0.01, "D05": 0.02, "D09": 0.02, "D11": 0.01, "D12": 0.01, "D14": 0.02, "D17": 0.02,
    "D21": 0.03, "D23": 0.03, "D24": 0.005, "D25": 0.002, "D26": 0.004, "D27": 0.01, "D28": 0.004, "D37": 0.04, "D41": 0.02,
    "D42": 0.02, "secret": 0.04, "private-subject": 0.2, "redelivered": 0.1, "uuid-document-id": 0.1, "channel-conflict": 0.02,
    "due-null": 0.02, "unknown-status": 0.003, "poison": 0.01,
}  # fmt: skip
VIOLATED = {
    "DOS_KEY_MISSING", "DOS_DAMAGED", "DOS_STATUS_MAPPED", "DOS_VALUE_UNREADABLE", "DOS_TEXT_GARBLED", "DOS_EVENT_ORDER", "DOS_UPSTREAM_STATUS",
    "DOS_ID_DAMAGED", "DOS_RECEIVED_MISSING", "DOS_FINISH_MISSING", "DOS_RECEIVED_FUTURE", "DOS_FINISH_BEFORE_RECEIVE",
    "DOS_DUE_BEFORE_RECEIVE", "DOS_ONLINE_LEVEL2", "DOS_ID_DUMMY", "DOS_CODE_DATE", "DOC_READABLE", "SECRET_DOC",
    "DOC_STATUS_PROFILE", "SECRET_WORK_FILE",
}  # fmt: skip
NEVER_PLANTED = {
    "abstract-missing",
    "schema-drift",
    "D38",
    "D40",
    "D43",
    "D44",
    "D48",
    "D49",
    "D50",
}  # in fields that the platform ignores, or off

Change = Callable[[str, str, str, object], None]  # table, condition, column, value


@pytest.fixture(scope="module")
def world() -> World:
    """About 1,500 dossiers and 80 documents, with every class of defect in some of them."""
    return with_short_catalogue(
        World.generate("tiny", 11, FIRST, LAST, dossiers_count=1500, documents_count=80, defects_chosen=RATES)
    )


@pytest.fixture(scope="module")
def settings(world: World) -> Iterator[Settings]:
    """An installation that has published the world."""
    with score.published_installation(world, MIDNIGHT) as installed:
        yield installed


@pytest.fixture(scope="module")
def expected(world: World) -> ExpectedDataset:
    return expected_dataset(world, MIDNIGHT)


@pytest.fixture
def change(settings: Settings) -> Iterator[Change]:
    """Changes one value of one published row, or of a row in another schema, and restores it after the test.

    The condition must also select the row after the change.
    """
    restores = []

    def update(table: str, condition: str, column: str, value: object) -> None:
        place = table if "." in table else f"shared.{table}"
        with store.connect(settings) as connection:
            (row,) = connection.execute(f"select {column} as value from {place} where {condition}").fetchall()
            assert row["value"] != value
            restores.append((f"update {place} set {column} = %s where {condition}", row["value"]))
            connection.execute(f"update {place} set {column} = %s where {condition}", [value])

    yield update
    with store.connect(settings) as connection:
        for statement, value in restores:
            connection.execute(statement, [value])


def _missed(settings: Settings, world: World) -> set[str]:
    return {missed.name for missed in score.compare(settings, world, MIDNIGHT).missed}


def _without_defect(expected: ExpectedDataset, in_one_stop: bool, is_single: bool = False) -> str:
    """The id of a dossier without a defect in any of its records; `is_single` asks for one in a single system."""
    return next(
        str(row["dossier_id"])
        for row in expected.dossiers
        if row["in_one_stop"] is in_one_stop
        and row["dossier_id"] not in expected.ids_with_defects
        and not (is_single and row["in_one_stop"] and row["in_online_services"])
    )


def test_f18_a_published_world_meets_every_expectation(settings: Settings, world: World) -> None:
    report = score.compare(settings, world, MIDNIGHT)
    assert report.missed == []
    assert {table.name: table.wrong for table in report.tables.values() if table.wrong} == {}
    not_planted = {each.defect for each in report.defects.values() if not each.planted}
    assert not_planted <= NEVER_PLANTED, "every class of defect is in the world"
    assert {f"D{number:02d}" for number in range(1, 43)} | rates.RATES.keys() <= report.defects.keys()
    assert VIOLATED <= {rule.rule_id for rule in report.rules if rule.is_planted}, (
        "every rule that can be violated is violated"
    )
    assert {rule.rule_id for rule in report.rules} == {r.id for k in records.FACTS for r in contract.rules(k.name)}


def test_a_wrong_status_is_noticed(settings: Settings, world: World, expected: ExpectedDataset, change: Change) -> None:
    change("dossier", f"dossier_id = '{_without_defect(expected, True)}'", "status", "suspended")
    assert _missed(settings, world) == {"wrongly changed", "rows that differ from the truth"}


@pytest.mark.exhaustive
def test_two_dossiers_merged_into_one_are_noticed(
    settings: Settings, world: World, expected: ExpectedDataset, change: Change
) -> None:
    one_stop, portal = _without_defect(expected, True, is_single=True), _without_defect(expected, False)
    change("dossier_source", f"source = 'online_services' and source_key = '{portal}'", "dossier_id", one_stop)
    assert _missed(settings, world) == {"linking precision"}


@pytest.mark.exhaustive
def test_pairs_that_are_not_linked_are_noticed(
    settings: Settings, world: World, expected: ExpectedDataset, change: Change
) -> None:
    pairs = [row for row in expected.truth.links.to_pylist() if row["one_stop_code"] not in expected.ids_with_defects]
    for row in pairs[: len(pairs) // 50 + 5]:
        condition = f"source = 'online_services' and source_key = '{row['portal_code']}'"
        change("dossier_source", condition, "dossier_id", f"{row['portal_code']}-alone")
    assert _missed(settings, world) == {"linking recall"}


def test_a_wrong_agency_is_noticed(settings: Settings, world: World, expected: ExpectedDataset, change: Change) -> None:
    change("dossier", f"dossier_id = '{_without_defect(expected, True)}'", "receiving_organisation_id", "H47.99")
    assert _missed(settings, world) == {"organisation precision", "wrongly changed", "rows that differ from the truth"}


@pytest.mark.parametrize("what", ["name", *exhaustive("phone", "identity number", "e-mail")])
def test_personal_data_in_a_subject_is_noticed(
    what: str, settings: Settings, world: World, expected: ExpectedDataset, change: Change
) -> None:
    persons = [people.person(state.applicant, False) for state in expected.states.values() if not state.is_firm]
    person = next(person for person in persons if person.email)
    number = person.identity_number
    planted = {
        "phone": f"liên hệ {person.phone[:4]}.{person.phone[4:7]}.{person.phone[7:]}",
        "name": f"đơn của {person.name.upper()} ở thôn 1",
        "identity number": f"CCCD {number[:3]} {number[3:]}",
        "e-mail": f"gửi {person.email.upper()} trước ngày 5",
    }
    document_id = next(row["document_id"] for row in expected.truth.documents.to_pylist() if row["has_person"])
    change("document", f"document_id = '{document_id}'", "subject", planted[what])
    assert _missed(settings, world) == {"personal data"}


def test_a_published_quarantined_record_is_noticed(
    settings: Settings, world: World, expected: ExpectedDataset, change: Change
) -> None:
    impossible = next(row for row in expected.defects if row["defect"] == "D26" and row["source"] == "one_stop_shop")
    condition = f"source = 'one_stop_shop' and dossier_id = '{_without_defect(expected, True, is_single=True)}'"
    change("dossier_source", condition, "source_key", impossible["source_key"])
    assert "D26 quarantined" in _missed(settings, world)


def test_rules_that_miss_or_wrongly_catch_records_are_noticed(
    settings: Settings, world: World, expected: ExpectedDataset, change: Change
) -> None:
    def condition(record: tuple[str, str]) -> str:
        return f"source = '{record[0]}' and source_key = '{record[1]}'"

    caught = dataset.read(settings).caught
    correct = ("one_stop_shop", expected.primary_record[_without_defect(expected, True)][1])
    change("record.dossier", condition(correct), "quality_flags", ["DOS_ID_DUMMY"])
    change("record.dossier", condition(min(caught["DOS_CODE_DATE"])), "quality_flags", [])
    future = f"{condition(min(caught['DOS_RECEIVED_FUTURE']))} and rule_id in ('DOS_RECEIVED_FUTURE', 'DOS_END_FUTURE')"
    change("ledger.quarantine", future, "rule_id", "DOS_END_FUTURE")
    report = score.compare(settings, world, MIDNIGHT)
    assert {expectation.name for expectation in report.missed} == {
        "quarantine rules: recall, DOS_RECEIVED_FUTURE", "warning rules: recall, DOS_CODE_DATE",
        "warning rules: precision, DOS_ID_DUMMY", "caught by rules that no record violates",
    }  # fmt: skip
    scores = {rule.rule_id: rule for rule in report.rules}
    assert scores["DOS_ID_DUMMY"].wrong == (correct,) and scores["DOS_ID_DUMMY"].recall == 1
    assert (
        scores["DOS_END_FUTURE"].wrong == scores["DOS_RECEIVED_FUTURE"].missed == (min(caught["DOS_RECEIVED_FUTURE"]),)
    )
    text = "\n".join(text_report.lines(report))
    assert f"DOS_ID_DUMMY: {' '.join(correct)} was caught but does not violate it" in text


def test_a_documents_defects_are_expected_under_all_its_ids(world: World, expected: ExpectedDataset) -> None:
    defects: dict[str, set[str]] = {}
    for row in expected.defects:
        defects.setdefault(row["source_key"], set()).add(row["defect"])
    other_ids = {
        key[1]: document.doc_id
        for key, document in expected.sent_documents.items()
        if document.doc_id != key[1] and key[1] in defects
    }
    assert other_ids, "some documents are listed under two ids"
    assert all(defects[doc_id] == defects[first] for doc_id, first in other_ids.items())


@pytest.mark.exhaustive
def test_the_command_prints_the_score_and_stops_its_server(tmp_path: Path) -> None:
    home, out = tmp_path / "home", tmp_path / "score.json"
    options = [
        "--size",
        "tiny",
        "--dossiers",
        "120",
        "--documents",
        "20",
        "--days",
        "12",
        "--defects",
        "D01,D08",
        "--json",
    ]
    result = CliRunner().invoke(province, ["score", *options, "--home", str(home), "--out", str(out)])
    report = json.loads(out.read_text())
    assert result.exit_code == 0 and all(each["is_met"] for each in report["expectations"]), result.output
    assert report["as_of"].startswith("2022-04-13") and report["tables"][0]["true"] > 50
    assert not (home / "pg" / "postmaster.pid").exists(), "the server is stopped"
    again = CliRunner().invoke(province, ["score", *options, "--home", str(home)])
    assert again.exit_code == 1 and "is not empty" in again.output


def test_the_command_fails_and_names_a_missed_expectation(
    settings: Settings,
    world: World,
    expected: ExpectedDataset,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change("dossier", f"dossier_id = '{_without_defect(expected, True)}'", "status", "suspended")
    monkeypatch.setattr(score, "score_world", lambda *_: score.compare(settings, world, MIDNIGHT))
    result = CliRunner().invoke(province, ["score", "--size", "tiny", "--dossiers", "10", "--documents", "5"])
    assert result.exit_code == 1
    assert "missed: wrongly changed is 1, expected 0" in result.output and "in truth" in result.output
