"""`lgsp adopt`: reads what was landed into a database that was lost or restored from an older copy."""

from __future__ import annotations

import sys

import click

from lgsp.cli.options import FAILED, handles_errors, json_option, print_values
from lgsp.settings import Settings


@click.command()
@json_option
@handles_errors
def adopt(is_json: bool) -> None:
    """Read landed batches that the database lacks into it again.

    Use it after the database was lost or restored from an older copy; then `lgsp publish`. No request is sent to a source,
    and no landed byte is changed. The batches are harmonised and checked again, what people decided is applied, and a new epoch begins: the next snapshot
    has a number that was never published. Exits with 1 when a folder could not be adopted.
    """
    from lgsp.maintain import adopt as adopting

    adoption = adopting.adopt(Settings.from_env())
    state = (
        f"epoch {adoption.epoch} began; now run `lgsp publish`"
        if adoption.epoch
        else "the database has all that was landed"
    )
    values = {
        "epoch": adoption.epoch, "batches": len(adoption.batch_ids), "decisions": adoption.decisions, "refused": adoption.refused, "damaged": adoption.damaged,
        "removed": adoption.removed, "state": state,
    }  # fmt: skip
    if is_json:
        print_values({**values, "batch_ids": adoption.batch_ids}, is_json)
    else:
        click.echo(
            f"{len(adoption.batch_ids)} landed batches adopted, {len(adoption.refused)} of them refused as before, and "
            f"{adoption.decisions} decisions: {state}"
        )
        for path, why in adoption.damaged.items():
            click.echo(f"NOT adopted: {path}: {why}")
        for path in adoption.removed:
            click.echo(f"removed {path}: its batch was never complete")
    sys.exit(FAILED if adoption.damaged else 0)
