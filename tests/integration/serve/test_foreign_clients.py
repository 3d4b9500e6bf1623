"""Clients of OData that nobody here wrote read the service as they are: in Python and in JavaScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lgsp.serve import model
from tests.integration import own_environment
from tests.integration.serve.conftest import Api, token

HERE = Path(__file__).parent
JAVASCRIPT = "odata@2.0.1"  # o.js, the most used client without a code generator
DELTA = "dossier?$select=dossier_id,status&$deltatoken=1-1"


def _python() -> tuple[list[str | Path], dict[str, str]]:
    return [own_environment.commands("odata") / "python", HERE / "client_python.py"], {}


def _javascript() -> tuple[list[str | Path], dict[str, str]]:
    modules = own_environment.modules("odata-js", JAVASCRIPT)
    return ["node", HERE / "client_javascript.js"], {"NODE_PATH": str(modules)}


def _read(api: Api, client: Callable[[], tuple[list[str | Path], dict[str, str]]]) -> dict[str, Any]:
    """What a client read."""
    if client is _javascript and not shutil.which("npm"):
        pytest.skip("NO CLIENT IN JAVASCRIPT: there is no npm")
    try:
        command, environment = client()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NO FOREIGN CLIENT: it cannot be installed here: {error.stderr}")
    done = subprocess.run(
        [*command, f"{api.url}/v1/", token("whole"), f"{api.url}/v1/{DELTA}"],
        env={"PATH": os.environ["PATH"], "HOME": str(HERE), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.exhaustive
@pytest.mark.parametrize("client", [_python, _javascript])
def test_a_foreign_client_reads_pages_filters_and_changes(
    api: Api, client: Callable[[], tuple[list[str | Path], dict[str, str]]]
) -> None:
    found = _read(api, client)
    rows, paid = api.rows("dossier"), "$filter=fee_vnd gt 0"

    def ids(query: str) -> list[str]:
        return [row["dossier_id"] for row in api.rows(f"dossier?$select=dossier_id&{query}")]

    assert found["sets"] == sorted(model.sets()) and found["rows"] == rows
    assert sorted(found.get("columns", rows[0])) == sorted(rows[0]), "from $metadata"
    assert found["processing"] == ids("$filter=status eq 'processing'&$orderby=fee_vnd desc") != []
    assert found["late"] == ids(f"{paid} and received_at ge 2026-08-05T00:00:00%2B07:00") != []
    assert found["either"] == ids("$filter=fee_vnd eq 0 or startswith(channel,'on')") != []
    assert found["paid"] == len(ids(paid))
    assert found["selected"] == api.json("dossier?$select=dossier_id,status&$top=5")["value"]
    organisations = api.rows("organisation_current?$select=name")
    assert found["named"] == [row["name"] for row in organisations if "Cẩm" in row["name"]] != []
    event = api.json("dossier_event?$top=1")["value"][0]
    assert (found["one"], found["event"]) == (event["dossier_id"], event["status"])
    assert found["changes"] == [row for page in api.pages(DELTA) for row in page["value"]] != []
    assert found["next"].endswith("$deltatoken=1-2")
