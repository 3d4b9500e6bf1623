"""A store that an older version made, filled and published serves the next one as if it had always been its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from lgsp import check, harmonise, install, land, store
from lgsp.errors import PublicationFailed
from lgsp.maintain import verify
from lgsp.publish import link_documents, link_dossiers, rederive
from lgsp.schema import contract
from lgsp.snapshots import readback, writer
from lgsp.store import history
from lgsp.store.embedded_postgres import Server
from lgsp.vietnam import working_days
from lgsp.window import Window
from tests.integration.conftest import SOURCES, WHOLE, Installation, copied, installed

# What the older version did not have yet.
SHARED = {
    "dossier": ("paused_working_minutes", "due_effective_on"),
    "document": ("responds_to_document_ids", "quality_flags"),
    "document_delivery": ("quality_flags",),
    "working_day": ("is_holiday", "is_swap_day", "is_saturday_counter", "source", "legal_basis"),
}
RECORD = {
    "dossier": ("repairs",),
    "document": ("responds_to_document_ids", "recipients_added", "recipients_removed", "repairs", "quality_flags"),
    "organisation": ("versions",),
}
BEFORE, WAITING, LATER = WHOLE.split(4)


def _forget() -> None:
    for known in (contract.load, contract.names, contract.rules, install._program, rederive.derived_by):
        known.cache_clear()


@contextmanager
def _older(folder: Path) -> Iterator[None]:
    """The contracts of the older version are in force within."""
    shutil.copytree(contract.FOLDER, folder)
    for table, columns in SHARED.items():
        path = folder / f"{table}.yml"
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(tuple(f"  - {{name: {column}," for column in columns))]
        assert len(lines) - len(kept) == len(columns)
        path.write_text("".join(kept))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract, "FOLDER", folder)
        _forget()
        yield
    _forget()


@pytest.fixture(scope="module")
def made_before(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """A third of the world published by the older version, a third checked and waiting."""
    home = tmp_path_factory.mktemp("older")
    with _older(home / "contracts"):
        return _filled(installed(server, home, quiet_province, is_initialised=False))


def _filled(installation: Installation) -> Installation:
    installation.ingest_all(BEFORE)
    installation.publish()
    installation.ingest_all(WAITING)
    for staged in installation.settings.staging.glob("*/accepted/*.parquet"):
        gone = (*RECORD.get(staged.stem, ()), "phone_token")
        rows = pq.read_table(staged)
        pq.write_table(rows.drop_columns([name for name in rows.column_names if name in gone]), staged)
    with store.connect(installation.settings) as connection:
        for table, columns in RECORD.items():
            connection.execute(f"alter table record.{table} " + ", ".join(f"drop column {name}" for name in columns))
            if table != "dossier":  # how a record was read is no part of its hash
                connection.execute(f"update record.{table} set content_hash = 'of other columns'")
        connection.execute("update ledger.installation set made_of = 'an older version'")
    return installation


@pytest.fixture
def old_store(server: Server, made_before: Installation, tmp_path: Path) -> Installation:
    """A store of the older version, as the new one finds it."""
    return copied(server, made_before, tmp_path)


def _rebuild(installation: Installation, window: Window) -> None:
    for source in SOURCES:
        again = land.open_rebuild_batches(installation.settings, source, window)
        check.run(installation.settings, harmonise.run(installation.settings, again))


def _is_proven(installation: Installation, snapshot_id: int | None = None) -> bool:
    _, proofs = verify.verify_snapshot(installation.settings, snapshot_id)
    return all(proof.is_equal for proof in proofs)


def _organisations(installation: Installation) -> list[tuple[Any, ...]]:
    rows = installation.query("select distinct organisation_id, name from shared.organisation order by 1")
    return [tuple(row.values()) for row in rows]


def test_an_upgraded_store_that_is_rebuilt_says_what_a_fresh_one_says(
    old_store: Installation, install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]]
) -> None:
    fresh = install(quiet_province)
    assert old_store.publish() is not None
    for window in (BEFORE, WAITING):
        _rebuild(old_store, window)
        fresh.ingest_all(window)
    for one in (old_store, fresh):
        assert one.publish() is not None
        assert _is_proven(one)
    assert old_store.data_hashes() == fresh.data_hashes()
    assert old_store.publish() is None, "an upgrade is made once"


def test_what_the_older_version_published_is_proven_over_its_own_columns(old_store: Installation) -> None:
    assert _is_proven(old_store), "after the upgrade, before the next publication"
    assert old_store.publish() is not None
    assert [_is_proven(old_store, number) for number in (1, 2)] == [True, True]


def test_the_first_publication_derives_every_row_and_writes_every_file_again(old_store: Installation) -> None:
    before = _organisations(old_store)
    assert old_store.publish() is not None, "though no batch waits that could be published"
    lacking = (
        "paused_working_minutes is null or due_effective_on is distinct from due_on and paused_working_minutes = 0"
    )
    assert old_store.query(f"select dossier_id from shared.dossier where {lacking}") == []
    assert before == _organisations(old_store) != []
    for name in contract.names():
        written = (old_store.settings.shared / "current" / name).rglob("*.parquet")
        assert {readback.contract_of(path).names for path in written} == {contract.load(name).names}


def test_what_is_said_of_how_a_record_was_read_is_mended_by_a_rebuild(installation: Installation) -> None:
    installation.ingest("documents", BEFORE)
    installation.publish()
    flags = "select document_id, quality_flags from shared.document order by 1"
    expected = installation.query(flags)
    assert any(row["quality_flags"] for row in expected)
    with store.connect(installation.settings) as connection:
        connection.execute("update record.document set quality_flags = null")
        connection.execute("update ledger.installation set derived_by = 'an older version'")
    installation.publish()
    assert installation.query(flags) != expected
    again = land.open_rebuild_batches(installation.settings, "documents", BEFORE)
    check.run(installation.settings, harmonise.run(installation.settings, again))
    installation.publish()
    assert installation.query(flags) == expected


def test_a_publication_that_fails_leaves_the_deriving_to_the_next(
    old_store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer.SnapshotWriter, "finish", full)
        with pytest.raises(PublicationFailed, match="the last snapshot stays: no space"):
            old_store.publish()
    lacking = "select count(*) as n from shared.dossier where paused_working_minutes is null"
    assert old_store.query(lacking)[0]["n"] > 0
    assert old_store.publish() is not None
    assert old_store.query(lacking)[0]["n"] == 0 and _is_proven(old_store)


def test_batches_that_an_older_version_checked_are_refused_with_the_remedy_and_hold_up_nobody(
    old_store: Installation,
) -> None:
    old_store.ingest_all(LATER)
    done = old_store.publish()
    assert done is not None and len(done.batches) >= 2
    refused = old_store.query("select source, why from ledger.batch where state = 'refused' order by source")
    assert [row["source"] for row in refused] == sorted(SOURCES)
    for row in refused:
        assert "organisation.versions" in row["why"] and f"lgsp rebuild {row['source']}" in row["why"]
    _rebuild(old_store, WAITING)
    again = old_store.publish()
    assert again is not None and len(again.batches) >= 3


def test_a_column_that_became_required_is_asked_of_new_rows_at_once_and_of_all_when_none_lacks_it(
    old_store: Installation,
) -> None:
    install.ensure(old_store.settings)
    with pytest.raises(psycopg.errors.CheckViolation, match="paused_working_minutes"):
        old_store.query("update shared.dossier set paused_working_minutes = null returning 1")
    old_store.publish()
    install.init(old_store.settings)
    with pytest.raises(psycopg.errors.NotNullViolation, match="paused_working_minutes"):
        old_store.query("update shared.dossier set paused_working_minutes = null returning 1")


def test_a_column_of_another_type_or_none_any_more_does_not_stop_the_next_publication(
    installation: Installation, published: Installation
) -> None:
    installation.ingest_all()
    install.ensure(installation.settings)
    with store.connect(installation.settings) as connection:
        for statement in history.dropped(contract.load("dossier")):
            connection.execute(statement)
        for schema in ("shared", "history"):
            connection.execute(f"alter table {schema}.dossier alter paused_working_minutes type integer")
            connection.execute(f"alter table {schema}.dossier add column given_up text not null")
        connection.execute("update ledger.installation set made_of = 'an older version'")
    assert installation.publish() is not None
    assert installation.data_hashes() == published.data_hashes()


def test_corrected_reference_files_reach_the_shared_tables_without_being_asked(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.ingest_all(BEFORE)
    installation.publish()
    days = working_days.calendar()
    announced = replace(days[-1], is_working_day=not days[-1].is_working_day, name="Nghỉ theo thông báo")
    _forget()
    with monkeypatch.context() as patch:
        patch.setattr(working_days, "calendar", lambda: (*days[:-1], announced))
        assert installation.publish() is not None, "another calendar may move what falls due"
        found = installation.query("select name from shared.working_day where day_on = %s", announced.day_on)
        assert [row["name"] for row in found] == ["Nghỉ theo thông báo"]
    _forget()


def test_a_right_more_in_a_new_version_is_granted_by_itself(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.ensure(installation.settings)
    may = "select has_table_privilege('lgsp_operator', 'record.dossier', 'select') as is_so"
    assert not installation.query(may)[0]["is_so"]
    with monkeypatch.context() as patch:
        patch.setattr(install, "GRANTS", install.GRANTS + "grant select on record.dossier to lgsp_operator;\n")
        install._program.cache_clear()
        install.ensure(installation.settings)
        assert installation.query(may)[0]["is_so"]
    install._program.cache_clear()


def test_everything_is_derived_again_in_groups_when_there_are_many_documents(
    installation: Installation, published: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.ingest_all()
    installation.publish()
    with store.connect(installation.settings) as connection:
        connection.execute("update shared.document set page_count = -1")
        connection.execute("update ledger.installation set derived_by = 'an older version'")
    monkeypatch.setattr(link_documents, "DOCUMENTS_AT_ONCE", 7)
    monkeypatch.setattr(link_dossiers, "RECORDS_AT_ONCE", 7)
    assert installation.publish() is not None
    assert installation.data_hashes() == published.data_hashes()
