"""Merge checked batches into the next snapshot, in one transaction."""

from lgsp.publish.stage import Publication, run

__all__ = ["Publication", "run"]
