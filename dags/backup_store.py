"""
**What:** adds a backup to the restic repository of `RESTIC_REPOSITORY`: the databases of the store and of Airflow, landing,
the published files, reports and keys. Only what changed since the last one is stored. Skipped without a repository.

**When:** every night at 01:00 Việt Nam time, before old snapshots are deleted.

**May I run it again?** Yes, at any time, also while sources are read and clients read.

**What if it fails?** The repository does not answer or is full, or its password is wrong; the error says which. The runbook
describes repository, password and restore under "Backup and restore".
"""

from airflow.sdk import DAG, CronTriggerTimetable

from wiring import defaults, stages

with DAG(
    "backup_store",
    dag_display_name="Sao lưu kho dữ liệu · Back up the store",
    description="Back up databases, landed data, published files and keys with restic",
    schedule=CronTriggerTimetable("0 1 * * *", timezone=defaults.TIMEZONE),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("backup"),
):
    stages.back_up()
