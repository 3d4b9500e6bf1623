"""The container installation, built and run for real (``make compose-test``).

Builds the image, starts everything beside the simulated province, backfills two days, kills the scheduler in
the middle, wants both days published and proven all the same, and takes everything down. Where no engine
answers it starts one of its own (root, Debian's ``docker.io``); where base images cannot be pulled it makes
stand-ins under their names.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import requests

from docker.engine import (
    ROOT,
    NotAsPromised,
    engine,
    image_named,
    is_at_hand,
    run,
    say,
    stand_in_for_postgres,
    stand_in_for_python,
    succeeds,
    wait,
)
from lgsp.store.ports import free_port

PROJECT = "lgsp-compose-test"
IMAGE = "lgsp:compose-test"
SOURCES = ("one_stop_shop", "online_services", "documents")
PARTS = ("postgres", "province", "api-server", "scheduler", "dag-processor", "triggerer")
MINE = ("--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
HEALTHY_SECONDS, BACK_SECONDS, PUBLISHED_SECONDS = 240, 60, 900


class Installation:
    """The compose project under test, with settings of its own."""

    def __init__(self, folder: Path) -> None:
        settings, network = folder / ".env", folder / "network.yml"
        self.secrets = made_up_secrets((ROOT / ".env.example").read_text())
        self.ui_port = free_port()
        settings.write_text((ROOT / ".env.example").read_text() + "\n".join((
            *(f"{name}='{secret}'" for name, secret in self.secrets.items()),
            f"LGSP_IMAGE={IMAGE}", f"LGSP_UI_PORT={self.ui_port}", ""
        )))  # fmt: skip
        # pip may need the machine's own network
        network.write_text("services: {init: {build: {network: host}}}\n")
        has_plugin = succeeds("docker", "compose", "version")
        self.program = ("docker", "compose") if has_plugin else ("docker-compose",)
        self.project = (
            "--file", str(ROOT / "docker-compose.yml"), "--file", str(network), "--env-file", str(settings),
            "--project-name", PROJECT, "--profile", "province",
        )  # fmt: skip

    def compose(self, *arguments: str) -> str:
        """Run one command of Compose on this project."""
        return run(*self.program, *self.project, *arguments)

    def inside(self, service: str, *command: str) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", service, *command)

    def look(self, service: str, template: str) -> str:
        """A property of a service's container, also of one that does not run."""
        container = run("docker", "ps", *MINE, "--filter", f"label=com.docker.compose.service={service}")
        return run("docker", "inspect", "--format", template, container)

    def ask(self, database: str, question: str) -> str:
        """The answer of a database, as text."""
        as_text = ("--tuples-only", "--no-align", "--command", question)
        return self.inside("postgres", "psql", "--username=postgres", f"--dbname={database}", *as_text)

    def is_healthy(self) -> bool:
        """Whether every container that stays says it is healthy."""
        return all(self.look(part, "{{.State.Health.Status}}") == "healthy" for part in PARTS)

    def has_dags(self) -> bool:
        """Whether Airflow has read the Dags that a backfill needs."""
        wanted = {"publish_shared_dataset", *(f"ingest_{source}" for source in SOURCES)}
        return wanted <= set(self.ask("airflow", "select dag_id from dag").split())

    def left_behind(self) -> str:
        """Containers, volumes and networks of the project that are still there."""
        kinds = (("ps", *MINE), ("volume", "ls", *MINE[1:]), ("network", "ls", *MINE[1:]))
        return " ".join(filter(None, (run("docker", *kind) for kind in kinds)))


def made_up_secrets(example: str) -> dict[str, str]:
    """A secret for every setting that the example leaves empty."""
    wanted = re.findall(r"^(\w+)=$", example, re.MULTILINE)
    return {name: secrets.token_hex(32) for name in wanted} | {
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW_UI_PASSWORDS": json.dumps({"admin": secrets.token_hex(8)}),
    }


@contextmanager
def installation() -> Iterator[Installation]:
    """Base images, our image and a project of its own; all that was made is removed afterwards."""
    python = image_named("include/docker/Dockerfile", r"^FROM (\S+)")
    postgres = image_named("docker-compose.yml", r"^ +image: (postgres:\S+)")
    made = [IMAGE]
    with tempfile.TemporaryDirectory(prefix="lgsp-compose-test-") as folder:
        one = Installation(Path(folder))
        try:
            if not is_at_hand(python):
                made.append(python)
                stand_in_for_python(python)
                say(f"a stand-in for {python} is made")
            one.compose("build")
            size = int(run("docker", "image", "inspect", "--format", "{{.Size}}", IMAGE))
            say(f"{IMAGE} is built, {size >> 20} MiB")
            if not is_at_hand(postgres):
                made.insert(0, postgres)
                stand_in_for_postgres(postgres, IMAGE)
                say(f"a stand-in for {postgres} is made")
            yield one
        finally:
            one.compose("down", "--volumes", "--remove-orphans")
            succeeds("docker", "image", "rm", "--force", *made)
            if left := one.left_behind():
                raise NotAsPromised(f"left behind: {left}")
            say("everything is taken down, nothing is left")


class Backfill:
    """Two past days of every source, fetched and published by an installation that is up."""

    def __init__(self, one: Installation) -> None:
        today = datetime.now(LOCAL).date()
        self.one = one
        self.days = [today - timedelta(days=back) for back in (4, 3)]

    def ask_for(self) -> None:
        """Airflow's own backfill, for each source."""
        for source in SOURCES:
            self.one.inside(
                "api-server", "airflow", "backfill", "create", "--dag-id", f"ingest_{source}",
                "--from-date", f"{self.days[0]}", "--to-date", f"{self.days[-1]}",
            )  # fmt: skip
            say(f"{source}: backfill of {self.days[0]}..{self.days[-1]} is asked for")

    def is_running(self) -> bool:
        """Whether a task of the backfill runs at this moment."""
        question = """
            select exists (select from task_instance join dag_run using (dag_id, run_id)
                           where run_type = 'backfill' and task_instance.state = 'running')"""
        return self.one.ask("airflow", question) == "t"

    def published(self) -> int:
        """How many days of how many sources are published, of those that were asked for."""
        question = f"""
            select count(distinct (source, day)) from ledger.batch,
                   lateral (select (window_from at time zone '{LOCAL.key}')::date as day) as of_window
            where state = 'published' and day between '{self.days[0]}' and '{self.days[-1]}'"""
        return int(self.one.ask("lgsp", question))

    def is_published(self) -> bool:
        """Whether every day of every source is."""
        return self.published() == len(SOURCES) * len(self.days)


def refuse_without_secrets(one: Installation) -> None:
    """Without its secrets the installation must not start, and must say so."""
    try:
        run(*one.program, "--env-file", str(ROOT / ".env.example"), "config")
    except NotAsPromised as refusal:
        if re.search(r"set \w+ in \.env", str(refusal)):
            return say("without its secrets it refuses to start")
        raise
    raise NotAsPromised("it would start without its secrets")


def log_in(one: Installation) -> None:
    """The UI answers on loopback and takes the password of the settings."""
    password = json.loads(one.secrets["AIRFLOW_UI_PASSWORDS"])["admin"]
    answer = requests.post(
        f"http://127.0.0.1:{one.ui_port}/auth/token",
        json={"username": "admin", "password": password},
        timeout=30,
    )
    if answer.status_code != requests.codes.created:
        raise NotAsPromised(f"the UI does not take the admin's password: {answer.status_code} {answer.text}")
    say("the UI takes the admin's password")


def lose_scheduler(one: Installation) -> None:
    """Kill every process of the scheduler's container, as when memory ends; it must come back by itself.

    Not with `docker kill`: the engine takes that for an order to stay down, whatever the restart policy.
    """

    def started() -> str:
        return one.look("scheduler", "{{.State.StartedAt}} {{.State.Running}}")

    before = started()
    kill_all = ("python", "-c", "import os; os.kill(-1, 9)")
    succeeds(*one.program, *one.project, "exec", "-T", "scheduler", *kill_all)
    say("every process of the scheduler is killed in the middle of the backfill")
    wait("its container is back", lambda: started() != before and started().endswith("true"), BACK_SECONDS)


def tell(one: Installation) -> None:
    """The last words of every container, for whoever has to find out why."""
    sys.stdout.write(one.compose("ps") + "\n" + one.compose("logs", "--no-color", "--tail=40") + "\n")


def try_it(one: Installation) -> None:
    """The whole story of an installation's first hour."""
    refuse_without_secrets(one)
    one.compose("up", "--detach")
    say("everything is started")
    wait("everything is healthy", one.is_healthy, HEALTHY_SECONDS)
    log_in(one)
    wait("the Dags are known", one.has_dags, HEALTHY_SECONDS)
    backfill = Backfill(one)
    backfill.ask_for()
    wait("the backfill runs", backfill.is_running, HEALTHY_SECONDS)
    lose_scheduler(one)
    wait(f"both days of {len(SOURCES)} sources are published", backfill.is_published, PUBLISHED_SECONDS)
    status = json.loads(one.inside("api-server", "lgsp", "status", "--json"))
    say(f"lgsp status: snapshot {status['snapshot_id']}")
    say(f"lgsp verify: {one.inside('api-server', 'lgsp', 'verify').splitlines()[-1]}")
    wait("everything is healthy again", one.is_healthy, HEALTHY_SECONDS)


def main() -> int:
    """The exit code: 0 when the installation did all it promises."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is taken down
    try:
        with engine(), installation() as one:
            try:
                try_it(one)
            except NotAsPromised:
                tell(one)
                raise
    except NotAsPromised as failure:
        say(f"FAILED: {failure}")
        return 1
    say("the container installation does what it promises")
    return 0


if __name__ == "__main__":
    sys.exit(main())
