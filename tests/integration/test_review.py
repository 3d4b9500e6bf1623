"""The review list: what nobody knows is shown, what a person decides is remembered."""

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
from tests.integration.conftest import Installation

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


def _seen(alias: str, records: int = 3, day: date | None = date(2026, 8, 1)) -> Unmatched:
    return Unmatched(alias, text.key(alias) or "", day, records)


@pytest.fixture
def settings(install: Callable[..., Installation]) -> Settings:
    """An initialised store."""
    return install({}).settings


@pytest.fixture
def connection(settings: Settings) -> Iterator[Connection]:
    with store.connect(settings) as connection:
        yield connection


def _batch(connection: Connection, start: str, end: str, rebuilt_from: ledger.Batch | None = None) -> str:
    return ledger.open_batch(connection, SOURCE, Window.of(start, end), rebuilt_from).batch_id


@pytest.fixture
def batch_id(connection: Connection) -> str:
    return _batch(connection, "2026-08-01", "2026-08-02")


def _proposed(connection: Connection, batch_id: str, *unmatched: Unmatched) -> review_queue.Review:
    review_queue.propose(connection, SOURCE, batch_id, unmatched or [_seen(MISSPELT)], DIRECTORY)
    return review_queue.listing(connection, is_whole=True)[0]


def test_an_unknown_spelling_waits_with_its_candidates(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id)
    assert (asked.alias, asked.state, asked.record_count, asked.batch_id) == (MISSPELT, "open", 3, batch_id)
    assert asked.candidates[0].organisation_id == "H47.20.25" and asked.first_seen_on == date(2026, 8, 1)


def test_two_forms_of_one_key_are_one_question(connection: Connection, batch_id: str) -> None:
    forms = [_seen(MISSPELT, 2), _seen(MISSPELT.upper(), 5, date(2026, 7, 31))]
    assert review_queue.propose(connection, SOURCE, batch_id, forms, DIRECTORY) == 1
    (asked,) = review_queue.listing(connection)
    assert (asked.record_count, asked.first_seen_on) == (7, date(2026, 7, 31))


def test_a_second_batch_adds_its_records_and_a_repeated_one_does_not(connection: Connection, batch_id: str) -> None:
    _proposed(connection, batch_id)
    later = _batch(connection, "2026-08-02", "2026-08-03")
    again = _batch(connection, "2026-08-01", "2026-08-02", rebuilt_from=ledger.batch(connection, batch_id))
    assert [
        review_queue.propose(connection, SOURCE, id_, [_seen(MISSPELT, 4)], DIRECTORY) for id_ in (later, again)
    ] == [
        0,
        0,
    ]
    assert review_queue.listing(connection)[0].record_count == 8


def test_an_accepted_decision_feeds_the_matcher(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id)
    decided = review_queue.accept(connection, asked.review_id, None, "Lan", "one letter too many")
    assert (decided.state, decided.organisation_id, decided.decided_by) == ("accepted", "H47.20.25", "Lan")
    matcher = Matcher(DIRECTORY, review_queue.accepted(connection, SOURCE))
    assert matcher.match("ubnd xã Cẩm  Thanhh") == Match("H47.20.25", "review")
    assert review_queue.accepted(connection, "documents") == {}, "each source has its own habits"


def test_a_decided_spelling_is_not_asked_again(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id)
    review_queue.reject(connection, asked.review_id, "Lan")
    later = _batch(connection, "2026-08-02", "2026-08-03")
    assert review_queue.propose(connection, SOURCE, later, [_seen(MISSPELT)], DIRECTORY) == 0
    assert review_queue.listing(connection) == []
    (remembered,) = review_queue.listing(connection, is_whole=True)
    assert (remembered.state, remembered.record_count) == ("rejected", 6)
    assert review_queue.accepted(connection, SOURCE) == {}


def test_a_spelling_that_a_rebuilt_batch_no_longer_holds_unexplained_waits_no_more(
    connection: Connection, batch_id: str
) -> None:
    asked = _proposed(connection, batch_id)
    other = _batch(connection, "2026-08-02", "2026-08-03")
    review_queue.propose(connection, SOURCE, other, [_seen(MISSPELT, 4)], DIRECTORY)
    again = _batch(connection, "2026-08-01", "2026-08-02", rebuilt_from=ledger.batch(connection, batch_id))
    assert review_queue.propose(connection, SOURCE, again, [_seen("UBND xã Tam Dần")], DIRECTORY) == 1
    assert {one.alias: one.record_count for one in review_queue.listing(connection)} == {
        MISSPELT: 4,
        "UBND xã Tam Dần": 3,
    }
    review_queue.propose(connection, SOURCE, other, [], DIRECTORY)
    assert [one.alias for one in review_queue.listing(connection)] == ["UBND xã Tam Dần"]
    assert review_queue.one(connection, asked.review_id).record_count == 0, "it is remembered, and waits for nobody"


def test_a_decision_taken_while_a_batch_was_harmonised_is_told(
    connection: Connection, batch_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked = _proposed(connection, batch_id)
    used = review_queue.accepted(connection, SOURCE)
    review_queue.accept(connection, asked.review_id, None, "Lan")
    later = _batch(connection, "2026-08-02", "2026-08-03")
    review_queue.propose(connection, SOURCE, later, [_seen(MISSPELT)], DIRECTORY, used)
    (told,) = [record.getMessage() for record in caplog.records]
    assert later in told and MISSPELT in told and f"lgsp rebuild {SOURCE} --from 2026-08-02 --to 2026-08-03" in told
    caplog.clear()
    review_queue.propose(
        connection, SOURCE, later, [_seen(MISSPELT)], DIRECTORY, review_queue.accepted(connection, SOURCE)
    )
    assert caplog.records == []


def test_every_decision_is_kept_with_who_and_why(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id)
    review_queue.reject(connection, asked.review_id, "Lan", "unreadable")
    review_queue.accept(connection, asked.review_id, "000.25.20.H47", "Minh", "asked the ward")
    rows = connection.execute(
        "select state, organisation_id, decided_by, why from ledger.organisation_decision order by decision_id"
    ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("rejected", None, "Lan", "unreadable"), ("accepted", "H47.20.25", "Minh", "asked the ward"),
    ]  # fmt: skip


def test_accents_alone_are_never_decided_without_naming_the_agency(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id, _seen("UBND xã Tam Dần"))
    with pytest.raises(LgspError, match="accents alone"):
        review_queue.accept(connection, asked.review_id, None, "Lan")
    assert review_queue.accept(connection, asked.review_id, "H47.36.23", "Lan").organisation_id == "H47.36.23"


@pytest.mark.parametrize(
    ("alias", "organisation_id", "who", "reason"),
    [
        ("Ngân hàng CSXH", None, "Lan", "resembles no agency"), (MISSPELT, "H47.99", "Lan", "no published list"),
        (MISSPELT, None, " ", "--by NAME"),
    ],
)  # fmt: skip
def test_a_decision_that_says_too_little_is_refused(
    connection: Connection, batch_id: str, alias: str, organisation_id: str | None, who: str, reason: str
) -> None:
    asked = _proposed(connection, batch_id, _seen(alias))
    with pytest.raises(LgspError, match=reason):
        review_queue.accept(connection, asked.review_id, organisation_id, who)
    assert review_queue.listing(connection)[0].state == "open"


def test_a_decision_about_nothing_is_refused(connection: Connection) -> None:
    with pytest.raises(LgspError, match="there is no review 7"):
        review_queue.reject(connection, 7, "Lan")


def test_a_spelling_with_a_person_in_it_never_reaches_the_ledger(connection: Connection, batch_id: str) -> None:
    personal = [_seen("UBND xã Cẩm Thanh (ông Nguyễn Văn Tám)"), _seen("UBND xã Cẩm Thanh 0905 000 000")]
    assert review_queue.propose(connection, SOURCE, batch_id, personal, DIRECTORY) == 0
    assert review_queue.listing(connection, is_whole=True) == []


def test_a_ward_named_after_a_person_may_be_asked_about(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id, _seen("Uỷ ban phường Phan Đình Phùng"))
    assert asked.candidates[0].organisation_id == "H47.36.30"


def test_the_windows_that_hold_a_spelling_are_told_together_where_they_touch(connection: Connection) -> None:
    for start, end in (("2026-08-01", "2026-08-02"), ("2026-08-02", "2026-08-03"), ("2026-08-09", "2026-08-10")):
        asked = _proposed(connection, _batch(connection, start, end))
    told = [str(window) for window in review_queue.windows(connection, asked.review_id)]
    assert told == ["2026-08-01..2026-08-03", "2026-08-09..2026-08-10"]


def test_decisions_become_data_that_means_the_same(
    connection: Connection, batch_id: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    review_queue.accept(connection, _proposed(connection, batch_id).review_id, None, "Lan")
    exported = review_queue.aliases_yaml(connection)
    assert yaml.safe_load(exported)[SOURCE] == {text.key(MISSPELT): "H47.20.25"}
    (tmp_path / "organisation_alias.yml").write_text(exported)
    monkeypatch.setattr(codelists, "FOLDER", tmp_path)
    monkeypatch.setattr(codelists, "load", codelists.load.__wrapped__)
    monkeypatch.setattr(matcher, "_listed", matcher._listed.__wrapped__)
    assert Matcher(DIRECTORY, source=SOURCE).match(MISSPELT) == Match("H47.20.25", "alias")
    assert Matcher(DIRECTORY, source="documents").match(MISSPELT) is None
    assert review_queue.aliases_yaml(connection) == exported, "exporting twice changes nothing more"


@pytest.fixture
def lgsp(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in settings.environment.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, ends: int = 0) -> str:
        done = CliRunner().invoke(commands, list(words))
        assert done.exit_code == ends, done.output + str(done.exception)
        return done.output

    return call


def test_an_operator_decides_at_the_command_line(lgsp: Any, settings: Settings) -> None:
    assert "no spelling needs a decision" in lgsp("review")
    with store.connect(settings) as connection:
        _proposed(connection, _batch(connection, "2026-08-01", "2026-08-02"), _seen(MISSPELT), _seen("UBND xã Tam Dần"))
    listed = lgsp("review", "--source", SOURCE)
    assert "3 records since 2026-08-01  UBND xã Cẩm Thanhh" in listed and "ONLY ACCENTS DIFFER" in listed
    first = next(one for one in map(json.loads, lgsp("review", "--json").splitlines()) if one["alias"] == MISSPELT)
    told = lgsp("accept", str(first["review_id"]), "--by", "Lan", "--why", "a slip")
    assert "means H47.20.25" in told and "lgsp rebuild one_stop_shop --from 2026-08-01 --to 2026-08-02" in told
    assert MISSPELT not in lgsp("review") and "decided by Lan: a slip" in lgsp("review", "--all")
    assert "H47.20.25" in lgsp("aliases")
    rejected = json.loads(lgsp("reject", str(first["review_id"]), "--json"))
    assert rejected["state"] == "rejected" and rejected["decided_by"] and rejected["rebuild"]


def test_a_mistake_at_the_command_line_says_what_to_do(lgsp: Any) -> None:
    assert "lgsp organisations review --all" in lgsp("accept", "99", ends=1)


def test_the_newest_batch_says_what_a_decision_means(connection: Connection) -> None:
    statement = sql.load("lgsp.publish", "reference/organisation_alias")

    def published(*rows: tuple[str, str | None, str | None, str]) -> list[tuple[Any, ...]]:
        connection.execute("truncate record.organisation_alias")
        for key, organisation_id, matched_by, number in rows:
            connection.execute(
                "insert into record.organisation_alias (source, source_key, source_updated_at, raw_hash, content_hash, batch_id, alias_key, alias, "
                "organisation_id, matched_by) values (%s, concat_ws('|', %s::text, %s::text), now(), '', '', %s, %s, %s, %s, %s)",
                [SOURCE, key, organisation_id, f"{SOURCE}.w.{number}", key, key, organisation_id, matched_by],
            )
        rows_ = connection.execute(statement.encode()).fetchall()
        return [(row["alias_key"], row["organisation_id"], row["matched_by"]) for row in rows_]

    unknown, decided, corrected = ("a", None, None), ("a", "H47.20", "review"), ("a", "H47.36", "review")
    assert published((*unknown, "000001")) == []
    assert published((*unknown, "000001"), (*decided, "000002")) == [decided]
    assert published((*decided, "000002"), (*corrected, "000003")) == [corrected]
    assert published((*decided, "000002"), (*unknown, "000003")) == [], "it was rejected after all"
    code = ("a", "H47.20", "code")
    assert published((*code, "000001"), (*unknown, "000002")) == [code], "a code once given holds"
    assert published((*code, "000001"), (*corrected, "000002")) == [], "it means two agencies"


def test_no_decision_is_kept_without_who_took_it(connection: Connection, batch_id: str) -> None:
    asked = _proposed(connection, batch_id)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(
            "update ledger.organisation_review set state = 'accepted', organisation_id = 'H47' where review_id = %s",
            [asked.review_id],
        )
    connection.rollback()
