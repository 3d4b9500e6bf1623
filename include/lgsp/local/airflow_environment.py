"""The environment all Airflow processes share; a difference between two fails tasks without a log."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from lgsp.local.secrets_file import kept
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server

PROJECT = Path(__file__).resolve().parents[3]
DATABASE = "airflow"
USERS = {"admin": "admin", "ops": "op", "engineer": "user", "reader": "viewer"}

TUNING: Mapping[str, str] = {
    # Backfill dates without an offset mean local days; with UTC the first one is lost in silence.
    "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Ho_Chi_Minh",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    # Tasks inherit what `lgsp.local.preloaded_scheduler` imported; no other way of starting them does.
    "AIRFLOW__CORE__MP_START_METHOD": "fork",
    # One second by default, spent between any two dependent tasks.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__API__WORKERS": "1",
    # A task whose scheduler died runs again after this and the 30 s that its scheduler is believed to live; 300 s by default.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    # A task that closes its pipes before it has quite ended is noticed by this timer: 5 s by default.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # Deprecations between Airflow and its own libraries, repeated in every task's log.
    "PYTHONWARNINGS": "ignore:GitWildMatchPattern,ignore:Using `httpx` with",
    # A long window lands for hours; a task whose token ends before it does cannot report.
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "21600",
}


def airflow_home(settings: Settings) -> Path:
    """Where Airflow keeps its logs, passwords and secrets."""
    return settings.home / "airflow"


def pools() -> dict[str, int]:
    """The pools the Dags ask for and their slots: one writer, and one caller for each source."""
    return {"publish": 1, **{f"source_{source}": 1 for source in sources.names()}}


def database_url(settings: Settings) -> str:
    """The address of Airflow's metadata: LGSP_AIRFLOW_DATABASE_URL, else one of the embedded server."""
    given = settings.environment.get("LGSP_AIRFLOW_DATABASE_URL")
    if not given:
        server = Server(settings.home)
        server.ensure()
        server.create_database(DATABASE)
        given = server.url(DATABASE)
    return "postgresql+psycopg2://" + given.split("://", 1)[1]


def passwords(settings: Settings) -> dict[str, str]:
    """The passwords of the UI's users, made once and readable by their owner only."""
    return kept(_passwords_file(settings), {user: secrets.token_urlsafe(9) for user in USERS})


def airflow(settings: Settings, port: int, connections: Mapping[str, str]) -> dict[str, str]:
    """The whole environment for Airflow's processes, with the sources' connections in it."""
    home, keys = airflow_home(settings), _secret_keys(settings)
    passwords(settings)
    # Without compiled bytecode every process and every task imports for seconds.
    inherited = {k: v for k, v in settings.environment.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {
        **inherited,
        **TUNING,
        **connections,
        "LGSP_HOME": str(settings.home),
        "PYTHONPATH": os.pathsep.join(filter(None, [inherited.get("PYTHONPATH"), str(PROJECT / "include")])),
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__API__SECRET_KEY": keys["api"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(settings)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(settings),
    }


def _passwords_file(settings: Settings) -> Path:
    return airflow_home(settings) / "passwords.json"


def _secret_keys(settings: Settings) -> dict[str, str]:
    fresh = {
        "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api": secrets.token_urlsafe(48),
        "jwt": secrets.token_urlsafe(64),
    }
    return kept(airflow_home(settings) / "secrets.json", fresh)
