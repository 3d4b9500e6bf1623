"""A path in SQL is that file only, whatever characters it has."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lgsp.sql import file_literal, parquet

FOLDERS = [
    "tỉnh Quảng Nam's",
    "env=prod",
    "a*b",
    "a?b",
    "a[bc]",
    'a"b',
    "a;b",
    "a\\b",
    "a{b}",
    "a%b",
    "$HOME",
    "hai  dòng\n2",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_any_folder_is_written_and_read(tmp_path: Path, name: str) -> None:
    for folder in (name, "axb", "ab"):  # the last two match the patterns `a*b`, `a?b` and `a[bc]`
        (tmp_path / folder).mkdir()
    con = duckdb.connect()
    for folder in (name, "axb", "ab"):
        path = tmp_path / folder / "rows.parquet"
        con.execute(f"copy (select {len(folder)} as n) to {file_literal(path)} (format parquet)")
    read = con.execute(f"from {parquet(tmp_path / name / 'rows.parquet')}")
    assert [column[0] for column in read.description or ()] == ["n"] and read.fetchall() == [(len(name),)]
