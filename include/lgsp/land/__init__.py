"""Fetches one window of a source and archives the exact bytes."""

from lgsp.land.stage import open_rebuild, open_rebuild_batches, run

__all__ = ["open_rebuild", "open_rebuild_batches", "run"]
