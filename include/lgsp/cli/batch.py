"""`lgsp batch`: what was read, what its checks said, and how a batch that was refused may pass all the same."""

from __future__ import annotations

from typing import Any

import click

from lgsp import check
from lgsp.cli.options import answering, as_json, as_text, decision, local, store, tell
from lgsp.errors import LgspError
from lgsp.schema import contract, sources
from lgsp.store import ledger

STATES = ("landing", "failed", "landed", "harmonised", "checked", "refused", "published")


@click.group()
def batch() -> None:
    """The batches: what was read, what the checks said of it, and who let a refused one pass."""


@batch.command("list")
@click.option("--source", type=click.Choice(sources.names()), help="Only of this source.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--last", default=20, show_default=True, help="How many, the newest first.")
@as_json
@answering
def list_batches(source: str | None, state: str | None, last: int, is_json: bool) -> None:
    """The newest batches with their window, state, counts and, where they were refused, why."""
    with store() as (_, connection):
        rows = connection.execute(
            "select batch_id, source, purpose, window_from, window_to, state, fetched_count, published_count, quarantined_count, why, snapshot_id "
            "from ledger.batch where (%(source)s::text is null or source = %(source)s) and (%(state)s::text is null or state = %(state)s) "
            "order by created_at desc, batch_id desc limit %(last)s",
            {"source": source, "state": state, "last": last},
        ).fetchall()
    for row in rows:
        if is_json:
            click.echo(as_text(row))
            continue
        click.echo(f"{row['batch_id']:<58} {row['state']:<10} {row['fetched_count']:>8,} read {row['quarantined_count']:>6,} in quarantine"
                   + (f"\n    {row['why']}" if row["why"] else ""))  # fmt: skip


@batch.command()
@click.argument("batch_id")
@as_json
@answering
def show(batch_id: str, is_json: bool) -> None:
    """One batch: its counts, every rule that something broke, and how its fields differ from their description."""
    with store() as (_, connection):
        found = ledger.batch(connection, batch_id)
        row, results = _told(connection, batch_id)
    if is_json:
        tell({**row, "results": results}, is_json)
        return
    click.echo(
        f"{found.batch_id}: {found.source}, {found.window}, {found.purpose}, {found.state}"
        + (f": {found.why}" if found.why else "")
    )
    click.echo("  " + ", ".join(f"{name.removesuffix('_count')} {found.counts[name]:,}" for name in ledger.COUNTS))
    click.echo(
        f"  read {local(row['landed_at'])}, checked {local(row['checked_at'])}, published {local(row['published_at'])}"
    )
    for item in row["schema_drift"]:
        click.echo(
            "  fields "
            + "; ".join(
                f"{what}: {', '.join(names) if isinstance(names, list) else names}"
                for what, names in item.items()
                if names
            )
        )
    for result in results:
        if result["is_passed"] and not result["failed_count"]:
            continue
        click.echo(
            f"  {'FAILED' if not result['is_passed'] else 'passed':<7}{result['rule_id']:<26}{result['severity']:<9}"
            f"{result['failed_count']:>7,} of {result['checked_count']:,}  {result['observed'] or result['meaning']}"
            + (f" (such as {', '.join(result['sample_keys'])})" if result["sample_keys"] else "")
        )


@batch.command()
@click.argument("batch_id")
@click.argument("rule_id")
@decision
@answering
def accept(batch_id: str, rule_id: str, who: str, why: str) -> None:
    """Let BATCH_ID pass the batch rule RULE_ID, now and whenever its window is read again; it is checked anew.

    For after the source was asked: yes, these deletions are meant; yes, on that day nothing came in.
    """
    rule = next((rule for rule in contract.rules("batch") if rule.id == rule_id), None)
    if rule is None:
        raise LgspError(
            f"there is no batch rule {rule_id}; known are {', '.join(r.id for r in contract.rules('batch'))}"
        )
    if not rule.is_acceptable:
        raise LgspError(f"nobody may overrule {rule_id}: {rule.why}")
    with store() as (settings, connection):
        found = ledger.batch(connection, batch_id)
        if found.state != "refused":
            raise LgspError(f"{batch_id} is {found.state}: only a refused batch can be let pass")
        ledger.overrule(connection, found, rule_id, who, why)
    check.run(settings, [batch_id])
    click.echo(f"{batch_id} passed: {rule_id} was overruled by {who}; `lgsp publish` publishes it")


def _told(connection: ledger.Connection, batch_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A batch's row in the ledger, and what every rule said of it, the broken ones first."""
    row = connection.execute("select * from ledger.batch where batch_id = %s", [batch_id]).fetchone()
    results = connection.execute(
        "select rule_id, suite, severity, checked_count, failed_count, is_passed, observed, meaning, sample_keys from ledger.check_result "
        "where batch_id = %s order by is_passed, failed_count desc, rule_id", [batch_id],
    ).fetchall()  # fmt: skip
    return row or {}, results
