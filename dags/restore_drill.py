"""
**What:** proves that the newest backup can be restored (`drill`): restores it into a folder and a server of its own, verifies
its newest snapshot, makes all tables again from landed data alone, and compares every table with the living store. Leaves a
signed page in `LGSP_HOME/reports/drills`. Skipped without a repository in `RESTIC_REPOSITORY`.

**When:** on the third of each month at 03:00 Việt Nam time. It needs as much disk as the store, and the processor for as long
as all landed data take to be harmonised again.

**May I run it again?** Yes, at any time. It changes nothing of the living store, and removes what it restored.

**What if it fails?** The backup cannot be restored, or a table came back different: the page names it. Until it is explained
there is no proof that a loss can be repaired; the runbook describes the steps under "Backup and restore".
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "restore_drill",
    dag_display_name="Diễn tập khôi phục · Restore drill",
    description="Restore the newest backup next to the living store and compare every table",
    schedule=CronTriggerTimetable("0 3 3 * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("backup"),
):
    stages.drill()
