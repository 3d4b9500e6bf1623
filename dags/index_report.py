"""
**What:** writes Index 766 of every agency with its components, ranks and classes, as a page and a workbook, in
Vietnamese and English, from the newest snapshot: `reports/index/<period>/<first day>/`.

**When:** on the second of each month at half past six in Việt Nam, for the month before; after a quarter or half a
year also for that. By hand with `period` and `start` for an older one; `lgsp report index` does the same.

**May I run it again?** Yes. The same snapshot gives the same files; a newer one replaces them.

**What if it fails?** "holds no index": no source's data of that period is published yet; see
`publish_shared_dataset`, then clear the task.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, reports

with DAG(
    "index_report",
    description="Write the index of the month, the quarter and the half-year that ended",
    schedule=CronTriggerTimetable("30 6 2 * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=reports.index_params(),
    doc_md=__doc__,
    **defaults.of_dag("report"),
):
    reports.index()
