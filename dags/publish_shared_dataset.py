"""
**What:** collects the batches of all sources that passed their checks and are not yet published, and makes one new
snapshot of the shared dataset: the tables of schema `shared`, and the same rows as Parquet. Both are proven equal before
readers see the snapshot.

**When:** when any source reports checked batches, and every half hour in case such an event was lost. With nothing to
publish the task is skipped. It waits at most two minutes for a batch of the same interval that is still being processed,
so a day becomes one snapshot. Many backfilled days become few snapshots.

**May I run it again?** Yes. It publishes the waiting batches and no batch twice; only one run publishes at a time.

**What if it fails?** Readers keep the snapshot they have: they never see an incomplete one. Database errors are retried. A
snapshot that could not be proven equal is not retried: `lgsp verify` shows the differences, `lgsp recover` repairs what a
crash left behind. Then clear the task, or wait for the next half hour.
"""

from airflow.sdk import DAG, AssetAny, AssetOrTimeSchedule, CronTriggerTimetable

from wiring import assets, defaults, stages

with DAG(
    "publish_shared_dataset",
    dag_display_name="Công bố bộ dữ liệu dùng chung · Publish the shared dataset",
    description="Publish all checked batches in one snapshot",
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/30 * * * *", timezone=defaults.TIMEZONE),
        assets=AssetAny(*assets.every_checked()),
    ),
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("publish"),
):
    stages.publish()
