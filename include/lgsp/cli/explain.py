"""`lgsp explain`: from a published number to the rows it counts, and from a row to the bytes its sources sent."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lgsp import explain as explaining
from lgsp.cli.options import FAILED, answering, as_json, as_text, local, store
from lgsp.explain import Explanation, Row, lineage
from lgsp.explain.lineage import Trace

LEVELS = ("ALL", "province", "district", "commune")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet would run
LINEAGE = ("source_updated_at", "batch_id", "snapshot_id")  # told of each record
VERDICTS = {
    explaining.COUNTED: "in the numerator",
    explaining.NOT_COUNTED: "in the denominator alone",
    explaining.EXCLUDED: "left out on purpose",
    explaining.QUARANTINED: "in quarantine",
    explaining.OUTSIDE: "in neither",
}


@click.command()
@click.argument("what", metavar="KPI|dossier|document|work_file")
@click.argument("key", required=False, metavar="[ID]")
@click.option("--organisation", metavar="CODE|NAME|ALL", default="ALL", show_default=True, help="Of this agency.")
@click.option("--period", metavar="PERIOD", help=f"In this period: {explaining.FORMS}.")
@click.option("--level", type=click.Choice(LEVELS), default="ALL", help="Of ALL, only the agencies of this level.")
@click.option("--field", "field_code", metavar="CODE", help="Of form_06a, only this field.")
@click.option("--snapshot", "snapshot_id", type=int, metavar="N", help="As this snapshot showed it.")
@click.option("--show", type=click.Choice([*explaining.VERDICTS, "all"]), default="all", show_default=True, help="Which rows.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="How many rows are printed.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all the rows here.")
@as_json
@answering
def explain(
    what: str,
    key: str | None,
    organisation: str,
    period: str | None,
    level: str,
    field_code: str | None,
    snapshot_id: int | None,
    show: str,
    limit: int,
    csv_file: Path | None,
    is_json: bool,
) -> None:
    """From a number to its rows, from a row to its sources.

    `lgsp explain on_time --organisation H47.20.25 --period 2026-08` tells every dossier that the number counts, leaves
    out or holds back, each with the reason. Some have parts: form_06a.open_late, zero_activity.online, index_766.3c.
    Exit 1 when the rows do not make the published number.

    `lgsp explain dossier H47.20.25-260803-0001` tells the records a row was made of, and where their bytes are.
    """
    if what in lineage.KEYS:
        if not key:
            raise click.UsageError(f"say which {what}: lgsp explain {what} ID")
        with store() as (settings, connection):
            traced = lineage.row(settings, connection, what, key, snapshot_id)
        click.echo(as_text(asdict(traced))) if is_json else _tell_trace(traced)
        return
    if key or not period:
        raise click.UsageError(f"say which number: lgsp explain {what} --organisation CODE --period 2026-08")
    with store() as (_, connection):
        explained = explaining.number(connection, what, organisation, period, snapshot_id, level, field_code)
    rows = [row for row in explained.rows if show in ("all", row.verdict)]
    if csv_file:
        write(csv_file, rows)
    click.echo(as_text(_told(explained, rows[:limit]))) if is_json else _tell(explained, rows, limit)
    if explained.differences:
        for difference in explained.differences:
            click.echo(f"lgsp: the rows do not make the number: {difference}", err=True)
        sys.exit(FAILED)


def _told(explained: Explanation, rows: list[Row]) -> dict[str, Any]:
    asked = explained.question
    return {
        "indicator": asked.told, "organisation_id": asked.organisation_id, "name": asked.name, "level": asked.level,
        "period": asked.span.period, "period_start": asked.span.start, "period_end": asked.span.end,
        "snapshot_id": asked.snapshot.snapshot_id, "published": asked.row, "definition": asked.definition,
        "is_proven": not explained.differences, "differences": explained.differences, "notes": explained.notes,
        "reasons": [{"verdict": v, "reason": r, "count": n} for (v, r), n in sorted(explained.counts().items())],
        "parts": explained.parts, "rows": [asdict(row) for row in rows],
    }  # fmt: skip


def _tell(explained: Explanation, rows: list[Row], limit: int) -> None:
    asked, row, definition = explained.question, explained.question.row, explained.question.definition
    click.echo(f"{asked.told}: {definition['name_en']} · {definition['name_vi']}")
    click.echo(
        f"  {asked.name} ({asked.organisation_id}, level {asked.level}), {asked.span}, data as of {local(row['as_of'])}"
    )
    click.echo(f"  {_number(explained)}")
    click.echo(
        f"  definition {row['definition_version']} ({definition['legal_basis'] or 'no act'}); the row is of snapshot "
        f"{row['snapshot_id']}, read in snapshot {asked.snapshot.snapshot_id}"
    )
    for name in ("numerator", "denominator", "excluded"):
        if definition[f"{name}_en"]:
            click.echo(f"  {name:<12}{definition[f'{name}_en']} · {definition[f'{name}_vi']}")
    for part in explained.parts:
        click.echo(f"  {part['part']:<22}{part.get('kpi_id') or '':<24}{_fraction(part)}")
    for verdict, meaning in VERDICTS.items():
        reasons = sorted((r, n) for (v, r), n in explained.counts().items() if v == verdict)
        if reasons:
            click.echo(f"  {sum(n for _, n in reasons):>9,} {meaning}")
        for reason, count in reasons:
            click.echo(f"  {count:>15,} {reason}")
    for note in explained.notes:
        click.echo(f"  note: {note}")
    if not explained.differences:
        click.echo("  proven: these rows make the published number")
    for each in rows[:limit]:
        click.echo(f"{each.verdict:<12} {each.organisation_id:<14} {each.key:<32} {each.reason}: {each.detail}")
    if len(rows) > limit:
        click.echo(f"… and {len(rows) - limit:,} more: --limit, --show or --csv FILE")


def _number(explained: Explanation) -> str:
    """A published row in one line."""
    row = explained.question.row
    if explained.question.table == "form_06a":
        return f"{row['numerator']:,} dossiers"
    if explained.question.table == "zero_activity":
        return f"{row['dossier_count']:,} dossiers: {row['state']}, low below {row['threshold']:,}"
    held = f"; {row['excluded_count']:,} left out, {row['quarantined_count']:,} in quarantine"
    return f"{_fraction(row)}{held}"


def _fraction(row: dict[str, Any]) -> str:
    value = "no value" if row["value"] is None else f"{row['value']:.6g}"
    points = f", {row['points']:.6g} of {row['maximum']:g} points" if row.get("points") is not None else ""
    if row["denominator"] is None:
        return f"{value}{points}"
    return f"{value} = {row['numerator']:,} / {row['denominator']:,}{points}"


def write(file: Path, rows: list[Row]) -> None:
    """Every row with its reason and what it says, as a table that spreadsheets open; none of its texts is a formula."""
    facts = list(dict.fromkeys(name for row in rows for name in row.facts if name not in ("unit_id", "reason", "kind")))
    columns = ["key", "kind", "organisation_id", "verdict", "reason", "detail", "numerator", "denominator"]
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        writer = csv.writer(opened)
        writer.writerow([*columns, *facts])
        writer.writerows(
            [_harmless(said) for said in (*(getattr(row, name) for name in columns), *map(row.facts.get, facts))]
            for row in rows
        )


def _harmless(said: Any) -> Any:
    """A value that a spreadsheet takes for what it is: a text that looks like a formula is marked as text."""
    return f"'{said}" if isinstance(said, str) and said.startswith(FORMULAS) else said


def _tell_trace(traced: Trace) -> None:
    gone = f", which left the shared table in snapshot {traced.left_in}" if traced.left_in else ""
    click.echo(f"{traced.kind} {traced.key} in snapshot {traced.snapshot.snapshot_id}{gone}")
    for value in traced.values:
        other = "".join(f"; {source} says {said}" for source, said in value.get("disputed", {}).items())
        click.echo(f"  {value['attribute']:<30}{_plain(value['value']):<34}{', '.join(value['from'])}{other}")
    for table, rows in traced.beside.items():
        click.echo(f"{table}: {len(rows)}")
        for row in rows:
            told = {name: said for name, said in row.items() if said is not None and name not in LINEAGE}
            told.pop(lineage.KEYS[traced.kind], None)
            click.echo("  " + ", ".join(f"{name} {_plain(said)}" for name, said in told.items()))
    click.echo("versions")
    for version in traced.versions:
        until = f"until {version['snapshot_to']}" if version["snapshot_to"] else "now"
        click.echo(f"  snapshot {version['snapshot_from']} {until}: {', '.join(version['changed']) or 'new'} ({version['batch_id']})")  # fmt: skip
    for record in traced.records:
        _tell_record(record)
    for batch in traced.batches:
        click.echo(f"batch {batch['batch_id']}: {batch['purpose']} {batch['state']}, read {local(batch['landed_at'])}, checked {local(batch['checked_at'])}, in snapshot {batch['snapshot_id']}")  # fmt: skip
    for rule in traced.rules:
        click.echo(f"flag {rule['rule_id']} {rule['version']} ({rule['severity']}): {rule['meaning']}")
    for held in traced.quarantine:
        click.echo(f"quarantine {held['quarantine_id']} {held['rule_id']} {held['rule_version']} ({held['state']}): {held['reason']}")  # fmt: skip


def _tell_record(record: dict[str, Any]) -> None:
    click.echo(f"record {record['kind']} of {record['source']} {record['source_key']}, changed there {local(record['source_updated_at'])}")  # fmt: skip
    for name, said in record.items():
        if said not in (None, [], "", False) and name not in (
            "kind",
            "source",
            "source_key",
            "source_updated_at",
            "page",
        ):
            click.echo(f"  {name:<16}{_plain(said)}")
    page = record.get("page")
    if page is None:
        click.echo("  no raw page: it was made by a sweep")
        return
    click.echo(f"  page            answer {page['number']} to {page['request']} ({page['list']}, HTTP {page['status']}), record {page['ordinal']} in it")  # fmt: skip
    click.echo(f"  file            {page['file']}, zstd frame at {page['offset']}, {page['length']} bytes, landed {local(page['landed_at'])}")  # fmt: skip
    click.echo(f"  sha256          {page['sha256']}: {page['state']}")
    for name, said in page["facts"].items():
        click.echo(f"  {name:<16}{said}")


def _plain(said: Any) -> str:
    return (
        local(said)
        if hasattr(said, "astimezone")
        else ", ".join(map(str, said))
        if isinstance(said, list)
        else str(said)
    )
