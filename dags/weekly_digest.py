"""
**What:** writes the digest of the week that was just cut, as a page and a workbook, in Vietnamese and English, from
the newest snapshot: `reports/weekly/<first day>/`. The menu entry "Báo cáo tuần" shows it.

**When:** on Thursday, the cut-off day, at half past six in Việt Nam: the week ended at midnight. By hand with `week` for
an older one; `lgsp report weekly` does the same.

**May I run it again?** Yes. The same snapshot gives the same files; a newer one replaces them.

**What if it fails?** "says nothing of the week": no source's data of that week is published yet; see
`publish_shared_dataset`, then clear the task. Where only a part is there the digest is written, and says so at its top.
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, reports

with DAG(
    "weekly_digest",
    description="Write the weekly digest for the leaders, as a page and a workbook",
    schedule=CronTriggerTimetable("30 6 * * 4", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    params=reports.week_params(),
    doc_md=__doc__,
    **defaults.of_dag("report"),
):
    reports.digest()
