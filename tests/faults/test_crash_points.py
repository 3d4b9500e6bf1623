"""Some of the points at which a command can be cut short; `make crash-test` goes through all of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from tests.faults import crash, stores
from tests.faults.crash import Scene, Undisturbed
from tests.faults.points import Commands
from tests.faults.stores import Store
from tests.integration.conftest import Installation


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Commands under `strace`."""
    if shutil.which("strace") is None:
        pytest.skip("NO CRASH POINT IS TESTED: strace is missing (apt-get install strace)")
    made = Commands()
    yield made
    made.close()


@dataclass
class Cutting:
    """Cuts commands short, each against its store."""

    commands: Commands
    scenes: dict[str, Scene]
    undisturbed: dict[str, Undisturbed] = field(default_factory=dict)

    def wrong(self, name: str, size: int, is_errors: bool = False) -> list[str]:
        """What was wrong after so many calls of a command were cut short."""
        scene = self.scenes[name]
        if name not in self.undisturbed:
            self.undisturbed[name] = crash.undisturbed(self.commands, scene)
        tried = list(crash.attempt(self.commands, scene, self.undisturbed[name], size, is_errors))
        assert len(tried) == size * (1 + is_errors)
        return [f"{what}: {why}" for what, why in tried if why]


@pytest.fixture(scope="module")
def cutting(store: Store, commands: Commands) -> Cutting:
    """The commands that change what is published."""
    return Cutting(commands, {scene.name: scene for scene in crash.scenes(store, commands)})


def test_f26_a_publication_killed_at_a_call_of_each_kind_is_whole_or_never_was(cutting: Cutting) -> None:
    assert cutting.wrong("publish", 4) == []


@pytest.mark.parametrize("name", ["recover", "rollback", "retire"])
def test_f27_what_mends_goes_back_or_takes_away_can_itself_be_killed(cutting: Cutting, name: str) -> None:
    assert cutting.wrong(name, 1) == []


def test_f28_a_publication_that_the_disk_refuses_fails_cleanly_and_nothing_is_moved(cutting: Cutting) -> None:
    assert cutting.wrong("publish", 1, is_errors=True) == []


@contextmanager
def _small_disk(folder: Path, free_kilobytes: int) -> Iterator[None]:
    """The folder on a disk of its own that has hardly any room left."""
    kept = folder.rename(folder.with_name("kept"))
    used = sum(path.stat().st_blocks for path in kept.rglob("*") if not path.is_symlink()) // 2
    folder.mkdir()
    size = f"size={used + free_kilobytes}k"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("NO FULL DISK IS TESTED: mounting is not allowed here")
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_f29_a_publication_that_fills_the_disk_says_where_and_is_made_when_there_is_room(harmed: Installation) -> None:
    shared = harmed.settings.shared
    with _small_disk(shared, free_kilobytes=64):
        failed = CliRunner().invoke(main, ["publish"], env=dict(harmed.settings.environment))
        assert failed.exit_code == 1 and isinstance(failed.exception, SystemExit), failed.output
        assert "No space left on device" in failed.output and str(shared) in failed.output
        assert stores.newest(harmed) == stores.pointed(harmed) == 1
        stores.see_a_whole_snapshot(harmed)
        subprocess.run(["mount", "-o", "remount,size=100m", shared], check=True)
        assert CliRunner().invoke(main, ["publish"], env=dict(harmed.settings.environment)).exit_code == 0
        assert stores.State.of(harmed).newest == 2
