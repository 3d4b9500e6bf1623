"""Every point at which a command can be cut short: killed at each call that changes something, or refused that call.

    make crash-test                            SIGKILL at every call of every command: about 1,400, some hours
    python -m tests.faults.crash --sample 40   at so many calls of each command, spread over the kinds of call
    python -m tests.faults.crash --errors      ENOSPC and EIO instead, at every call that writes to the disk

After each: SQL and files show a whole snapshot, the next command brings both to what an undisturbed run gives, and
nothing is left behind. Needs `strace`, and to be allowed to use it.
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
    """A command, the store it finds, and how the work is brought to its end after the command was cut short."""

    name: str
    arguments: tuple[str, ...]
    store: Store
    finish: Callable[[Installation], object]

    def run(self, commands: Commands, made: Installation, injection: str | None = None) -> Run:
        """The command against a copy of its store."""
        return commands.run(self.arguments, made.settings.environment, made.settings.home, injection)


@dataclass(frozen=True)
class Undisturbed:
    """What a command does and comes to when nothing disturbs it."""

    all_calls: tuple[Call, ...]
    before: int
    after: State

    @property
    def calls(self) -> tuple[Call, ...]:
        """Those that change something."""
        return tuple(call for call in self.all_calls if call.is_change)

    def drift(self, calls: Sequence[Call], name: str) -> int:
        """By how much another run counts calls of a name further on: libraries do not always read the same files."""
        for call in reversed(calls):
            same = [known.nth for known in self.all_calls if (known.name, known.about) == (name, call.about)]
            if call.name == name and call.about and same:
                return call.nth - min(same, key=lambda nth: abs(call.nth - nth))
        return 0


def undisturbed(commands: Commands, scene: Scene) -> Undisturbed:
    """Run a scene's command to its end: the calls that change something, and the state they lead to."""
    with scene.store.copy() as made:
        before = stores.newest(made)
        run = scene.run(commands, made)
        assert run.exit_code == 0, f"{scene.name}: exit {run.exit_code}: {run.said}"
        return Undisturbed(run.calls, before, State.of(made))


def sample(calls: Sequence[Call], size: int | None, seed: int = SEED) -> list[Call]:
    """All calls, or so many of them: each kind of call in turn, the rarest first, drawn with a seed."""
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


def kill(commands: Commands, scene: Scene, expected: Undisturbed, call: Call) -> str | None:
    """Kill the command as it makes a call; what is wrong then, or after the work was brought to its end."""
    died_at, aim = "", call.nth
    for _ in range(TRIES):
        with scene.store.copy() as made:
            run = scene.run(commands, made, f"{call.name}:signal=SIGKILL:when={aim}")
            aim = call.nth + expected.drift(run.calls, call.name)
            if run.exit_code != -signal.SIGKILL:
                died_at = f"no call, but ended with {run.exit_code}: {run.said}"
                continue
            last = run.calls[-1]
            wrong, died_at = _aftermath(made, scene, expected, call), str(last)
            if wrong or (last.name, last.about) == (call.name, call.about):
                return wrong
    return f"died at {died_at}"


def refuse(commands: Commands, scene: Scene, expected: Undisturbed, call: Call, error: str) -> str | None:
    """Let a call fail as on a full or a broken disk; what is wrong then, or after the work was brought to its end."""
    with scene.store.copy() as made:
        run = scene.run(commands, made, f"{call.name}:error={error}:when={call.nth}")
        if "Traceback" in run.said or run.exit_code not in (0, 1):
            return f"ended with {run.exit_code}: {run.said.strip()[-300:]}"
        if run.exit_code == 1 and not run.said.strip():
            return "failed without a word"
        if run.exit_code == 0 and {stores.newest(made), stores.pointed(made)} != {expected.after.newest}:
            return "said nothing of its failure"
        return _aftermath(made, scene, expected, call)


def _aftermath(made: Installation, scene: Scene, expected: Undisturbed, call: Call) -> str | None:
    try:
        stores.see_a_whole_snapshot(made)
        last = stores.newest(made)
        if last not in (expected.before, expected.after.newest):
            return f"left snapshot {last}"
        if call.nth % 2:  # in turns, whether somebody recovers before the command is given again
            recovery.run(made.settings)
            if stores.newest(made) != stores.pointed(made):
                return "was recovered, and yet the pointer lags"
        scene.finish(made)
        differing = expected.after.differs(State.of(made))
    except (AssertionError, LgspError, psycopg.Error) as error:
        return f"{type(error).__name__}: {error}"
    return f"came to another state: {differing}" if differing else None


def scenes(store: Store, commands: Commands) -> Iterator[Scene]:
    """The commands that change what is published, each with a store in which it has much to do."""
    publishing = Scene("publish", ("publish",), store, lambda made: publish.run(made.settings))
    yield publishing
    left = _left_behind(publishing, commands)
    yield Scene("recover", ("recover",), left, lambda made: recovery.run(made.settings))
    grown = _grown(left)
    yield Scene("rollback", ("rollback", "1", "--by", "An", "--why", "trial"), grown, _go_back)
    yield Scene("retire", ("retire",), _aged(grown), lambda made: retention.run(made.settings))


def _left_behind(publishing: Scene, commands: Commands) -> Store:
    """A store whose publisher died between the commit and the pointer, with the rubbish of earlier deaths."""
    made = copied(publishing.store.server, publishing.store.original, publishing.store.folder)
    publishing.run(commands, made, "symlink:signal=SIGKILL:when=1")
    assert (stores.newest(made), stores.pointed(made)) == (2, 1)
    root = made.settings.shared
    for name in (".3.0", ".1.retired"):
        shutil.copytree(root / "snapshots" / "1" / "dossier", root / "snapshots" / name / "dossier")
    (root / ".current.99").symlink_to("snapshots/3")
    return replace(publishing.store, original=made)


def _grown(store: Store) -> Store:
    """The same store recovered, with two snapshots."""
    made = copied(store.server, store.original, store.folder)
    recovery.run(made.settings)
    return replace(store, original=made)


def _go_back(made: Installation) -> None:
    """Back to the first snapshot; once that was done, a publication that is on hold, and still mends what it finds."""
    if stores.newest(made) == 2:
        rollback.run(made.settings, 1, "An", "trial")
    assert publish.run(made.settings) is None


def _aged(store: Store) -> Store:
    """The same store a year later, where nothing that was replaced is kept for longer than one."""
    made = copied(store.server, store.original, store.folder)
    with psycopg.connect(str(made.settings.database_url)) as connection:
        connection.execute("set session_replication_role = replica")  # published days are not altered otherwise
        connection.execute("update ledger.publication set published_at = published_at - interval '400 days'")
        connection.execute("update ledger.batch set published_at = published_at - interval '400 days'")
    kept = {f"LGSP_KEEP_{name}": "1" for name in ("EVERY_DAYS", "DAILY_DAYS", "MONTHLY_MONTHS", "HISTORY_DAYS")}
    return replace(store, original=Installation(Settings.from_env({**made.settings.environment, **kept})))


@contextmanager
def a_server() -> Iterator[tuple[Server, Path]]:
    """A server of its own with an initialised store to copy, and the folder it lives in."""
    folder = Path(tempfile.mkdtemp(prefix="lgsp-crash-"))
    server = Server(folder)
    server.ensure()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # it is not the server that is killed
                connection.execute(f"alter system set {setting} = off")
            connection.execute("select pg_reload_conf()")
        server.create_database(TEMPLATE)
        environment = {"LGSP_HOME": str(folder / "template"), "LGSP_DATABASE_URL": server.url(TEMPLATE)}
        install.init(Settings.from_env({**environment, "LGSP_TOKEN_KEY": "only-for-tests"}))
        yield server, folder
    finally:
        server.stop()
        shutil.rmtree(folder)


def attempt(
    commands: Commands, scene: Scene, expected: Undisturbed, size: int | None, is_errors: bool = False
) -> Iterator[tuple[str, str | None]]:
    """Cut a command short at its calls, or at some of them: what was done, and what was wrong then."""
    if not is_errors:
        for call in sample(expected.calls, size):
            yield f"SIGKILL at {call}", kill(commands, scene, expected, call)
        return
    for call in sample([call for call in expected.calls if not call.is_to_server], size):
        for error in ("ENOSPC", "EIO"):
            yield f"{error} at {call}", refuse(commands, scene, expected, call, error)


@click.command()
@click.option("--sample", "size", type=int, help="At most so many calls of each command.")
@click.option("--errors", "is_errors", is_flag=True, help="Let the disk refuse the call instead of killing.")
@click.option("--only", help="One command alone.")
def main(size: int | None, is_errors: bool, only: str | None) -> None:
    """Cut every command short at every point, and prove that nothing was torn or lost."""
    points = unsafe = 0
    commands = Commands()
    with a_server() as (server, folder):
        for scene in scenes(stores.prepared(server, folder, SOURCES), commands):
            if only not in (None, scene.name):
                continue
            begun, expected = time.monotonic(), undisturbed(commands, scene)
            kinds = Counter(call.name for call in expected.calls).most_common()
            click.echo(
                f"{scene.name}: changes something {len(expected.calls)} times: {', '.join(f'{k} {n}' for k, n in kinds)}"
            )
            wrong = tried = 0
            for what, why in attempt(commands, scene, expected, size, is_errors):
                tried += 1
                if why:
                    wrong += 1
                    click.echo(f"{scene.name}: {what}: {why}")
            click.echo(f"{scene.name}: {tried - wrong}/{tried} points safe ({time.monotonic() - begun:.0f} s)")
            points, unsafe = points + tried, unsafe + wrong
    commands.close()
    click.echo(f"{points - unsafe}/{points} points safe")
    sys.exit(1 if unsafe else 0)


if __name__ == "__main__":
    main()
