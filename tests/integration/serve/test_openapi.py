"""The OpenAPI description is true: schemathesis, which nobody here wrote, sends what it allows and what it forbids."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from lgsp.serve import limits, model
from lgsp.serve.filter_tree import KINDS
from lgsp.serve.model import EntitySet
from tests.integration import own_environment
from tests.integration.serve.conftest import Api, token

HERE = Path(__file__).parent
EXAMPLES = 15


@pytest.fixture(scope="module")
def tool() -> Path:
    """The command of schemathesis."""
    try:
        return own_environment.commands("schemathesis") / "schemathesis"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NO FOREIGN TOOL READS THE DESCRIPTION: schemathesis cannot be installed here: {error.stderr}")


def _of_rows(api: Api, entity_set: EntitySet) -> str:
    """Configuration: the key of a row that is there, in its address and in a filter. Numbers stay: the tool tests their limits."""
    name, key = entity_set.name, entity_set.key
    rows = api.json(f"{name}?$top=1")["value"]
    if not rows:
        return ""
    literals = {}
    for each in key:
        column, value = entity_set.columns[each], rows[0][each]
        literals[each] = "'" + value.replace("'", "''") + "'" if KINDS[column.type] == "string" else str(value)
    path = f"/{name}({','.join(f'{each}={{{each}}}' for each in key)})"
    parameters = "\n".join(
        f"{json.dumps(f'path.{each}')} = {json.dumps(value)}" for each, value in literals.items() if not value.isdigit()
    )
    condition = " and ".join(f"{each} eq {value}" for each, value in literals.items())
    return (
        f"[[operations]]\ninclude-path = {json.dumps(path)}\n[operations.parameters]\n{parameters}\n"
        f"[[operations]]\ninclude-path = {json.dumps(f'/{name}/$count')}\n"
        f"[operations.parameters]\n{json.dumps('query.$filter')} = {json.dumps(condition)}\n"
    )


@pytest.mark.exhaustive
def test_the_service_does_what_its_description_says(
    api: Api, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FAILED_LOGINS", 1_000_000)  # the tool tries wrong tokens
    base = (HERE / "schemathesis.toml").read_text(encoding="utf-8")
    rows = "".join(_of_rows(api, each) for each in model.sets().values())
    (tmp_path / "schemathesis.toml").write_text(base + rows, encoding="utf-8")
    done = subprocess.run(
        [
            tool, "--config-file", tmp_path / "schemathesis.toml", "run", f"{api.url}/v1/openapi.json", "--no-color", "--continue-on-failure",
            "--header", f"Authorization: Bearer {token('whole')}", "--max-examples", str(EXAMPLES), "--seed", "1",
        ],
        cwd=tmp_path, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "schemathesis_checks"},
    )  # fmt: skip
    operations = 2 + 3 * len(model.sets())
    assert done.returncode == 0 and f"Tested: {operations}" in done.stdout, done.stdout[-5000:] + done.stderr
