"""Shared by all tests: the root folder of the project, an environment without the developer's settings, exhaustive tests.

Tests marked `exhaustive` take minutes and repeat on a larger world, or in more ways, what other tests prove. They run with
`--exhaustive=all`, which also tries many more examples of each property; with `--exhaustive=today` a few of them run, others on every day.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from lgsp import config

ROOT = Path(__file__).resolve().parents[1]

DAYS = 56  # after which every exhaustive test has run
# Set once for all worker processes, which must select the same tests also at midnight.
TODAY = int(os.environ.setdefault("TESTED_DAY", str(date.today().toordinal())))

for variable in [name for name in os.environ if name.startswith(("LGSP_", "AIRFLOW"))]:
    del os.environ[variable]


@pytest.fixture
def root() -> Path:
    """The root folder of the project."""
    return ROOT


@pytest.fixture(autouse=True, scope="module")
def own_files() -> Iterator[None]:
    """Use the files of the program again after a module: a stage makes those of its installation active in the process."""
    yield
    config.use(config.SHIPPED)


# No deadline: how long an example takes depends on what else the machine does.
hypothesis.settings.register_profile("short", max_examples=8, deadline=None)
hypothesis.settings.register_profile("long", max_examples=400, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples of each property by default."""
    hypothesis.settings.load_profile("long" if config.getoption("exhaustive") == "all" else "short")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that selects exhaustive tests."""
    parser.addoption(
        "--exhaustive",
        choices=["none", "today", "all"],
        default="none",
        help="which tests marked `exhaustive` run",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the exhaustive tests that were not asked for."""
    chosen = config.getoption("exhaustive")

    if chosen == "all":
        return
    exhaustive = [item for item in items if item.get_closest_marker("exhaustive")]
    ran = set(sorted({_proof(item) for item in exhaustive})[TODAY % DAYS :: DAYS]) if chosen == "today" else set()
    left_out = {item for item in exhaustive if _proof(item) not in ran}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _proof(item: pytest.Item) -> str:
    """What runs on the same day: a test function with all its parameters, or a file that is marked as a whole."""
    name = item.nodeid.partition("[")[0]
    module = item.getparent(pytest.Module)
    is_whole = module is not None and any(mark.name == "exhaustive" for mark in module.own_markers)
    return name.partition("::")[0] if is_whole else name


# Files of tests that share what takes long to make: Airflow in the process of the tests, a store with two snapshots.
TOGETHER = (
    re.compile(r"tests/airflow/(?!test_real_stack)"),
    re.compile(r"tests/integration/test_(publication|history|documentation)\.py"),
)


class _FilesTogether(LoadFileScheduling):
    """One worker runs all tests of a file, and of the files of one group."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return next((group.pattern for group in TOGETHER if group.match(file)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Decide which tests run in the same worker process."""
    return _FilesTogether(config, log)
