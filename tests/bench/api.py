"""Measure the read API: each kind of request alone, then fifty clients at once while snapshots are published.

    make bench-api                    30,000 dossiers
    make bench-api DOSSIERS=100000

The service is a process of its own, with PostgreSQL on the same machine, and so are the clients: under load the times
include theirs. CPU milliseconds depend on the machine: compare two versions on the same one.
"""

from __future__ import annotations

import hashlib
import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import click
import httpx
import psutil

from lgsp import check, harmonise, land, publish, store
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.ports import free_port
from lgsp.window import Window
from tests.bench import cpu
from tests.bench.throughput import serving

FIRST, LAST = date(2025, 11, 1), date(2026, 10, 20)
DAYS_LATER = 3
CLIENTS, SECONDS, PAUSE_SECONDS, REPEATED = 50, 30.0, 0.5, 50
# Each kind of request, with what `Installation.places` fills in.
KINDS = {
    "one dossier by its id": "dossier('{dossier}')",
    "a page of 1,000 dossiers": "dossier",
    "the open dossiers of an agency": "dossier?$filter=receiving_organisation_id eq '{agency}' and status eq 'processing'",
    "the number of dossiers": "dossier/$count",
    "the changes of a publication": "dossier?$deltatoken={previous}",
    "a search in procedures": "service?$search=cap giay",
}
WHOLE = "dossier?$select=dossier_id,snapshot_id&$count=true"


@dataclass
class Times:
    """The milliseconds of some requests, and how many failed."""

    milliseconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def p95(self) -> float:
        """The time within which 95 % of the requests were answered."""
        found = sorted(self.milliseconds)
        return found[int(0.95 * (len(found) - 1))] if found else 0.0


@dataclass(frozen=True)
class Service:
    """A running service; `places` are an id, an agency and a snapshot that its addresses need."""

    root: str
    process: psutil.Process
    postmaster: int
    places: dict[str, str]

    def path(self, kind: str) -> str:
        """The address of a request below the root."""
        return KINDS[kind].format(**self.places)

    def cpu_milliseconds(self) -> tuple[float, float]:
        """The CPU time so far, of the service and of PostgreSQL."""
        used = self.process.cpu_times()
        return 1000 * (used.user + used.system), 1000 * cpu.server_seconds(self.postmaster)


@click.group()
def main() -> None:
    """Measure the read API."""


@main.command("publish", hidden=True)
@click.argument("first")
@click.argument("days", type=int)
def publish_days(first: str, days: int) -> None:
    """Publish some days, one by one: in its own process, so that the clients do not wait for it."""
    logging.disable(logging.ERROR)
    settings, start = Settings.from_env(), date.fromisoformat(first)
    for number in range(days):
        day = start + timedelta(number)
        _publish(settings, Window.of_days(day, day))


@main.command()
@click.option("--dossiers", default=30_000, show_default=True)
def run(dossiers: int) -> None:
    """Measure on a simulated province with so many dossiers."""
    logging.disable(logging.ERROR)
    with serving(dossiers, dossiers // 10, defects="all") as environment:
        settings = Settings.from_env(environment)
        _publish(settings, Window.of_days(FIRST, LAST - timedelta(1)))
        _publish(settings, Window.of_days(LAST, LAST))
        for number in range(CLIENTS):
            _add_account(settings, f"client{number}")
        with _service(settings, environment) as service:
            _alone(service)
            command = [sys.executable, "-m", "tests.bench.api", "publish", str(LAST + timedelta(1)), str(DAYS_LATER)]
            with subprocess.Popen(command, env=environment) as publisher:
                _together(service, publisher)
            if publisher.returncode:
                raise click.ClickException("a publication failed")


def _publish(settings: Settings, window: Window) -> None:
    ids = [each for source in sources.names() for each in land.run(settings, source, window)]
    check.run(settings, harmonise.run(settings, ids))
    if publish.run(settings) is None:
        raise click.ClickException(f"nothing changed in {window}")


def _add_account(settings: Settings, name: str) -> None:
    """An account whose token is its name: the limits are those of each account."""
    with store.connect(settings) as connection:
        connection.execute(
            "insert into ledger.reader (name, scope, agencies, connections, token_sha256, created_by) values (%s, 'all', '{}', 8, %s, 'bench')",
            [name, hashlib.sha256(name.encode()).hexdigest()],
        )


@contextmanager
def _service(settings: Settings, environment: dict[str, str]) -> Iterator[Service]:
    """`lgsp serve` as a process of its own."""
    port = free_port()
    with store.connect(settings) as connection:
        row = connection.execute(
            "select dossier_id as dossier, receiving_organisation_id as agency from shared.dossier order by dossier_id limit 1"
        ).fetchone()
        newest = connection.execute("select epoch, max(snapshot_id) as id from shared.snapshot group by epoch").fetchone()  # fmt: skip
    assert row is not None and newest is not None
    command = [sys.executable, "-m", "lgsp.cli", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        root = f"http://127.0.0.1:{port}/v1/"
        try:
            _wait(f"http://127.0.0.1:{port}/health", process)
            places = {**row, "previous": f"{newest['epoch']}-{newest['id'] - 1}"}
            yield Service(root, psutil.Process(process.pid), cpu.postmaster(settings.home), places)
        finally:
            process.terminate()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise click.ClickException("the service does not start")


def _alone(service: Service) -> None:
    """Measure each kind of request, one after the other."""
    click.echo(f"{'one client':<34}{'service':>12}{'PostgreSQL':>12}{'p95':>10}")
    for number, kind in enumerate(KINDS):
        with _client(service, number) as client:
            for _ in range(3):
                _get(client, service.path(kind), Times())
            times, before = Times(), service.cpu_milliseconds()
            for _ in range(REPEATED):
                _get(client, service.path(kind), times)
            used = [(b - a) / REPEATED for a, b in zip(before, service.cpu_milliseconds(), strict=True)]
        if times.errors:
            raise click.ClickException(times.errors[0])
        click.echo(f"{kind:<34}{used[0]:>8.1f} CPU ms{used[1]:>8.1f} CPU ms{times.p95:>7.1f} ms")


def _together(service: Service, publisher: subprocess.Popen[bytes]) -> None:
    """Measure all kinds with many clients, until the publisher ends, and check that no answer mixes two snapshots."""
    before, started = service.cpu_milliseconds(), time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(lambda number: _reads(service, number, publisher), range(CLIENTS)))
    seconds, used = time.monotonic() - started, service.cpu_milliseconds()[0] - before[0]
    times = {kind: Times() for kind in (*KINDS, "all dossiers, in pages")}
    seen: set[str] = set()
    for by_kind, snapshots in found:
        seen |= snapshots
        for kind, each in by_kind.items():
            times[kind].milliseconds += each.milliseconds
            times[kind].errors += each.errors
    count = sum(len(each.milliseconds) for each in times.values())
    click.echo(f"\n{CLIENTS} clients, {len(seen) - 1} publications meanwhile: {count / seconds:.0f} requests/s, {used / count:.1f} CPU ms of the service each")  # fmt: skip
    for kind, each in times.items():
        click.echo(
            f"{kind:<34}{len(each.milliseconds):>6} requests {len(each.errors):>3} errors{each.p95:>8.0f} ms p95"
        )
    if errors := [error for each in times.values() for error in each.errors]:
        raise click.ClickException(f"{len(errors)} errors, such as: {errors[0]}")


def _reads(service: Service, number: int, publisher: subprocess.Popen[bytes]) -> tuple[dict[str, Times], set[str]]:
    """The times of one client by kind of request, and the snapshots that it saw."""
    chance, deadline = random.Random(number), time.monotonic() + SECONDS
    times: dict[str, Times] = {}
    seen: set[str] = set()
    with _client(service, number) as client:
        while time.monotonic() < deadline or publisher.poll() is None:
            kind = chance.choice([*KINDS, "all dossiers, in pages"])
            own = times.setdefault(kind, Times())
            if kind in KINDS:
                answer = _get(client, service.path(kind), own)
                seen |= {answer.headers["LGSP-Snapshot"]} if answer else set()
            else:
                _walk(client, own)
            time.sleep(chance.uniform(0, 2 * PAUSE_SECONDS))
    return times, seen


def _walk(client: httpx.Client, times: Times) -> None:
    """Read all pages, which must be of one snapshot and have all of its rows."""
    path, read, first = WHOLE, 0, None
    while path:
        answer = _get(client, path, times, Prefer="odata.maxpagesize=10000")
        if answer is None:
            return
        page: dict[str, Any] = answer.json()
        first = first or (answer.headers["LGSP-Snapshot"], page["@odata.count"])
        read += len(page["value"])
        newest = max((row["snapshot_id"] for row in page["value"]), default=0)
        if answer.headers["LGSP-Snapshot"] != first[0] or newest > int(first[0].partition("-")[2]):
            times.errors.append(f"a page of {first[0]} has rows of {answer.headers['LGSP-Snapshot']} and {newest}")
        path = page.get("@odata.nextLink", "")
    if first and read != first[1]:
        times.errors.append(f"the pages of {first[0]} have {read} rows of {first[1]}")


def _client(service: Service, number: int) -> httpx.Client:
    return httpx.Client(base_url=service.root, headers={"Authorization": f"Bearer client{number}"}, timeout=60)


def _get(client: httpx.Client, path: str, times: Times, **headers: str) -> httpx.Response | None:
    """The answer to a request, whose time is added; None for a failure, which is added."""
    started = time.monotonic()
    try:
        answer = client.get(path, headers=headers)
    except httpx.TransportError as error:
        times.errors.append(f"{path}: {error!r}")
        return None
    times.milliseconds.append(1000 * (time.monotonic() - started))
    if answer.status_code != 200:
        times.errors.append(f"{path}: {answer.status_code} {answer.text[:200]}")
        return None
    return answer


if __name__ == "__main__":
    main()
