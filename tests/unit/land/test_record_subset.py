"""Picked records are read as in their complete batch, and no other records are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

from lgsp.harmonise.context import HarmoniseContext
from lgsp.land.archive import Batch, Pack
from lgsp.land.record_subset import Selection
from lgsp.schema import sources
from tests.samples import DAY, LISTS, one_stop
from tests.unit.sources.test_documents_rows import edoc

pytestmark = pytest.mark.slow


def _landed(folder: Path, *answers: tuple[str, str, Any]) -> Path:
    pack = Pack(folder / "landed")
    for name, request, answer in answers:
        pack.annotate(pack.append(name, request, 200, orjson.dumps(answer), 0.0, False), is_whole=True)
    pack.seal({"declared": 0, "read": 0, "gap": 0})
    return folder / "landed"


def _keys(batch: Batch, source: str, folder: Path, *kinds: str) -> list[set[str]]:
    folder.mkdir()
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        description = sources.load(source)
        description.code("rows").harmonise(HarmoniseContext(con, description, batch, "b.2", DAY, folder, b"key"))
    return [{row["source_key"] for row in pq.read_table(folder / f"{kind}.parquet").to_pylist()} for kind in kinds]


def _hashes(file: Path) -> dict[str, tuple[str, str]]:
    return {row["source_key"]: (row["content_hash"], row["raw_hash"]) for row in pq.read_table(file).to_pylist()}


def test_only_the_picked_records_of_many_pages_are_read(tmp_path: Path) -> None:
    pages = [{"content": [one_stop(id=f"a{page}{number}") for number in range(3)]} for page in range(3)]
    lists = [(name, name, answer) for name, answer in LISTS["one_stop_shop"].items()]
    landed = _landed(tmp_path, *lists, *(("dossiers", "dossiers", page) for page in pages))
    picked = Selection.from_pointers(landed, ["b.1#2:1", "b.1#4:0"])
    assert [call.number for call in picked.calls("dossiers")] == [2, 4]
    dossiers, agencies = _keys(picked, "one_stop_shop", tmp_path / "picked", "dossier", "organisation")
    assert dossiers == {"a01", "a20"} and agencies == {"H47.20", "H47.20.25"}
    _keys(Batch.open(landed), "one_stop_shop", tmp_path / "whole")
    picked_rows, all_rows = (_hashes(tmp_path / name / "dossier.parquet") for name in ("picked", "whole"))
    assert picked_rows.items() <= all_rows.items() and len(all_rows) == 9


def test_messages_need_the_complete_listing_but_work_files_none(tmp_path: Path) -> None:
    listed = [{"docId": f"d{n}", "createdTime": f"2026/08/03 1{n}:00:00", "messageType": "edoc"} for n in range(3)]
    files = [{"maHoSo": f"w{n}", "maDonVi": "000.00.07.H47", "ngayCapNhat": "2026/08/03 10:00:00"} for n in range(2)]
    landed = _landed(
        tmp_path,
        ("agencies", "agencies", LISTS["documents"]["agencies"]),
        ("messages", "messages", {"data": listed}),
        *(("edocs", f"getEdoc d{n}", {"data": {"edxml": edoc(), "attachments": []}}) for n in range(3)),
        ("work_files", "work_files", {"data": files}),
    )
    kinds = ("document", "work_file")
    assert _keys(Selection.from_pointers(landed, ["b.1#3:0"]), "documents", tmp_path / "message", *kinds) == [
        {"d1"},
        set(),
    ]
    assert Selection.from_pointers(landed, ["b.1#5:1"]).calls("edocs") == []
    assert _keys(Selection.from_pointers(landed, ["b.1#5:1"]), "documents", tmp_path / "file", *kinds) == [
        set(),
        {"w1"},
    ]
    both = Selection.from_pointers(landed, ["b.1#2:0", "b.1#5:0"])
    assert _keys(both, "documents", tmp_path / "both", *kinds) == [{"d0"}, {"w0"}]
