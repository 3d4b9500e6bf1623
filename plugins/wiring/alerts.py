"""What is said when a task has failed for good: one line with the Dag, the task, the window and the cause."""

from __future__ import annotations

import logging
from typing import Any

from wiring import windows

log = logging.getLogger("lgsp.alerts")


def say_what_failed(context: Any) -> None:
    """Log the one line that an operator, or a log-based alarm, needs."""
    task = context["task_instance"]
    cause = context.get("exception")
    log.error(
        "FAILED %s.%s, %s, run %s, try %s: %s: %s",
        task.dag_id, task.task_id, windows.described(context), context["run_id"], task.try_number,
        type(cause).__name__, cause,
    )  # fmt: skip
