"""Builds the environment variables of all Airflow processes. They must be the same: a difference fails tasks without a log."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from lgsp.local.secrets_file import load_or_create
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server

PROJECT = Path(__file__).resolve().parents[3]
DATABASE = "airflow"
USERS = {"admin": "admin", "ops": "op", "engineer": "user", "reader": "viewer"}

TUNING: Mapping[str, str] = {
    # Backfill dates without an offset mean local days; with UTC Airflow silently skips the first day.
    "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Ho_Chi_Minh",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    # Only forked tasks inherit the modules that `lgsp.local.preloaded_scheduler` has imported.
    "AIRFLOW__CORE__MP_START_METHOD": "fork",
    # The default is one second, spent between any two dependent tasks.
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__API__WORKERS": "1",
    # After a scheduler was killed its tasks run again after this time, plus 30 s until Airflow notices that it stopped. Default: 300 s.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
    # The end of a task that closes its pipes early is noticed only by this timer. Default: 5 s.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    # Deprecation warnings of Airflow's own libraries, which fill every task's log.
    "PYTHONWARNINGS": "ignore:GitWildMatchPattern,ignore:Using `httpx` with",
    # A long window can take hours to land; a task whose token expired cannot report its result.
    "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": "21600",
}


def airflow_home(settings: Settings) -> Path:
    """The folder of Airflow's logs, passwords and secrets."""
    return settings.home / "airflow"


def pools() -> dict[str, int]:
    """The pools that the Dags use, with their slots: one slot for publishing, two for each source.

    A long window that a person reads has one of the two: the run of the schedule does not wait for it.
    """
    return {"publish": 1, **{f"source_{source}": 2 for source in sources.names()}}


def database_url(settings: Settings) -> str:
    """The address of Airflow's metadata database: LGSP_AIRFLOW_DATABASE_URL, by default one in the embedded server."""
    url = settings.environment.get("LGSP_AIRFLOW_DATABASE_URL")
    if not url:
        server = Server(settings.home)
        server.ensure()
        server.create_database(DATABASE)
        server.close_databases()
        url = server.url(DATABASE)
    return "postgresql+psycopg2://" + url.split("://", 1)[1]


def passwords(settings: Settings) -> dict[str, str]:
    """The passwords of the UI's users, by user; generated once and stored in a file that only its owner can read."""
    return load_or_create(_passwords_file(settings), {user: secrets.token_urlsafe(9) for user in USERS})


def airflow(settings: Settings, port: int, connections: Mapping[str, str]) -> dict[str, str]:
    """The environment variables of Airflow's processes, with the connections of the sources."""
    home, keys = airflow_home(settings), _secret_keys(settings)
    passwords(settings)
    # Without compiled bytecode the imports of every process and task take seconds.
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
    new_keys = {
        "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "api": secrets.token_urlsafe(48),
        "jwt": secrets.token_urlsafe(64),
    }
    return load_or_create(airflow_home(settings) / "secrets.json", new_keys)
