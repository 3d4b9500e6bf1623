"""A change of a contract asks for a higher version, and the committed versions are those of the contracts."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from lgsp.schema import compatibility
from tests.conftest import ROOT

COMMITTED = ROOT / "docs" / "contract-versions.yml"
BEFORE: dict[str, Any] = {
    "dossier": {
        "version": "1.3.0",
        "texts": "a",
        "columns": {
            "dossier_id": {"type": "text", "key": True, "required": True},
            "status": {"type": "text", "codes": ["open", "closed"]},
            "old_id": {"type": "text", "deprecated": "1.2.0"},
            "older_id": {"type": "text", "deprecated": "1.3.0"},
        },
    }
}


def test_the_committed_versions_are_those_of_the_contracts() -> None:
    committed = compatibility.parse(COMMITTED.read_text(encoding="utf-8"))
    assert compatibility.problems(committed, compatibility.current()) == []
    assert committed == compatibility.current(), "run `make docs`"


def _after(version: str, **columns: Any) -> dict[str, Any]:
    """The contract with other columns; None removes one."""
    after = deepcopy(BEFORE)
    after["dossier"]["version"] = version
    for name, facts in columns.items():
        after["dossier"]["columns"][name] = facts
    after["dossier"]["columns"] = {n: facts for n, facts in after["dossier"]["columns"].items() if facts is not None}
    return after


STATUS = {"type": "text", "codes": ["open", "closed"]}


@pytest.mark.parametrize(
    ("changed", "message", "too_low", "enough"),
    [
        ({"old_id": None}, "column old_id was removed or renamed: raise the major version", "1.4.0", "2.0.0"),
        ({"status": STATUS | {"type": "integer"}}, "column status was text and is integer: raise the major", "1.4.0", "2.0.0"),
        ({"status": STATUS | {"required": True}}, "column status is now required: raise the major", "1.4.0", "2.0.0"),
        ({"dossier_id": {"type": "text", "key": True}}, "column dossier_id is no longer required", "1.4.0", "2.0.0"),
        ({"status": STATUS | {"key": True}}, "the key was (dossier_id) and is (dossier_id, status)", "1.4.0", "2.0.0"),
        ({"status": STATUS | {"codes": ["open"]}}, "no longer has the codes closed: raise the major", "1.4.0", "2.0.0"),
        ({"status": STATUS | {"codes": ["open", "closed", "paused"]}}, "new codes paused: raise the minor", "1.3.1", "1.4.0"),
        ({"fee_vnd": {"type": "bigint"}}, "column fee_vnd was added: raise the minor version, now 1.3.1", "1.3.1", "1.4.0"),
        ({"status": STATUS | {"deprecated": "1.4.0"}}, "is now deprecated: raise the minor", "1.3.1", "1.4.0"),
    ],
)  # fmt: skip
def test_a_change_names_the_part_that_must_rise(
    changed: dict[str, Any], message: str, too_low: str, enough: str
) -> None:
    assert any(message in problem for problem in compatibility.problems(BEFORE, _after(too_low, **changed)))
    assert compatibility.problems(BEFORE, _after(enough, **changed)) == []


def test_another_text_raises_the_patch_version() -> None:
    after = _after("1.3.0")
    after["dossier"]["texts"] = "b"
    assert compatibility.problems(BEFORE, after) == [
        "dossier: a description was changed: raise the patch version, now 1.3.0"
    ]
    after["dossier"]["version"] = "1.3.1"
    assert compatibility.problems(BEFORE, after) == []


@pytest.mark.parametrize("name", ["older_id", "status"])
def test_a_column_is_deprecated_for_two_minor_versions(name: str) -> None:
    (problem,) = compatibility.problems(BEFORE, _after("2.0.0", **{name: None}))
    assert problem == f"dossier: column {name} was removed, but it was not deprecated for two minor versions"


def test_a_version_never_falls_and_a_table_never_goes() -> None:
    assert "is lower than 1.3.0" in compatibility.problems(BEFORE, _after("1.2.9"))[0]
    assert compatibility.problems(BEFORE, {}) == ["dossier: the table was removed; readers need it"]


def test_the_file_is_not_written_while_a_version_is_too_low(tmp_path: Path) -> None:
    file = tmp_path / "versions.yml"
    states = compatibility.current()
    del states["dossier"]["columns"]["status"]
    file.write_text(compatibility.encode(states), encoding="utf-8")
    before = file.read_bytes()
    failed = CliRunner().invoke(main, ["contract-versions", str(file)])
    assert failed.exit_code != 0 and file.read_bytes() == before
    assert "dossier: column status was added: raise the minor version" in failed.output
    file.unlink()
    assert CliRunner().invoke(main, ["contract-versions", str(file)]).exit_code == 0
    assert compatibility.parse(file.read_text(encoding="utf-8")) == compatibility.current()
