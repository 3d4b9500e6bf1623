"""Stages use a checked copy of a province's folder; a folder with mistakes never replaces a good one."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lgsp import config
from lgsp.config.copies import Copies
from lgsp.configure import acceptance, problems
from lgsp.errors import ConfigInvalid, SettingError
from lgsp.schema import codelists
from lgsp.settings import Settings
from tests.unit.configure.conftest import OwnFolder

STATUS = "codelists/dossier_status.yml"
GOOD, BETTER, BROKEN = (f'one_stop_shop: {{"77": {meaning}}}' for meaning in ("finished", "returned", "done"))


def _meaning() -> str | None:
    return codelists.meanings("dossier_status", "one_stop_shop").get("77")


def test_a_folder_that_was_never_good_ends_the_command(own: OwnFolder) -> None:
    own.write(STATUS, BROKEN)
    with pytest.raises(ConfigInvalid, match="line 1: 77: 'done'"):
        own.accept()
    assert _meaning() is None


def test_the_last_good_copy_stays_in_use(own: OwnFolder, caplog: pytest.LogCaptureFixture) -> None:
    own.write(STATUS, GOOD)
    good = own.accept()
    own.write(STATUS, BROKEN)
    with caplog.at_level(logging.ERROR):
        assert own.accept() == good and _meaning() == "finished"
    assert "'done' is no meaning" in caplog.text
    assert problems(own.settings) == [f"{STATUS} line 1: 77: 'done' is no meaning of dossier_status; {_known()}"]
    config.use(config.SHIPPED)
    assert config.activate(own.settings) == good, "another process uses it too"
    own.write(STATUS, BETTER)
    assert own.accept() != good and _meaning() == "returned" and problems(own.settings) == []


def _known() -> str:
    return "known are " + ", ".join(codelists.all_meanings("dossier_status"))


def test_values_are_read_from_the_copy_and_not_from_the_folder(own: OwnFolder) -> None:
    own.write(STATUS, GOOD)
    own.accept()
    own.write(STATUS, BROKEN)  # someone is just editing it
    codelists.load.cache_clear()
    assert _meaning() == "finished"


def test_every_good_content_keeps_its_copy(own: OwnFolder) -> None:
    hashes = []
    for content in (GOOD, BETTER, GOOD):
        own.write(STATUS, content)
        hashes.append(own.accept().hash)
    assert hashes[0] == hashes[2] != hashes[1]
    copies = sorted(path.name for path in (own.settings.home / "config").iterdir() if path.is_dir())
    assert copies == sorted({*hashes})


def test_a_copy_that_was_deleted_is_an_error_and_made_again(own: OwnFolder) -> None:
    own.write(STATUS, GOOD)
    kept = own.accept()
    shutil.rmtree(own.settings.home / "config")
    codelists.load.cache_clear()
    with pytest.raises(SettingError, match="was deleted"):
        _meaning()
    assert config.use(config.SHIPPED) and own.accept() == kept and _meaning() == "finished"


def test_without_files_the_program_alone_is_used(own: OwnFolder) -> None:
    own.write(STATUS, GOOD)
    own.accept()
    (own.path / STATUS).unlink()
    assert own.accept() == config.SHIPPED and _meaning() is None


def test_an_upgraded_program_checks_a_copy_again(own: OwnFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    own.write(STATUS, GOOD)
    own.accept()
    config.use(config.SHIPPED)  # a new process
    monkeypatch.setattr(acceptance, "program", lambda: "another version")
    monkeypatch.setattr(codelists, "all_meanings", lambda name: ["processing"])
    with pytest.raises(ConfigInvalid, match="'finished' is no meaning"):
        own.accept()


def test_an_older_copy_is_checked_again_when_it_is_used(own: OwnFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (GOOD, BETTER):
        own.write(STATUS, content)
        own.accept()
    monkeypatch.setattr(codelists, "all_meanings", lambda name: ["returned"])
    own.write(STATUS, GOOD)
    assert own.accept() and _meaning() == "returned"
    assert problems(own.settings) == [f"{STATUS} line 1: 77: 'finished' is no meaning of dossier_status; known are returned"]  # fmt: skip


def test_the_older_variable_of_definitions_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "manual_indicator.csv").write_text("a,b\n")
    settings = Settings.from_env({"LGSP_HOME": str(tmp_path / "home"), "LGSP_DEFINITIONS": str(folder)})
    acceptance._warn_deprecated.cache_clear()
    with pytest.raises(ConfigInvalid, match=r"^definitions/manual_indicator\.csv line 1"):
        config.activate(settings)
    assert "LGSP_DEFINITIONS is deprecated" in caplog.text


def test_a_forked_task_sees_what_changed(own: OwnFolder) -> None:
    own.write(STATUS, GOOD)
    own.accept()
    assert _meaning() == "finished"  # the scheduler has loaded everything before it forks its tasks
    own.write(STATUS, BETTER)
    reading, writing = os.pipe()
    if not (task := os.fork()):
        config.activate(own.settings)
        os.write(writing, str(_meaning()).encode())
        os._exit(0)
    os.waitpid(task, 0)
    assert os.read(reading, 100) == b"returned" and _meaning() == "finished"
    for end in (reading, writing):
        os.close(end)


@pytest.mark.exhaustive
def test_two_processes_keep_the_same_copy(own: OwnFolder) -> None:
    own.write(STATUS, GOOD)
    program = (
        "from lgsp import config; from lgsp.settings import Settings; print(config.activate(Settings.from_env()).hash)"
    )
    environment = {**os.environ, **own.settings.environment}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE) for _ in range(2)]  # fmt: skip
    printed = {process.communicate()[0].decode().strip() for process in running}
    (hash_,) = printed
    assert Copies(own.settings.home).find(hash_) and not list((own.settings.home / "config").glob(".*.new"))


def test_an_unchanged_folder_costs_almost_nothing(own: OwnFolder) -> None:
    for name in codelists.names():
        if name not in ("test_records", "agency_code"):
            own.write(f"codelists/{name}.yml", (codelists.FOLDER / f"{name}.yml").read_bytes())
    own.accept()
    started, times = time.process_time(), 50
    for _ in range(times):
        config.activate(own.settings)
    assert (time.process_time() - started) / times < 0.005
