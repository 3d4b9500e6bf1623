"""
**What:** every change of one source in one window is fetched and kept byte for byte (`land`), turned into
typed rows (`harmonise`) and judged (`check`). `publish_shared_dataset` takes it from there; nothing is
public before that.

**When:** at midnight in Việt Nam, for the local day that just ended. A manual run takes the day before, or
the window you give; a long window is fetched in pieces. For a few past days use a backfill: one run for
each local day.

**May I run it again?** Yes, always, also beside the schedule. The newest version of a record wins, in any
order, so the same window twice changes nothing.

**What if it fails?** `land`: the source is asked again for about half an hour; when that ended in vain,
clear the task once the source is back. A refused login or an unknown field is not retried: the message
names the file to edit. `check`: the batch broke a batch rule; Data Docs shows which. Nothing of it is
published until the cause is mended, then run this window again or `rebuild_from_landing`. Missing days are
found by the ledger, not by red squares.
"""

from airflow.sdk import DAG, CronDataIntervalTimetable

from lgsp.schema import sources
from wiring import assets, defaults, stages, windows


def ingest(source: str) -> None:
    """The Dag of one source folder."""
    with DAG(
        f"ingest_{source}",
        description=f"{source}: land, harmonise and check one local day or a window",
        schedule=CronDataIntervalTimetable("0 0 * * *", timezone=defaults.TIMEZONE),
        max_active_runs=4,
        params=windows.optional_params(),
        doc_md=__doc__,
        **defaults.of_dag("ingest", source),
    ):
        landed = stages.land.override(pool=defaults.source_pool(source))(source)
        stages.check.override(outlets=[assets.checked(source)])(stages.harmonise(landed))


for name in sources.names():
    ingest(name)
