"""`lgsp adopt`: reads what was landed into a database that was lost or restored from an older copy."""

from __future__ import annotations

import sys

import click

from lgsp import install
from lgsp.cli.options import FAILED, handles_errors, json_option, print_values
from lgsp.maintain.adopt import Adoption
from lgsp.settings import Settings


@click.command()
@click.option("--publish", "is_publishing", is_flag=True, help="Publish what was adopted afterwards.")
@json_option
@handles_errors
def adopt(is_publishing: bool, is_json: bool) -> None:
    """Read landed batches and decisions that the database lacks into it again.

    Use it after the database was lost or restored from an older copy. No request is sent to a source, and no landed byte
    is changed. The batches are harmonised and checked again, what people decided is applied, and a new epoch begins: the
    next snapshot has a number that was never published. Exits with 1 when a folder could not be adopted.
    """
    from lgsp import publish
    from lgsp.maintain import adopt as adopting

    settings = Settings.from_env()
    adoption, publication = adopting.adopt(settings), None
    if is_publishing:
        install.ensure(settings, is_publishing=True)
        publication = publish.run(settings)
    values = {
        "epoch": adoption.epoch, "batches": len(adoption.batch_ids), "decisions": adoption.decisions, "refused": adoption.refused,
        "damaged": adoption.damaged, "removed": adoption.removed, "state": _state(adoption, is_publishing),
        "snapshot_id": publication.snapshot_id if publication else None,
    }  # fmt: skip
    if is_json:
        print_values({**values, "batch_ids": adoption.batch_ids}, is_json)
    else:
        click.echo(
            f"{len(adoption.batch_ids)} landed batches adopted, {len(adoption.refused)} of them refused as before, and "
            f"{adoption.decisions} decisions: {values['state']}"
        )
        if publication:
            click.echo(f"snapshot {publication.snapshot_id} published")
        for path, why in adoption.damaged.items():
            click.echo(f"NOT adopted: {path}: {why}")
        for path in adoption.removed:
            click.echo(f"removed {path}: its batch was never complete")
    sys.exit(FAILED if adoption.damaged else 0)


def _state(adoption: Adoption, is_publishing: bool) -> str:
    if adoption.epoch is None:
        return "the database has all that was landed"
    return f"epoch {adoption.epoch} began" + ("" if is_publishing else "; now run `lgsp publish`")
