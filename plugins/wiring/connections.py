"""Airflow's connections, handed to a package that knows only its environment."""

from __future__ import annotations

import json
import os

from airflow.sdk import Connection

from lgsp.settings import Settings, connection_variable


def settings(source: str | None = None) -> Settings:
    """The platform's settings; for a source, with its connection wherever Airflow keeps it.

    The connection id is the source's folder name. Airflow looks in secret stores first, then in
    ``AIRFLOW_CONN_*``, then in its database, where the UI writes.
    Raises AirflowNotFoundException when it is nowhere.
    """
    if source is None:
        return Settings.from_env()
    connection = Connection.get(source)
    described = {
        "conn_type": connection.conn_type,
        "schema": connection.schema,
        "host": connection.host,
        "port": connection.port,
        "login": connection.login,
        "password": connection.password,
        "extra": connection.extra_dejson,
    }
    return Settings.from_env({**os.environ, connection_variable(source): json.dumps(described)})
