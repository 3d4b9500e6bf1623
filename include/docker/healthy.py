"""Checks whether a component of Airflow is healthy, as the api-server's monitor reports: ``healthy.py scheduler``.

Cheaper than ``airflow jobs check``, which imports all of Airflow for every check.
"""

from __future__ import annotations

import json
import sys
from urllib.request import urlopen

MONITOR = "http://api-server:8080/api/v2/monitor/health"
TIMEOUT_SECONDS = 10


def is_healthy(component: str) -> bool:
    """Whether the monitor reports this component of Airflow as healthy."""
    with urlopen(MONITOR, timeout=TIMEOUT_SECONDS) as response:
        return bool(json.load(response)[component]["status"] == "healthy")


if __name__ == "__main__":
    sys.exit(not is_healthy(sys.argv[1]))
