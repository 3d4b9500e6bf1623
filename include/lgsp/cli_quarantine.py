"""`lgsp quarantine`: the rows that broke a rule, and what people do about them."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import wraps
from typing import Any

import click

from lgsp import database, sources
from lgsp import quarantine as held_rows
from lgsp.errors import LgspError
from lgsp.ledger import Connection
from lgsp.quarantine import Held
from lgsp.settings import Settings

FAILED, REFUSED = 1, 3

WHO_MENDS = {
    "source": "ask the owner of the source to correct it: a corrected version lets the row go by itself",
    "agency": "ask the agency to correct it in its system: a corrected version lets the row go by itself",
    "platform": "mend the mapping or the code list, then `lgsp quarantine redrive --rule {rule}`",
}

as_json = click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")
a_source = click.option("--source", type=click.Choice(sources.names()), help="Only of this source.")
a_rule = click.option("--rule", "rule_id", metavar="RULE", help="Only what broke this rule.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def _answering(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the package's errors into a line on standard error and exit code 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LgspError as error:
            click.echo(f"lgsp: {error}", err=True)
            sys.exit(FAILED)

    return wrapped


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """The row a decision is about, who takes it, and why."""
    command = click.option("--why", required=True, metavar="TEXT", help="The reason, for whoever asks later.")(command)
    command = click.option("--by", "who", metavar="NAME", default=_user, help="Who decides; by default the user.")(command)  # fmt: skip
    return as_json(click.argument("quarantine_id", type=int)(command))


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
@_answering
def list_(state: str, is_json: bool, **conditions: Any) -> None:
    """The rows in quarantine, newest first."""
    _, store = _store()
    with store as connection:
        found = held_rows.listing(connection, state=None if state == "all" else state, **conditions)
    for held in found:
        click.echo(
            _json({**asdict(held), "age_days": held.age_days})
            if is_json
            else f"{held.quarantine_id:>8} {held.source:<16} {held.kind:<16} {held.rule_id:<26} {held.state:<9} "
            f"{held.age_days:>4} d  {held.source_key}  {held.reason}"
        )


@quarantine.command()
@click.argument("quarantine_id", type=int)
@click.option("--raw", "is_raw", is_flag=True, help="Also the record as it was sent; it may hold personal data.")
@as_json
@_answering
def show(quarantine_id: int, is_raw: bool, is_json: bool) -> None:
    """One row: every reason of its record, what the rules mean, and what to do."""
    from lgsp import redrive

    settings, store = _store()
    with store as connection:
        asked = held_rows.one(connection, quarantine_id)
        told: dict[str, Any] = {
            "source": asked.source, "kind": asked.kind, "source_key": asked.source_key, "raw_pointer": asked.raw_pointer,
            "source_updated_at": asked.source_updated_at, "agency": _agency(connection, asked),
            "reasons": [_reason(held) for held in held_rows.reasons(connection, asked)],
        }  # fmt: skip
    if is_raw:
        told["raw"] = redrive.raw(settings, asked)
    if is_json:
        click.echo(_json(told))
        return
    for name, value in told.items():
        if name == "reasons":
            for reason in told["reasons"]:
                click.echo()
                _lines(reason)
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
@_answering
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
    from lgsp import redrive

    done = redrive.run(Settings.from_env(), quarantine_ids, rule_id, source)
    if is_json:
        click.echo(_json({**asdict(done), "still_held": done.still_held}))
    else:
        click.echo(str(done))
        if done.passed:
            click.echo("`lgsp publish` makes public what passed")
    if done.refused:
        sys.exit(REFUSED)


@quarantine.command()
@_decision
@_answering
def accept(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Publish a record though it breaks a rule: it keeps the rule's name in its quality_flags."""
    _, store = _store()
    with store as connection:
        held = held_rows.accept(connection, quarantine_id, who, why)
    if not is_json:
        click.echo(f"{held.source_key} may break {held.rule_id}, decided by {held.state_by}")
    _redrive((quarantine_id,), None, None, is_json)


@quarantine.command()
@_decision
@_answering
def discard(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Never publish this version of a record; a newer one is judged by itself."""
    _, store = _store()
    with store as connection:
        _decided(held_rows.discard(connection, quarantine_id, who, why), is_json)


@quarantine.command()
@_decision
@_answering
def reopen(quarantine_id: int, who: str, why: str, is_json: bool) -> None:
    """Take back that a record was discarded."""
    _, store = _store()
    with store as connection:
        _decided(held_rows.reopen(connection, quarantine_id, who, why), is_json)


def _decided(held: Held, is_json: bool) -> None:
    click.echo(_json(asdict(held)) if is_json else f"{held.source_key} is {held.state}, decided by {held.state_by}")


def _store() -> tuple[Settings, AbstractContextManager[Connection]]:
    """The settings, and a connection to a store that is as this version wants it."""
    settings = Settings.from_env()
    database.ensure(settings)
    return settings, database.connect(settings)


def _lines(told: dict[str, Any]) -> None:
    for name, value in told.items():
        if value not in (None, ""):
            click.echo(f"{name}: {value}")


def _json(told: dict[str, Any]) -> str:
    return json.dumps(told, default=str, ensure_ascii=False)
