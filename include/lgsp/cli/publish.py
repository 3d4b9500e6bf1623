"""`lgsp publish`, `verify`, `recover`, `rollback`, `release`, `snapshots` and `retire`: what is done with whole snapshots."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lgsp import install
from lgsp.cli.options import FAILED, answering, as_json, as_text, by, decision, local, store, tell
from lgsp.errors import LgspError
from lgsp.settings import Settings

overrule = click.option(
    "--overrule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="Let this publication break a table rule; may be repeated.",
)


@click.command()
@overrule
@by
@click.option("--why", metavar="TEXT", help="The reason to overrule, for whoever asks later.")
@as_json
@answering
def publish(rules: tuple[str, ...], who: str, why: str | None, is_json: bool) -> None:
    """Drain the ledger of checked batches into one snapshot; exit 0 also when there was nothing to publish.

    What is overruled is part of the manifest and of shared.snapshot, with its name and reason.
    """
    from lgsp import publish as publishing
    from lgsp.publish import hold as going_back
    from lgsp.publish import table_rules

    if bool(rules) != bool(why):
        raise LgspError("--overrule and --why belong together: say which rule may be broken, and the reason")
    settings = Settings.from_env()
    install.ensure(settings, is_publishing=True)
    published = publishing.run(settings, table_rules.Overruling(rules, who, why or ""))
    if published is None:
        tell({"snapshot_id": None, "state": going_back.on_hold(settings) or "nothing to publish"}, is_json)
    else:
        tell(
            {
                "snapshot_id": published.snapshot_id,
                "batches": len(published.batches),
                "rows": published.rows,
                "seconds": published.seconds,
            },
            is_json,
        )


@click.command()
@click.argument("snapshot", type=int, required=False)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Prove the files of a snapshot's folder (or `current`) by themselves, without a store; needs --key.",
)  # fmt: skip
@click.option(
    "--key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The publisher's public key, as PEM."
)
@click.option(
    "--at-least", type=int, default=1, metavar="N", help="Refuse a folder older than snapshot N, the newest you saw."
)
@as_json
@answering
def verify(snapshot: int | None, folder: Path | None, key: Path | None, at_least: int, is_json: bool) -> None:
    """Prove that files and SQL hold the same rows as were published and signed; exit 1 when they do not."""
    from lgsp.maintain import verify as verifying

    if (folder is None) != (key is None):
        raise LgspError("--folder and --key belong together; `lgsp key` prints the public key of this installation")
    if folder and key:
        snapshot_id, proofs = verifying.files(folder, key.read_bytes(), at_least)
    else:
        snapshot_id, proofs = verifying.run(Settings.from_env(), snapshot)
    is_equal = all(proof.is_equal for proof in proofs)
    if is_json:
        tables = {p.table: {"rows": p.published.rows, "content_hash": str(p.published.content_hash),
                            "data_hash": str(p.published.data_hash), "is_equal": p.is_equal} for p in proofs}  # fmt: skip
        tell({"snapshot_id": snapshot_id, "is_equal": is_equal, "tables": tables}, is_json)
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


@click.command()
@answering
def key() -> None:
    """Print the public key that proves this installation's snapshots, as PEM."""
    from lgsp.snapshots.signing import Seal

    click.echo(Seal.of_installation(Settings.from_env()).public.decode(), nl=False)


@click.command()
@click.option("--files", "is_mending", is_flag=True, help="Also write lost or altered files again, from SQL.")
@click.option("--snapshot", type=int, help="Whose files; by default the newest snapshot's.")
@as_json
@answering
def recover(is_mending: bool, snapshot: int | None, is_json: bool) -> None:
    """Repair what a crash left: a lagging pointer, folders nobody refers to; with --files, what was altered since."""
    from lgsp.maintain import repair
    from lgsp.snapshots import recovery

    settings = Settings.from_env()
    install.ensure(settings)
    mended = recovery.run(settings)
    if is_mending:
        mended += [f"wrote {path} again" for path in repair.run(settings, snapshot)]
    tell({"mended": mended} if is_json else {"mended": "; ".join(mended) or "nothing to mend"}, is_json)


@click.command()
@click.argument("snapshot", type=int)
@overrule
@decision
@as_json
@answering
def rollback(snapshot: int, rules: tuple[str, ...], who: str, why: str, is_json: bool) -> None:
    """Publish a new snapshot equal to an older one, and hold publishing until `lgsp release`."""
    from lgsp.maintain import rollback as going_back

    new = going_back.run(Settings.from_env(), snapshot, who, why, rules)
    tell(
        {"snapshot_id": new, "restores": snapshot, "state": "publishing is on hold: `lgsp release` lets it go on"},
        is_json,
    )


@click.command()
@by
@answering
def release(who: str) -> None:
    """Let publishing go on after a rollback; the next publication derives every row again."""
    from lgsp.publish import hold as going_back

    going_back.release(Settings.from_env(), who)
    click.echo("publishing goes on: the next publication derives every row again")


@click.command()
@click.option("--last", type=int, default=20, show_default=True, help="How many, the newest first.")
@as_json
@answering
def snapshots(last: int, is_json: bool) -> None:
    """List the snapshots: when they were published, what for, and what is still kept of them."""
    with store() as (_, connection):
        rows = connection.execute(
            "select snapshot_id, published_at, as_of, kind, restores, verdict, overruled, decided_by, why, batch_count, "
            "files_retired_at is null as has_files, history_retired_at is null as has_history "
            "from ledger.publication order by snapshot_id desc limit %s",
            [last],
        ).fetchall()
    for row in rows:
        if is_json:
            click.echo(as_text(row))
            continue
        kept = " and ".join(name for name in ("files", "history") if row[f"has_{name}"]) or "retired"
        said = (
            f"back to {row['restores']} by {row['decided_by']}: {row['why']}"
            if row["restores"]
            else f"{row['batch_count']} batches"
        )
        over = f"; overruled {', '.join(row['overruled'])}" if row["overruled"] else ""
        click.echo(
            f"{row['snapshot_id']:>7}  {local(row['published_at'])}  data until {local(row['as_of'])}  {kept:<18} {said}{over}"
        )


@click.command()
@as_json
@answering
def retire(is_json: bool) -> None:
    """Take away what nobody may still be reading: old snapshots' files, and row versions no kept snapshot shows."""
    from lgsp.maintain import retention

    done = retention.run(Settings.from_env())
    tell(
        {"files_of": done.files, "history_of": done.history, "row_versions": done.versions, "staging": done.staging},
        is_json,
    )


commands = (publish, verify, key, recover, rollback, release, snapshots, retire)
