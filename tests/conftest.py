"""What all tests share: paths, and an environment free of the developer's own settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

for variable in [name for name in os.environ if name.startswith(("LGSP_", "AIRFLOW"))]:
    del os.environ[variable]


@pytest.fixture
def root() -> Path:
    """The project's top level."""
    return ROOT
