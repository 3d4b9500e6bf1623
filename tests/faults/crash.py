"""Kill a command at every system call that changes something, or make that call fail, and check the result.

    make crash-test                            SIGKILL at every call of every command: about 1,400 points, some hours
    python -m tests.faults.crash --sample 40   at 40 calls of each command, spread over the kinds of call
    python -m tests.faults.crash --errors      ENOSPC and EIO instead of SIGKILL, at every call that writes to the disk

After each point, SQL and files must show a complete snapshot, the next command must reach the same state as an
uninterrupted run, and no temporary file may remain. Needs `strace` and the permission to trace processes.
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
import psycopg

from lgsp import install, publish
from lgsp.errors import LgspError
from lgsp.maintain import retention, rollback
from lgsp.settings import Settings
from lgsp.snapshots import recovery
from lgsp.store.embedded_postgres import Server
from tests.faults import stores
from tests.faults.points import Call, Commands, Run
from tests.faults.stores import State, Store
from tests.integration.conftest import SOURCES, TEMPLATE, Installation, copied

SEED, TRIES = 26, 6


@dataclass(frozen=True)
class Scene:
    """A command, the store it runs on, and how to finish its work after it was interrupted."""

    name: str
    arguments: tuple[str, ...]
    store: Store
    finish: Callable[[Installation], object]

    def execute(self, commands: Commands, copy: Installation, injection: str | None = None) -> Run:
        """Run the command on a copy of its store."""
        return commands.execute(self.arguments, copy.settings.environment, copy.settings.home, injection)


@dataclass(frozen=True)
class Reference:
    """The calls of an uninterrupted run, the newest snapshot before it, and the state after it."""

    all_calls: tuple[Call, ...]
    before: int
    after: State

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that change something."""
        return tuple(call for call in self.all_calls if call.is_change)

    def drift(self, calls: Sequence[Call], name: str) -> int:
        """The offset of another run in counting calls of this name: libraries do not always read the same files."""
        for call in reversed(calls):
            same = [known.nth for known in self.all_calls if (known.name, known.target) == (name, call.target)]
            if call.name == name and call.target and same:
                return call.nth - min(same, key=lambda nth: abs(call.nth - nth))
        return 0


def reference(commands: Commands, scene: Scene) -> Reference:
    """Run the command of a scene without interruption."""
    with scene.store.copy() as copy:
        before = stores.newest(copy)
        run = scene.execute(commands, copy)
        assert run.exit_code == 0, f"{scene.name}: exit {run.exit_code}: {run.output}"
        return Reference(run.calls, before, State.read(copy))


def sample(calls: Sequence[Call], size: int | None, seed: int = SEED) -> list[Call]:
    """All calls, or a random sample of that size with a fixed seed: kinds of call in rotation, the rarest first."""
    if size is None or size >= len(calls):
        return list(calls)
    chance, by_name = random.Random(seed), defaultdict(list)
    for call in calls:
        by_name[call.name].append(call)
    kinds = sorted(by_name.values(), key=len)
    for kind in kinds:
        chance.shuffle(kind)
    drawn: list[Call] = []
    while len(drawn) < size:
        drawn += [kind.pop() for kind in kinds if kind][: size - len(drawn)]
    return sorted(drawn, key=calls.index)


def kill(commands: Commands, scene: Scene, expected: Reference, call: Call) -> str | None:
    """Kill the command at a call; the problem found then or after its work was finished, None when there is none."""
    killed_at, nth = "", call.nth
    for _ in range(TRIES):
        with scene.store.copy() as copy:
            run = scene.execute(commands, copy, f"{call.name}:signal=SIGKILL:when={nth}")
            nth = call.nth + expected.drift(run.calls, call.name)
            if run.exit_code != -signal.SIGKILL:
                killed_at = f"no call, but ended with exit code {run.exit_code}: {run.output}"
                continue
            last = run.calls[-1]
            problem, killed_at = _problem_afterwards(copy, scene, expected, call), str(last)
            if problem or (last.name, last.target) == (call.name, call.target):
                return problem
    return f"killed at {killed_at}"


def refuse(commands: Commands, scene: Scene, expected: Reference, call: Call, error: str) -> str | None:
    """Make a call fail as on a full or broken disk; the problem found then or after its work was finished, or None."""
    with scene.store.copy() as copy:
        run = scene.execute(commands, copy, f"{call.name}:error={error}:when={call.nth}")
        if "Traceback" in run.output or run.exit_code not in (0, 1):
            return f"ended with exit code {run.exit_code}: {run.output.strip()[-300:]}"
        if run.exit_code == 1 and not run.output.strip():
            return "failed without a message"
        if run.exit_code == 0 and {stores.newest(copy), stores.pointed(copy)} != {expected.after.newest}:
            return "reported success but failed"
        return _problem_afterwards(copy, scene, expected, call)


def _problem_afterwards(copy: Installation, scene: Scene, expected: Reference, call: Call) -> str | None:
    try:
        stores.assert_complete_snapshots(copy)
        last = stores.newest(copy)
        if last not in (expected.before, expected.after.newest):
            return f"left snapshot {last}"
        if call.nth % 2:  # recover explicitly at every other call; the command also recovers by itself
            recovery.recover(copy.settings)
            if stores.newest(copy) != stores.pointed(copy):
                return "the pointer lags after the recovery"
        scene.finish(copy)
        differing = expected.after.differences(State.read(copy))
    except (AssertionError, LgspError, psycopg.Error) as error:
        return f"{type(error).__name__}: {error}"
    return f"reached another state: {differing}" if differing else None


def scenes(store: Store, commands: Commands) -> Iterator[Scene]:
    """The commands that change what is published, each with a store on which it has work to do."""
    publishing = Scene("publish", ("publish",), store, lambda copy: publish.run(copy.settings))
    yield publishing
    crashed = _crashed_store(publishing, commands)
    yield Scene("recover", ("recover",), crashed, lambda copy: recovery.recover(copy.settings))
    recovered = _recovered_store(crashed)
    yield Scene("rollback", ("rollback", "1", "--by", "An", "--why", "trial"), recovered, _finish_rollback)
    yield Scene("retire", ("retire",), _aged_store(recovered), lambda copy: retention.retire_expired(copy.settings))


def _crashed_store(publishing: Scene, commands: Commands) -> Store:
    """A store whose publisher was killed between the commit and the pointer switch, with remains of earlier crashes."""
    crashed = copied(publishing.store.server, publishing.store.original, publishing.store.folder)
    publishing.execute(commands, crashed, "symlink:signal=SIGKILL:when=1")
    assert (stores.newest(crashed), stores.pointed(crashed)) == (2, 1)
    root = crashed.settings.shared
    for name in (".3.0", ".1.retired"):
        shutil.copytree(root / "snapshots" / "1" / "dossier", root / "snapshots" / name / "dossier")
    (root / ".current.99").symlink_to("snapshots/3")
    return replace(publishing.store, original=crashed)


def _recovered_store(store: Store) -> Store:
    """The same store after a recovery, with two snapshots."""
    recovered = copied(store.server, store.original, store.folder)
    recovery.recover(recovered.settings)
    return replace(store, original=recovered)


def _finish_rollback(copy: Installation) -> None:
    """Roll back to the first snapshot unless that is done; then publish, which is on hold but still repairs."""
    if stores.newest(copy) == 2:
        rollback.roll_back(copy.settings, 1, "An", "trial")
    assert publish.run(copy.settings) is None


def _aged_store(store: Store) -> Store:
    """The same store 400 days later, with a retention of one day and one month."""
    aged = copied(store.server, store.original, store.folder)
    with psycopg.connect(str(aged.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")  # without it a trigger refuses to alter these rows
        connection.execute("update ledger.publication set published_at = published_at - interval '400 days'")
        connection.execute("update ledger.batch set published_at = published_at - interval '400 days'")
    kept = {f"LGSP_KEEP_{name}": "1" for name in ("EVERY_DAYS", "DAILY_DAYS", "MONTHLY_MONTHS", "HISTORY_DAYS")}
    return replace(store, original=Installation(Settings.from_env({**aged.settings.environment, **kept})))


@contextmanager
def temporary_server() -> Iterator[tuple[Server, Path]]:
    """A temporary server with an initialised store to copy, and its folder."""
    folder = Path(tempfile.mkdtemp(prefix="lgsp-crash-"))
    server = Server(folder)
    server.ensure()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # the server itself is not killed
                connection.execute(f"alter system set {setting} = off")
            connection.execute("select pg_reload_conf()")
        server.create_database(TEMPLATE)
        environment = {"LGSP_HOME": str(folder / "template"), "LGSP_DATABASE_URL": server.url(TEMPLATE)}
        install.init(Settings.from_env({**environment, "LGSP_TOKEN_KEY": "only-for-tests"}))
        yield server, folder
    finally:
        server.stop()
        shutil.rmtree(folder)


def interrupt(
    commands: Commands, scene: Scene, expected: Reference, size: int | None, is_errors: bool = False
) -> Iterator[tuple[str, str | None]]:
    """Interrupt a command at its calls, or at a sample of them: a description of each point, and the problem or None."""
    if not is_errors:
        for call in sample(expected.calls, size):
            yield f"SIGKILL at {call}", kill(commands, scene, expected, call)
        return
    for call in sample([call for call in expected.calls if not call.is_to_server], size):
        for error in ("ENOSPC", "EIO"):
            yield f"{error} at {call}", refuse(commands, scene, expected, call, error)


@click.command()
@click.option("--sample", "size", type=int, help="The number of calls to sample of each command; all calls without it.")
@click.option(
    "--errors", "is_errors", is_flag=True, help="Make the call fail with a disk error instead of killing the command."
)
@click.option("--only", help="Test only this command: publish, recover, rollback or retire.")
def main(size: int | None, is_errors: bool, only: str | None) -> None:
    """Interrupt every command at every point; exit 1 when a snapshot was incomplete or a record was lost."""
    points = unsafe = 0
    commands = Commands()
    with temporary_server() as (server, folder):
        for scene in scenes(stores.prepared(server, folder, SOURCES), commands):
            if only not in (None, scene.name):
                continue
            started, expected = time.monotonic(), reference(commands, scene)
            kinds = Counter(call.name for call in expected.calls).most_common()
            click.echo(
                f"{scene.name}: {len(expected.calls)} calls that change something: {', '.join(f'{k} {n}' for k, n in kinds)}"
            )
            failed = tested = 0
            for point, problem in interrupt(commands, scene, expected, size, is_errors):
                tested += 1
                if problem:
                    failed += 1
                    click.echo(f"{scene.name}: {point}: {problem}")
            click.echo(f"{scene.name}: {tested - failed}/{tested} points safe ({time.monotonic() - started:.0f} s)")
            points, unsafe = points + tested, unsafe + failed
    commands.close()
    click.echo(f"{points - unsafe}/{points} points safe")
    sys.exit(1 if unsafe else 0)


if __name__ == "__main__":
    main()
