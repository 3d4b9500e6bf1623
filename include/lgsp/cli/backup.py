"""`lgsp backup`, `lgsp restore` and `lgsp drill`: copies of an installation, and the proof that they can be restored."""

from __future__ import annotations

import sys

import click

from lgsp import install
from lgsp.cli.options import FAILED, handles_errors, json_option, print_values
from lgsp.settings import Settings


@click.command()
@json_option
@handles_errors
def backup(is_json: bool) -> None:
    """Back up databases, landing, the published files and the keys with restic.

    RESTIC_REPOSITORY names the repository, a folder or a bucket, and RESTIC_PASSWORD_FILE its password. Safe while the
    installation works. Only what changed since the last backup is added.
    """
    from lgsp.maintain import backup as backups

    made = backups.back_up(Settings.from_env())
    if is_json:
        print_values({
            "restic_id": made.restic_id, "taken_at": made.taken_at, "databases": list(made.databases), "files": made.files,
            "bytes_read": made.bytes_read, "bytes_added": made.bytes_added,
        }, is_json)  # fmt: skip
    else:
        click.echo(
            f"backup {made.restic_id[:8]} of {', '.join(made.databases)} and {made.files:,} files: "
            f"{made.bytes_read / 1e6:,.1f} MB read, {made.bytes_added / 1e6:,.1f} MB added"
        )


@click.command()
@click.argument("restic_id", default="latest")
@json_option
@handles_errors
def restore(restic_id: str, is_json: bool) -> None:
    """Restore a backup into an empty database, adopt what landing has that is newer, and publish.

    RESTIC_ID is the id that `restic snapshots` shows, by default the newest. Files in LGSP_HOME are kept: they are never
    older than those of a backup. Exits with 1 when a landed folder could not be adopted.
    """
    from lgsp import publish
    from lgsp.maintain import backup as backups

    settings = Settings.from_env()
    restored = backups.restore(settings, restic_id)
    install.ensure(settings, is_publishing=True)
    publication = publish.run(settings)
    adoption = restored.adoption
    values = {
        "taken_at": restored.taken_at, "databases": list(restored.databases), "epoch": adoption.epoch,
        "batches": len(adoption.batch_ids), "refused": adoption.refused, "damaged": adoption.damaged,
        "snapshot_id": publication.snapshot_id if publication else None,
    }  # fmt: skip
    if is_json:
        print_values(values, is_json)
    else:
        published = f"snapshot {publication.snapshot_id} published" if publication else "nothing to publish"
        click.echo(
            f"restored {', '.join(restored.databases)} as of {restored.taken_at.isoformat(timespec='seconds')}; "
            f"{len(adoption.batch_ids)} landed batches adopted; epoch {adoption.epoch}; {published}"
        )
        for path, why in adoption.damaged.items():
            click.echo(f"NOT adopted: {path}: {why}")
    sys.exit(FAILED if adoption.damaged else 0)


@click.command()
@click.argument("restic_id", default="latest")
@json_option
@handles_errors
def drill(restic_id: str, is_json: bool) -> None:
    """Prove that a backup can be restored, next to the living store.

    Restores it into a folder of its own, verifies its newest snapshot, makes all tables again from landing alone, and
    compares both with the living store. Leaves a signed page in LGSP_HOME/reports/drills. Exits with 1 when a table differs.
    """
    from lgsp.maintain import drill as drills

    held = drills.hold(Settings.from_env(), restic_id)
    if is_json:
        print_values(drills.as_json(held), is_json)
    else:
        for table in held.tables:
            click.echo(f"{'equal    ' if table.is_equal else 'DIFFERENT'} {table.table}")
        click.echo(
            f"snapshot {held.snapshot_id}: {'every table is equal' if held.is_equal else 'NOT every table is equal'}; the backup is "
            f"{held.recovery_point.total_seconds() / 60:.1f} minutes old (RPO of the database), restored and verified in "
            f"{held.restore_time.total_seconds() / 60:.1f} minutes (RTO), made from landing alone in "
            f"{held.rebuild_time.total_seconds() / 60:.1f} minutes; page: {held.page / 'drill.html'}"
        )
    sys.exit(0 if held.is_equal else FAILED)
