"""The life of a row in quarantine: how it comes, how it leaves, and that nothing else makes it leave."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from lgsp import check, harmonise, install, land
from lgsp.check import quarantine
from lgsp.cli.main import main
from lgsp.errors import LgspError
from lgsp.land.archive import Pack
from lgsp.maintain import redrive
from lgsp.schema import codelists, records
from lgsp.store import connect, ledger, url
from lgsp.store.transaction import publishing
from tests.integration.conftest import Installation
from tests.samples import AGENCY, DAY, LISTS, one_stop

RULE = "DOS_RECEIVED_FUTURE"  # which somebody may accept


@pytest.fixture
def store(installation: Installation) -> Installation:
    """An installation whose ledger is there and empty."""
    install.init(installation.settings)
    return installation


@pytest.fixture
def lgsp(store: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line: what it prints, as JSON where that was asked for."""
    for name, value in store.settings.environment.items():
        monkeypatch.setenv(name, value)

    def call(*words: str, ends: int = 0) -> Any:
        done = CliRunner().invoke(main, ["quarantine", *words])
        assert done.exit_code == ends, done.output + str(done.exception)
        return [json.loads(line) for line in done.stdout.splitlines()] if "--json" in words else done.output

    return call


def _dossier(number: int, **changes: Any) -> dict[str, Any]:
    return one_stop(id=f"a{number}", code=f"{AGENCY}-260803-{number:04}", receiptCode=f"BN-{number}", **changes)


def _feed(store: Installation, *pages: list[dict[str, Any]]) -> str:
    """Some pages of dossiers, landed, checked and published; the id of their batch."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY)
    pack = Pack(store.settings.landing / batch.landing_path)
    answers = [*copy.deepcopy(LISTS["one_stop_shop"]).items(), *(("dossiers", {"content": page}) for page in pages)]
    for name, answer in answers:
        pack.annotate(pack.append(name, name, 200, orjson.dumps(answer), 0.0, True), is_whole=True)
    count = sum(map(len, pages))
    pack.seal({"declared": count, "read": count, "gap": 0})
    with connect(store.settings) as connection:
        ledger.advance(connection, batch.batch_id, "landed")
    _on(store, [batch.batch_id])
    return batch.batch_id


def _on(store: Installation, batch_ids: list[str]) -> None:
    check.run(store.settings, harmonise.run(store.settings, batch_ids))
    store.publish()


def _shared(store: Installation) -> dict[str, list[str]]:
    """The quality flags of each published dossier, by the number it was made with."""
    rows = store.query("select dossier_id, quality_flags from shared.dossier order by dossier_id")
    return {row["dossier_id"][-1]: row["quality_flags"] for row in rows}


def _row(**changes: Any) -> dict[str, Any]:
    """A row as the check holds it."""
    row = {
        "source_key": "a1", "kind": "dossier", "rule_id": RULE, "rule_version": "1.0.0", "reason": "received 2062",
        "raw_pointer": "b#2:0", "record_hash": "bytes1", "source_updated_at": "2026-08-03 03:00:00+00", "organisation_id": None,
        "occurred_on": None,
    }  # fmt: skip
    return {**row, **changes}


def _batch(store: Installation, *rows: dict[str, Any], **about: Any) -> ledger.Batch:
    """A checked batch that holds some rows."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY, **about)
        quarantine.keep(connection, batch, list(rows))
        ledger.advance(connection, batch.batch_id, "checked")
    return batch


def _landed(store: Installation, *rows: dict[str, Any]) -> ledger.Batch:
    """A checked batch whose rows are at the places they tell of a landing folder that is there."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY)
        told = [{**row, "raw_pointer": f"{batch.batch_id}#{row['raw_pointer'].partition('#')[2]}"} for row in rows]
        quarantine.keep(connection, batch, told)
        ledger.advance(connection, batch.batch_id, "checked")
    Pack(store.settings.landing / batch.landing_path).seal({})
    return batch


def _again(store: Installation, batch_id: str, *rows: dict[str, Any]) -> None:
    """The check of a batch of re-driven records, which holds some rows again."""
    with connect(store.settings) as connection:
        batch = ledger.batch(connection, batch_id)
        pointers = [f"{batch_id}#{row['raw_pointer'].partition('#')[2]}" for row in rows]
        quarantine.keep(connection, batch, [{**row, "raw_pointer": to} for row, to in zip(rows, pointers, strict=True)])
        ledger.advance(connection, batch_id, "checked", fetched_count=0)


def _states(store: Installation) -> list[tuple[str, str]]:
    rows = store.query("select source_key, state from ledger.quarantine order by quarantine_id")
    return [(row["source_key"], row["state"]) for row in rows]


def _merged(store: Installation, batch: ledger.Batch, *good: tuple[str, str, str]) -> None:
    """A publication that brings good dossiers, each as (key, change time, bytes), and then looks what they correct."""
    with publishing(url(store.settings)) as transaction:
        for kind in records.FACTS:
            transaction.temporary(f"incoming_{kind.name}", f"record.{kind.name}")
        for key, changed, raw in good:
            for table in ("record.dossier", "incoming_dossier"):
                transaction.do(
                    f"insert into {table} (source, source_key, source_updated_at, raw_hash, batch_id) "
                    "values ('one_stop_shop', $1::text, $2::text::timestamptz, $3::text, $4::text)",
                    key, changed, raw, batch.batch_id,
                )  # fmt: skip
        quarantine.corrected(transaction, [batch.batch_id])
        transaction.commit()


def test_what_is_held_again_is_the_same_row_with_the_newest_reason(store: Installation) -> None:
    first = _batch(store, _row())
    later = _batch(store, _row(reason="received 2063", rule_version="1.1.0"))
    with connect(store.settings) as connection:
        quarantine.keep(connection, first, [_row(reason="an old batch, checked again")])
    (row,) = store.query("select reason, rule_version, batch_id, state from ledger.quarantine")
    assert row == {"reason": "received 2063", "rule_version": "1.1.0", "batch_id": later.batch_id, "state": "open"}


@pytest.mark.parametrize(
    ("good", "state"),
    [
        (("a1", "2026-08-03 04:00:00+00", "other"), "corrected"),
        (("a1", "2026-08-03 03:00:00+00", "other"), "corrected"),
        (("a1", "2026-08-03 03:00:00+00", "bytes1"), "redriven"),
        (("a1", "2026-08-03 02:00:00+00", "other"), "open"),
        (("a2", "2026-08-03 04:00:00+00", "other"), "open"),
    ],
    ids=["newer", "as new", "the same bytes by mended rules", "older", "another record"],
)
def test_a_good_version_as_new_or_newer_lets_a_row_go(
    good: tuple[str, str, str], state: str, store: Installation
) -> None:
    _batch(store, _row())
    batch = _batch(store)
    _merged(store, batch, good)
    assert _states(store) == [("a1", state)]
    if state == "corrected":
        (row,) = store.query("select state_by, state_reason from ledger.quarantine")
        assert row["state_by"] == "source" and batch.batch_id in row["state_reason"]


def test_a_bad_version_that_comes_after_the_good_one_is_let_go_when_its_batch_is_published(store: Installation) -> None:
    _merged(store, _batch(store), ("a1", "2026-08-03 09:00:00+00", "good"), ("a2", "2026-08-03 03:00:00+00", "bytes1"))
    late = _batch(store, _row(), _row(source_key="a2"))
    _merged(store, late)
    assert _states(store) == [("a1", "corrected"), ("a2", "open")], "what is published itself is no correction"


def test_a_row_passes_only_with_a_checked_batch_and_comes_back_when_it_fails_later(store: Installation) -> None:
    landed = _landed(store, _row())
    (batch_id,) = redrive.pick(store.settings, rule_id=RULE)
    for state, passed, after in (("refused", 0, "open"), ("checked", 1, "redriven"), ("checked", 1, "redriven")):
        store.query(
            "update ledger.batch set state = %s, fetched_count = 0 where batch_id = %s returning 1", state, batch_id
        )
        assert redrive.outcome(store.settings, [batch_id]).passed == passed
        assert _states(store) == [("a1", after)]
    with connect(store.settings) as connection:
        quarantine.keep(connection, landed, [_row()])
    assert _states(store) == [("a1", "redriven")], "an older batch that is checked again knows nothing newer"
    _batch(store, _row())
    assert redrive.outcome(store.settings, [batch_id]).held == {RULE: 1}
    assert _states(store) == [("a1", "open")]


def test_an_accepted_row_waits_until_its_whole_record_passed(store: Installation) -> None:
    other = _row(rule_id="DOS_STATUS_MAPPED")
    _landed(store, _row(), other)
    (first,) = redrive.pick(store.settings)
    _again(store, first, _row(), other)
    assert redrive.outcome(store.settings, [first]).held == {RULE: 1, "DOS_STATUS_MAPPED": 1}
    with connect(store.settings) as connection:
        quarantine.accept(connection, quarantine.listing(connection, rule_id=RULE)[0].quarantine_id, "an", "on paper")
    redrive.outcome(store.settings, [first])
    (second,) = redrive.pick(store.settings, rule_id=RULE)
    _again(store, second, other)
    assert redrive.outcome(store.settings, [second]).passed == 0
    (third,) = redrive.pick(store.settings, rule_id=RULE)
    _again(store, third)
    assert redrive.outcome(store.settings, [third]).passed == 1
    assert redrive.pick(store.settings) == []
    assert _states(store) == [("a1", "accepted"), ("a1", "redriven")]

    store.publish()
    assert store.batch(third).state == "refused", "its staging is gone"
    assert _states(store) == [("a1", "accepted"), ("a1", "open")]
    store.query("delete from ledger.quarantine where state = 'open' returning 1")
    assert len(redrive.pick(store.settings)) == 1, "what was accepted is not stranded with its batch"


def test_a_landing_that_is_gone_stops_nobody_and_secrets_stay_where_they_are(store: Installation) -> None:
    lost = _landed(store, _row(source_key="a2", record_hash="bytes2"))
    (store.settings.landing / lost.landing_path / "manifest.json").unlink()
    secret = _row(source_key="d1", kind="document", rule_id="SECRET_DOC", raw_pointer="b#3:0")
    altered = _landed(store, _row(), secret, {**secret, "rule_id": "DOC_NUMBER"})
    (store.settings.landing / altered.landing_path / "calls.jsonl").write_text("{}")
    told = redrive.run(store.settings)
    assert (told.records, told.passed, told.gone) == (1, 0, 1)
    assert "landing gone: 1 records, discard them" in str(told) and told.refused
    assert store.batch(told.batch_ids[0]).state == "failed", "one that cannot be read waits for nobody"
    assert redrive.pick(store.settings, rule_id="SECRET_DOC") == []
    with connect(store.settings) as connection:
        for held in quarantine.listing(connection, rule_id="DOC_NUMBER"):
            with pytest.raises(LgspError, match="SECRET_DOC holds the record"):
                redrive.raw(store.settings, held)


def test_rows_that_an_older_version_told_by_other_hashes_are_one_row(store: Installation) -> None:
    landed = _landed(store, _row(record_hash="said1"), _row(record_hash="said2"), _row(rule_id="DOS_KEY"))
    before = store.query("select max(quarantine_id) as id from ledger.quarantine where rule_id = %s", RULE)
    with connect(store.settings) as connection:
        again = ledger.open_batch(connection, "one_stop_shop", DAY, rebuilt_from=landed)
        elsewhere = ledger.open_batch(connection, "one_stop_shop", DAY)
        for batch, place in ((again, "#2:0"), (elsewhere, "#2:1")):
            quarantine.keep(connection, batch, [_row(raw_pointer=batch.batch_id + place, record_hash=f"bytes{place}")])
    rows = store.query(
        "select quarantine_id as id, record_hash from ledger.quarantine where rule_id = %s order by 1", RULE
    )
    assert [row["record_hash"] for row in rows] == ["bytes#2:0", "bytes#2:1"] and rows[0]["id"] == before[0]["id"]


def test_a_decision_needs_a_reason_an_open_row_and_a_rule_that_may_be_waived(store: Installation) -> None:
    _batch(
        store,
        _row(),
        _row(source_key="d1", kind="document", rule_id="SECRET_DOC"),
        _row(source_key="?", rule_id="DOS_KEY"),
    )
    with connect(store.settings) as connection:
        status, secret, _ = sorted(row.quarantine_id for row in quarantine.listing(connection))
        with pytest.raises(LgspError, match="no row 999 in quarantine"):
            quarantine.accept(connection, 999, "an", "seen")
        with pytest.raises(LgspError, match="SECRET_DOC holds back cannot be accepted"):
            quarantine.accept(connection, secret, "an", "seen")
        with pytest.raises(LgspError, match="needs its reason"):
            quarantine.discard(connection, status, "an", " ")
        assert quarantine.waived(connection, "one_stop_shop") == []
        assert quarantine.accept(connection, status, "an", "checked on paper").state == "accepted"
        assert quarantine.waived(connection, "one_stop_shop") == [("dossier", "a1", "bytes1", RULE)]
        with pytest.raises(LgspError, match="is accepted by an: checked on paper"):
            quarantine.discard(connection, status, "an", "twice sent")


def test_only_what_waited_too_long_is_aged(store: Installation) -> None:
    _batch(store, _row(), _row(source_key="a2", record_hash="bytes2"), _row(source_key="a3", record_hash="bytes3"))
    store.query(
        "update ledger.quarantine set created_at = now() - interval '20 days' where source_key <> 'a3' returning 1"
    )
    with connect(store.settings) as connection:
        (found,) = quarantine.aged(connection)
        assert (found.source, found.rule_id, found.records, found.oldest_days) == ("one_stop_shop", RULE, 2, 20)
        assert quarantine.aged(connection, 21) == []


FUTURE = "2036-08-03T01:20:00.000+0000"


def test_one_call_drives_all_rows_of_a_mended_code_list_again(
    store: Installation, lgsp: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = _feed(
        store,
        [_dossier(1), _dossier(2, dossierStatus={"id": 77})],
        [_dossier(3, dossierStatus={"id": 78}), _dossier(4, dossierStatus={"id": 77}, acceptedDate=FUTURE)],
    )
    assert list(_shared(store)) == ["1"]
    assert {row["source_key"] for row in lgsp("list", "--rule", "DOS_STATUS_MAPPED", "--json")} == {"a2", "a3", "a4"}
    genuine = codelists.load.__wrapped__
    known = codelists.load("dossier_status")
    mended = {**known, "one_stop_shop": {**known["one_stop_shop"], "77": "finished"}}
    monkeypatch.setattr(codelists, "load", lambda name: mended if name == "dossier_status" else genuine(name))

    told = lgsp("redrive", "--rule", "DOS_STATUS_MAPPED")
    assert told.startswith("3 driven again: 1 passed, 2 still in quarantine (") and "DOS_STATUS_MAPPED 1" in told
    (batch,) = store.query("select * from ledger.batch where purpose = 'redrive'")
    assert (batch["rebuilt_from"], batch["state"]) == (landed, "checked")
    assert (batch["fetched_count"], batch["accepted_count"], batch["quarantined_count"]) == (3, 1, 2)
    store.publish()
    assert list(_shared(store)) == ["1", "2"]
    rows = {(row["source_key"], row["rule_id"]): row for row in lgsp("list", "--state", "all", "--json")}
    assert rows["a2", "DOS_STATUS_MAPPED"]["state"] == rows["a4", "DOS_STATUS_MAPPED"]["state"] == "redriven"
    assert rows["a3", "DOS_STATUS_MAPPED"]["state"] == rows["a4", RULE]["state"] == "open"
    assert rows["a3", "DOS_STATUS_MAPPED"]["raw_pointer"].startswith(batch["batch_id"])

    before = store.data_hashes()
    (told,) = lgsp("redrive", "--all", "--json")
    assert (told["records"], told["passed"], told["still_held"]) == (2, 0, 2)
    store.publish()
    assert store.data_hashes() == before
    assert len(lgsp("list", "--state", "all", "--json")) == len(rows), "what fails again is the row it was"
    assert "is redriven" in lgsp("redrive", str(rows["a2", "DOS_STATUS_MAPPED"]["quarantine_id"]), ends=1)
    assert lgsp("redrive", "--source", "documents") == "nothing to drive again\n"


def test_what_was_decided_holds_in_a_rebuild_and_what_was_corrected_leaves(
    store: Installation, lgsp: Callable[..., Any]
) -> None:
    wrong = {"appointmentDate": "2026-08-01T10:00:00.000+0000"}  # due before it was received
    _feed(store, [_dossier(1, **wrong), _dossier(2, **wrong), _dossier(3, **wrong)])
    ids = {row["source_key"]: str(row["quarantine_id"]) for row in lgsp("list", "--json")}
    shown = lgsp("show", ids["a1"], "--raw")
    assert "DOS_DUE_BEFORE_RECEIVE" in shown and "049094000000" in shown and "owner: agency" in shown
    assert "049094000000" not in lgsp("show", ids["a1"]), "personal data only where it is asked for"

    assert "1 passed" in lgsp("accept", ids["a1"], "--why", "the paper says so", "--by", "an")
    lgsp("discard", ids["a2"], "--why", "typed in twice", "--by", "an")
    _feed(store, [_dossier(3, modifiedDate="2026-08-03T09:00:00.000+0000")])
    for when in ("as decided", "rebuilt"):
        shared = _shared(store)
        assert list(shared) == ["1", "3"]
        assert ["DOS_DUE_BEFORE_RECEIVE" in flags for flags in shared.values()] == [True, False]
        assert _states(store) == [("a1", "accepted"), ("a2", "discarded"), ("a3", "corrected")]
        if when == "as decided":
            _on(store, land.landed(store.settings, "one_stop_shop", DAY))


def test_a_decision_is_published_without_waiting_for_the_next_batch(
    store: Installation, lgsp: Callable[..., Any]
) -> None:
    _feed(store, [_dossier(1, appointmentDate="2026-08-01T10:00:00.000+0000"), _dossier(2)])
    (held,) = lgsp("list", "--json")
    counted = "select distinct quarantined_count as n from shared.service_kpi where organisation_id = 'ALL' and level = 'ALL' and period = 'month'"
    assert store.query(counted) == [{"n": 1}]
    lgsp("discard", str(held["quarantine_id"]), "--why", "typed in twice", "--by", "an")
    assert store.publish() is not None
    assert store.query(counted) == [{"n": 0}]
    assert store.publish() is None
