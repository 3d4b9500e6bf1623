"""Runs Airflow's scheduler with large modules and data already loaded: ``python -m lgsp.local.preloaded_scheduler scheduler``.

The scheduler forks its workers and their tasks. So no task spends seconds on importing pandas, DuckDB and Great
Expectations, and all tasks share one copy in memory.
"""

from __future__ import annotations

import gc
import importlib
import logging
import runpy
import sys

from lgsp.errors import LgspError
from lgsp.settings import Settings

log = logging.getLogger(__name__)

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
    "holidays.countries.vietnam",
    "lxml.etree",
)


def preload() -> None:
    """Import the modules and read what is a part of the program: contracts, territories, the profile of messages.

    The province's own files are in use already, and each task looks whether they changed.
    """
    for module in MODULES:
        importlib.import_module(module)
    from lgsp import config
    from lgsp.check import gate
    from lgsp.harmonise import dossier_columns
    from lgsp.schema import contract, records, sources
    from lgsp.vietnam import personal_data, territories

    try:
        config.activate(Settings.from_env())
    except LgspError as error:  # the scheduler starts, and each task fails with the reason
        log.error(str(error))
    for kind in (*records.KINDS, "batch", "table"):
        contract.rules(kind)
    rules = contract.rules("batch")[:1]
    gate.evaluate(
        "preload", gate.count_flags("preload", {rule.id: True for rule in rules}, rules, {})
    )  # compiles the templates of pages
    dossier_columns.check_filled()
    territories.current_codes()
    personal_data.persons_in("UBND xã Cẩm Thanh")
    for source in sources.names():
        rows = importlib.import_module(f"lgsp.sources.{source}.rows")
        getattr(rows, "preload", lambda: None)()
    # Without it every task's garbage collector visits all these objects, and copies their memory pages.
    gc.collect()
    gc.freeze()


def main() -> None:
    """Preload the modules, then run Airflow's command line in this process."""
    preload()
    sys.argv[0] = "airflow"
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
