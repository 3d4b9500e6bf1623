"""The log line of a task that failed after its last retry: Dag, task, window and cause."""

from __future__ import annotations

import logging
from typing import Any

from wiring import windows

log = logging.getLogger("lgsp.alerts")


def log_failure(context: Any) -> None:
    """Log one line for the operator or for a log-based alarm."""
    task = context["task_instance"]
    cause = context.get("exception")
    log.error(
        "FAILED %s.%s, %s, run %s, try %s: %s: %s",
        task.dag_id, task.task_id, windows.describe(context), context["run_id"], task.try_number,
        type(cause).__name__, cause,
    )  # fmt: skip
