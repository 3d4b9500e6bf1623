"""
**What:** mends what a crash left behind (`recover`), proves that the newest snapshot still is what was published and
signed, in SQL and in files (`verify`), and only then takes away what nobody may still be reading: the files of old
snapshots, row versions beyond their time, harmonised rows published long ago (`retire`).

**When:** every night at two in Việt Nam. How long what is kept: `LGSP_KEEP_EVERY_DAYS`, `LGSP_KEEP_DAILY_DAYS`,
`LGSP_KEEP_MONTHLY_MONTHS`, `LGSP_KEEP_HISTORY_DAYS`.

**May I run it again?** Yes, at any time and beside readers: no snapshot goes that was current within the first of these.

**What if it fails?** `recover` and `retire`: the store or the disk; clear the task when it answers again. `verify`: a
row, a file or a manifest was altered since it was published; the error names it, and the runbook, under "The
publication failed", the way back.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "keep_house",
    description="Mend, prove what is published, and retire what nobody reads any more",
    schedule=CronTriggerTimetable("0 2 * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.of_dag("publish"),
):
    stages.recover() >> stages.verify() >> stages.retire()
