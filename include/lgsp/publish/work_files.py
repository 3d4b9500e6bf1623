"""Publish the work files of the document system: one shared row for each record that is not deleted."""

from __future__ import annotations

from lgsp import sql
from lgsp.publish import merge
from lgsp.publish.context import PublishRun
from lgsp.schema import contract


def merge_work_files(run: PublishRun) -> None:
    """Publish the work files. Reads: record.work_file. Writes: shared.work_file and its history."""
    columns = ", ".join(column.name for column in contract.load("work_file").recorded)
    query = sql.load("lgsp.publish", "work_file", columns=columns)
    merge.merge_query(run.transaction, "work_file", query, run.snapshot_id, run.changes)
