"""Fetch one window of a source and archive the exact bytes."""

from lgsp.land.stage import landed, run

__all__ = ["landed", "run"]
