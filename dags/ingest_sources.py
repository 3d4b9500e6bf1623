"""
**What:** fetches the changes of one source in one window and stores them byte for byte (`land`), turns them into typed
rows (`harmonise`) and checks the rows (`check`). Nothing is public yet: `publish_shared_dataset` publishes the batches.

**When:** at midnight Việt Nam time, for the local day that just ended. A manual run fetches the day before, or the
window you give; a long window is fetched in pieces. For several past days use a backfill: one run for each local day.
Runs of the schedule come first; days that were never read, as after a downtime, are read by `fill_gaps`.

**May I run it again?** Yes, at any time, also while the schedule is running. The newest version of a record wins in any
order, so reading the same window twice changes nothing.

**What if it fails?** `land`: the request is retried for about half an hour. If the source is still down after that, clear
the task when the source is back. A refused login or an unknown field is not retried: the message names the file to edit.
`check`: a rule refused the batch; Data Docs shows which. Nothing of the batch is published until you fix the cause and
run this window again or run `rebuild_from_landing`. To find missing days use `lgsp completeness`, not the failed runs.
"""

from airflow.sdk import DAG

from lgsp.schema import sources
from wiring import assets, defaults, priorities, stages, timetables, windows


def ingest(source: str) -> None:
    """The Dag of one source folder."""
    with DAG(
        f"ingest_{source}",
        dag_display_name=f"Thu thập dữ liệu nguồn {source} · Ingest {source}",
        description=f"{source}: land, harmonise and check one local day or a window",
        schedule=timetables.LocalDays(),
        max_active_runs=4,
        params=windows.optional_params(),
        doc_md=__doc__,
        **defaults.dag_arguments("ingest", source),
    ):
        landed = stages.land.override(pool=defaults.source_pool(source), weight_rule=priorities.ScheduledFirst())(
            source
        )
        stages.check.override(outlets=[assets.checked(source)])(stages.harmonise(landed))


for name in sources.names():
    ingest(name)
