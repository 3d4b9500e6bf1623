"""
**What:** runs three checks: the data of every source are fresh (`check_freshness`), no agency's records are missing in the
last 30 days (`check_completeness`), and no row has been in quarantine for too long (`check_quarantine_age`). It reads no
source and changes nothing.

**When:** every morning at 07:00 Việt Nam time, also when no source has sent data.

**May I run it again?** Yes. It reports the current state; a task keeps failing until its cause is fixed.

**What if it fails?** The error names what to look at. `check_freshness`: a source was not read; see its `ingest_<source>`.
`check_completeness`: a feed is broken, or days were not read. `lgsp completeness` lists them; the runbook explains under
"Silence or a broken feed" how to distinguish the two. `check_quarantine_age`: see `lgsp quarantine list`.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "watch_completeness",
    dag_display_name="Theo dõi độ đầy đủ của dữ liệu · Watch data completeness",
    description="Fail when a source is stale, an agency's records are missing, or rows are too long in quarantine",
    schedule=CronTriggerTimetable("0 7 * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("watch"),
):
    stages.check_freshness()
    stages.check_completeness()
    stages.check_quarantine_age()
