"""The score of a dataset: a right one meets every expectation, and each way to spoil it is seen for what it is."""

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
from lgsp_province.score.world import Known, know

FIRST, LAST, MIDNIGHT = date(2022, 4, 1), date(2022, 4, 30), datetime(2022, 5, 1, tzinfo=LOCAL)
RATES = {
    "D02": 0.01, "D03": 0.01, "D04": 0.01, "D05": 0.02, "D09": 0.02, "D11": 0.01, "D12": 0.01, "D14": 0.02, "D17": 0.02,
    "D21": 0.03, "D23": 0.03, "D24": 0.005, "D25": 0.002, "D26": 0.004, "D27": 0.01, "D28": 0.004, "D37": 0.04, "D41": 0.02,
    "D42": 0.02, "secret": 0.04, "private-subject": 0.2, "redelivered": 0.1, "uuid-document-id": 0.1, "channel-conflict": 0.02,
    "due-null": 0.02, "unknown-status": 0.003, "poison": 0.01,
}  # fmt: skip
BROKEN = {
    "DOS_KEY_MISSING", "DOS_STATUS_MAPPED", "DOS_VALUE_UNREADABLE", "DOS_TEXT_GARBLED", "DOS_EVENT_ORDER", "DOS_UPSTREAM_STATUS",
    "DOS_ID_DAMAGED", "DOS_RECEIVED_MISSING", "DOS_FINISH_MISSING", "DOS_RECEIVED_FUTURE", "DOS_FINISH_BEFORE_RECEIVE",
    "DOS_DUE_BEFORE_RECEIVE", "DOS_ONLINE_LEVEL2", "DOS_ID_DUMMY", "DOS_CODE_DATE", "DOC_READABLE", "SECRET_DOC",
    "DOC_STATUS_PROFILE", "SECRET_WORK_FILE",
}  # fmt: skip
NEVER_SETTLED = {"abstract-missing", "schema-drift", "D38", "D40"}  # in fields that nobody reads, or off


@pytest.fixture(scope="module")
def world() -> World:
    """About 1,500 dossiers and 80 documents of which every class of defect has befallen some."""
    return World.generate("tiny", 11, FIRST, LAST, dossiers_count=1500, documents_count=80, defects_chosen=RATES)


@pytest.fixture(scope="module")
def settings(world: World) -> Iterator[Settings]:
    """An installation that has published it."""
    with score.published(world, MIDNIGHT) as installed:
        yield installed


@pytest.fixture(scope="module")
def known(world: World) -> Known:
    return know(world, MIDNIGHT)


@pytest.fixture
def spoil(settings: Settings) -> Iterator[Callable[[str, str, str, object], None]]:
    """Changes one value of one published row, or of another schema's; afterwards it is as it was. The condition must hold then too."""
    undo = []

    def change(table: str, condition: str, column: str, value: object) -> None:
        place = table if "." in table else f"shared.{table}"
        with store.connect(settings) as connection:
            (row,) = connection.execute(f"select {column} as value from {place} where {condition}").fetchall()
            assert row["value"] != value
            undo.append((f"update {place} set {column} = %s where {condition}", row["value"]))
            connection.execute(f"update {place} set {column} = %s where {condition}", [value])

    yield change
    with store.connect(settings) as connection:
        for statement, value in undo:
            connection.execute(statement, [value])


def _missed(settings: Settings, world: World) -> set[str]:
    return {missed.name for missed in score.compare(settings, world, MIDNIGHT).missed}


def _sound(known: Known, led_by_one_stop: bool, is_alone: bool = False) -> str:
    """A dossier of which no record shows a defect."""
    return next(
        str(row["dossier_id"])
        for row in known.dossiers
        if row["in_one_stop"] is led_by_one_stop
        and row["dossier_id"] not in known.spoilt
        and not (is_alone and row["in_one_stop"] and row["in_online_services"])
    )


def test_f18_a_published_world_meets_every_expectation(settings: Settings, world: World) -> None:
    report = score.compare(settings, world, MIDNIGHT)
    assert report.missed == []
    assert {table.name: table.wrong for table in report.tables.values() if table.wrong} == {}
    bare = {line.defect for line in report.defects.values() if not line.planted}
    assert bare <= NEVER_SETTLED, "every class of defect is in the world"
    assert {f"D{number:02d}" for number in range(1, 43)} | rates.RATES.keys() <= report.defects.keys()
    assert BROKEN <= {rule.rule_id for rule in report.rules if rule.is_planted}, "every rule that can be is broken"
    assert {rule.rule_id for rule in report.rules} == {r.id for k in records.FACTS for r in contract.rules(k.name)}


def test_a_wrong_status_is_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    spoil("dossier", f"dossier_id = '{_sound(known, True)}'", "status", "suspended")
    assert _missed(settings, world) == {"wrongly touched", "rows that differ from the truth"}


def test_two_dossiers_made_one_are_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    one_stop, portal = _sound(known, True, is_alone=True), _sound(known, False)
    spoil("dossier_source", f"source = 'online_services' and source_key = '{portal}'", "dossier_id", one_stop)
    assert _missed(settings, world) == {"linking precision"}


def test_pairs_that_were_not_linked_are_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    pairs = [row for row in known.truth.links.to_pylist() if row["one_stop_code"] not in known.spoilt]
    few = len(pairs) // 50 + 5
    for row in pairs[:few]:
        condition = f"source = 'online_services' and source_key = '{row['portal_code']}'"
        spoil("dossier_source", condition, "dossier_id", f"{row['portal_code']}-alone")
    assert _missed(settings, world) == {"linking recall"}


def test_a_wrong_agency_is_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    spoil("dossier", f"dossier_id = '{_sound(known, True)}'", "receiving_organisation_id", "H47.99")
    assert _missed(settings, world) == {"organisation precision", "wrongly touched", "rows that differ from the truth"}


@pytest.mark.parametrize("what", ["phone", "name", "identity number", "e-mail"])
def test_a_person_in_a_subject_is_seen(
    what: str, settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    from lgsp_province.world import people

    somebody = [people.person(seen.applicant, False) for seen in known.seen.values() if not seen.is_firm]
    person = next(person for person in somebody if person.email)
    number = person.identity_number
    planted = {
        "phone": f"liên hệ {person.phone[:4]}.{person.phone[4:7]}.{person.phone[7:]}",
        "name": f"đơn của {person.name.upper()} ở thôn 1",
        "identity number": f"CCCD {number[:3]} {number[3:]}",
        "e-mail": f"gửi {person.email.upper()} trước ngày 5",
    }
    told = next(row["document_id"] for row in known.truth.documents.to_pylist() if row["has_person"])
    spoil("document", f"document_id = '{told}'", "subject", planted[what])
    assert _missed(settings, world) == {"personal data"}


def test_a_record_that_leaves_the_quarantine_unseen_is_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    impossible = next(row for row in known.defects if row["defect"] == "D26" and row["source"] == "one_stop_shop")
    condition = f"source = 'one_stop_shop' and dossier_id = '{_sound(known, True, is_alone=True)}'"
    spoil("dossier_source", condition, "source_key", impossible["source_key"])
    assert "D26 quarantined" in _missed(settings, world)


def test_a_rule_that_lets_records_pass_or_catches_sound_ones_is_seen(
    settings: Settings, world: World, known: Known, spoil: Callable[[str, str, str, object], None]
) -> None:
    def of(record: tuple[str, str]) -> str:
        return f"source = '{record[0]}' and source_key = '{record[1]}'"

    caught = dataset.read(settings).caught
    sound = ("one_stop_shop", known.leading[_sound(known, True)][1])
    spoil("record.dossier", of(sound), "quality_flags", ["DOS_ID_DUMMY"])
    spoil("record.dossier", of(min(caught["DOS_CODE_DATE"])), "quality_flags", [])
    future = f"{of(min(caught['DOS_RECEIVED_FUTURE']))} and rule_id in ('DOS_RECEIVED_FUTURE', 'DOS_END_FUTURE')"
    spoil("ledger.quarantine", future, "rule_id", "DOS_END_FUTURE")
    report = score.compare(settings, world, MIDNIGHT)
    assert {one.name for one in report.missed} == {
        "rules that hold: recall, DOS_RECEIVED_FUTURE", "rules that warn: recall, DOS_CODE_DATE",
        "rules that warn: precision, DOS_ID_DUMMY", "caught by rules that nothing breaks",
    }  # fmt: skip
    told = {rule.rule_id: rule for rule in report.rules}
    assert told["DOS_ID_DUMMY"].wrong == (sound,) and told["DOS_ID_DUMMY"].recall == 1
    assert told["DOS_END_FUTURE"].wrong == told["DOS_RECEIVED_FUTURE"].missed == (min(caught["DOS_RECEIVED_FUTURE"]),)
    text = "\n".join(text_report.lines(report))
    assert f"DOS_ID_DUMMY: {' '.join(sound)} was caught, and nothing says that it breaks it" in text


def test_what_is_wrong_with_a_document_is_known_under_each_of_its_ids(world: World, known: Known) -> None:
    shown: dict[str, set[str]] = {}
    for row in known.defects:
        shown.setdefault(row["source_key"], set()).add(row["defect"])
    again = {key[1]: of.doc_id for key, of in known.papers.items() if of.doc_id != key[1] and key[1] in shown}
    assert again, "some document is listed under two ids"
    assert all(shown[doc_id] == shown[first] for doc_id, first in again.items())


def test_the_command_tells_the_score_and_leaves_nothing_behind(tmp_path: Path) -> None:
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
    told = CliRunner().invoke(province, ["score", *options, "--home", str(home), "--out", str(out)])
    report = json.loads(out.read_text())
    assert told.exit_code == 0 and all(one["is_met"] for one in report["expectations"]), told.output
    assert report["as_of"].startswith("2022-04-13") and report["tables"][0]["true"] > 50
    assert not (home / "pg" / "postmaster.pid").exists(), "the server that was started is stopped"
    again = CliRunner().invoke(province, ["score", *options, "--home", str(home)])
    assert again.exit_code == 1 and "is not empty" in again.output


def test_the_command_fails_and_says_which_expectation_was_missed(
    settings: Settings,
    world: World,
    known: Known,
    spoil: Callable[[str, str, str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil("dossier", f"dossier_id = '{_sound(known, True)}'", "status", "suspended")
    monkeypatch.setattr(score, "run", lambda *_: score.compare(settings, world, MIDNIGHT))
    told = CliRunner().invoke(province, ["score", "--size", "tiny", "--dossiers", "10", "--documents", "5"])
    assert told.exit_code == 1
    assert "missed: wrongly touched is 1, wanted 0" in told.output and "in truth" in told.output
