"""What checking costs: `check` against the bare evaluation of the same rules, in seconds of the processor and in memory.

    make bench-check                   100,000 rows
    make bench-check ROWS=1000000

Bare is what no quality gate can do without: DuckDB reads the same staged rows, evaluates the same predicates of the same
contracts on two threads, writes the rows that pass and fetches the keys of those that do not. No expectation, no canary,
no look for persons, no page, no ledger. Each side runs in a process of its own, its libraries loaded before the clock starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import duckdb

from lgsp import check, harmonise, land, store
from lgsp.harmonise.context import duck
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.store import ledger
from tests.bench.throughput import YEAR, serving

SEED = 12_000
SOURCE = "one_stop_shop"


def stage(settings: Settings, rows: int) -> str:
    """A harmonised batch of that many rows: a simulated province's, repeated under other keys and codes."""
    (landed,) = land.run(settings, SOURCE, YEAR)
    harmonise.run(settings, [landed])
    folder = settings.staging / landed / "harmonised"
    seed, many = folder / "dossier.parquet", folder / "many.parquet"
    with duckdb.connect() as con:
        row = con.execute(f"select count(*) from '{seed}'").fetchone()
        assert row is not None
        con.execute(
            f"copy (select * exclude (n) replace (left(md5(source_key || n), 24) as source_key, raw_hash || n as raw_hash, content_hash || n as content_hash, "
            "regexp_replace(source_code, '[0-9]+$', lpad((hash(source_key, n) % 1000000)::varchar, 6, '0')) as source_code) "
            f"from '{seed}', range({-(-rows // row[0])}) r(n) limit {rows}) to '{many}' (format parquet, compression zstd)"
        )
    many.replace(seed)
    (folder / "repeated").write_text("0")
    with store.connect(settings) as connection:
        ledger.advance(connection, landed, "harmonised", fetched_count=rows, declared_count=rows)
    return landed


def bare(settings: Settings, batch_id: str) -> None:
    """Evaluate every rule, write what passes, fetch the keys of what does not."""
    staged = settings.staging / batch_id / "harmonised" / "dossier.parquet"
    rules = contract.rules("dossier")
    with store.connect(settings) as connection:
        end = ledger.batch(connection, batch_id).window.end
    with duck(settings) as con:
        flags = ", ".join(f'not coalesce({rule.bad}, false) as "{rule.id}"' for rule in rules)
        con.execute(
            f"create table flagged as select *, {flags} from (select *, timestamptz '{end.isoformat()}' as window_to, false as is_personal from '{staged}')"
        )
        good = " and ".join(f'"{rule.id}"' for rule in rules if rule.quarantines)
        con.execute(
            f"copy (select * from flagged where {good}) to '{staged.parent}/bare.parquet' (format parquet, compression zstd)"
        )
        for rule in rules:
            con.execute(f'select source_key, raw_pointer from flagged where not "{rule.id}"').fetchall()


def gated(settings: Settings, batch_id: str) -> None:
    """The same rows through `check`."""
    check.run(settings, [batch_id])


def _measured(work: str, batch_id: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.checking", "--only", work, "--batch", batch_id]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _run(work: str, batch_id: str) -> None:
    import great_expectations  # noqa: F401
    import scipy  # noqa: F401

    settings = Settings.from_env()
    if work == "gated":  # what is compiled once in a process: templates, models, registries
        from lgsp.check import gate

        rule = contract.rules("batch")[:1]
        gate.facts("batch", {rule[0].id: True}, rule, {})
    begun, used, floor = time.monotonic(), time.process_time(), _peak()
    {"bare": bare, "gated": gated}[work](settings, batch_id)
    click.echo(json.dumps({"seconds": time.monotonic() - begun, "cpu": time.process_time() - used,
                           "megabytes": _peak() - floor}))  # fmt: skip


def _peak() -> int:
    """The most memory this program has held, in megabytes; the kernel's other count includes the process it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


@click.command()
@click.option("--rows", default=100_000, show_default=True)
@click.option("--only", type=click.Choice(["bare", "gated"]), hidden=True)
@click.option("--batch", hidden=True)
@click.option("--times", default=3, show_default=True, help="How often each side is run; the fastest counts.")
def main(rows: int, only: str | None, batch: str | None, times: int) -> None:
    """Measure both sides on the same rows."""
    if only and batch:
        _run(only, batch)
        return
    with serving(SEED, documents=100) as environment:
        settings = Settings.from_env(environment)
        batch_id = stage(settings, rows)
        best: dict[str, dict[str, Any]] = {}
        for _ in range(times):
            for work in ("bare", "gated"):
                told = _measured(work, batch_id, environment)
                best[work] = min(best.get(work, told), told, key=lambda t: t["cpu"])
    for work, told in best.items():
        click.echo(
            f"{work:<6} {told['cpu']:>7.2f} s of the processor {told['seconds']:>7.2f} s {told['megabytes']:>6} MB more"
        )
    ratio = best["gated"]["cpu"] / best["bare"]["cpu"]
    click.echo(f"{rows:,} rows, {len(contract.rules('dossier'))} rules: checking costs {ratio:.2f} times their bare evaluation, "
               f"{best['gated']['seconds'] / best['bare']['seconds']:.2f} times as long, {best['gated']['megabytes'] / max(best['bare']['megabytes'], 1):.2f} times the memory")  # fmt: skip


if __name__ == "__main__":
    main()
