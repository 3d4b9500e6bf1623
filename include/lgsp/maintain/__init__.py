"""Maintains the published dataset: sweep, redrive, rollback, retention, repair, verify."""
