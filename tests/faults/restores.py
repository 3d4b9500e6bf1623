"""Kill a store at random moments, and restore dumps of three ages next to its newer landing and files.

    make restore-test                           ten moments, each with a dump of the start, of the middle and of just before
    python -m tests.faults.restores --moments 2 --seed 7

The store reads days, publishes, rebuilds, and a person decides about quarantined rows. One command after a restore, every
table must have the data hash of a store that never crashed and did the same steps; no landed byte may be changed, no number
may be published twice, and a reader of changes must learn which snapshots were lost.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import click
import psycopg

from lgsp import store
from lgsp.maintain import verify, verify_landing
from lgsp.settings import Settings
from lgsp.snapshots import pointer
from lgsp.store import decisions, dump, epochs
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from tests.faults import stores
from tests.integration import conftest
from tests.integration.conftest import MIDNIGHT, SOURCES, WHOLE, Installation, with_short_catalogue
from tests.integration.test_adopt import _files as landed_files
from tests.integration.test_adopt import _run as run
from tests.integration.test_decisions import _open_rows as open_rows

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["lgsp.publish", "lgsp.check", "lgsp.harmonise", "lgsp.land"])
TIMEOUT_SECONDS = 120
AGES = ("of the start", "of the middle", "of just before")

Step = Callable[[Installation], object]


def _decide(verdict: str, installation: Installation) -> None:
    """Decide about the first open row that may be accepted, and process an accepted one again."""
    if rows := open_rows(installation, is_acceptable=True):
        decided = run(installation, "quarantine", verdict, str(rows[0]), "--by", "Lan", "--why", "seen on paper")
        assert decided.exit_code == 0, decided.output
        if verdict == "accept":
            assert run(installation, "quarantine", "redrive", str(rows[0])).exit_code == 0


def _steps() -> list[tuple[str, Step]]:
    """The steps of a store, each with its kind: `ingest` seals a folder, `decide` adds a line to the journal."""
    steps: list[tuple[str, Step]] = []
    for number, window in enumerate(WHOLE.split(3)):
        for source in SOURCES:
            steps.append(("ingest", partial(_call, "ingest", source, window)))
        steps.append(("decide", partial(_decide, ("accept", "discard")[number % 2])))
        steps.append(("publish", Installation.publish))
        if number == 1:
            steps.append(("rebuild", partial(_call, "rebuild", "one_stop_shop", window)))
    return steps


def _call(method: str, source: str, window: Any, installation: Installation) -> None:
    getattr(installation, method)(source, window)


def _work(environment: dict[str, str], done: Any) -> None:
    installation = Installation(Settings.from_env(environment))
    for _, step in _steps():
        step(installation)
        done.value += 1


@dataclass(frozen=True)
class Moment:
    """When a store is dumped and when it is killed: the number of steps that are done, and some seconds more."""

    dumps: Sequence[tuple[int, float]]
    kill: tuple[int, float]

    @classmethod
    def random(cls, chance: random.Random) -> Moment:
        """A moment at which at least the first three steps are done."""
        last = chance.randrange(3, len(_steps()))
        steps = (chance.randrange(0, 2), chance.randrange(2, last), last)
        *dumps, kill = [(step, chance.uniform(0, 1.5)) for step in (*steps, last)]
        return cls(dumps, max(kill, dumps[-1]))


def _wait_for(worker: BaseProcess, done: Any, moment: tuple[int, float]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while done.value < moment[0] and worker.is_alive():
        assert time.monotonic() < deadline, f"step {moment[0]} is not reached"
        time.sleep(0.005)
    time.sleep(moment[1])


def crash(installation: Installation, moment: Moment, folder: Path) -> tuple[int, list[Path]]:
    """Run the steps in a process and kill it; the number of finished steps, and the dumps that were taken meanwhile."""
    done = PROCESSES.Value("i", 0)
    worker = PROCESSES.Process(target=_work, args=(dict(installation.settings.environment), done), daemon=True)
    worker.start()
    dumps = []
    for number, at in enumerate(moment.dumps):
        _wait_for(worker, done, at)
        dump.dump(store.url(installation.settings), folder / f"dump-{number}")
        dumps.append(folder / f"dump-{number}")
    _wait_for(worker, done, moment.kill)
    worker.kill()
    worker.join()
    return done.value, dumps


def never_crashed(twin: Installation, crashed: Installation, finished: int) -> dict[str, str]:
    """The data hashes of a store that did the same steps and, of the interrupted one, what it left on the disk."""
    steps = _steps()
    for _, step in steps[:finished]:
        step(twin)
    if finished < len(steps):
        kind, step = steps[finished]
        left = {"ingest": _sealed, "decide": lambda each: len(list(decisions.read(each.settings)))}.get(kind)
        if left and left(crashed) > left(twin):
            step(twin)
    twin.publish()
    return twin.data_hashes()


def _sealed(installation: Installation) -> int:
    folders = epochs.landed_folders(installation.settings.landing)
    return sum((folder / "manifest.json").exists() for _, folder in folders)


def problems(restored: Installation, expected: dict[str, str]) -> Iterator[str]:
    """What is wrong after `lgsp adopt --publish` in a restored store; nothing when all is well."""
    shared = restored.settings.shared
    landed, before = landed_files(restored.settings.landing), pointer.current(shared) or 0
    sealed = {path for path in landed if (restored.settings.landing / path).parent.joinpath("manifest.json").exists()}
    was_published = {path.name for path in shared.glob("snapshots/*") if path.name.isdigit()}
    in_dump = {str(row["snapshot_id"]) for row in restored.query("select snapshot_id from ledger.publication")}
    result = run(restored, "adopt", "--publish", "--json")
    if result.exit_code:
        yield f"adopt failed: {result.output}"
        return
    hashes = restored.data_hashes()
    yield from (f"{name} differs" for name in sorted(expected) if hashes.get(name) != expected[name])
    after = landed_files(restored.settings.landing)
    yield from (f"{path} was changed" for path in sorted(sealed) if landed[path] != after.get(path))
    lost = was_published - in_dump
    numbers = {str(row["snapshot_id"]) for row in restored.query("select snapshot_id from ledger.publication")}
    yield from (f"snapshot {number} was published twice" for number in sorted(lost & numbers))
    if (now := pointer.current(shared)) is None or now < before:
        yield f"readers of files went from snapshot {before} to {now}"
    for number in sorted(lost):
        try:
            restored.query("select * from history.dossier_changes(%s)", int(number))
            yield f"a reader that has snapshot {number} does not learn that it was lost"
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            if "load all rows of snapshot" not in str(error.diag.message_hint):
                yield f"the error about snapshot {number} does not say how to go on"
    yield from (
        f"{p.name} differs in SQL and files" for p in verify.verify_snapshot(restored.settings)[1] if not p.is_equal
    )
    yield from verify_landing.verify_landing(restored.settings).problems


def restored(server: Server, crashed: Installation, dumped: Path, home: Path) -> Installation:
    """A copy of the folders as the crash left them, with the database of a dump."""
    subprocess.run(["cp", "-a", crashed.settings.home, home], check=True)
    name = f"restored_{home.name}".replace("-", "_")
    server.create_database(name)
    dump.restore(server.url(name), dumped)
    with psycopg.connect(server.url(name)) as connection:  # no dump is restored within the minutes of a heartbeat
        connection.execute(
            "update ledger.batch set heartbeat_at = heartbeat_at - interval '10 minutes', created_at = created_at - interval '10 minutes'"
        )
    environment = {**crashed.settings.environment, "LGSP_HOME": str(home), "LGSP_DATABASE_URL": server.url(name)}
    return Installation(Settings.from_env(environment))


@click.command()
@click.option("--moments", default=10, show_default=True, help="How many times a store is killed.")
@click.option("--seed", default=20261130, show_default=True)
def main(moments: int, seed: int) -> None:
    """Kill, restore and compare; exit 1 on any difference."""
    world = with_short_catalogue(World.generate("tiny", 7, conftest.FIRST, WHOLE.days()[-1], dossiers_count=200, documents_count=30))  # fmt: skip
    folder, wrong = Path(tempfile.mkdtemp(prefix="lgsp-restores-")), 0
    server = Server(folder / "server")
    server.ensure()
    server.create_database(conftest.TEMPLATE)
    conftest.init(conftest._settings(server, conftest.TEMPLATE, folder / "template", {}))
    try:
        with serving(world, as_of=MIDNIGHT) as connections:
            for number in range(moments):
                moment = Moment.random(random.Random(seed + number))
                wrong += _try(server, folder / str(number), connections, moment, f"{number + 1} of {moments}")
    finally:
        server.stop()
        shutil.rmtree(folder)
    raise SystemExit(1 if wrong else 0)


def _try(server: Server, folder: Path, connections: dict[str, dict[str, Any]], moment: Moment, title: str) -> int:
    """Kill one store and restore its three dumps; the number of problems, which are printed."""
    folder.mkdir()
    crashed, twin = (conftest.installed(server, folder, connections) for _ in range(2))
    finished, dumps = crash(crashed, moment, folder)
    expected = never_crashed(twin, crashed, finished)
    wrong = 0
    for age, dumped in zip(AGES, dumps, strict=True):
        installation = restored(server, crashed, dumped, folder / f"{folder.name}-{dumped.name}")
        started = time.monotonic()
        found = list(problems(installation, expected))
        steps = len(_steps())
        click.echo(f"moment {title}, {finished} of {steps} steps done, dump {age}: {'; '.join(found) or 'all equal'} ({time.monotonic() - started:.0f} s)")  # fmt: skip
        wrong += len(found)
        stores.remove(server, installation)
    for installation in (crashed, twin):
        stores.remove(server, installation)
    return wrong


if __name__ == "__main__":
    main()
