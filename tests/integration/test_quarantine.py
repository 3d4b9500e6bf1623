"""The states of a row in quarantine: how it is added, how it is resolved, and that nothing else resolves it."""

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

RULE = "DOS_RECEIVED_FUTURE"  # a rule whose records may be accepted


@pytest.fixture
def store(installation: Installation) -> Installation:
    """An installation with an empty ledger."""
    install.init(installation.settings)
    return installation


@pytest.fixture
def lgsp(store: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `lgsp quarantine`; returns its output, parsed where `--json` was given."""
    for name, value in store.settings.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str, exit_code: int = 0) -> Any:
        result = CliRunner().invoke(main, ["quarantine", *arguments])
        assert result.exit_code == exit_code, result.output + str(result.exception)
        return [json.loads(line) for line in result.stdout.splitlines()] if "--json" in arguments else result.output

    return call


def _dossier(number: int, **changes: Any) -> dict[str, Any]:
    return one_stop(id=f"a{number}", code=f"{AGENCY}-260803-{number:04}", receiptCode=f"BN-{number}", **changes)


def _feed(store: Installation, *pages: list[dict[str, Any]]) -> str:
    """Land, check and publish pages of dossiers; the id of their batch."""
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
    _process(store, [batch.batch_id])
    return batch.batch_id


def _process(store: Installation, batch_ids: list[str]) -> None:
    check.run(store.settings, harmonise.run(store.settings, batch_ids))
    store.publish()


def _shared(store: Installation) -> dict[str, list[str]]:
    """The quality flags of each published dossier, by its number in `_dossier`."""
    rows = store.query("select dossier_id, quality_flags from shared.dossier order by dossier_id")
    return {row["dossier_id"][-1]: row["quality_flags"] for row in rows}


def _row(**changes: Any) -> dict[str, Any]:
    """A row as the check stage adds it to the quarantine."""
    row = {
        "source_key": "a1", "kind": "dossier", "rule_id": RULE, "rule_version": "1.0.0", "reason": "received 2062",
        "raw_pointer": "b#2:0", "record_hash": "bytes1", "source_updated_at": "2026-08-03 03:00:00+00", "organisation_id": None,
        "occurred_on": None,
    }  # fmt: skip
    return {**row, **changes}


def _batch(store: Installation, *rows: dict[str, Any], **options: Any) -> ledger.Batch:
    """A checked batch with these rows in quarantine."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY, **options)
        quarantine.add(connection, batch, list(rows))
        ledger.advance(connection, batch.batch_id, "checked")
    return batch


def _landed(store: Installation, *rows: dict[str, Any]) -> ledger.Batch:
    """A checked batch with a landing folder, whose rows in quarantine point to records in it."""
    with connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY)
        landed = [{**row, "raw_pointer": f"{batch.batch_id}#{row['raw_pointer'].partition('#')[2]}"} for row in rows]
        quarantine.add(connection, batch, landed)
        ledger.advance(connection, batch.batch_id, "checked")
    Pack(store.settings.landing / batch.landing_path).seal({})
    return batch


def _check_redriven(store: Installation, batch_id: str, *rows: dict[str, Any]) -> None:
    """Check a batch of redriven records of which these rows fail again."""
    with connect(store.settings) as connection:
        batch = ledger.batch(connection, batch_id)
        pointers = [f"{batch_id}#{row['raw_pointer'].partition('#')[2]}" for row in rows]
        quarantine.add(connection, batch, [{**row, "raw_pointer": to} for row, to in zip(rows, pointers, strict=True)])
        ledger.advance(connection, batch_id, "checked", fetched_count=0)


def _states(store: Installation) -> list[tuple[str, str]]:
    rows = store.query("select source_key, state from ledger.quarantine order by quarantine_id")
    return [(row["source_key"], row["state"]) for row in rows]


def _merged(store: Installation, batch: ledger.Batch, *good: tuple[str, str, str]) -> None:
    """Merge valid dossiers, given as (key, change time, bytes), and resolve the rows that they correct."""
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
        quarantine.resolve_corrected(transaction, [batch.batch_id])
        transaction.commit()


def test_a_record_that_fails_again_gets_the_newest_reason(store: Installation) -> None:
    first = _batch(store, _row())
    later = _batch(store, _row(reason="received 2063", rule_version="1.1.0"))
    with connect(store.settings) as connection:
        quarantine.add(connection, first, [_row(reason="an old batch, checked again")])
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
    ids=["newer", "same change time", "same bytes by fixed rules", "older", "another record"],
)
def test_a_valid_version_that_is_not_older_resolves_a_row(
    good: tuple[str, str, str], state: str, store: Installation
) -> None:
    _batch(store, _row())
    batch = _batch(store)
    _merged(store, batch, good)
    assert _states(store) == [("a1", state)]
    if state == "corrected":
        (row,) = store.query("select state_by, state_reason from ledger.quarantine")
        assert row["state_by"] == "source" and batch.batch_id in row["state_reason"]


def test_an_invalid_version_after_the_valid_one_is_resolved(
    store: Installation,
) -> None:
    _merged(store, _batch(store), ("a1", "2026-08-03 09:00:00+00", "good"), ("a2", "2026-08-03 03:00:00+00", "bytes1"))
    late = _batch(store, _row(), _row(source_key="a2"))
    _merged(store, late)
    assert _states(store) == [("a1", "corrected"), ("a2", "open")], "a published version is not a correction of itself"


def test_only_a_checked_batch_redrives_a_row(store: Installation) -> None:
    landed = _landed(store, _row())
    (batch_id,) = redrive.open_batches(store.settings, rule_id=RULE)
    for state, passed, after in (("refused", 0, "open"), ("checked", 1, "redriven"), ("checked", 1, "redriven")):
        store.query(
            "update ledger.batch set state = %s, fetched_count = 0 where batch_id = %s returning 1", state, batch_id
        )
        assert redrive.outcome(store.settings, [batch_id]).passed == passed
        assert _states(store) == [("a1", after)]
    with connect(store.settings) as connection:
        quarantine.add(connection, landed, [_row()])
    assert _states(store) == [("a1", "redriven")], "an older batch that is checked again changes nothing"
    _batch(store, _row())
    assert redrive.outcome(store.settings, [batch_id]).failed_rules == {RULE: 1}
    assert _states(store) == [("a1", "open")]


def test_an_accepted_row_waits_until_its_record_passes_all_rules(store: Installation) -> None:
    other = _row(rule_id="DOS_STATUS_MAPPED")
    _landed(store, _row(), other)
    (first,) = redrive.open_batches(store.settings)
    _check_redriven(store, first, _row(), other)
    assert redrive.outcome(store.settings, [first]).failed_rules == {RULE: 1, "DOS_STATUS_MAPPED": 1}
    with connect(store.settings) as connection:
        quarantine.accept(connection, quarantine.list_rows(connection, rule_id=RULE)[0].quarantine_id, "an", "on paper")
    redrive.outcome(store.settings, [first])
    (second,) = redrive.open_batches(store.settings, rule_id=RULE)
    _check_redriven(store, second, other)
    assert redrive.outcome(store.settings, [second]).passed == 0
    (third,) = redrive.open_batches(store.settings, rule_id=RULE)
    _check_redriven(store, third)
    assert redrive.outcome(store.settings, [third]).passed == 1
    assert redrive.open_batches(store.settings) == []
    assert _states(store) == [("a1", "accepted"), ("a1", "redriven")]

    store.publish()
    assert store.batch(third).state == "refused", "its staging folder was deleted"
    assert _states(store) == [("a1", "accepted"), ("a1", "open")]
    store.query("delete from ledger.quarantine where state = 'open' returning 1")
    assert len(redrive.open_batches(store.settings)) == 1, "an accepted row waits again when its batch is refused"


def test_deleted_folders_and_secret_records_are_not_redriven(store: Installation) -> None:
    lost = _landed(store, _row(source_key="a2", record_hash="bytes2"))
    (store.settings.landing / lost.landing_path / "manifest.json").unlink()
    secret = _row(source_key="d1", kind="document", rule_id="SECRET_DOC", raw_pointer="b#3:0")
    altered = _landed(store, _row(), secret, {**secret, "rule_id": "DOC_NUMBER"})
    (store.settings.landing / altered.landing_path / "calls.jsonl").write_text("{}")
    result = redrive.redrive_rows(store.settings)
    assert (result.records, result.passed, result.not_landed) == (1, 0, 1)
    assert "1 records have no landing folder any more: discard them" in str(result) and result.refused
    assert store.batch(result.batch_ids[0]).state == "failed", "a batch that cannot be read fails at once"
    assert redrive.open_batches(store.settings, rule_id="SECRET_DOC") == []
    with connect(store.settings) as connection:
        for row in quarantine.list_rows(connection, rule_id="DOC_NUMBER"):
            with pytest.raises(LgspError, match="the record breaks SECRET_DOC"):
                redrive.raw_record(store.settings, row)


def test_rows_with_hashes_of_an_older_version_become_one(store: Installation) -> None:
    landed = _landed(store, _row(record_hash="old1"), _row(record_hash="old2"), _row(rule_id="DOS_KEY"))
    before = store.query("select max(quarantine_id) as id from ledger.quarantine where rule_id = %s", RULE)
    with connect(store.settings) as connection:
        again = ledger.open_batch(connection, "one_stop_shop", DAY, rebuilt_from=landed)
        elsewhere = ledger.open_batch(connection, "one_stop_shop", DAY)
        for batch, place in ((again, "#2:0"), (elsewhere, "#2:1")):
            quarantine.add(connection, batch, [_row(raw_pointer=batch.batch_id + place, record_hash=f"bytes{place}")])
    rows = store.query(
        "select quarantine_id as id, record_hash from ledger.quarantine where rule_id = %s order by 1", RULE
    )
    assert [row["record_hash"] for row in rows] == ["bytes#2:0", "bytes#2:1"] and rows[0]["id"] == before[0]["id"]


def test_a_decision_needs_a_reason_an_open_row_and_permission(store: Installation) -> None:
    _batch(
        store,
        _row(),
        _row(source_key="d1", kind="document", rule_id="SECRET_DOC"),
        _row(source_key="?", rule_id="DOS_KEY"),
    )
    with connect(store.settings) as connection:
        status, secret, _ = sorted(row.quarantine_id for row in quarantine.list_rows(connection))
        with pytest.raises(LgspError, match="no row 999 in quarantine"):
            quarantine.accept(connection, 999, "an", "seen")
        with pytest.raises(LgspError, match="breaks SECRET_DOC cannot be accepted"):
            quarantine.accept(connection, secret, "an", "seen")
        with pytest.raises(LgspError, match="needs a reason"):
            quarantine.discard(connection, status, "an", " ")
        assert quarantine.accepted(connection, "one_stop_shop") == []
        assert quarantine.accept(connection, status, "an", "checked on paper").state == "accepted"
        assert quarantine.accepted(connection, "one_stop_shop") == [("dossier", "a1", "bytes1", RULE)]
        with pytest.raises(LgspError, match="is accepted by an: checked on paper"):
            quarantine.discard(connection, status, "an", "twice sent")


def test_only_rows_that_waited_too_long_are_aged(store: Installation) -> None:
    _batch(store, _row(), _row(source_key="a2", record_hash="bytes2"), _row(source_key="a3", record_hash="bytes3"))
    store.query(
        "update ledger.quarantine set created_at = now() - interval '20 days' where source_key <> 'a3' returning 1"
    )
    with connect(store.settings) as connection:
        (aged,) = quarantine.aged(connection)
        assert (aged.source, aged.rule_id, aged.records, aged.oldest_days) == ("one_stop_shop", RULE, 2, 20)
        assert quarantine.aged(connection, 21) == []


FUTURE = "2036-08-03T01:20:00.000+0000"


def test_one_call_redrives_all_rows_of_a_fixed_code_list(
    store: Installation, lgsp: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = _feed(
        store,
        [_dossier(1), _dossier(2, dossierStatus={"id": 77})],
        [_dossier(3, dossierStatus={"id": 78}), _dossier(4, dossierStatus={"id": 77}, acceptedDate=FUTURE)],
    )
    assert list(_shared(store)) == ["1"]
    assert {row["source_key"] for row in lgsp("list", "--rule", "DOS_STATUS_MAPPED", "--json")} == {"a2", "a3", "a4"}
    load = codelists.load.__wrapped__
    statuses = codelists.load("dossier_status")
    fixed = {**statuses, "one_stop_shop": {**statuses["one_stop_shop"], "77": "finished"}}
    monkeypatch.setattr(codelists, "load", lambda name: fixed if name == "dossier_status" else load(name))

    output = lgsp("redrive", "--rule", "DOS_STATUS_MAPPED")
    assert output.startswith("3 redriven: 1 passed, 2 still in quarantine (") and "DOS_STATUS_MAPPED 1" in output
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
    (result,) = lgsp("redrive", "--all", "--json")
    assert (result["records"], result["passed"], result["still_held"]) == (2, 0, 2)
    store.publish()
    assert store.data_hashes() == before
    assert len(lgsp("list", "--state", "all", "--json")) == len(rows), "a record that fails again keeps its row"
    assert "is redriven" in lgsp("redrive", str(rows["a2", "DOS_STATUS_MAPPED"]["quarantine_id"]), exit_code=1)
    assert lgsp("redrive", "--source", "documents") == "nothing to redrive\n"


@pytest.mark.exhaustive
def test_a_rebuild_keeps_decisions_and_resolves_corrected_rows(store: Installation, lgsp: Callable[..., Any]) -> None:
    wrong = {"appointmentDate": "2026-08-01T10:00:00.000+0000"}  # due before it was received
    _feed(store, [_dossier(1, **wrong), _dossier(2, **wrong), _dossier(3, **wrong)])
    ids = {row["source_key"]: str(row["quarantine_id"]) for row in lgsp("list", "--json")}
    shown = lgsp("show", ids["a1"], "--raw")
    assert "DOS_DUE_BEFORE_RECEIVE" in shown and "049094000000" in shown and "owner: agency" in shown
    assert "049094000000" not in lgsp("show", ids["a1"]), "personal data is shown only with --raw"

    assert "1 passed" in lgsp("accept", ids["a1"], "--why", "the paper says so", "--by", "an")
    lgsp("discard", ids["a2"], "--why", "typed in twice", "--by", "an")
    _feed(store, [_dossier(3, modifiedDate="2026-08-03T09:00:00.000+0000")])
    for when in ("decided", "rebuilt"):
        shared = _shared(store)
        assert list(shared) == ["1", "3"]
        assert ["DOS_DUE_BEFORE_RECEIVE" in flags for flags in shared.values()] == [True, False]
        assert _states(store) == [("a1", "accepted"), ("a2", "discarded"), ("a3", "corrected")]
        if when == "decided":
            _process(store, land.open_rebuild_batches(store.settings, "one_stop_shop", DAY))


def test_a_decision_is_published_without_a_new_batch(store: Installation, lgsp: Callable[..., Any]) -> None:
    _feed(store, [_dossier(1, appointmentDate="2026-08-01T10:00:00.000+0000"), _dossier(2)])
    (row,) = lgsp("list", "--json")
    counted = "select distinct quarantined_count as n from shared.service_kpi where organisation_id = 'ALL' and level = 'ALL' and period = 'month'"
    assert store.query(counted) == [{"n": 1}]
    lgsp("discard", str(row["quarantine_id"]), "--why", "typed in twice", "--by", "an")
    assert store.publish() is not None
    assert store.query(counted) == [{"n": 0}]
    assert store.publish() is None
