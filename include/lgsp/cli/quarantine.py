"""`lgsp quarantine`: the rows that broke a rule, and what people do about them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from lgsp.check import quarantine as held_rows
from lgsp.check.quarantine import Held
from lgsp.cli.options import REFUSED, answering, as_json, as_text, decision, store, tell
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.ledger import Connection

WHO_MENDS = {
    "source": "ask the owner of the source to correct it: a corrected version lets the row go by itself",
    "agency": "ask the agency to correct it in its system: a corrected version lets the row go by itself",
    "platform": "mend the mapping or the code list, then `lgsp quarantine redrive --rule {rule}`",
}

a_source = click.option("--source", type=click.Choice(sources.names()), help="Only of this source.")
a_rule = click.option("--rule", "rule_id", metavar="RULE", help="Only what broke this rule.")


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """The row a decision is about, who takes it, and why."""
    return as_json(click.argument("quarantine_id", type=int)(decision(answering(command))))


@click.group()
def quarantine() -> None:
    """Rows that broke a rule, with their reasons and their way back."""


@quarantine.command("list")
@a_source
@a_rule
@click.option("--state", type=click.Choice([*held_rows.STATES, "all"]), default="open", show_default=True)
@click.option("--organisation", "organisation_id", metavar="ID", help="Only of this agency.")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="Only what has been held longer.")
@as_json
@answering
def list_(state: str, is_json: bool, **conditions: Any) -> None:
    """The rows in quarantine, newest first."""
    with store() as (_, connection):
        found = held_rows.listing(connection, state=None if state == "all" else state, **conditions)
    for held in found:
        click.echo(
            as_text({**asdict(held), "age_days": held.age_days})
            if is_json
            else f"{held.quarantine_id:>8} {held.source:<16} {held.kind:<16} {held.rule_id:<26} {held.state:<9} "
            f"{held.age_days:>4} d  {held.source_key}  {held.reason}"
        )


@quarantine.command()
@click.argument("quarantine_id", type=int)
@click.option("--raw", "is_raw", is_flag=True, help="Also the record as it was sent; it may hold personal data.")
@as_json
@answering
def show(quarantine_id: int, is_raw: bool, is_json: bool) -> None:
    """One row: every reason of its record, what the rules mean, and what to do."""
    from lgsp.maintain import redrive

    with store() as (settings, connection):
        asked = held_rows.one(connection, quarantine_id)
        told: dict[str, Any] = {
            "source": asked.source, "kind": asked.kind, "source_key": asked.source_key, "raw_pointer": asked.raw_pointer,
            "source_updated_at": asked.source_updated_at, "agency": _agency(connection, asked),
            "reasons": [_reason(held) for held in held_rows.reasons(connection, asked)],
        }  # fmt: skip
    if is_raw:
        told["raw"] = redrive.raw(settings, asked)
    if is_json:
        click.echo(as_text(told))
        return
    for name, value in told.items():
        if name == "reasons":
            for reason in told["reasons"]:
                click.echo()
                tell({name: said for name, said in reason.items() if said not in (None, "")}, is_json=False)
        elif name == "raw":
            click.echo(f"\n{json.dumps(value, ensure_ascii=False, indent=2, default=str)}")
        else:
            click.echo(f"{name}: {value}")


def _agency(connection: Connection, held: Held) -> str | None:
    row = connection.execute(
        "select name from shared.organisation where organisation_id = %s limit 1", [held.organisation_id]
    ).fetchone()
    return f"{held.organisation_id} {row['name']}" if row else held.organisation_id


def _reason(held: Held) -> dict[str, Any]:
    rule = held.rule
    decided = f"by {held.state_by} at {held.state_at:%Y-%m-%d %H:%M %Z}: {held.state_reason}" if held.state_at else None
    return {
        "quarantine_id": held.quarantine_id, "rule": held.rule_id, "rule_version": held.rule_version,
        "meaning_vi": rule and rule.meaning_vi, "meaning": rule and rule.meaning, "why": rule and rule.why, "owner": rule and rule.owner,
        "reason": held.reason, "state": held.state, "decided": decided, "redriven_in": held.redriven_in,
        "held_since": held.created_at, "age_days": held.age_days, "what_to_do": _what_to_do(held),
    }  # fmt: skip


def _what_to_do(held: Held) -> str:
    """The next step of a row that waits; empty for one that left."""
    if held.state != "open":
        return ""
    rule = held.rule
    if rule is None:
        return f"the rule is asked no more: `lgsp quarantine redrive {held.quarantine_id}`"
    if rule.mend:
        steps = [f"mend or extend {rule.mend}, then `lgsp quarantine redrive --rule {rule.id}`"]
    else:
        steps = [WHO_MENDS.get(rule.owner, WHO_MENDS["source"]).format(rule=rule.id)]
    if rule.is_acceptable:
        steps.append(f"or, if it is true as it stands, `lgsp quarantine accept {held.quarantine_id} --why …`")
    return "; ".join(steps)


@quarantine.command()
@click.argument("quarantine_ids", type=int, nargs=-1, metavar="[ID]...")
@a_rule
@a_source
@click.option("--all", "is_all", is_flag=True, help="Everything that is open.")
@as_json
@answering
def redrive(
    quarantine_ids: tuple[int, ...], rule_id: str | None, source: str | None, is_all: bool, is_json: bool
) -> None:
    """Drive records again from what was landed, once a rule, a mapping or a code list was mended.

    Exit 3 when a check refused a batch of them.
    """
    if not (quarantine_ids or rule_id or source or is_all):
        raise click.UsageError("say which: ids, --rule, --source or --all")
    _redrive(quarantine_ids, rule_id, source, is_json)


def _redrive(quarantine_ids: tuple[int, ...], rule_id: str | None, source: str | None, is_json: bool) -> None:
    from lgsp.maintain import redrive

    done = redrive.run(Settings.from_env(), quarantine_ids, rule_id, source)
    if is_json:
        click.echo(as_text({**asdict(done), "still_held": done.still_held}))
    else:
        click.echo(str(done))
        if done.passed:
            click.echo("`lgsp publish` makes public what passed")
    if done.refused:
        sys.exit(REFUSED)


@quarantine.command()
@_decision
def accept(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Publish a record though it breaks a rule: it keeps the rule's name in its quality_flags."""
    with store() as (_, connection):
        held = held_rows.accept(connection, quarantine_id, who, why)
    if not is_json:
        click.echo(f"{held.source_key} may break {held.rule_id}, decided by {held.state_by}")
    _redrive((quarantine_id,), None, None, is_json)


@quarantine.command()
@_decision
def discard(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Never publish this version of a record; a newer one is judged by itself."""
    with store() as (_, connection):
        _decided(held_rows.discard(connection, quarantine_id, who, why), is_json)


@quarantine.command()
@_decision
def reopen(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Take back that a record was discarded."""
    with store() as (_, connection):
        _decided(held_rows.reopen(connection, quarantine_id, who, why), is_json)


def _decided(held: Held, is_json: bool) -> None:
    click.echo(as_text(asdict(held)) if is_json else f"{held.source_key} is {held.state}, decided by {held.state_by}")
