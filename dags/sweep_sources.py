"""
**What:** compares the records of each source over the last months with the records known here, key by key. Records that
the daily windows missed (late records, changes with an old time) are read again. A record that the source deleted without
notice leaves the shared dataset; its history stays.

**When:** on Sunday at 03:00 Việt Nam time, for the range that each source's description names; by hand for any range.
There is one task for each source; the tasks do not wait for each other.

**May I run it again?** Yes, also while `ingest_<source>` is running. A second sweep finds nothing new.

**What if it fails?** "not listed any more": more records have disappeared than the sweep deletes on its own. Nothing was
deleted; the message contains the count. Ask the owner of the source. Only if the records are gone for good, trigger the Dag
again with `accept_deletions`. A failing source is retried as in `ingest_<source>`. `ledger.sweep` records what every sweep
found.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from lgsp.schema import sources
from wiring import assets, defaults, stages, windows

with DAG(
    "sweep_sources",
    dag_display_name="Đối soát với các hệ thống nguồn · Compare with the sources",
    description="Find records that the windows missed and records that the sources deleted",
    schedule=CronTriggerTimetable("0 3 * * 0", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=windows.sweep_params(),
    doc_md=__doc__,
    **defaults.dag_arguments("sweep"),
):
    for name in sources.names():
        stages.sweep.override(task_id=f"sweep_{name}", pool=defaults.source_pool(name), outlets=[assets.checked(name)])(
            name
        )
