"""
**What:** writes the digest of the week that just ended, as an HTML page and an Excel workbook, in Vietnamese and English,
from the newest snapshot. Files: `reports/weekly/<first day>/`. The menu entry "Báo cáo tuần" shows them.

**When:** on Thursday at 06:30 Việt Nam time; the reporting week ends on Wednesday at midnight. For an older week trigger it
by hand with `week`, or run `lgsp report weekly`.

**May I run it again?** Yes. The same snapshot gives the same files; a newer snapshot replaces them.

**What if it fails?** "has no data for the week": the data of that week are not published yet. See
`publish_shared_dataset`, then clear the task. If only a part of the data is published, the digest is written with a
warning at its top.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, reports

with DAG(
    "weekly_digest",
    dag_display_name="Báo cáo tuần · Weekly digest",
    description="Write the weekly digest for the leaders, as an HTML page and an Excel workbook",
    schedule=CronTriggerTimetable("30 6 * * 4", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=reports.week_params(),
    doc_md=__doc__,
    **defaults.dag_arguments("report"),
):
    reports.digest()
