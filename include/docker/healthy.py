"""Whether a part of Airflow is alive, as the api-server's monitor sees it: ``healthy.py scheduler``.

Cheaper than ``airflow jobs check``, which starts all of Airflow for every question.
"""

from __future__ import annotations

import json
import sys
from urllib.request import urlopen

MONITOR = "http://api-server:8080/api/v2/monitor/health"
ANSWER_SECONDS = 10


def is_healthy(part: str) -> bool:
    """Whether the monitor calls this part of Airflow healthy."""
    with urlopen(MONITOR, timeout=ANSWER_SECONDS) as answer:
        return bool(json.load(answer)[part]["status"] == "healthy")


if __name__ == "__main__":
    sys.exit(not is_healthy(sys.argv[1]))
