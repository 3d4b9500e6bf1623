"""
**What:** compares what each source has over the last months with what is known here, key by key. What the daily
windows missed (late records, changes that came with an old time) is read again; what a source deleted without a
word leaves the shared dataset, its history stays.

**When:** on Sunday at three in the morning, for the range that each source's description names; by hand for any
range. One task for each source; none waits for another.

**May I run it again?** Yes, also beside `ingest_<source>`. A second sweep finds nothing further.

**What if it fails?** "not listed any more" means that more has vanished than is deleted by hand: nothing was
deleted, and the message says how many. Ask the source; only if they are gone for good trigger it again with
`accept_deletions`. A source that fails is asked again like in `ingest_<source>`. `ledger.sweep` keeps what every
sweep found.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from lgsp.schema import sources
from wiring import assets, defaults, stages, windows

with DAG(
    "sweep_sources",
    description="Find what the windows missed and what the sources deleted",
    schedule=CronTriggerTimetable("0 3 * * 0", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=windows.sweep_params(),
    doc_md=__doc__,
    **defaults.of_dag("sweep"),
):
    for name in sources.names():
        stages.sweep.override(task_id=f"sweep_{name}", pool=defaults.source_pool(name), outlets=[assets.checked(name)])(
            name
        )
