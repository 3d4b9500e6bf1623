"""What every Dag has in common: owner, tags, pools, and which failures are worth another try."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from lgsp.window import LOCAL, midnight
from wiring import alerts

OWNER = "data-platform"
TIMEZONE = LOCAL.key
START = midnight(date(2020, 1, 1))
PUBLISH_POOL = "publish"


def source_pool(source: str) -> str:
    """The one-slot pool that keeps parallel runs from calling one source at the same time."""
    return f"source_{source}"


OUR_FAULTS: list[Any] = [
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, FileNotFoundError,
]  # fmt: skip

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="lgsp.errors.SourceFailed",
            action=RetryAction.RETRY,
            reason="the source may answer later",
        ),
        RetryRule(exception="lgsp.errors.LgspError", action=RetryAction.FAIL, reason="asking again cannot mend this"),
        RetryRule(
            exception=OUR_FAULTS,
            action=RetryAction.FAIL,
            reason="a fault in our own code repeats itself",
        ),
    ]
)
"""Network, database and disk trouble falls through to the ordinary retries below."""


def of_dag(*tags: str) -> dict[str, Any]:
    """The arguments of a Dag that do not depend on what it does."""
    return {
        "start_date": START,
        "catchup": False,
        "tags": ["lgsp", *tags],
        "default_args": {
            "owner": OWNER,
            "retries": 4,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=30),
            "retry_policy": RETRY_POLICY,
            "execution_timeout": timedelta(hours=4),
            "on_failure_callback": alerts.say_what_failed,
        },
    }
