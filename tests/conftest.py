"""Shared by all tests: the root folder of the project, and an environment without the developer's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

for variable in [name for name in os.environ if name.startswith(("LGSP_", "AIRFLOW"))]:
    del os.environ[variable]


@pytest.fixture
def root() -> Path:
    """The root folder of the project."""
    return ROOT
