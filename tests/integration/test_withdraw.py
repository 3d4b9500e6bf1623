"""A batch is taken back: the dataset, and all that later batches are judged by, is as it was before the batch came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lgsp import store
from lgsp.cli.main import main
from lgsp.maintain import adopt, verify, verify_landing
from lgsp.store import decisions
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import SOURCES, WHOLE, Installation, copied, installed
from tests.integration.test_adopt import _dump, _without_database

EARLIER, LATER = WHOLE.split(6)
SOURCE = "one_stop_shop"

# What a store has of its batches, without ids and the order in which they came.
STATE = {
    "record.dossier": "source, source_key, source_updated_at, raw_hash, content_hash, receiving_organisation_id, named_at, closed_at, is_deleted",
    "record.document": "source, source_key, source_updated_at, raw_hash, content_hash",
    "record.document_status": "source, source_key, source_updated_at, raw_hash, content_hash",
    "record.work_file": "source, source_key, source_updated_at, raw_hash, content_hash, is_deleted",
    "record.organisation": "source, source_key, content_hash",
    "record.service": "source, source_key, content_hash",
    "record.service_offering": "source, source_key, content_hash",
    "record.organisation_alias": "source, source_key, alias, organisation_id, matched_by, first_seen_on, code",
    "record.list_reading": "*",
    "record.list_absence": "*",
    "record.list_run": "*",
    "record.organisation_version": "organisation_id, valid_from, valid_to, name, succeeded_by, succeeded_on",
    "record.dossier_naming": "*",
    "record.dossier_closing": "*",
    "restricted.applicant_token": "source, source_key, token, source_updated_at",
    "restricted.phone_token": "source, source_key, token, source_updated_at",
    "ledger.completeness": "*",
    "ledger.received_day": "*",
    "ledger.online_procedure": "*",
    "ledger.derived_feed": "*",
    "ledger.derived_agency": "*",
    "ledger.quarantine": "source, kind, source_key, record_hash, rule_id, state",
    "ledger.ignored_record": "source, kind, source_key, source_updated_at",
    "ledger.organisation_worklist": "source, alias_key, record_count, state",
}


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


def _state(installation: Installation) -> dict[str, list[Any]]:
    queries = {table: f"select t::text as row from (select {columns} from {table}) t order by 1" for table, columns in STATE.items()}  # fmt: skip
    return {table: [row["row"] for row in installation.query(query)] for table, query in queries.items()}


def _hashes(installation: Installation, snapshot_id: int) -> dict[str, str]:
    rows = installation.query(
        "select table_name, row_count || ' ' || data_hash as hash from ledger.publication_table where snapshot_id = %s",
        snapshot_id,
    )
    return {row["table_name"]: row["hash"] for row in rows}


def _assert_state(installation: Installation, expected: dict[str, list[Any]]) -> None:
    for table, rows in _state(installation).items():
        assert sorted(set(rows) ^ set(expected[table]))[:4] == [] and len(rows) == len(expected[table]), table


def _batches(installation: Installation, window: Any) -> list[str]:
    rows = installation.query(
        "select batch_id from ledger.batch where window_from = %s and rebuilt_from is null order by source",
        window.start,
    )
    return [row["batch_id"] for row in rows]


def _withdraw(installation: Installation, batch_id: str, reason: str = "the wrong year") -> dict[str, Any]:
    done = _run(installation, "batch", "withdraw", batch_id, "--reason", reason, "--by", "Lan", "--json")
    assert done.exit_code == 0, done.output + str(done.exception)
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


@pytest.fixture(scope="module")
def once(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """An installation that published half of the days."""
    installation = installed(server, tmp_path_factory.mktemp("once"), quiet_province)
    installation.ingest_all(EARLIER)
    installation.publish()
    return installation


@pytest.fixture(scope="module")
def withdrawn(server: Server, once: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that published the later days of one source too, and then took them back."""
    copy = copied(server, once, tmp_path_factory.mktemp("withdrawn"))
    copy.ingest(SOURCE, LATER)
    copy.publish()
    assert _withdraw(copy, *_batches(copy, LATER))["snapshot_id"] == 3
    return copy


def test_the_dataset_is_as_before_the_batch_came(withdrawn: Installation, once: Installation) -> None:
    assert withdrawn.data_hashes() == once.data_hashes() != _hashes(withdrawn, 2)
    _assert_state(withdrawn, _state(once))


def test_it_is_a_verified_snapshot_with_history(withdrawn: Installation) -> None:
    number, proofs = verify.verify_snapshot(withdrawn.settings)
    assert number == 3 and all(proof.is_equal for proof in proofs)
    gone = "select count(*) as n from history.dossier where dossier_id not in (select dossier_id from shared.dossier)"
    assert withdrawn.query(gone)[0]["n"] > 0
    with store.connect(withdrawn.settings) as connection:
        assert decisions.problems(withdrawn.settings, connection) == []
    assert verify_landing.verify_landing(withdrawn.settings).problems == []


def test_who_took_a_batch_back_and_why_is_shown(withdrawn: Installation) -> None:
    (batch_id,) = _batches(withdrawn, LATER)
    assert "taken back by Lan at " in _run(withdrawn, "batch", "show", batch_id).output
    listed = _run(withdrawn, "batch", "list", "--state", "withdrawn")
    assert batch_id in listed.output and "the wrong year" in listed.output
    manifest = json.loads((withdrawn.settings.shared / "snapshots" / "3" / "manifest.json").read_bytes())
    named = manifest["withdrawn"], manifest["decided_by"], manifest["why"]
    assert named == (batch_id, "Lan", "the wrong year")


def test_a_batch_is_taken_back_only_once(withdrawn: Installation) -> None:
    (batch_id,) = _batches(withdrawn, LATER)
    again = _run(withdrawn, "batch", "withdraw", batch_id, "--reason", "again")
    assert again.exit_code == 1 and "was taken back before: the wrong year" in again.output
    assert _run(withdrawn, "batch", "withdraw", batch_id, "--reason", " ").exit_code == 1


def test_its_bytes_stay_and_are_never_harmonised_again(withdrawn: Installation) -> None:
    (batch_id,) = _batches(withdrawn, LATER)
    assert (withdrawn.settings.landing / withdrawn.batch(batch_id).landing_path / "manifest.json").exists()
    assert withdrawn.process([batch_id]) == [batch_id] and withdrawn.batch(batch_id).state == "withdrawn"
    start, end = str(LATER).split("..")
    refused = _run(withdrawn, "rebuild", SOURCE, "--from", start, "--to", end)
    assert refused.exit_code == 1 and "no data" in refused.output


@pytest.mark.exhaustive
def test_the_window_can_be_read_again(server: Server, withdrawn: Installation, tmp_path: Path) -> None:
    expected = _hashes(withdrawn, 2)
    again = copied(server, withdrawn, tmp_path)
    again.ingest(SOURCE, LATER)
    again.publish()
    assert again.data_hashes() == expected


@pytest.mark.exhaustive
def test_a_lost_database_has_it_taken_back_too(server: Server, withdrawn: Installation, tmp_path: Path) -> None:
    lost = _without_database(server, copied(server, withdrawn, tmp_path))
    adoption = adopt.adopt(lost.settings)
    assert adoption.decisions == 1 and not adoption.damaged
    lost.publish()
    assert lost.data_hashes() == withdrawn.data_hashes()
    (batch_id,) = _batches(lost, LATER)
    assert (lost.batch(batch_id).state, lost.batch(batch_id).why) == ("withdrawn", "the wrong year")
    with store.connect(lost.settings) as connection:
        assert decisions.problems(lost.settings, connection) == []


@pytest.mark.exhaustive
def test_a_database_from_before_takes_it_back_again(server: Server, once: Installation, tmp_path: Path) -> None:
    living = copied(server, once, tmp_path)
    living.ingest(SOURCE, LATER)
    living.publish()
    restored = _dump(server, living)
    _withdraw(living, *_batches(living, LATER))
    assert adopt.adopt(restored.settings).decisions == 1
    restored.publish()
    assert restored.data_hashes() == living.data_hashes() == once.data_hashes()
    with store.connect(restored.settings) as connection:
        assert decisions.problems(restored.settings, connection) == []


@pytest.mark.exhaustive
def test_a_checked_batch_is_taken_back_before_it_is_published(
    server: Server, once: Installation, tmp_path: Path
) -> None:
    waiting = copied(server, once, tmp_path)
    (batch_id,) = waiting.ingest(SOURCE, LATER)
    _withdraw(waiting, batch_id)
    waiting.publish()
    assert waiting.data_hashes() == once.data_hashes()
    _assert_state(waiting, _state(once))


@pytest.mark.exhaustive
@pytest.mark.parametrize("source", SOURCES)
def test_any_batch_can_be_taken_back(
    server: Server, install: Any, quiet_province: dict[str, dict[str, Any]], tmp_path: Path, source: str
) -> None:
    """Windows that overlap, in another order: without the batch the store is as if only the others had been read."""
    first, second, third = WHOLE.split(4)
    overlapping = type(WHOLE)(first.start, second.end)
    never, later = install(quiet_province), install(quiet_province)
    for installation in (never, later):
        for window in (third, first):
            installation.ingest_all(window)
        installation.publish()
    (batch_id,) = later.ingest(source, overlapping)
    later.publish()
    for installation in (never, later):
        installation.ingest_all(second)
        installation.publish()
    _withdraw(later, batch_id)
    assert later.data_hashes() == never.data_hashes()
    _assert_state(later, _state(never))
