"""`lgsp batch`: lists batches, shows their check results, accepts refused batches, and takes batches back."""

from __future__ import annotations

from typing import Any

import click

from lgsp import check
from lgsp.cli.options import (
    PASTED_KEY,
    PASTED_RULE,
    by_option,
    decision_options,
    handles_errors,
    json_option,
    local_time,
    open_store,
    print_values,
    to_json,
)
from lgsp.errors import LgspError
from lgsp.schema import contract, sources
from lgsp.settings import Settings
from lgsp.store import ledger

STATES = ("landing", "failed", "landed", "harmonised", "checked", "refused", "published", "withdrawn")


@click.group()
def batch() -> None:
    """List and show batches, accept refused ones, and take batches back."""


@batch.command("list")
@click.option("--source", type=click.Choice(sources.names()), help="Show only batches of this source.")
@click.option("--state", type=click.Choice(STATES), help="Show only batches in this state.")
@click.option("--last", default=20, show_default=True, help="Number of batches.")
@json_option
@handles_errors
def list_batches(source: str | None, state: str | None, last: int, is_json: bool) -> None:
    """List the newest batches.

    Shows the state and the counts of each batch, and the reason when it was refused.
    """
    with open_store() as (_, connection):
        rows = connection.execute(
            "select batch_id, source, purpose, window_from, window_to, state, fetched_count, published_count, quarantined_count, why, snapshot_id, "
            "withdrawn_by, withdrawn_at from ledger.batch where (%(source)s::text is null or source = %(source)s) and (%(state)s::text is null or state = %(state)s) "
            "order by created_at desc, batch_id desc limit %(last)s",
            {"source": source, "state": state, "last": last},
        ).fetchall()
    for row in rows:
        if is_json:
            click.echo(to_json(row))
            continue
        click.echo(f"{row['batch_id']:<58} {row['state']:<10} {row['fetched_count']:>8,} read {row['quarantined_count']:>6,} in quarantine"
                   + (f"\n    {_taken_back(row)}{row['why']}" if row["why"] else ""))  # fmt: skip


@batch.command()
@click.argument("batch_id", type=PASTED_KEY)
@json_option
@handles_errors
def show(batch_id: str, is_json: bool) -> None:
    """Show a batch and the rules it broke.

    Also shows its counts, and the fields that differ from the description of the source.
    """
    with open_store() as (_, connection):
        shown = ledger.batch(connection, batch_id)
        row, results = _row_and_results(connection, batch_id)
    if is_json:
        print_values({**row, "results": results}, is_json)
        return
    click.echo(
        f"{shown.batch_id}: {shown.source}, {shown.window}, {shown.purpose}, {shown.state}"
        + (f": {shown.why}" if shown.why else "")
    )
    click.echo("  " + ", ".join(f"{name.removesuffix('_count')} {shown.counts[name]:,}" for name in ledger.COUNTS))
    click.echo(
        f"  read {local_time(row['landed_at'])}, checked {local_time(row['checked_at'])}, published {local_time(row['published_at'])}"
    )
    if row["confirmed_by"]:
        click.echo(f"  its window was confirmed by {row['confirmed_by']} at {local_time(row['confirmed_at'])}")
    if row["withdrawn_by"]:
        click.echo(f"  {_taken_back(row)}{row['why']}")
    for item in row["schema_drift"]:
        click.echo(
            "  fields "
            + "; ".join(
                f"{change}: {', '.join(names) if isinstance(names, list) else names}"
                for change, names in item.items()
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
@click.argument("batch_id", type=PASTED_KEY)
@click.argument("rule_id", type=PASTED_RULE)
@decision_options
@handles_errors
def accept(batch_id: str, rule_id: str, who: str, why: str) -> None:
    """Accept that a batch breaks a batch rule.

    The batch is checked again, and the decision also applies when its window is read again. Use it after the owner of
    the source has confirmed the data: the deletions are intended, or no record was received on that day.
    """
    rule = next((rule for rule in contract.rules("batch") if rule.id == rule_id), None)
    if rule is None:
        raise LgspError(
            f"there is no batch rule {rule_id}; the batch rules are {', '.join(r.id for r in contract.rules('batch'))}"
        )
    if not rule.is_acceptable:
        raise LgspError(f"{rule_id} cannot be overruled: {rule.why}")
    with open_store() as (settings, connection):
        refused = ledger.batch(connection, batch_id)
        if refused.state != "refused":
            raise LgspError(f"{batch_id} is {refused.state}: only a refused batch can be accepted")
        ledger.overrule(connection, refused, rule_id, who, why)
    check.run(settings, [batch_id])
    click.echo(f"{batch_id} passed: {who} overruled {rule_id}; `lgsp publish` publishes it")


@batch.command()
@click.argument("batch_id", type=PASTED_KEY)
@click.option("--reason", "why", required=True, metavar="TEXT", help="Why; it is recorded and published.")
@by_option
@json_option
@handles_errors
def withdraw(batch_id: str, why: str, who: str, is_json: bool) -> None:
    """Take a checked or published batch back.

    A new snapshot has the dataset as it would be without it. The landed bytes stay, and are never harmonised again;
    reading the window again makes a new batch. The other batches of the source are harmonised again from landing, which
    takes as long as `lgsp rebuild` of all of them.
    """
    from lgsp.maintain import withdraw as withdrawing

    withdrawn = withdrawing.withdraw(Settings.from_env(), batch_id, who, why)
    state = "a new snapshot was published" if withdrawn.snapshot_id else "no published row came from it"
    print_values(
        {"batch_ids": withdrawn.batch_ids, "state": f"withdrawn: {state}", "records": withdrawn.records, "snapshot_id": withdrawn.snapshot_id},
        is_json,
    )  # fmt: skip


def _taken_back(row: dict[str, Any]) -> str:
    """Who took a batch back and when, before the reason; empty for another batch."""
    return f"taken back by {row['withdrawn_by']} at {local_time(row['withdrawn_at'])}: " if row["withdrawn_by"] else ""


def _row_and_results(connection: ledger.Connection, batch_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The ledger's row of a batch, and the results of all rules, the broken ones first."""
    row = connection.execute("select * from ledger.batch where batch_id = %s", [batch_id]).fetchone()
    results = connection.execute(
        "select rule_id, suite, severity, checked_count, failed_count, is_passed, observed, meaning, sample_keys from ledger.check_result "
        "where batch_id = %s order by is_passed, failed_count desc, rule_id", [batch_id],
    ).fetchall()  # fmt: skip
    return row or {}, results
