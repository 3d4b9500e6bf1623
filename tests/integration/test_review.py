"""Tests of the review queue: unknown spellings wait for a decision, and decisions are stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from click.testing import CliRunner

from lgsp import sql, store
from lgsp.cli.organisations import organisations as commands
from lgsp.errors import LgspError
from lgsp.harmonise.organisations import directory, matcher, review_queue
from lgsp.harmonise.organisations.matcher import Match, Matcher
from lgsp.harmonise.organisations.review_queue import Unmatched
from lgsp.schema import codelists
from lgsp.settings import Settings
from lgsp.store import ledger
from lgsp.store.ledger import Connection
from lgsp.vietnam import text
from lgsp.window import Window
from tests.integration.conftest import Installation, set_environment

SOURCE = "one_stop_shop"
DIRECTORY = directory.directory([
    ("H47", "UBND tỉnh Quảng Nam", "province", None, "b#1:0"),
    ("H47.20", "UBND thành phố Hội An", "district", "H47", "b#1:1"),
    ("H47.20.25", "UBND xã Cẩm Thanh", "commune", "H47.20", "b#1:2"),
    ("H47.36", "UBND huyện Phú Ninh", "district", "H47", "b#1:3"),
    ("H47.36.17", "UBND xã Tam Đàn", "commune", "H47.36", "b#1:4"),
    ("H47.36.23", "UBND xã Tam Dân", "commune", "H47.36", "b#1:5"),
    ("H47.36.30", "UBND phường Phan Đình Phùng", "commune", "H47.36", "b#1:6"),
])  # fmt: skip
MISSPELT = "UBND xã Cẩm Thanhh"


def _unmatched(alias: str, records: int = 3, day: date | None = date(2026, 8, 1)) -> Unmatched:
    return Unmatched(alias, text.key(alias) or "", day, records)


@pytest.fixture
def settings(install: Callable[..., Installation]) -> Settings:
    """The settings of an initialised store."""
    return install({}).settings


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    """A connection to the store."""
    with store.connect(settings) as connection:
        yield connection


def _batch(connection: Connection, start: str, end: str, rebuilt_from: ledger.Batch | None = None) -> str:
    return ledger.open_batch(connection, SOURCE, Window.of(start, end), rebuilt_from).batch_id


@pytest.fixture
def batch_id(connection: Connection) -> str:
    """The id of an open batch of one day."""
    return _batch(connection, "2026-08-01", "2026-08-02")


def _propose(connection: Connection, batch_id: str, *unmatched: Unmatched) -> review_queue.Review:
    """Propose spellings, by default the misspelt one; the first item of the queue."""
    review_queue.propose(connection, SOURCE, batch_id, unmatched or [_unmatched(MISSPELT)], DIRECTORY)
    return review_queue.listing(connection, is_whole=True)[0]


def test_an_unknown_spelling_waits_with_its_candidates(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    assert (review.alias, review.state, review.record_count, review.batch_id) == (MISSPELT, "open", 3, batch_id)
    assert review.candidates[0].organisation_id == "H47.20.25" and review.first_seen_on == date(2026, 8, 1)


def test_spellings_with_the_same_key_are_one_item(connection: Connection, batch_id: str) -> None:
    spellings = [_unmatched(MISSPELT, 2), _unmatched(MISSPELT.upper(), 5, date(2026, 7, 31))]
    assert review_queue.propose(connection, SOURCE, batch_id, spellings, DIRECTORY) == 1
    (review,) = review_queue.listing(connection)
    assert (review.record_count, review.first_seen_on) == (7, date(2026, 7, 31))


def test_a_rebuilt_batch_does_not_count_its_records_again(connection: Connection, batch_id: str) -> None:
    _propose(connection, batch_id)
    later = _batch(connection, "2026-08-02", "2026-08-03")
    again = _batch(connection, "2026-08-01", "2026-08-02", rebuilt_from=ledger.batch(connection, batch_id))
    for next_batch_id in (later, again):
        assert review_queue.propose(connection, SOURCE, next_batch_id, [_unmatched(MISSPELT, 4)], DIRECTORY) == 0
    assert review_queue.listing(connection)[0].record_count == 8


def test_an_accepted_decision_is_used_by_the_matcher(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    decided = review_queue.accept(connection, review.review_id, None, "Lan", "one letter too many")
    assert (decided.state, decided.organisation_id, decided.decided_by) == ("accepted", "H47.20.25", "Lan")
    matcher = Matcher(DIRECTORY, review_queue.accepted(connection, SOURCE))
    assert matcher.match("ubnd xã Cẩm  Thanhh") == Match("H47.20.25", "review")
    assert review_queue.accepted(connection, "documents") == {}, "a decision applies to one source"


def test_a_decided_spelling_is_not_proposed_again(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    review_queue.reject(connection, review.review_id, "Lan")
    later = _batch(connection, "2026-08-02", "2026-08-03")
    assert review_queue.propose(connection, SOURCE, later, [_unmatched(MISSPELT)], DIRECTORY) == 0
    assert review_queue.listing(connection) == []
    (rejected,) = review_queue.listing(connection, is_whole=True)
    assert (rejected.state, rejected.record_count) == ("rejected", 6)
    assert review_queue.accepted(connection, SOURCE) == {}


def test_a_spelling_without_unmatched_records_leaves_the_queue(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    other = _batch(connection, "2026-08-02", "2026-08-03")
    review_queue.propose(connection, SOURCE, other, [_unmatched(MISSPELT, 4)], DIRECTORY)
    again = _batch(connection, "2026-08-01", "2026-08-02", rebuilt_from=ledger.batch(connection, batch_id))
    assert review_queue.propose(connection, SOURCE, again, [_unmatched("UBND xã Tam Dần")], DIRECTORY) == 1
    counts = {review.alias: review.record_count for review in review_queue.listing(connection)}
    assert counts == {MISSPELT: 4, "UBND xã Tam Dần": 3}
    review_queue.propose(connection, SOURCE, other, [], DIRECTORY)
    assert [review.alias for review in review_queue.listing(connection)] == ["UBND xã Tam Dần"]
    assert review_queue.find(connection, review.review_id).record_count == 0, "the item is retained, without records"


def test_a_decision_during_harmonising_causes_a_warning(
    connection: Connection, batch_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    review = _propose(connection, batch_id)
    used = review_queue.accepted(connection, SOURCE)
    review_queue.accept(connection, review.review_id, None, "Lan")
    later = _batch(connection, "2026-08-02", "2026-08-03")
    review_queue.propose(connection, SOURCE, later, [_unmatched(MISSPELT)], DIRECTORY, used)
    (warning,) = caplog.messages
    assert later in warning and MISSPELT in warning
    assert f"lgsp rebuild {SOURCE} --from 2026-08-02 --to 2026-08-03" in warning
    caplog.clear()
    review_queue.propose(
        connection, SOURCE, later, [_unmatched(MISSPELT)], DIRECTORY, review_queue.accepted(connection, SOURCE)
    )
    assert caplog.records == []


def test_every_decision_is_stored_with_name_and_reason(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    review_queue.reject(connection, review.review_id, "Lan", "unreadable")
    review_queue.accept(connection, review.review_id, "000.25.20.H47", "Minh", "asked the ward")
    rows = connection.execute(
        "select state, organisation_id, decided_by, why from ledger.organisation_decision order by decision_id"
    ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("rejected", None, "Lan", "unreadable"), ("accepted", "H47.20.25", "Minh", "asked the ward"),
    ]  # fmt: skip


def test_a_difference_of_accents_needs_a_named_agency(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id, _unmatched("UBND xã Tam Dần"))
    with pytest.raises(LgspError, match="accents only"):
        review_queue.accept(connection, review.review_id, None, "Lan")
    assert review_queue.accept(connection, review.review_id, "H47.36.23", "Lan").organisation_id == "H47.36.23"


@pytest.mark.parametrize(
    ("alias", "organisation_id", "who", "reason"),
    [
        ("Ngân hàng CSXH", None, "Lan", "is similar to no agency"), (MISSPELT, "H47.99", "Lan", "no published list"),
        (MISSPELT, None, " ", "--by NAME"),
    ],
)  # fmt: skip
def test_an_incomplete_decision_is_refused(
    connection: Connection, batch_id: str, alias: str, organisation_id: str | None, who: str, reason: str
) -> None:
    review = _propose(connection, batch_id, _unmatched(alias))
    with pytest.raises(LgspError, match=reason):
        review_queue.accept(connection, review.review_id, organisation_id, who)
    assert review_queue.listing(connection)[0].state == "open"


def test_a_decision_about_an_unknown_item_is_refused(connection: Connection) -> None:
    with pytest.raises(LgspError, match="there is no review 7"):
        review_queue.reject(connection, 7, "Lan")


def test_a_spelling_with_personal_data_is_not_stored(connection: Connection, batch_id: str) -> None:
    personal = [_unmatched("UBND xã Cẩm Thanh (ông Nguyễn Văn Tám)"), _unmatched("UBND xã Cẩm Thanh 0905 000 000")]
    assert review_queue.propose(connection, SOURCE, batch_id, personal, DIRECTORY) == 0
    assert review_queue.listing(connection, is_whole=True) == []


def test_a_ward_named_after_a_person_is_stored(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id, _unmatched("Uỷ ban phường Phan Đình Phùng"))
    assert review.candidates[0].organisation_id == "H47.36.30"


def test_adjacent_windows_of_a_spelling_are_joined(connection: Connection) -> None:
    for start, end in (("2026-08-01", "2026-08-02"), ("2026-08-02", "2026-08-03"), ("2026-08-09", "2026-08-10")):
        review = _propose(connection, _batch(connection, start, end))
    windows = [str(window) for window in review_queue.windows(connection, review.review_id)]
    assert windows == ["2026-08-01..2026-08-03", "2026-08-09..2026-08-10"]


def test_exported_aliases_have_the_effect_of_the_decisions(
    connection: Connection, batch_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    review_queue.accept(connection, _propose(connection, batch_id).review_id, None, "Lan")
    exported = review_queue.aliases_yaml(connection)
    assert yaml.safe_load(exported)[SOURCE] == {text.key(MISSPELT): "H47.20.25"}
    (tmp_path / "organisation_alias.yml").write_text(exported)
    monkeypatch.setattr(codelists, "FOLDER", tmp_path)
    monkeypatch.setattr(codelists, "load", codelists.load.__wrapped__)
    monkeypatch.setattr(matcher, "known_aliases", matcher.known_aliases.__wrapped__)
    assert Matcher(DIRECTORY, source=SOURCE).match(MISSPELT) == Match("H47.20.25", "alias")
    assert Matcher(DIRECTORY, source="documents").match(MISSPELT) is None
    assert review_queue.aliases_yaml(connection) == exported, "a second export gives the same file"


@pytest.fixture
def lgsp(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that invokes `lgsp organisations`, checks the exit code, and gives the output."""
    set_environment(monkeypatch, settings)

    def invoke(*arguments: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(commands, list(arguments))
        assert result.exit_code == exit_code, result.output + str(result.exception)
        return result.output

    return invoke


def test_the_commands_list_accept_and_reject_spellings(lgsp: Any, settings: Settings) -> None:
    assert "no spelling needs a decision" in lgsp("review")
    with store.connect(settings) as connection:
        _propose(
            connection,
            _batch(connection, "2026-08-01", "2026-08-02"),
            _unmatched(MISSPELT),
            _unmatched("UBND xã Tam Dần"),
        )
    listed = lgsp("review", "--source", SOURCE)
    assert "3 records since 2026-08-01  UBND xã Cẩm Thanhh" in listed and "ONLY ACCENTS DIFFER" in listed
    reviews = map(json.loads, lgsp("review", "--json").splitlines())
    review_id = next(str(review["review_id"]) for review in reviews if review["alias"] == MISSPELT)
    accepted = lgsp("accept", review_id, "--by", "Lan", "--why", "a slip")
    assert "means H47.20.25" in accepted and "lgsp rebuild one_stop_shop --from 2026-08-01 --to 2026-08-02" in accepted
    assert MISSPELT not in lgsp("review") and "decided by Lan: a slip" in lgsp("review", "--all")
    assert "H47.20.25" in lgsp("aliases")
    rejected = json.loads(lgsp("reject", review_id, "--json"))
    assert rejected["state"] == "rejected" and rejected["decided_by"] and rejected["rebuild"]


def test_an_unknown_review_id_exits_with_1_and_names_the_list(lgsp: Any) -> None:
    assert "lgsp organisations review --all" in lgsp("accept", "99", exit_code=1)


UNKNOWN, DECIDED, CORRECTED, CODED = (None, None), ("H47.20", "review"), ("H47.36", "review"), ("H47.20", "code")
AliasMeaning = tuple[str | None, str | None]  # organisation, and how it was matched


@pytest.mark.parametrize(
    ("meanings", "expected"),
    [
        ([UNKNOWN], []),
        ([UNKNOWN, DECIDED], [DECIDED]),
        ([DECIDED, CORRECTED], [CORRECTED]),
        ([DECIDED, UNKNOWN], []),  # the decision was rejected later
        ([CODED, UNKNOWN], [CODED]),  # a match by code stays valid
        ([CODED, CORRECTED], []),  # the spelling means two agencies
    ],
)
def test_the_newest_batch_determines_the_meaning_of_an_alias(
    connection: Connection, meanings: list[AliasMeaning], expected: list[AliasMeaning]
) -> None:
    for number, (organisation_id, matched_by) in enumerate(meanings, 1):
        connection.execute(
            "insert into record.organisation_alias (source, source_key, source_updated_at, raw_hash, content_hash, batch_id, alias_key, alias, "
            "organisation_id, matched_by) values (%s, concat_ws('|', 'a', %s::text), now(), '', '', %s, 'a', 'a', %s, %s)",
            [SOURCE, organisation_id, f"{SOURCE}.w.{number:06d}", organisation_id, matched_by],
        )
    rows = connection.execute(sql.load("lgsp.publish", "reference/organisation_alias").encode()).fetchall()
    assert [(row["alias_key"], row["organisation_id"], row["matched_by"]) for row in rows] == [
        ("a", *meaning) for meaning in expected
    ]


def test_the_database_refuses_a_decision_without_a_name(connection: Connection, batch_id: str) -> None:
    review = _propose(connection, batch_id)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "update ledger.organisation_review set state = 'accepted', organisation_id = 'H47' where review_id = %s",
            [review.review_id],
        )
    connection.rollback()
