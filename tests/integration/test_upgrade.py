"""Tests of the upgrade of a store that an older version created, filled and published."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from lgsp import install, store
from lgsp import install as initialise
from lgsp.cli.main import main
from lgsp.errors import PublicationFailed, SettingError
from lgsp.maintain import verify
from lgsp.publish import link_documents, link_dossiers, rederive, reference_tables
from lgsp.schema import contract, views
from lgsp.snapshots import readback, writer
from lgsp.store import history
from lgsp.store import views as sql_views
from lgsp.store.embedded_postgres import Server
from lgsp.vietnam import working_days
from lgsp.window import Window
from tests.integration.conftest import SOURCES, WHOLE, Installation, copied, installed

# The tables and columns that the older version did not have; it had no views in SQL only either.
CURRENT = reference_tables.CURRENT
SHARED = {
    **dict.fromkeys(("organisation", "service", "admin_unit"), ("name_sort", "name_search")),
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


def _clear_caches() -> None:
    fingerprints = (install.program_fingerprint, install._reference_fingerprint, rederive.derived_by)
    for cached in (contract.load, contract.names, contract.rules, views.by_name, *fingerprints):
        cached.cache_clear()


@contextmanager
def _older(folder: Path) -> Iterator[None]:
    """Use the contracts of the older version for the duration of the block."""
    shutil.copytree(contract.FOLDER, folder)
    for table, columns in SHARED.items():
        path = folder / f"{table}.yml"
        lines = path.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(tuple(f"  - {{name: {column}," for column in columns))]
        assert len(lines) - len(kept) == len(columns)
        path.write_text("".join(kept))
    for name in CURRENT:
        (folder / f"{name}.yml").unlink()
    for path in folder.glob("*.yml"):
        text = path.read_text()
        path.write_text(
            re.sub(r", relationships: \[\{to: \w+_current\.\w+(, customProperties: \[.*?\]\}\])?\}\]", "", text)
        )
    no_views = folder.parent / "views.yml"
    no_views.write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract, "FOLDER", folder)
        patch.setattr(views, "FILE", no_views)
        patch.setattr(reference_tables, "CURRENT", ())
        _clear_caches()
        yield
    _clear_caches()


@pytest.fixture(scope="module")
def older_installation(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Installation:
    """An installation of the older version: a third of the world is published, a third is checked."""
    home = tmp_path_factory.mktemp("older")
    with _older(home / "contracts"):
        return _fill(installed(server, home, quiet_province, is_initialised=False))


def _fill(installation: Installation) -> Installation:
    """Publish a third of the world, check a third, and remove the columns that the older version did not have."""
    installation.ingest_all(BEFORE)
    installation.publish()
    installation.ingest_all(WAITING)
    for staged in installation.settings.staging.glob("*/accepted/*.parquet"):
        missing = (*RECORD.get(staged.stem, ()), "phone_token")
        rows = pq.read_table(staged)
        pq.write_table(rows.drop_columns([name for name in rows.column_names if name in missing]), staged)
    with store.connect(installation.settings) as connection:
        for table, columns in RECORD.items():
            connection.execute(
                f"alter table record.{table} " + ", ".join(f"drop column if exists {name}" for name in columns)
            )
            if table != "dossier":  # the hash of a dossier does not include its repairs
                connection.execute(f"update record.{table} set content_hash = 'of other columns'")
        connection.execute("update ledger.installation set made_of = 'an older version'")
    return installation


@pytest.fixture
def old_store(server: Server, older_installation: Installation, tmp_path: Path) -> Installation:
    """A copy of the installation of the older version, for the new version."""
    return copied(server, older_installation, tmp_path)


def _rebuild_all(installation: Installation, window: Window) -> None:
    for source in SOURCES:
        installation.rebuild(source, window)


def _is_verified(installation: Installation, snapshot_id: int | None = None) -> bool:
    _, proofs = verify.verify_snapshot(installation.settings, snapshot_id)
    return all(proof.is_equal for proof in proofs)


def _organisations(installation: Installation) -> list[tuple[Any, ...]]:
    rows = installation.query("select distinct organisation_id, name from shared.organisation order by 1")
    return [tuple(row.values()) for row in rows]


@pytest.mark.exhaustive
def test_a_rebuilt_upgraded_store_equals_a_new_one(
    old_store: Installation, install: Callable[..., Installation], quiet_province: dict[str, dict[str, Any]]
) -> None:
    new_store = install(quiet_province)
    assert old_store.publish() is not None
    for window in (BEFORE, WAITING):
        _rebuild_all(old_store, window)
        new_store.ingest_all(window)
    for installation in (old_store, new_store):
        assert installation.publish() is not None
        assert _is_verified(installation)
    assert old_store.data_hashes() == new_store.data_hashes()
    assert old_store.publish() is None, "the upgrade happens once"


def test_an_older_snapshot_is_verified_with_its_own_columns(old_store: Installation) -> None:
    assert _is_verified(old_store), "after the upgrade, before the next publication"
    assert old_store.publish() is not None
    assert [_is_verified(old_store, number) for number in (1, 2)] == [True, True]


def test_the_first_publication_rewrites_every_row_and_file(old_store: Installation) -> None:
    before = _organisations(old_store)
    assert old_store.publish() is not None, "no checked batch can be published, but all rows are derived again"
    lacking = (
        "paused_working_minutes is null or due_effective_on is distinct from due_on and paused_working_minutes = 0"
    )
    assert old_store.query(f"select dossier_id from shared.dossier where {lacking}") == []
    assert before == _organisations(old_store) != []
    for name in contract.names():
        written = (old_store.settings.shared / "current" / name).rglob("*.parquet")
        assert {readback.contract_of(path).names for path in written} == {contract.load(name).names}


def test_the_first_publication_brings_the_new_tables(old_store: Installation) -> None:
    tables = "select relname as name from pg_class where relnamespace = 'shared'::regnamespace"
    new = {*CURRENT, *(view.name for view in views.every())}
    assert not new & {row["name"] for row in old_store.query(tables)}
    assert old_store.publish() is not None
    assert new <= {row["name"] for row in old_store.query(tables)}
    for current, versions in zip(
        CURRENT, ("admin_unit", "indicator_definition", "organisation", "service"), strict=True
    ):
        (key,) = contract.load(current).key
        (row,) = old_store.query(
            f"select count(*) as rows, (select count(distinct {key}) from shared.{versions}) as ids from shared.{current}"
        )
        assert row["rows"] == row["ids"] > 0
    names = "select count(*) as n from shared.organisation where name_sort is null or name_search is null"
    assert old_store.query(names)[0]["n"] == 0
    dossiers = old_store.query(
        "select (select count(*) from shared.dossier_wide) as wide, count(*) as n from shared.dossier"
    )
    assert dossiers[0]["wide"] == dossiers[0]["n"] > 0


@pytest.mark.exhaustive
def test_a_rebuild_restores_lost_quality_flags(installation: Installation) -> None:
    installation.ingest("one_stop_shop")
    installation.publish()
    flags = "select dossier_id, quality_flags from shared.dossier order by 1"
    expected = installation.query(flags)
    assert any(row["quality_flags"] for row in expected)
    with store.connect(installation.settings) as connection:
        connection.execute("update record.dossier set quality_flags = null")
        connection.execute("update ledger.installation set derived_by = 'an older version'")
    installation.publish()
    assert installation.query(flags) != expected
    installation.rebuild("one_stop_shop")
    installation.publish()
    assert installation.query(flags) == expected


def test_a_failed_first_publication_is_repeated_by_the_next_one(
    old_store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_with_full_disk(*_: object) -> str:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writer.SnapshotWriter, "finish", fail_with_full_disk)
        with pytest.raises(PublicationFailed, match="the last snapshot stays: no space"):
            old_store.publish()
    lacking = "select count(*) as n from shared.dossier where paused_working_minutes is null"
    assert old_store.query(lacking)[0]["n"] > 0
    assert old_store.publish() is not None
    assert old_store.query(lacking)[0]["n"] == 0 and _is_verified(old_store)


@pytest.mark.exhaustive
def test_batches_checked_by_an_older_version_are_refused(old_store: Installation) -> None:
    old_store.ingest_all(LATER)
    publication = old_store.publish()
    assert publication is not None and len(publication.batches) >= 2, "the other batches are published"
    refused = old_store.query("select source, why from ledger.batch where state = 'refused' order by source")
    assert [row["source"] for row in refused] == sorted(SOURCES)
    for row in refused:
        assert "an older version harmonised it" in row["why"] and f"lgsp rebuild {row['source']}" in row["why"]
    _rebuild_all(old_store, WAITING)
    publication = old_store.publish()
    assert publication is not None and len(publication.batches) >= 3


def test_a_newly_required_column_is_enforced_after_its_backfill(old_store: Installation) -> None:
    install.ensure(old_store.settings)  # existing rows may lack the value, new rows may not
    with pytest.raises(psycopg.errors.CheckViolation, match="paused_working_minutes"):
        old_store.query("update shared.dossier set paused_working_minutes = null returning 1")
    old_store.publish()
    install.init(old_store.settings)
    with pytest.raises(psycopg.errors.NotNullViolation, match="paused_working_minutes"):
        old_store.query("update shared.dossier set paused_working_minutes = null returning 1")


@pytest.mark.exhaustive
def test_changed_and_removed_columns_do_not_stop_a_publication(
    checked_copy: Installation, published: Installation
) -> None:
    installation = checked_copy
    with store.connect(installation.settings) as connection:
        for statement in (*history.dropped(contract.load("dossier")), *sql_views.dropped()):
            connection.execute(statement)
        for schema in ("shared", "history"):
            connection.execute(f"alter table {schema}.dossier alter paused_working_minutes type integer")
            connection.execute(f"alter table {schema}.dossier add column removed text not null")
        for statement in sql_views.statements({}):  # the upgrade must drop them before it alters the column
            connection.execute(statement)
        connection.execute("update ledger.installation set made_of = 'an older version'")
    assert installation.publish() is not None
    assert installation.data_hashes() == published.data_hashes()


@pytest.mark.exhaustive
def test_corrected_reference_data_is_published_automatically(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.ingest_all(BEFORE)
    installation.publish()
    days = working_days.calendar()
    announced = replace(days[-1], is_working_day=not days[-1].is_working_day, name="Nghỉ theo thông báo")
    _clear_caches()
    with monkeypatch.context() as patch:
        patch.setattr(working_days, "calendar", lambda: (*days[:-1], announced))
        assert installation.publish() is not None, "another calendar can change due days"
        rows = installation.query("select name from shared.working_day where day_on = %s", announced.day_on)
        assert [row["name"] for row in rows] == ["Nghỉ theo thông báo"]
    _clear_caches()


def test_an_additional_grant_is_made_by_the_upgrade(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    install.ensure(installation.settings)
    query = "select has_table_privilege('lgsp_operator', 'record.dossier', 'select') as is_granted"
    assert not installation.query(query)[0]["is_granted"]
    with monkeypatch.context() as patch:
        patch.setattr(install, "GRANTS", install.GRANTS + "grant select on record.dossier to lgsp_operator;\n")
        install.program_fingerprint.cache_clear()
        install.ensure(installation.settings)
        assert installation.query(query)[0]["is_granted"]
    install.program_fingerprint.cache_clear()


@pytest.mark.exhaustive
def test_rows_are_derived_again_in_groups(
    published_copy: Installation, published: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = published_copy
    with store.connect(installation.settings) as connection:
        connection.execute("update shared.document set page_count = -1")
        connection.execute("update ledger.installation set derived_by = 'an older version'")
    monkeypatch.setattr(link_documents, "DOCUMENTS_AT_ONCE", 20)
    monkeypatch.setattr(link_dossiers, "RECORDS_AT_ONCE", 250)
    assert installation.publish() is not None
    assert installation.data_hashes() == published.data_hashes()


def test_an_older_program_refuses_a_newer_store(install: Callable[..., Installation]) -> None:
    newer = install({})
    with store.connect(newer.settings) as connection:
        connection.execute("insert into ledger.migration (number, name) values (9999, 'later')")
    before = newer.query("select * from ledger.installation")
    for command in (
        ("init",),
        ("publish",),
        ("status",),
        ("run", "documents", "--from", "2026-08-01", "--to", "2026-08-02"),
    ):
        refused = CliRunner().invoke(main, list(command), env=dict(newer.settings.environment))
        assert (
            refused.exit_code == 1 and "a newer version of lgsp made this store (migration 9999 later" in refused.output
        )
        assert len(refused.output.strip().splitlines()) == 1
    assert newer.query("select * from ledger.installation") == before


def test_an_upgrade_lets_no_reader_wait_behind_another(install: Callable[..., Installation]) -> None:
    installation = install({})
    url = str(installation.settings.database_url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("update ledger.installation set made_of = 'older'")
        connection.execute("alter table shared.dossier drop column paused_working_minutes cascade")
    with psycopg.connect(url) as idle, ThreadPoolExecutor(1) as pool:
        idle.execute("select count(*) from shared.dossier")
        upgrade = pool.submit(initialise.init, installation.settings)
        with psycopg.connect(url, autocommit=True) as reader:
            reader.execute("set statement_timeout = '5s'")
            for _ in range(20):
                reader.execute("select count(*) from shared.dossier")
                time.sleep(0.1)
        assert not upgrade.done(), "the column cannot be added while the transaction is open"
        idle.rollback()
        upgrade.result(timeout=120)
    assert installation.query("select paused_working_minutes from shared.dossier") == []


def test_an_upgrade_that_cannot_end_names_who_holds_it(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install({})
    url = str(installation.settings.database_url)
    monkeypatch.setattr(initialise, "UPGRADE_SECONDS", 0.0)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter table shared.dossier drop column paused_working_minutes cascade")
    with psycopg.connect(url) as idle:
        idle.execute("select count(*) from shared.dossier")
        with pytest.raises(SettingError, match=rf"process {idle.info.backend_pid} of \w+ \(idle in transaction since"):
            initialise.init(installation.settings)
