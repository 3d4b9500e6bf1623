"""Measure the check stage against the bare evaluation of the same rules, in CPU seconds and memory.

    make bench-check                   100,000 rows
    make bench-check ROWS=1000000

Bare is the minimum of any quality gate: DuckDB reads the same staged rows, evaluates the same predicates of the same
contracts on two threads, writes the rows that pass and fetches the keys of those that fail. It has no expectations, no
canaries, no search for personal data, no Data Docs and no ledger. Each side runs in its own process, with its libraries
loaded before the measurement starts.
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
    """Create a harmonised batch of so many rows: records of a simulated province, repeated with other keys; its id."""
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
    """Evaluate every rule, write the rows that pass, fetch the keys of the rows that fail."""
    staged = settings.staging / batch_id / "harmonised" / "dossier.parquet"
    rules = contract.rules("dossier")
    with store.connect(settings) as connection:
        end = ledger.batch(connection, batch_id).window.end
    with duck(settings) as con:
        flags = ", ".join(f'not coalesce({rule.bad}, false) as "{rule.id}"' for rule in rules)
        con.execute(
            f"create table flagged as select *, {flags} from (select *, timestamptz '{end.isoformat()}' as window_to, false as is_personal from '{staged}')"
        )
        good = " and ".join(f'"{rule.id}"' for rule in rules if rule.is_blocking)
        con.execute(
            f"copy (select * from flagged where {good}) to '{staged.parent}/bare.parquet' (format parquet, compression zstd)"
        )
        for rule in rules:
            con.execute(f'select source_key, raw_pointer from flagged where not "{rule.id}"').fetchall()


def gated(settings: Settings, batch_id: str) -> None:
    """Run the check stage on the same rows."""
    check.run(settings, [batch_id])


def _measure(side: str, batch_id: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.checking", "--only", side, "--batch", batch_id]
    completed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(completed.stdout.splitlines()[-1])
    return result


def _measure_here(side: str, batch_id: str) -> None:
    import great_expectations  # noqa: F401
    import scipy  # noqa: F401

    settings = Settings.from_env()
    if side == "gated":  # templates, models and registries are compiled once in a process
        from lgsp.check import gate

        rule = contract.rules("batch")[:1]
        gate.evaluate("batch", gate.count_flags("batch", {rule[0].id: True}, rule, {}))
    started, cpu, memory = time.monotonic(), time.process_time(), _peak()
    {"bare": bare, "gated": gated}[side](settings, batch_id)
    click.echo(json.dumps({"seconds": time.monotonic() - started, "cpu": time.process_time() - cpu,
                           "megabytes": _peak() - memory}))  # fmt: skip


def _peak() -> int:
    """The peak memory of this process in megabytes (VmHWM): getrusage would include the process it was forked from."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1024


@click.command()
@click.option("--rows", default=100_000, show_default=True)
@click.option("--only", type=click.Choice(["bare", "gated"]), hidden=True)
@click.option("--batch", hidden=True)
@click.option("--times", default=3, show_default=True, help="The number of runs of each side; the fastest counts.")
def main(rows: int, only: str | None, batch: str | None, times: int) -> None:
    """Measure both sides on the same rows."""
    if only and batch:
        _measure_here(only, batch)
        return
    with serving(SEED, documents=100) as environment:
        settings = Settings.from_env(environment)
        batch_id = stage(settings, rows)
        best: dict[str, dict[str, Any]] = {}
        for _ in range(times):
            for side in ("bare", "gated"):
                result = _measure(side, batch_id, environment)
                best[side] = min(best.get(side, result), result, key=lambda r: r["cpu"])
    for side, result in best.items():
        click.echo(
            f"{side:<6} {result['cpu']:>7.2f} CPU s {result['seconds']:>7.2f} s {result['megabytes']:>6} MB more"
        )
    ratio = best["gated"]["cpu"] / best["bare"]["cpu"]
    click.echo(f"{rows:,} rows, {len(contract.rules('dossier'))} rules: checking costs {ratio:.2f} times their bare evaluation, "
               f"{best['gated']['seconds'] / best['bare']['seconds']:.2f} times as long, {best['gated']['megabytes'] / max(best['bare']['megabytes'], 1):.2f} times the memory")  # fmt: skip


if __name__ == "__main__":
    main()
