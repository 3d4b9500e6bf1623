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


@pytest.fixture(scope="session")
def server():
    """Airflow's API server with the plugins of the project, in this process."""
    from airflow.api_fastapi.app import create_app
    from airflow.utils import db
    from fastapi.testclient import TestClient

    db.initdb()
    with TestClient(create_app()) as client:
        yield client


@pytest.fixture
def reader(server):
    """The headers of a request by a signed-in reader."""
    token = server.post("/auth/token", json={"username": "reader", "password": "a password"}).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}
