"""`lgsp publish`, `verify`, `key`, `recover`, `rollback`, `release`, `snapshots` and `retire`: commands for snapshots."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import click

from lgsp import install
from lgsp.cli.options import (
    FAILED,
    PASTED_NUMBER,
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
from lgsp.settings import Settings

overrule_option = click.option(
    "--overrule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="Accept that this publication breaks a table rule. Can be repeated.",
)


@click.command()
@overrule_option
@by_option
@click.option("--why", metavar="TEXT", help="The reason for --overrule; it is published.")
@json_option
@handles_errors
def publish(rules: tuple[str, ...], who: str, why: str | None, is_json: bool) -> None:
    """Publish all checked batches in one snapshot.

    Exits with 0 also when there is nothing to publish. Overruled rules are recorded in the manifest and in
    shared.snapshot, with the person's name and the reason.
    """
    from lgsp import publish as publishing
    from lgsp.publish import hold, table_rules

    if bool(rules) != bool(why):
        raise LgspError("--overrule and --why belong together: give both or none")
    settings = Settings.from_env()
    install.ensure(settings, is_publishing=True)
    published = publishing.run(settings, table_rules.RuleOverride(rules, who, why or ""))
    if published is None:
        print_values({"snapshot_id": None, "state": hold.current_reason(settings) or "nothing to publish"}, is_json)
    else:
        print_values(
            {
                "snapshot_id": published.snapshot_id,
                "batches": len(published.batches),
                "rows": published.rows,
                "seconds": published.seconds,
            },
            is_json,
        )


@click.command()
@click.argument("snapshot", type=PASTED_NUMBER, required=False)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Verify only the files of a snapshot's folder (or of `current`), without a database. Needs --key.",
)  # fmt: skip
@click.option(
    "--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The publisher's public key, as PEM."
)
@click.option(
    "--at-least",
    type=PASTED_NUMBER,
    default=1,
    metavar="N",
    help="With --folder: fail when it is older than snapshot N, the newest one you have seen.",
)
@click.option(
    "--landing",
    "is_landing",
    is_flag=True,
    help="Verify every landed byte against its manifest and the ledger instead.",
)
@json_option
@handles_errors
def verify(
    snapshot: int | None, folder: Path | None, key: Path | None, at_least: int, is_landing: bool, is_json: bool
) -> None:
    """Verify the SQL rows and the files of a snapshot.

    SQL and the files must have the same rows as were published and signed. SNAPSHOT is the number of a snapshot, by
    default the newest. Exits with 1 when they differ.
    """
    from lgsp.maintain import verify as verifying

    if is_landing:
        _verify_landing(is_json)
    if (folder is None) != (key is None):
        raise LgspError("--folder and --key belong together; `lgsp key` prints the public key of this installation")
    if folder and key:
        snapshot_id, proofs = verifying.verify_folder(folder, key.read_bytes(), at_least)
    else:
        snapshot_id, proofs = verifying.verify_snapshot(Settings.from_env(), snapshot)
    is_equal = all(proof.is_equal for proof in proofs)
    if is_json:
        tables = {p.table: {"rows": p.published.rows, "content_hash": str(p.published.content_hash),
                            "data_hash": str(p.published.data_hash), "is_equal": p.is_equal} for p in proofs}  # fmt: skip
        print_values({"snapshot_id": snapshot_id, "is_equal": is_equal, "tables": tables}, is_json)
    else:
        for p in proofs:
            sides = [name for name, side in (("files", p.in_files), ("SQL", p.in_sql)) if side is not None]
            click.echo(
                f"{'equal ' if p.is_equal else 'DIFFERS'} {p.table:<22}{p.published.rows:>12,} rows   {', '.join(sides)}"
            )
        click.echo(
            f"snapshot {snapshot_id}: " + ("both sides are equal, as published" if is_equal else "NOT as published")
        )
    sys.exit(0 if is_equal else FAILED)


def _verify_landing(is_json: bool) -> NoReturn:
    from lgsp.maintain import verify_landing

    proof = verify_landing.verify_landing(Settings.from_env())
    if is_json:
        print_values({"is_equal": not proof.problems, **asdict(proof)}, is_json)
    else:
        for problem in proof.problems:
            click.echo(f"DIFFERS {problem}")
        click.echo(
            f"{proof.batches:,} landed batches, {proof.answers:,} answers, {proof.bytes:,} bytes: "
            + (f"{len(proof.problems)} NOT as landed" if proof.problems else "as landed")
        )
    sys.exit(FAILED if proof.problems else 0)


@click.command()
@handles_errors
def key() -> None:
    """Print the public key of this installation.

    Readers verify snapshots with it. The format is PEM.
    """
    from lgsp.signing import SigningKey

    click.echo(SigningKey.load(Settings.from_env()).public.decode(), nl=False)


@click.command()
@click.option("--files", "is_repairing", is_flag=True, help="Also write lost or altered files again from SQL.")
@click.option("--snapshot", type=PASTED_NUMBER, help="With --files: the snapshot to repair. Default: the newest.")
@json_option
@handles_errors
def recover(is_repairing: bool, snapshot: int | None, is_json: bool) -> None:
    """Repair the published files after a crash.

    Updates the pointer and removes unfinished folders. With --files, files that were lost or altered later are written
    again too.
    """
    from lgsp.maintain import repair
    from lgsp.snapshots import recovery

    settings = Settings.from_env()
    install.ensure(settings)
    repaired = recovery.recover(settings)
    if is_repairing:
        repaired += [f"wrote {path} again" for path in repair.repair_files(settings, snapshot)]
    if is_json:
        click.echo(to_json({"mended": repaired}))
    else:
        click.echo(f"repaired: {'; '.join(repaired) or 'nothing to repair'}")


@click.command()
@click.argument("snapshot", type=PASTED_NUMBER)
@overrule_option
@decision_options
@json_option
@handles_errors
def rollback(snapshot: int, rules: tuple[str, ...], who: str, why: str, is_json: bool) -> None:
    """Publish a new snapshot equal to an older one.

    SNAPSHOT is the number of the older snapshot. Publishing is put on hold until `lgsp release`.
    """
    from lgsp.maintain import rollback as rolling_back

    new = rolling_back.roll_back(Settings.from_env(), snapshot, who, why, rules)
    print_values(
        {"snapshot_id": new, "restores": snapshot, "state": "publishing is on hold: `lgsp release` resumes it"},
        is_json,
    )


@click.command()
@by_option
@handles_errors
def release(who: str) -> None:
    """Resume publishing after a rollback.

    The next publication derives every row again.
    """
    from lgsp.publish import hold

    hold.release(Settings.from_env(), who)
    click.echo("publishing is resumed: the next publication derives every row again")


@click.command()
@click.option("--last", type=int, default=20, show_default=True, help="Number of snapshots.")
@json_option
@handles_errors
def snapshots(last: int, is_json: bool) -> None:
    """List the newest snapshots.

    Shows when and why each was published, and whether its files and its history are kept.
    """
    with open_store() as (_, connection):
        rows = connection.execute(
            "select snapshot_id, published_at, as_of, kind, restores, verdict, overruled, decided_by, why, batch_count, "
            "files_retired_at is null as has_files, history_retired_at is null as has_history "
            "from ledger.publication order by snapshot_id desc limit %s",
            [last],
        ).fetchall()
    for row in rows:
        if is_json:
            click.echo(to_json(row))
            continue
        kept = " and ".join(name for name in ("files", "history") if row[f"has_{name}"]) or "retired"
        content = (
            f"rolled back to {row['restores']} by {row['decided_by']}: {row['why']}"
            if row["restores"]
            else f"{row['batch_count']} batches"
        )
        overruled = f"; overruled {', '.join(row['overruled'])}" if row["overruled"] else ""
        click.echo(
            f"{row['snapshot_id']:>7}  {local_time(row['published_at'])}  data until {local_time(row['as_of'])}  {kept:<18} "
            f"{content}{overruled}"
        )


@click.command()
@json_option
@handles_errors
def retire(is_json: bool) -> None:
    """Delete the files and history of expired snapshots.

    A snapshot expires as set by the LGSP_KEEP_* variables.
    """
    from lgsp.maintain import retention

    retired = retention.retire_expired(Settings.from_env())
    print_values(
        {
            "files_of": retired.files,
            "history_of": retired.history,
            "row_versions": retired.versions,
            "staging": retired.staging,
            "unsealed": retired.unsealed,
            "orphans": retired.orphans,
        },
        is_json,
    )


commands = (publish, verify, key, recover, rollback, release, snapshots, retire)
