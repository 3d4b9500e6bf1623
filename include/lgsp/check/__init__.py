"""Check rows and batches: rules, gate, quarantine, completeness, drift."""

from lgsp.check.stage import run

__all__ = ["run"]
