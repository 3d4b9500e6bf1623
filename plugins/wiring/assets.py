"""The Airflow assets: the events of ingest and publish runs, on which other Dags can be scheduled."""

from __future__ import annotations

from airflow.sdk import Asset

from lgsp.schema import sources


def checked(source: str) -> Asset:
    """The asset of a source; updated when its batches passed their checks and wait to be published."""
    return Asset(name=f"checked_{source}", uri=f"lgsp://checked/{source}", group="checked")


def every_checked() -> list[Asset]:
    """The assets of all source folders."""
    return [checked(source) for source in sources.names()]


SHARED_DATASET = Asset(name="shared_dataset", uri="lgsp://shared", group="published")
"""Updated with every new snapshot; schedule a Dag on it to follow the shared dataset."""
