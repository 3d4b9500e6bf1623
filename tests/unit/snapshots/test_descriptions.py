"""The descriptions of tables are shared between snapshots, and encoded only when something they are made of changed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from lgsp.schema import contract
from lgsp.schema.installation import Installation
from lgsp.snapshots import descriptions
from lgsp.snapshots.manifest import Descriptions, Manifest
from lgsp.snapshots.object_store import DataFile

pytestmark = pytest.mark.slow

PLACE = Installation()


def _write(root: Path, number: int, place: Installation = PLACE, before: Descriptions | None = None) -> Descriptions:
    """The descriptions of a snapshot after the one with the number before."""
    folder = root / str(number)
    folder.mkdir()
    manifest: Manifest | None = {"descriptions": before} if before else None  # type: ignore[typeddict-item]
    return descriptions.write(folder, place, root / str(number - 1) if before else None, manifest)


def _inodes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_every_table_has_contract_schema_and_suite(tmp_path: Path) -> None:
    written = _write(tmp_path, 1)
    paths = {file["path"] for file in written["files"]}
    suffixes = ("odcs.yaml", "schema.json", "expectations.json")
    tables = {f"contracts/{name}.{suffix}" for name in contract.names() for suffix in suffixes}
    assert paths == tables | {"contracts/data-dictionary.md"} == set(_inodes(tmp_path / "1"))
    for file in written["files"]:
        content = (tmp_path / "1" / file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])


def test_the_next_snapshot_links_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _write(tmp_path, 1)
    monkeypatch.setattr(descriptions, "encoded", lambda _: pytest.fail("nothing may be encoded again"))
    assert _write(tmp_path, 2, before=first) == first
    assert _inodes(tmp_path / "2") == _inodes(tmp_path / "1")


def test_another_setting_writes_only_the_files_it_changes(tmp_path: Path) -> None:
    first = _write(tmp_path, 1)
    before = {path: (tmp_path / "1" / path).read_bytes() for path in _inodes(tmp_path / "1")}
    second = _write(tmp_path, 2, Installation(host="db.example.gov.vn"), first)
    old, new = _inodes(tmp_path / "1"), _inodes(tmp_path / "2")
    assert Installation.from_record(second["installation"]).host == "db.example.gov.vn"
    assert {path for path in new if new[path] != old[path]} == {f"contracts/{n}.odcs.yaml" for n in contract.names()}
    assert {path: (tmp_path / "1" / path).read_bytes() for path in before} == before


def test_an_altered_file_is_not_passed_on(tmp_path: Path) -> None:
    first = _write(tmp_path, 1)
    altered = tmp_path / "1" / "contracts" / "dossier.odcs.yaml"
    altered.write_bytes(b"altered")
    assert _write(tmp_path, 2, before=first) == first
    assert b"dossier_id" in (tmp_path / "2" / "contracts" / "dossier.odcs.yaml").read_bytes()
    assert altered.read_bytes() == b"altered"


def test_object_storage_names_a_description_by_its_content() -> None:
    file = DataFile("contracts/dossier.odcs.yaml", 10, "ab" * 32, is_named_by_content=False)
    assert re.fullmatch(r"files/contracts/[0-9a-f]{32}/dossier\.odcs\.yaml", file.key)
    assert file.key != DataFile("contracts/dossier.odcs.yaml", 10, "cd" * 32, is_named_by_content=False).key


def test_no_table_has_the_name_of_the_folder() -> None:
    assert descriptions.FOLDER not in contract.names()
