"""The examples of the documentation that read over HTTP run against the service."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.integration.serve.conftest import Api, token
from tests.integration.serve.copying import PAGE, PANDAS


def test_the_pandas_example_prints_the_sums_of_the_table(api: Api) -> None:
    environment = {**os.environ, "LGSP_API": api.url, "TOKEN": token("figures")}
    printed = subprocess.run(
        [sys.executable, "-c", PANDAS], env=environment, capture_output=True, text=True, check=True
    ).stdout
    sums = api.installation.query(
        "select kpi_id, sum(numerator)::bigint as n from shared.service_kpi where period = 'month' group by 1"
    )
    assert {row["kpi_id"]: str(row["n"]) for row in sums} == dict(re.findall(r"^(\w+) +(\d+)$", printed, re.MULTILINE))


def test_the_addresses_for_curl_answer(api: Api) -> None:
    section = PAGE[PAGE.index("## Over HTTP") :]
    lines = [line.replace("\\$", "$") for line in section.splitlines() if line.startswith("curl")]
    assert len(lines) == 6
    for line in lines:
        path = re.findall(r'"\$LGSP_API(/[^"]*)"', line)[0]
        answer = api.get(path, "whole" if "Bearer" in line else None)
        assert answer.status_code == (404 if "H47-220601" in path else 200), line
