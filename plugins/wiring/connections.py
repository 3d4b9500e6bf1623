"""Settings of the platform with Airflow's connections; the package itself reads only environment variables."""

from __future__ import annotations

import json
import os

from airflow.sdk import Connection

from lgsp.settings import Settings, connection_variable


def settings(source: str | None = None) -> Settings:
    """The platform's settings; for a source, with its Airflow connection. The province's own files are checked and in use.

    The connection id is the source's folder name. Airflow looks in secret stores first, then in ``AIRFLOW_CONN_*``, then
    in its database, where the UI stores connections. Raises AirflowNotFoundException when no place has the connection.
    """
    from lgsp import config

    own = Settings.from_env(_environment(source))
    config.activate(own)
    return own


def _environment(source: str | None) -> dict[str, str]:
    """The environment of the process; for a source, with its connection."""
    if source is None:
        return dict(os.environ)
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
    return {**os.environ, connection_variable(source): json.dumps(fields)}
