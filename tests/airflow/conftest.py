"""Airflow for tests: a temporary home, configured before Airflow is imported."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOME = Path(tempfile.mkdtemp(prefix="lgsp-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__DEFAULT_TIMEZONE="Asia/Ho_Chi_Minh",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS="reader:viewer",
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=str(HOME / "passwords.json"),
    AIRFLOW__API_AUTH__JWT_SECRET="0123456789abcdef" * 4,
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME / 'test.db'}",
)
(HOME / "passwords.json").write_text('{"reader": "a password"}')
sys.path.insert(0, str(ROOT / "plugins"))


@pytest.fixture(scope="session")
def dagbag():
    """All Dag files, parsed as Airflow parses them, without a database."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags"))
