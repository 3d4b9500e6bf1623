"""
**What:** takes all batches that passed their checks and are not yet published, from every source, and makes
one new snapshot of the shared dataset: the tables of schema `shared` and the same rows as Parquet, proven
equal first.

**When:** as soon as any source announces checked batches, and every half hour in case an announcement was
lost. With nothing to publish the task is skipped. A burst of backfilled days becomes few snapshots.

**May I run it again?** Yes. It publishes what waits and nothing twice; only one runs at a time.

**What if it fails?** Readers keep the snapshot they have: a snapshot is complete or it is not there.
Trouble with the database is retried; a snapshot that could not be proven equal is not: `lgsp verify` says
what differs, `lgsp recover` repairs what a crash left behind. Then clear the task, or wait for the next
half hour.
"""

from airflow.sdk import DAG, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable

from wiring import assets, defaults, stages

with DAG(
    "publish_shared_dataset",
    description="Publish every checked batch in one snapshot",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/30 * * * *", timezone=defaults.TIMEZONE),
        assets=AssetAny(*assets.every_checked()),
    ),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.of_dag("publish"),
):
    stages.publish()
