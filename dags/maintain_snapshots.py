"""
**What:** repairs what a crash left behind (`recover`), verifies that the newest snapshot still is what was published and
signed, in SQL and in files (`verify`), and that what was landed is unchanged (`verify_landing`, each batch once in thirty
nights), and then deletes what no reader may still be reading: the files of old snapshots,
row versions past their retention time, and harmonised rows that were published long ago (`retire`).

**When:** every night at 02:00 Việt Nam time. Retention times: `LGSP_KEEP_EVERY_DAYS`, `LGSP_KEEP_DAILY_DAYS`,
`LGSP_KEEP_MONTHLY_MONTHS`, `LGSP_KEEP_HISTORY_DAYS`.

**May I run it again?** Yes, at any time, also while clients read: a snapshot that was current within the last
`LGSP_KEEP_EVERY_DAYS` days is never deleted.

**What if it fails?** `recover` and `retire`: the database or the disk failed; clear the task when it works again.
`verify`: a row, a file or a manifest was changed after it was published. The error names it; the runbook describes the
repair under "The publication failed". `verify_landing`: landed bytes were changed; restore the folder that the error names.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "maintain_snapshots",
    dag_display_name="Kiểm chứng và dọn dẹp các lần công bố · Verify and maintain snapshots",
    description="Repair after a crash, verify the newest snapshot, delete what is past its retention time",
    schedule=CronTriggerTimetable("0 2 * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("publish"),
):
    stages.recover() >> [stages.verify(), stages.verify_landing()] >> stages.retire()
