"""`lgsp explain`: shows the rows behind a published number, and the source records and landed bytes behind a row."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from lgsp import explain as explaining
from lgsp.cli.options import (
    FAILED,
    PASTED,
    PASTED_KEY,
    PASTED_NUMBER,
    handles_errors,
    json_option,
    local_time,
    open_store,
    to_json,
)
from lgsp.explain import Explanation, Row, lineage
from lgsp.explain.lineage import Trace

LEVELS = ("ALL", "province", "district", "commune")
FORMULAS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # a spreadsheet takes a text with one of these first characters for a formula
LINEAGE = ("source_updated_at", "batch_id", "snapshot_id")  # shown with each record
VERDICTS = {
    explaining.COUNTED: "in the numerator",
    explaining.NOT_COUNTED: "only in the denominator",
    explaining.EXCLUDED: "excluded by the definition",
    explaining.QUARANTINED: "in quarantine",
    explaining.OUTSIDE: "in neither",
}


@click.command()
@click.argument("what", type=PASTED, metavar="KPI|dossier|document|work_file")
@click.argument("key", type=PASTED_KEY, required=False, metavar="[ID]")
@click.option("--organisation", type=PASTED, metavar="CODE|NAME|ALL", default="ALL", show_default=True, help="The agency; ALL is the province.")  # fmt: skip
@click.option("--period", type=PASTED, metavar="PERIOD", help=f"The period of the number: {explaining.FORMS}.")
@click.option("--level", type=click.Choice(LEVELS), default="ALL", help="With --organisation ALL: the level of the agencies.")  # fmt: skip
@click.option("--field", "field_code", type=PASTED, metavar="CODE", help="With form_06a: the field of administration.")
@click.option("--snapshot", "snapshot_id", type=PASTED_NUMBER, metavar="N", help="Explain the number or row of an older snapshot.")  # fmt: skip
@click.option("--show", type=click.Choice([*explaining.VERDICTS, "all"]), default="all", show_default=True, help="Print only rows with this verdict.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="Number of rows to print.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all rows to this CSV file.")  # fmt: skip
@json_option
@handles_errors
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
    """Show the rows of a number, or the sources of a row.

    `lgsp explain on_time --organisation H47.20.25 --period 2026-08` lists every dossier that the number counts,
    excludes or has in quarantine, with the reason. Some numbers have parts: form_06a.open_late, zero_activity.online,
    index_766.3c. Exits with 1 when the rows do not add up to the published number.

    `lgsp explain dossier H47.20.25-260803-0001` lists the source records of a dossier and where their bytes are stored.
    """
    if what in lineage.KEYS:
        if not key:
            raise click.UsageError(f"which {what}? Use: lgsp explain {what} ID")
        with open_store() as (settings, connection):
            trace = lineage.row(settings, connection, what, key, snapshot_id)
        if is_json:
            data = asdict(trace)
            data["beside"] = data.pop("related")
            click.echo(to_json(data))
        else:
            _print_trace(trace)
        return
    if key or not period:
        raise click.UsageError(f"which number? Use: lgsp explain {what} --organisation CODE --period 2026-08")
    with open_store() as (_, connection):
        explained = explaining.number(connection, what, organisation, period, snapshot_id, level, field_code)
    rows = [row for row in explained.rows if show in ("all", row.verdict)]
    if csv_file:
        write(csv_file, rows)
    click.echo(to_json(_json_values(explained, rows[:limit]))) if is_json else _print_number(explained, rows, limit)
    if explained.differences:
        for difference in explained.differences:
            click.echo(f"lgsp: the rows do not add up to the number: {difference}", err=True)
        sys.exit(FAILED)


def _json_values(explained: Explanation, rows: list[Row]) -> dict[str, Any]:
    question = explained.question
    return {
        "indicator": question.indicator, "organisation_id": question.organisation_id, "name": question.name, "level": question.level,
        "period": question.period.kind, "period_start": question.period.start, "period_end": question.period.end,
        "snapshot_id": question.snapshot.snapshot_id, "published": question.row, "definition": question.definition,
        "is_proven": not explained.differences, "differences": explained.differences, "notes": explained.notes,
        "reasons": [{"verdict": v, "reason": r, "count": n} for (v, r), n in sorted(explained.counts().items())],
        "parts": explained.parts, "rows": [asdict(row) for row in rows],
    }  # fmt: skip


def _print_number(explained: Explanation, rows: list[Row], limit: int) -> None:
    question, row, definition = explained.question, explained.question.row, explained.question.definition
    click.echo(f"{question.indicator}: {definition['name_en']} · {definition['name_vi']}")
    click.echo(
        f"  {question.name} ({question.organisation_id}, level {question.level}), {question.period}, data as of {local_time(row['as_of'])}"
    )
    click.echo(f"  {_number(explained)}")
    click.echo(
        f"  definition {row['definition_version']} ({definition['legal_basis'] or 'no legal basis'}); last changed in snapshot "
        f"{row['snapshot_id']}, read in snapshot {question.snapshot.snapshot_id}"
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
        click.echo("  proven: these rows add up to the published number")
    for unit in rows[:limit]:
        click.echo(f"{unit.verdict:<12} {unit.organisation_id:<14} {unit.key:<32} {unit.reason}: {unit.detail}")
    if len(rows) > limit:
        click.echo(f"… and {len(rows) - limit:,} more: --limit N prints more rows, --csv FILE writes all of them")


def _number(explained: Explanation) -> str:
    """A published row in one line."""
    row = explained.question.row
    if explained.question.table == "form_06a":
        return f"{row['numerator']:,} dossiers"
    if explained.question.table == "zero_activity":
        return f"{row['dossier_count']:,} dossiers: {row['state']}, low below {row['threshold']:,}"
    return f"{_fraction(row)}; {row['excluded_count']:,} excluded, {row['quarantined_count']:,} in quarantine"


def _fraction(row: dict[str, Any]) -> str:
    value = "no value" if row["value"] is None else f"{row['value']:.6g}"
    points = f", {row['points']:.6g} of {row['maximum']:g} points" if row.get("points") is not None else ""
    if row["denominator"] is None:
        return f"{value}{points}"
    return f"{value} = {row['numerator']:,} / {row['denominator']:,}{points}"


def write(file: Path, rows: list[Row]) -> None:
    """Write every row with its reason and its facts as a CSV file for spreadsheets, in which no text is a formula."""
    facts = list(dict.fromkeys(name for row in rows for name in row.facts if name not in ("unit_id", "reason", "kind")))
    columns = ["key", "kind", "organisation_id", "verdict", "reason", "detail", "numerator", "denominator"]
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        writer = csv.writer(opened)
        writer.writerow([*columns, *facts])
        writer.writerows(
            [
                _without_formula(value)
                for value in (*(getattr(row, name) for name in columns), *map(row.facts.get, facts))
            ]
            for row in rows
        )


def _without_formula(value: Any) -> Any:
    """The value; a text that a spreadsheet would take for a formula is marked as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def _print_trace(trace: Trace) -> None:
    removed = f", removed from the shared table in snapshot {trace.left_in}" if trace.left_in else ""
    click.echo(f"{trace.kind} {trace.key} in snapshot {trace.snapshot.snapshot_id}{removed}")
    for attribute in trace.values:
        disputed = "".join(f"; {source} has {value}" for source, value in attribute.get("disputed", {}).items())
        sources = ", ".join(attribute["from"])
        click.echo(f"  {attribute['attribute']:<30}{_text(attribute['value']):<34}{sources}{disputed}")
    for table, rows in trace.related.items():
        click.echo(f"{table}: {len(rows)}")
        for row in rows:
            values = {name: value for name, value in row.items() if value is not None and name not in LINEAGE}
            values.pop(lineage.KEYS[trace.kind], None)
            click.echo("  " + ", ".join(f"{name} {_text(value)}" for name, value in values.items()))
    click.echo("versions")
    for version in trace.versions:
        until = f"until {version['snapshot_to']}" if version["snapshot_to"] else "now"
        click.echo(f"  snapshot {version['snapshot_from']} {until}: {', '.join(version['changed']) or 'new'} ({version['batch_id']})")  # fmt: skip
    for record in trace.records:
        _print_record(record)
    for batch in trace.batches:
        click.echo(f"batch {batch['batch_id']}: {batch['purpose']} {batch['state']}, read {local_time(batch['landed_at'])}, checked {local_time(batch['checked_at'])}, in snapshot {batch['snapshot_id']}")  # fmt: skip
    for rule in trace.rules:
        click.echo(f"flag {rule['rule_id']} {rule['version']} ({rule['severity']}): {rule['meaning']}")
    for row in trace.quarantine:
        click.echo(f"quarantine {row['quarantine_id']} {row['rule_id']} {row['rule_version']} ({row['state']}): {row['reason']}")  # fmt: skip


def _print_record(record: dict[str, Any]) -> None:
    click.echo(f"record {record['kind']} of {record['source']} {record['source_key']}, last changed {local_time(record['source_updated_at'])}")  # fmt: skip
    for name, value in record.items():
        if value not in (None, [], "", False) and name not in (
            "kind",
            "source",
            "source_key",
            "source_updated_at",
            "page",
        ):
            click.echo(f"  {name:<16}{_text(value)}")
    page = record.get("page")
    if page is None:
        click.echo("  no raw page: the record is a tombstone of a sweep")
        return
    click.echo(f"  page            answer {page['number']} to {page['request']} ({page['list']}, HTTP {page['status']}), record {page['ordinal']} in it")  # fmt: skip
    click.echo(f"  file            {page['file']}, zstd frame at {page['offset']}, {page['length']} bytes, landed {local_time(page['landed_at'])}")  # fmt: skip
    click.echo(f"  sha256          {page['sha256']}: {page['state']}")
    for name, value in page["facts"].items():
        click.echo(f"  {name:<16}{value}")


def _text(value: Any) -> str:
    return (
        local_time(value)
        if hasattr(value, "astimezone")
        else ", ".join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )
