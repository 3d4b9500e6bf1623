"""Defaults of all Dags: owner, tags, pools, callbacks, and which failures are retried."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.definitions.retry_policy import RetryDecision

from lgsp.errors import SourcePaused
from lgsp.window import LOCAL, midnight
from wiring import alerts

OWNER = "data-platform"
TIMEZONE = LOCAL.key
START = midnight(date(2020, 1, 1))
PUBLISH_POOL = "publish"


def source_pool(source: str) -> str:
    """The name of the pool of a source. It has two slots: a long run leaves one to the schedule; both share the budget of requests."""
    return f"source_{source}"


PROGRAMMING_ERRORS: list[Any] = [
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, FileNotFoundError,
]  # fmt: skip

RETRY_MARGIN = timedelta(minutes=1)


class SourceRetryPolicy(ExceptionRetryPolicy):
    """Retries by the rules; a source that must not be called now is called again when it may be."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """The decision of the first matching rule, with the delay that the source requires."""
        decision = super().evaluate(exception, try_number, max_tries, context)
        if isinstance(exception, SourcePaused):
            delay = max(timedelta(), exception.until - datetime.now(UTC)) + RETRY_MARGIN
            return replace(decision, retry_delay=delay)
        return decision


RETRY_POLICY = SourceRetryPolicy(
    rules=[
        RetryRule(
            exception="lgsp.errors.SourceFailed",
            action=RetryAction.RETRY,
            reason="the source may respond later",
        ),
        RetryRule(exception="lgsp.errors.LgspError", action=RetryAction.FAIL, reason="a retry cannot fix this"),
        RetryRule(
            exception=PROGRAMMING_ERRORS,
            action=RetryAction.FAIL,
            reason="an error in our code happens again on a retry",
        ),
    ]
)
"""Network, database and disk errors match no rule: the `retries` of the tasks apply."""


def dag_arguments(*tags: str) -> dict[str, Any]:
    """The keyword arguments that all Dags share, with the tags of one Dag."""
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
            "on_failure_callback": alerts.log_failure,
        },
    }
