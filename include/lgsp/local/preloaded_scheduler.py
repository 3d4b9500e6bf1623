"""Runs Airflow's scheduler with large modules already imported: ``python -m lgsp.local.preloaded_scheduler scheduler``.

The scheduler forks its workers and their tasks. So no task spends seconds on importing pandas, DuckDB and Great
Expectations, and all tasks share one copy in memory.
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
    # The stages import these only when they need them.
    "pandas",
    "great_expectations",
    "great_expectations.expectations",
    "great_expectations.render.renderer",
    "great_expectations.render.view",
    "holidays",
    "lxml.etree",
)


def preload() -> None:
    """Import the modules."""
    for module in MODULES:
        importlib.import_module(module)


def main() -> None:
    """Preload the modules, then run Airflow's command line in this process."""
    preload()
    sys.argv[0] = "airflow"
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
