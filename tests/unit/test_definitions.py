"""Definitions are data that anybody may edit: what is wrong in them is told with its place."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from lgsp import definitions
from lgsp.errors import ContractError

THRESHOLDS = "indicator_threshold.csv"


def _own(folder: Path, old: str, new: str, name: str = THRESHOLDS) -> Path:
    text = (definitions.FOLDER / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_weights_of_the_index_make_a_hundred_points() -> None:
    weights = definitions.tables()["index_766_weight"]
    assert sum(row["maximum"] for row in weights) == 100
    assert all(0 < row["full_at"] <= 1 for row in weights)


def test_every_component_is_computed_from_an_indicator_that_is_defined() -> None:
    told = definitions.tables()
    known = {row["kpi_id"] for row in told["indicator_definition"] if row["table_name"] == "service_kpi"}
    assert {row["kpi_id"] for row in told["index_766_weight"]} - {None} <= known


def test_versions_of_a_definition_follow_one_another_without_a_gap() -> None:
    versions = [row for row in definitions.tables()["indicator_definition"] if row["kpi_id"] == "online_share"]
    first, second = sorted(versions, key=lambda row: row["valid_from"])
    assert first["valid_to"] == second["valid_from"] == date(2022, 8, 14) + timedelta(days=1)
    assert second["valid_to"] is None and first["numerator_vi"] != second["numerator_vi"]


def test_a_province_replaces_a_file_and_keeps_the_others(tmp_path: Path) -> None:
    own = definitions.tables(_own(tmp_path, "commune/half_month,2025-07-01,,150", "commune/half_month,2025-07-01,,120"))
    lows = {row["scope"]: row["value"] for row in own["indicator_threshold"] if row["threshold_id"] == "low_activity"}
    assert lows["commune/half_month"] == 120
    assert own["index_766_weight"] == definitions.tables()["index_766_weight"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (",,150,", ",,many,", "indicator_threshold.csv line 2: value 'many' is no double precision"),
        (",,150,", ",,,", "line 2: value is missing"),
        ("2025-07-01", "1.7.2025", "line 2: valid_from '1.7.2025' is no date"),
        ("commune/month", "commune/half_month", "is there twice"),
        ("threshold_id,", "threshold,", "line 1: the columns must be"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ContractError, match=told):
        definitions.tables(_own(tmp_path, old, new))


def test_a_definition_that_lacks_a_text_is_refused(tmp_path: Path) -> None:
    folder = _own(tmp_path, "  unit: ratio\n", "", "indicator_definition.yml")
    with pytest.raises(ContractError, match="on_time lacks 'unit'"):
        definitions.tables(folder)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(ContractError, match="LGSP_DEFINITIONS"):
        definitions.tables(tmp_path)
