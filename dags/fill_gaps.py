"""
**What:** reads the days of each source that were never read, such as those of a downtime: newest first, one after the
other, through land, harmonise and check. Days before the installation's first reading of a source are no gaps. Days whose
batch was refused or taken back are left to a person.

**When:** every hour. The day that just ended is read by `ingest_<source>`; here only three hours after its end.

**May I run it again?** Yes. With nothing to read a task is skipped. It keeps the budget of requests and the quiet hours of
the source, and works for about half an hour: the next run continues.

**What if it fails?** The source does not respond, or a rule refused a day: as for `ingest_<source>`. The other days that were
read stay. The next run tries a day again that failed; a refused one is left to you.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from lgsp.schema import sources
from wiring import assets, defaults, stages

with DAG(
    "fill_gaps",
    dag_display_name="Đọc bù các ngày chưa đọc · Read the days that were never read",
    description="Read the days of a downtime, newest first",
    schedule=CronTriggerTimetable("20 * * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("ingest", "gaps"),
):
    for name in sources.names():
        stages.fill_gaps.override(
            task_id=f"fill_{name}", pool=defaults.source_pool(name), outlets=[assets.checked(name)]
        )(name)
