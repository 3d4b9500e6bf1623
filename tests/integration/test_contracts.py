"""What describes the tables of a snapshot is signed with it, and tools that are not ours read and execute it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from sqlalchemy.engine import make_url

from lgsp.errors import PublicationFailed
from lgsp.maintain import repair, verify
from lgsp.schema import contract
from lgsp.schema.contract import Contract
from lgsp.snapshots import pointer
from tests.conftest import ROOT
from tests.integration import datacontract_tool, own_environment
from tests.integration.conftest import Installation

# What the tool does not check, and reports as a warning: types of Parquet files, and keys of tables in other contracts.
UNCHECKED = re.compile(
    r"Checking types in parquet files is not supported yet\.|The relationship from .* is not checked"
)
CONTRACTS = [f"contracts/{name}.odcs.yaml" for name in contract.names()]


@pytest.fixture(scope="module")
def tool() -> Path:
    """The folder of the commands of datacontract-cli."""
    try:
        return own_environment.commands("datacontract")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"NO FOREIGN TOOL READS THE CONTRACTS: datacontract-cli cannot be installed here: {error.stderr}")


@pytest.fixture
def folder(published: Installation) -> Path:
    """The folder of the newest snapshot."""
    return (published.settings.shared / "current").resolve()


def _login(installation: Installation) -> dict[str, str]:
    address = make_url(installation.settings.database_url or "")
    return {
        "DATACONTRACT_POSTGRES_USERNAME": address.username or "", "DATACONTRACT_POSTGRES_PASSWORD": address.password or "",
    }  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("place", ["lint", "postgres", "parquet"])
def test_a_foreign_tool_executes_every_contract(place: str, tool: Path, folder: Path, published: Installation) -> None:
    found = datacontract_tool.found(folder, place, CONTRACTS, _login(published))
    failed = [
        (path, *check)
        for path, result in found.items()
        for check in result["checks"]
        if check[2] != "passed" and not (check[2] == "warning" and UNCHECKED.match(check[3] or ""))
    ]
    assert failed == []
    assert {result["result"] for result in found.values()} <= {"passed", "warning"}
    if place != "lint":
        executed = {check[0] for result in found.values() for check in result["checks"] if check[2] == "passed"}
        assert executed >= {"field_null_values", "field_invalid_values", "model_duplicate_values", "model_quality_sql"}


@pytest.mark.exhaustive
def test_a_foreign_tool_finds_rows_that_break_a_contract(tool: Path, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "contracts", tmp_path / "contracts")
    rows = pq.read_table(folder / "service_kpi").select(contract.load("service_kpi").names).slice(0, 2)
    rows = rows.set_column(rows.column_names.index("period"), "period", [["decade", "month"]])
    rows = rows.set_column(rows.column_names.index("numerator"), "numerator", pc.add(rows["denominator"], 1))
    (tmp_path / "service_kpi").mkdir()
    pq.write_table(rows, tmp_path / "service_kpi" / "rows.parquet")
    (result,) = datacontract_tool.found(tmp_path, "parquet", ["contracts/service_kpi.odcs.yaml"], {}).values()
    assert result["result"] == "failed"
    failed = {(check[0], check[1]) for check in result["checks"] if check[2] == "failed"}
    assert failed == {("field_invalid_values", "period"), ("model_quality_sql", None)}


@pytest.mark.exhaustive
def test_the_documented_commands_of_the_tool_work(tool: Path, folder: Path, published: Installation) -> None:
    page = (ROOT / "docs" / "reading-the-data.md").read_text(encoding="utf-8")
    documented = re.findall(r"^datacontract .*$", page, re.MULTILINE)
    assert {line.split()[1] for line in documented} == {"lint", "test"}
    environment = {"PATH": f"{tool}:{os.environ['PATH']}", "HOME": str(folder), **_login(published)}
    for command in documented:
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def _rows(table: Contract, folder: Path) -> Iterator[dict[str, Any]]:
    """Some rows of a table as the JSON of the read API has them."""
    for row in pq.read_table(folder / table.name).select(table.names).slice(0, 500).to_pylist():
        yield {name: v.isoformat() if isinstance(v, date | datetime) else v for name, v in row.items()}


def test_the_json_schemas_describe_the_published_rows(folder: Path) -> None:
    counted = 0
    for table in contract.every():
        schema = json.loads((folder / "contracts" / f"{table.name}.schema.json").read_text(encoding="utf-8"))
        validator = jsonschema.Draft202012Validator(schema)
        for row in _rows(table, folder):
            counted += 1
            assert next((error.message for error in validator.iter_errors(row)), None) is None, table.name
    assert counted > 1000


@pytest.mark.parametrize("name", ["organisation", "service_kpi", "document_delivery"])
def test_great_expectations_validates_the_published_rows(name: str, folder: Path) -> None:
    import great_expectations as gx

    suite = gx.ExpectationSuite(**json.loads((folder / "contracts" / f"{name}.expectations.json").read_text("utf-8")))
    frame = pq.read_table(folder / name).select(contract.load(name).names).to_pandas()
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("snapshot").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    assert batch.validate(suite).success
    key = contract.load(name).key[0]
    broken = asset.add_batch_definition_whole_dataframe("twice").get_batch({"dataframe": pd.concat([frame, frame])})
    result = broken.validate(suite)
    assert not result.success and key in str([r.expectation_config.kwargs for r in result.results if not r.success])


def test_an_altered_or_additional_description_is_refused(published_copy: Installation) -> None:
    folder = (published_copy.settings.shared / "current").resolve()
    file = folder / "contracts" / "dossier.odcs.yaml"
    original = file.read_bytes()
    file.write_bytes(original.replace(b"mustBe: 0", b"mustBe: 9"))
    with pytest.raises(PublicationFailed, match=r"dossier\.odcs\.yaml is not the file that was published"):
        verify.verify_snapshot(published_copy.settings)
    assert repair.repair_files(published_copy.settings) == ["contracts/dossier.odcs.yaml"]
    assert file.read_bytes() == original
    (folder / "contracts" / "other.odcs.yaml").write_bytes(original)
    with pytest.raises(PublicationFailed, match="these files are not in the manifest"):
        verify.verify_snapshot(published_copy.settings)


def test_two_snapshots_share_their_descriptions(published_twice: Installation) -> None:
    shared = published_twice.settings.shared
    first, second = pointer.manifest(shared, 1), pointer.manifest(shared, 2)
    assert first["descriptions"] == second["descriptions"]
    for file in second["descriptions"]["files"]:
        one, two = (shared / "snapshots" / number / file["path"] for number in ("1", "2"))
        assert one.stat().st_ino == two.stat().st_ino
