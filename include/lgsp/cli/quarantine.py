"""`lgsp quarantine`: lists records that broke a rule, redrives them, and records decisions about them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from lgsp.check import quarantine as quarantined_rows
from lgsp.check.quarantine import QuarantinedRow
from lgsp.cli.options import (
    PASTED_AGENCY,
    PASTED_NUMBER,
    PASTED_RULE,
    REFUSED,
    decision_options,
    handles_errors,
    json_option,
    open_store,
    print_values,
    to_json,
)
from lgsp.schema import codelists, sources
from lgsp.settings import Settings
from lgsp.store.ledger import Connection

STEP_BY_OWNER = {
    "source": "ask the owner of the source to correct the record: the corrected version leaves the quarantine",
    "agency": "ask the agency to correct the record in its system: the corrected version leaves the quarantine",
    "platform": "fix the mapping or the code list, then run `lgsp quarantine redrive --rule {rule}`",
}

source_option = click.option("--source", type=click.Choice(sources.names()), help="Only records of this source.")
rule_option = click.option(
    "--rule", "rule_id", type=PASTED_RULE, metavar="RULE", help="Only records that broke this rule."
)


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options of a decision: the row, the person and the reason."""
    return json_option(click.argument("quarantine_id", type=PASTED_NUMBER)(decision_options(handles_errors(command))))


@click.group()
def quarantine() -> None:
    """Manage records that broke a rule."""


@quarantine.command("list")
@source_option
@rule_option
@click.option("--state", type=click.Choice([*quarantined_rows.STATES, "all"]), default="open", show_default=True, help="Only rows in this state.")  # fmt: skip
@click.option(
    "--organisation", "organisation_id", type=PASTED_AGENCY, metavar="ID", help="Only records of this agency."
)
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="Only rows older than DAYS days.")
@json_option
@handles_errors
def list_(state: str, is_json: bool, **conditions: Any) -> None:
    """List the rows in quarantine.

    A record has one row for each rule it broke. The newest rows come first.
    """
    with open_store() as (_, connection):
        rows = quarantined_rows.list_rows(connection, state=None if state == "all" else state, **conditions)
    for row in rows:
        click.echo(
            to_json({**asdict(row), "age_days": row.age_days})
            if is_json
            else f"{row.quarantine_id:>8} {row.source:<16} {row.kind:<16} {row.rule_id:<26} {row.state:<9} "
            f"{row.age_days:>4} d  {row.source_key}  {row.reason}"
        )


@quarantine.command()
@click.argument("quarantine_id", type=PASTED_NUMBER)
@click.option(
    "--raw", "is_raw", is_flag=True, help="Also print the record as it was sent; it may contain personal data."
)
@json_option
@handles_errors
def show(quarantine_id: int, is_raw: bool, is_json: bool) -> None:
    """Show a record, the rules it broke and what to do."""
    from lgsp.maintain import redrive

    with open_store() as (settings, connection):
        shown = quarantined_rows.get(connection, quarantine_id)
        values: dict[str, Any] = {
            "source": shown.source, "kind": shown.kind, "source_key": shown.source_key, "raw_pointer": shown.raw_pointer,
            "source_updated_at": shown.source_updated_at, "agency": _agency(connection, shown),
            "reasons": [_reason(row) for row in quarantined_rows.rows_of_version(connection, shown)],
        }  # fmt: skip
    if is_raw:
        values["raw"] = redrive.raw_record(settings, shown)
    if is_json:
        click.echo(to_json(values))
        return
    for name, value in values.items():
        if name == "reasons":
            for reason in values["reasons"]:
                click.echo()
                print_values({key: text for key, text in reason.items() if text not in (None, "")}, is_json=False)
        elif name == "raw":
            click.echo(f"\n{json.dumps(value, ensure_ascii=False, indent=2, default=str)}")
        else:
            click.echo(f"{name}: {value}")


def _agency(connection: Connection, quarantined: QuarantinedRow) -> str | None:
    row = connection.execute(
        "select name from shared.organisation where organisation_id = %s limit 1", [quarantined.organisation_id]
    ).fetchone()
    return f"{quarantined.organisation_id} {row['name']}" if row else quarantined.organisation_id


def _reason(row: QuarantinedRow) -> dict[str, Any]:
    rule = row.rule
    decided = f"by {row.state_by} at {row.state_at:%Y-%m-%d %H:%M %Z}: {row.state_reason}" if row.state_at else None
    return {
        "quarantine_id": row.quarantine_id, "rule": row.rule_id, "rule_version": row.rule_version,
        "meaning_vi": rule and rule.meaning_vi, "meaning": rule and rule.meaning, "why": rule and rule.why, "owner": rule and rule.owner,
        "reason": row.reason, "state": row.state, "decided": decided, "redriven_in": row.redriven_in,
        "held_since": row.created_at, "age_days": row.age_days, "what_to_do": _what_to_do(row),
    }  # fmt: skip


def _what_to_do(row: QuarantinedRow) -> str:
    """The next step for an open row; empty for other rows."""
    if row.state != "open":
        return ""
    rule = row.rule
    if rule is None:
        return f"the rule does not exist any more: run `lgsp quarantine redrive {row.quarantine_id}`"
    if rule.fix:
        steps = [f"{_fix(rule.fix)}, then run `lgsp quarantine redrive --rule {rule.id}`"]
    else:
        steps = [STEP_BY_OWNER.get(rule.owner, STEP_BY_OWNER["source"]).format(rule=rule.id)]
    if rule.is_acceptable:
        steps.append(f"or, if the record is correct, run `lgsp quarantine accept {row.quarantine_id} --why …`")
    return "; ".join(steps)


def _fix(file: str) -> str:
    return f"add the code to {file} in LGSP_CONFIG" if file.startswith(codelists.OWN) else f"fix or extend {file}"


@quarantine.command()
@click.argument("quarantine_ids", type=PASTED_NUMBER, nargs=-1, metavar="[ID]...")
@rule_option
@source_option
@click.option("--all", "is_all", is_flag=True, help="All open rows.")
@json_option
@handles_errors
def redrive(
    quarantine_ids: tuple[int, ...], rule_id: str | None, source: str | None, is_all: bool, is_json: bool
) -> None:
    """Process records again from the landed data.

    Use it after a rule, a mapping or a code list was fixed. Choose the records by ID, --rule or --source, or use --all.
    Exits with 3 when a check refused a batch.
    """
    if not (quarantine_ids or rule_id or source or is_all):
        raise click.UsageError("choose the records: IDs, --rule, --source or --all")
    _redrive(quarantine_ids, rule_id, source, is_json)


def _redrive(quarantine_ids: tuple[int, ...], rule_id: str | None, source: str | None, is_json: bool) -> None:
    from lgsp.maintain import redrive

    result = redrive.redrive_rows(Settings.from_env(), quarantine_ids, rule_id, source)
    if is_json:
        click.echo(to_json({
            "batch_ids": result.batch_ids, "records": result.records, "passed": result.passed, "held": result.failed_rules,
            "refused": result.refused, "gone": result.not_landed, "still_held": result.still_quarantined,
        }))  # fmt: skip
    else:
        click.echo(str(result))
        if result.passed:
            click.echo("`lgsp publish` publishes the records that passed")
    if result.refused:
        sys.exit(REFUSED)


@quarantine.command()
@_decision
def accept(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Accept that a record breaks a rule.

    The record is processed again. When it is published, its quality_flags contain the rule's id.
    """
    with open_store() as (_, connection):
        row = quarantined_rows.accept(connection, quarantine_id, who, why)
    if not is_json:
        click.echo(f"{row.source_key} may break {row.rule_id}, decided by {row.state_by}")
    _redrive((quarantine_id,), None, None, is_json)


@quarantine.command()
@_decision
def discard(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Decide never to publish a version of a record.

    A newer version of the record is checked as usual.
    """
    with open_store() as (_, connection):
        _print_decision(quarantined_rows.discard(connection, quarantine_id, who, why), is_json)


@quarantine.command()
@_decision
def reopen(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Undo a discard: the row is open again."""
    with open_store() as (_, connection):
        _print_decision(quarantined_rows.reopen(connection, quarantine_id, who, why), is_json)


def _print_decision(row: QuarantinedRow, is_json: bool) -> None:
    click.echo(to_json(asdict(row)) if is_json else f"{row.source_key} is {row.state}, decided by {row.state_by}")
