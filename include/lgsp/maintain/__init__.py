"""Maintains the published dataset: sweep, gaps, redrive, withdraw, rollback, retention, repair, verify."""
