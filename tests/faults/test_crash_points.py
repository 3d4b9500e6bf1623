"""Interrupt the publishing commands at a sample of their system calls; `make crash-test` tests all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from tests.exhaustive import exhaustive
from tests.faults import crash, disks, stores
from tests.faults.crash import Reference, Scene
from tests.faults.points import Commands
from tests.faults.stores import Store
from tests.integration.conftest import Installation


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Commands under `strace`."""
    if shutil.which("strace") is None:
        pytest.skip("NO CRASH POINT IS TESTED: strace is missing (apt-get install strace)")
    commands = Commands()
    yield commands
    commands.close()


@dataclass
class Interruptions:
    """Interrupts commands, each on its store."""

    commands: Commands
    scenes: dict[str, Scene]
    references: dict[str, Reference] = field(default_factory=dict)

    def problems(self, name: str, size: int, is_errors: bool = False) -> list[str]:
        """The problems found after interrupting a command at a sample of `size` calls."""
        scene = self.scenes[name]
        if name not in self.references:
            self.references[name] = crash.reference(self.commands, scene)
        results = list(crash.interrupt(self.commands, scene, self.references[name], size, is_errors))
        assert len(results) == size * (1 + is_errors)
        return [f"{point}: {problem}" for point, problem in results if problem]


@pytest.fixture(scope="module")
def interruptions(store: Store, commands: Commands) -> Interruptions:
    """The commands that change what is published."""
    return Interruptions(commands, {scene.name: scene for scene in crash.scenes(store, commands)})


def test_f26_a_killed_publication_is_complete_or_did_not_happen(interruptions: Interruptions) -> None:
    assert interruptions.problems("publish", 1) == []


@pytest.mark.parametrize("name", ["recover", *exhaustive("rollback", "retire")])
def test_f27_a_killed_recovery_or_rollback_is_finished(interruptions: Interruptions, name: str) -> None:
    assert interruptions.problems(name, 1) == []


def test_f28_a_publication_with_a_disk_error_changes_nothing(interruptions: Interruptions) -> None:
    assert interruptions.problems("publish", 1, is_errors=True) == []


def test_f29_a_full_disk_is_named_and_the_next_run_publishes(harmed: Installation) -> None:
    shared = harmed.settings.shared
    with disks.small_disk(shared, free_kilobytes=64):
        failed = CliRunner().invoke(main, ["publish"], env=dict(harmed.settings.environment))
        assert failed.exit_code == 1 and isinstance(failed.exception, SystemExit), failed.output
        assert "No space left on device" in failed.output and str(shared) in failed.output
        assert stores.newest(harmed) == stores.pointed(harmed) == 1
        stores.assert_complete_snapshots(harmed)
        disks.remount(shared, "size=100m")
        assert CliRunner().invoke(main, ["publish"], env=dict(harmed.settings.environment)).exit_code == 0
        assert stores.State.read(harmed).newest == 2
