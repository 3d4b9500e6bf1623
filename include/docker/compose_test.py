"""Tests the container installation with real containers (``make compose-test``).

Builds the image, starts all services with the simulated province, backfills two days, kills the scheduler in between,
checks that both days are published and verified, and removes everything. When no Docker engine answers, it starts its
own (needs root and Debian's ``docker.io``). When a base image cannot be pulled, it builds a replacement with its name.
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
    CheckFailed,
    base_image,
    build_postgres_image,
    engine,
    import_python_image,
    is_available,
    report,
    run_command,
    succeeds,
    wait_until,
)
from lgsp.store.ports import free_port

PROJECT = "lgsp-compose-test"
IMAGE = "lgsp:compose-test"
SOURCES = ("one_stop_shop", "online_services", "documents")
SERVICES = ("postgres", "province", "api-server", "scheduler", "dag-processor", "triggerer")
OF_PROJECT = ("--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
HEALTHY_SECONDS, RESTART_SECONDS, PUBLISHED_SECONDS = 240, 60, 900


class Installation:
    """The compose project under test, with its own settings."""

    def __init__(self, folder: Path) -> None:
        settings, network = folder / ".env", folder / "network.yml"
        self.secrets = generated_secrets((ROOT / ".env.example").read_text(encoding="utf-8"))
        self.ui_port = free_port()
        settings.write_text((ROOT / ".env.example").read_text(encoding="utf-8") + "\n".join((
            *(f"{name}='{secret}'" for name, secret in self.secrets.items()),
            f"LGSP_IMAGE={IMAGE}", f"LGSP_UI_PORT={self.ui_port}",
            f"LGSP_POSTGRES_PORT={free_port()}", ""
        )), encoding="utf-8")  # fmt: skip
        # pip may need the machine's network
        network.write_text("services: {init: {build: {network: host}}}\n", encoding="utf-8")
        has_plugin = succeeds("docker", "compose", "version")
        self.program = ("docker", "compose") if has_plugin else ("docker-compose",)
        self.project = (
            "--file", str(ROOT / "docker-compose.yml"), "--file", str(network), "--env-file", str(settings),
            "--project-name", PROJECT, "--profile", "province",
        )  # fmt: skip

    def compose(self, *arguments: str) -> str:
        """Run a Compose command on this project; returns its output."""
        return run_command(*self.program, *self.project, *arguments)

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a service's running container; returns its output."""
        return self.compose("exec", "-T", service, *command)

    def inspect(self, service: str, template: str) -> str:
        """A property of a service's container, running or stopped."""
        container = run_command("docker", "ps", *OF_PROJECT, "--filter", f"label=com.docker.compose.service={service}")
        return run_command("docker", "inspect", "--format", template, container)

    def query(self, database: str, sql: str) -> str:
        """The result of a query, as text."""
        as_text = ("--tuples-only", "--no-align", "--command", sql)
        return self.execute("postgres", "psql", "--username=postgres", f"--dbname={database}", *as_text)

    def is_healthy(self) -> bool:
        """Whether the containers of all long-running services are healthy."""
        return all(self.inspect(service, "{{.State.Health.Status}}") == "healthy" for service in SERVICES)

    def has_dags(self) -> bool:
        """Whether Airflow has parsed the Dags that a backfill needs."""
        needed = {"publish_shared_dataset", *(f"ingest_{source}" for source in SOURCES)}
        return needed <= set(self.query("airflow", "select dag_id from dag").split())

    def remaining(self) -> str:
        """The containers, volumes and networks of the project that still exist."""
        kinds = (("ps", *OF_PROJECT), ("volume", "ls", *OF_PROJECT[1:]), ("network", "ls", *OF_PROJECT[1:]))
        return " ".join(filter(None, (run_command("docker", *kind) for kind in kinds)))


def generated_secrets(example: str) -> dict[str, str]:
    """A value for every setting that the example leaves empty."""
    empty = re.findall(r"^(\w+)=$", example, re.MULTILINE)
    return {name: secrets.token_hex(32) for name in empty} | {
        "AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "AIRFLOW_UI_PASSWORDS": json.dumps({"admin": secrets.token_hex(8)}),
    }


@contextmanager
def built_installation() -> Iterator[Installation]:
    """An installation with its images built. The images, containers, volumes and networks are removed afterwards."""
    python = base_image("include/docker/Dockerfile", r"^FROM (\S+)")
    postgres = base_image("docker-compose.yml", r"^ +image: (postgres:\S+)")
    built = [IMAGE]
    with tempfile.TemporaryDirectory(prefix="lgsp-compose-test-") as folder:
        installation = Installation(Path(folder))
        try:
            if not is_available(python):
                built.append(python)
                import_python_image(python)
                report(f"a replacement for {python} is built")
            installation.compose("build")
            size = int(run_command("docker", "image", "inspect", "--format", "{{.Size}}", IMAGE))
            report(f"{IMAGE} is built, {size >> 20} MiB")
            if not is_available(postgres):
                built.insert(0, postgres)
                build_postgres_image(postgres, IMAGE)
                report(f"a replacement for {postgres} is built")
            yield installation
        finally:
            installation.compose("down", "--volumes", "--remove-orphans")
            succeeds("docker", "image", "rm", "--force", *built)
            if remaining := installation.remaining():
                raise CheckFailed(f"not removed: {remaining}")
            report("everything is removed")


class Backfill:
    """A backfill of two past days of every source in a running installation."""

    def __init__(self, installation: Installation) -> None:
        today = datetime.now(LOCAL).date()
        self.installation = installation
        self.days = [today - timedelta(days=back) for back in (4, 3)]

    def start(self) -> None:
        """Start an Airflow backfill for each source."""
        for source in SOURCES:
            self.installation.execute(
                "api-server", "airflow", "backfill", "create", "--dag-id", f"ingest_{source}",
                "--from-date", f"{self.days[0]}", "--to-date", f"{self.days[-1]}",
            )  # fmt: skip
            report(f"{source}: backfill of {self.days[0]}..{self.days[-1]} started")

    def is_running(self) -> bool:
        """Whether a task of the backfill is running."""
        query = """
            select exists (select from task_instance join dag_run using (dag_id, run_id)
                           where run_type = 'backfill' and task_instance.state = 'running')"""
        return self.installation.query("airflow", query) == "t"

    def published(self) -> int:
        """The number of published days, summed over the sources."""
        query = f"""
            select count(distinct (source, day)) from ledger.batch,
                   lateral (select (window_from at time zone '{LOCAL.key}')::date as day) as of_window
            where state = 'published' and day between '{self.days[0]}' and '{self.days[-1]}'"""
        return int(self.installation.query("lgsp", query))

    def is_published(self) -> bool:
        """Whether every day of every source is published."""
        return self.published() == len(SOURCES) * len(self.days)


def check_secrets_are_required(installation: Installation) -> None:
    """Compose must refuse to start without the secrets and name a missing one."""
    try:
        run_command(*installation.program, "--env-file", str(ROOT / ".env.example"), "config")
    except CheckFailed as failure:
        if re.search(r"set \w+ in \.env", str(failure)):
            return report("without secrets Compose refuses to start")
        raise
    raise CheckFailed("Compose starts without secrets")


def check_login(installation: Installation) -> None:
    """The UI must answer on loopback and accept the configured password."""
    password = json.loads(installation.secrets["AIRFLOW_UI_PASSWORDS"])["admin"]
    response = requests.post(
        f"http://127.0.0.1:{installation.ui_port}/auth/token",
        json={"username": "admin", "password": password},
        timeout=30,
    )
    if response.status_code != requests.codes.created:
        raise CheckFailed(f"the UI does not accept the admin's password: {response.status_code} {response.text}")
    report("the UI accepts the admin's password")


def kill_scheduler(installation: Installation) -> None:
    """Kill every process of the scheduler's container, as the kernel does when memory is short; it must restart.

    Not with `docker kill`: after it the engine does not restart the container, whatever the restart policy is.
    """

    def state() -> str:
        return installation.inspect("scheduler", "{{.State.StartedAt}} {{.State.Running}}")

    before = state()
    kill_all = ("python", "-c", "import os; os.kill(-1, 9)")
    succeeds(*installation.program, *installation.project, "exec", "-T", "scheduler", *kill_all)
    report("all processes of the scheduler are killed during the backfill")
    wait_until(
        "the scheduler's container is restarted",
        lambda: state() != before and state().endswith("true"),
        RESTART_SECONDS,
    )


def print_logs(installation: Installation) -> None:
    """Print the state and the last log lines of every container."""
    logs = installation.compose("logs", "--no-color", "--tail=40")
    sys.stdout.write(f"{installation.compose('ps')}\n{logs}\n")


def check_installation(installation: Installation) -> None:
    """Start the installation, backfill two days, kill the scheduler in between, and check the result."""
    check_secrets_are_required(installation)
    installation.compose("up", "--detach")
    report("all services are started")
    wait_until("all services are healthy", installation.is_healthy, HEALTHY_SECONDS)
    check_login(installation)
    wait_until("Airflow has parsed the Dags", installation.has_dags, HEALTHY_SECONDS)
    backfill = Backfill(installation)
    backfill.start()
    wait_until("the backfill runs", backfill.is_running, HEALTHY_SECONDS)
    kill_scheduler(installation)
    wait_until(f"both days of {len(SOURCES)} sources are published", backfill.is_published, PUBLISHED_SECONDS)
    status = json.loads(installation.execute("api-server", "lgsp", "status", "--json"))
    report(f"lgsp status: snapshot {status['snapshot_id']}")
    report(f"lgsp verify: {installation.execute('api-server', 'lgsp', 'verify').splitlines()[-1]}")
    wait_until("all services are healthy again", installation.is_healthy, HEALTHY_SECONDS)


def main() -> int:
    """Run the test; returns the exit code, 0 when all checks passed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # exit normally, so that everything is removed
    try:
        with engine(), built_installation() as installation:
            try:
                check_installation(installation)
            except CheckFailed:
                print_logs(installation)
                raise
    except CheckFailed as failure:
        report(f"FAILED: {failure}")
        return 1
    report("the container installation passed all checks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
