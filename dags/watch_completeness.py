"""
**What:** asks three things of what is known: is the data of every source `fresh`, is it `complete` (no agency's
records missing in the last 30 days), and has nobody forgotten what is in quarantine (`quarantine_age`).
It reads no source and changes nothing.

**When:** every morning at seven in Việt Nam, by the clock: also when no source has sent anything.

**May I run it again?** Yes. It says what is true now; a red task stays right until its cause is mended.

**What if it fails?** The error names what to look at. `fresh`: a source was not read; see its
`ingest_<source>`. `complete`: a feed broke, or days were left out; `lgsp completeness` shows them, and the
runbook, under "Silence or a broken feed", how to tell the two apart. `quarantine_age`: `lgsp quarantine list`.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "watch_completeness",
    description="Fail when a source is stale, an agency's records are missing, or rows are forgotten in quarantine",
    schedule=CronTriggerTimetable("0 7 * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.of_dag("watch"),
):
    stages.fresh()
    stages.complete()
    stages.quarantine_age()
