"""The assets: what an ingest run announces, and what downstream teams may schedule on."""

from __future__ import annotations

from airflow.sdk import Asset

from lgsp.schema import sources


def checked(source: str) -> Asset:
    """Announced when batches of a source passed their checks and wait to be published."""
    return Asset(name=f"checked_{source}", uri=f"lgsp://checked/{source}", group="checked")


def every_checked() -> list[Asset]:
    """One asset for each source folder."""
    return [checked(source) for source in sources.names()]


SHARED_DATASET = Asset(name="shared_dataset", uri="lgsp://shared", group="published")
"""Announced with every new snapshot; schedule a Dag on it to follow the shared dataset."""
