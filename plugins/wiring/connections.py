"""Settings of the platform with Airflow's connections; the package itself reads only environment variables."""

from __future__ import annotations

import json
import os

from airflow.sdk import Connection

from lgsp.settings import Settings, connection_variable


def settings(source: str | None = None) -> Settings:
    """The platform's settings; for a source, with its Airflow connection.

    The connection id is the source's folder name. Airflow looks in secret stores first, then in ``AIRFLOW_CONN_*``, then
    in its database, where the UI stores connections. Raises AirflowNotFoundException when no place has the connection.
    """
    if source is None:
        return Settings.from_env()
    connection = Connection.get(source)
    fields = {
        "conn_type": connection.conn_type,
        "schema": connection.schema,
        "host": connection.host,
        "port": connection.port,
        "login": connection.login,
        "password": connection.password,
        "extra": connection.extra,
    }
    return Settings.from_env({**os.environ, connection_variable(source): json.dumps(fields)})
