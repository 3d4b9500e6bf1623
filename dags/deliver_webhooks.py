"""
**What:** notifies the addresses of `LGSP_WEBHOOKS` of each new snapshot and of each that was retired. Without
addresses it has no schedule.

**When:** after each publication, and every five minutes for events that an address has not accepted yet. An event is sent
again after 1, 5 and 30 minutes, then after 2, 6, 12 and 24 hours, always with the same id.

**May I run it again?** Yes, at any time: each event is sent by one run at a time.

**What if it fails?** An address answered 410, or accepted an event in none of the attempts; the error names its host.
`lgsp webhooks list` shows every event, `lgsp webhooks ping` sends one to try.
"""

import os

from airflow.sdk import DAG, AssetOrTimeSchedule, CronTriggerTimetable

from wiring import assets, defaults, stages

AFTER_PUBLICATIONS = AssetOrTimeSchedule(
    timetable=CronTriggerTimetable("*/5 * * * *", timezone=defaults.TIMEZONE), assets=[assets.SHARED_DATASET]
)

with DAG(
    "deliver_webhooks",
    dag_display_name="Thông báo bản công bố mới · Deliver webhooks",
    description="Notify the addresses of LGSP_WEBHOOKS of new snapshots",
    schedule=AFTER_PUBLICATIONS if os.environ.get("LGSP_WEBHOOKS") else None,
    max_active_runs=1,
    doc_md=__doc__,
    **defaults.dag_arguments("publish"),
):
    stages.deliver_webhooks()
