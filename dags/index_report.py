"""
**What:** writes the Index 766 report: the score of every agency with its components, rank and class, as an HTML page and
an Excel workbook, in Vietnamese and English, from the newest snapshot. Files: `reports/index/<period>/<first day>/`.

**When:** on day 2 of each month at 06:30 Việt Nam time, for the month before. After a quarter or a half-year has ended
it also writes that period. For an older period trigger it by hand with `period` and `start`, or run `lgsp report index`.

**May I run it again?** Yes. The same snapshot gives the same files; a newer snapshot replaces them.

**What if it fails?** "has no index": the data of that period are not published yet. See `publish_shared_dataset`, then
clear the task.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, reports

with DAG(
    "index_report",
    dag_display_name="Báo cáo Bộ chỉ số 766 · Index 766 report",
    description="Write the Index 766 report of the month, quarter and half-year that ended",
    schedule=CronTriggerTimetable("30 6 2 * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=reports.index_params(),
    doc_md=__doc__,
    **defaults.dag_arguments("report"),
):
    reports.index()
