"""A backup made with restic gives every table back, also when landing went on, and a drill proves it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lgsp import signing
from lgsp.errors import SettingError
from lgsp.maintain import backup, drill, verify
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import WHOLE, Installation, copied
from tests.integration.test_adopt import _files, _run, _without_database

pytestmark = pytest.mark.skipif(shutil.which("restic") is None, reason="no restic on this machine")

EARLIER, LATER = WHOLE.split(6)


def _backed_up(installation: Installation, folder: Path) -> Installation:
    """The same installation with a repository for its backups."""
    (folder / "password").write_text("only for tests")
    variables = {"RESTIC_REPOSITORY": str(folder / "backups"), "RESTIC_PASSWORD_FILE": str(folder / "password"), "HOME": str(folder)}  # fmt: skip
    return Installation(Settings.from_env({**installation.settings.environment, **variables}))


def _elsewhere(server: Server, installation: Installation, folder: Path) -> Installation:
    """Another machine: an empty home and an empty database, and the same repository and keys."""
    home = {"LGSP_HOME": str(folder / "elsewhere")}
    return _without_database(server, Installation(Settings.from_env({**installation.settings.environment, **home})))


@pytest.fixture(scope="module")
def made(
    server: Server, published: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, backup.Backup]]:
    """A published installation with one backup; for tests that only read both."""
    folder = tmp_path_factory.mktemp("backed_up")
    installation = _backed_up(copied(server, published, folder), folder)
    yield installation, backup.back_up(installation.settings)


def test_s32_a_backup_is_restored_on_another_machine(
    server: Server, made: tuple[Installation, backup.Backup], tmp_path: Path
) -> None:
    living, _ = made
    other = _elsewhere(server, living, tmp_path)
    result = _run(other, "restore", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["snapshot_id"] == 2, "each restore begins an epoch, which publishes a snapshot"
    assert other.data_hashes() == living.data_hashes()
    assert _files(other.settings.landing).keys() == _files(living.settings.landing).keys()
    assert all(proof.is_equal for _, proofs in [verify.verify_snapshot(other.settings)] for proof in proofs)
    assert verify.verify_snapshot(other.settings, 1)[0] == 1, "the older snapshot came with its files"
    assert not list(other.settings.home.glob("restoring")), "unpacked files hold persons"


def test_a_repository_is_encrypted_and_stores_equal_parts_once(made: tuple[Installation, backup.Backup]) -> None:
    living, first = made
    second = backup.back_up(living.settings)
    assert second.bytes_added < first.bytes_added / 10
    repository = Path(living.settings.environment["RESTIC_REPOSITORY"])
    name = living.query("select name from shared.organisation limit 1")[0]["name"].encode()
    assert not any(name in path.read_bytes() for path in repository.rglob("*") if path.is_file())
    assert not (living.settings.home / "dumps").exists()


def test_f44_an_old_backup_and_newer_landing_give_all_tables(
    server: Server, installation: Installation, tmp_path: Path
) -> None:
    living = _backed_up(installation, tmp_path)
    living.ingest_all(EARLIER)
    living.publish()
    living.ingest("documents", LATER)  # checked and not published: its staged rows are on the disk that is lost
    backup.back_up(living.settings)
    for source in ("one_stop_shop", "online_services"):
        living.ingest(source, LATER)
        living.publish()
    expected, landed = living.data_hashes(), _files(living.settings.landing)
    shutil.rmtree(living.settings.staging)
    lost = _without_database(server, living)
    result = _run(lost, "restore", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert (shown["batches"], shown["snapshot_id"], shown["epoch"]) == (2, 4, 2)
    assert lost.data_hashes() == expected
    assert _files(lost.settings.landing) == landed, "no landed byte is changed"


def test_f44_a_drill_compares_every_table(made: tuple[Installation, backup.Backup]) -> None:
    living, first = made
    held = drill.hold(living.settings, first.restic_id)
    assert held.is_equal, [table for table in held.tables if not table.is_equal]
    assert {table.table for table in held.tables} == living.data_hashes().keys()
    assert held.dossiers == living.query("select count(*) as n from shared.dossier")[0]["n"]
    for name in ("drill.html", "drill.json"):
        content, signature = (held.page / name).read_bytes(), (held.page / f"{name}.sig").read_bytes()
        signing.verify(signing.SigningKey.load(living.settings).public, content, signature, name)
    assert not list(living.settings.home.glob("drill-*")), "the restored copy holds persons"


@pytest.mark.exhaustive
def test_a_drill_finds_a_table_that_is_not_the_same(
    made: tuple[Installation, backup.Backup], monkeypatch: pytest.MonkeyPatch
) -> None:
    living, first = made
    newer = drill._newer

    def with_a_lost_batch(scratch: Settings, unpacked: Path) -> frozenset[Path]:
        return newer(scratch, unpacked) | {next((unpacked / "landing" / "documents").iterdir())}

    monkeypatch.setattr(drill, "_newer", with_a_lost_batch)
    held = drill.hold(living.settings, first.restic_id)
    different = {table.table for table in held.tables if not table.is_equal}
    assert "document" in different and "dossier" not in different
    assert 'class="different"' in (held.page / "drill.html").read_text()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"RESTIC_REPOSITORY": ""}, "set RESTIC_REPOSITORY"),
        ({"RESTIC_PASSWORD_FILE": ""}, "set RESTIC_PASSWORD_FILE"),
        ({"RESTIC_PASSWORD_FILE": "", "RESTIC_PASSWORD": "another"}, "wrong password"),
        ({"PATH": "/nowhere"}, "restic is not installed"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    made: tuple[Installation, backup.Backup], changed: dict[str, Any], message: str
) -> None:
    living, _ = made
    settings = Settings.from_env({**living.settings.environment, **changed})
    with pytest.raises(SettingError, match=message):
        backup.back_up(settings)


def test_a_backup_is_restored_only_into_an_empty_database(made: tuple[Installation, backup.Backup]) -> None:
    living, _ = made
    before = living.data_hashes()
    result = _run(living, "restore")
    assert result.exit_code == 1 and "not empty" in result.output
    assert living.data_hashes() == before


def test_a_backup_made_with_another_token_key_is_refused(
    server: Server, made: tuple[Installation, backup.Backup], tmp_path: Path
) -> None:
    other = _elsewhere(server, made[0], tmp_path)
    with_key = Settings.from_env({**other.settings.environment, "LGSP_TOKEN_KEY": "another"})
    with pytest.raises(SettingError, match="set LGSP_TOKEN_KEY to that key"):
        backup.restore(with_key)
