"""Airflow's scheduler with the heavy modules already imported: ``python -m lgsp.local.preloaded_scheduler scheduler``.

Its workers and their tasks are forked from it, so none of them spends seconds on importing pandas, DuckDB
and Great Expectations, and all share one copy in memory.
"""

from __future__ import annotations

import importlib
import runpy
import sys

MODULES = (
    "airflow.sdk.execution_time.task_runner",
    "lgsp.land",
    "lgsp.harmonise",
    "lgsp.check",
    "lgsp.publish",
    # What the stages import only when they need it.
    "pandas",
    "great_expectations",
    "great_expectations.expectations",
    "great_expectations.render.renderer",
    "great_expectations.render.view",
    "holidays",
    "lxml.etree",
)


def main() -> None:
    """Import, then be Airflow."""
    for module in MODULES:
        importlib.import_module(module)
    sys.argv[0] = "airflow"
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
