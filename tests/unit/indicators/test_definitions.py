"""Users edit the definitions: an error in them is reported with its file and line."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import ContractError
from lgsp.indicators import definitions

THRESHOLDS = "indicator_threshold.csv"
WEIGHTS = "index_766_weight.csv"
REPORTED = "manual_indicator.csv"
INDICATORS = "indicator_definition.yml"


def _own(folder: Path, old: str, new: str, name: str = THRESHOLDS) -> Path:
    text = (definitions.FOLDER / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_weights_of_the_index_make_a_hundred_points() -> None:
    weights = definitions.tables()["index_766_weight"]
    assert sum(row["maximum"] for row in weights) == 100
    assert all(0 < row["full_at"] <= 1 for row in weights)


def test_every_component_has_a_defined_indicator() -> None:
    tables = definitions.tables()
    known = {row["kpi_id"] for row in tables["indicator_definition"] if row["table_name"] == "service_kpi"}
    assert {row["kpi_id"] for row in tables["index_766_weight"]} - {None} <= known


def test_versions_of_a_definition_leave_no_gap() -> None:
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
    ("old", "new", "message"),
    [
        (",,150,", ",,many,", "indicator_threshold.csv line 2: value 'many' is not of type double precision"),
        (",,150,", ",,,", "line 2: value is missing"),
        ("2025-07-01", "1.7.2025", "line 2: valid_from '1.7.2025' is no date; write it as 2026-01-10"),
        ("commune/month", "commune/half_month", "appears twice"),
        ("threshold_id,", "threshold,", "line 1: the columns must be"),
    ],
)
def test_an_unusable_value_is_reported_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        definitions.tables(_own(tmp_path, old, new))


def _saved(folder: Path, separator: str, encoding: str, change: Callable[[str], str] = str) -> Path:
    """The thresholds as a spreadsheet program saves them."""
    lines = csv.reader((definitions.FOLDER / THRESHOLDS).read_text(encoding="utf-8").splitlines())
    out = StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\r\n").writerows([change(cell) for cell in line] for line in lines)  # fmt: skip
    (folder / THRESHOLDS).write_bytes(out.getvalue().encode(encoding))
    return folder


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path, separator: str, encoding: str) -> None:
    assert definitions.tables(_saved(tmp_path, separator, encoding)) == definitions.tables()


def test_commas_directives_and_empty_cells_of_excel_are_read(tmp_path: Path) -> None:
    own = _saved(tmp_path, ";", "utf-8", lambda cell: cell.replace(".", ",") if cell == "0.7" else cell) / THRESHOLDS
    lines = own.read_text(encoding="utf-8").splitlines()
    own.write_text("\r\n".join(["sep=;", *(f"{line};;" for line in lines), ";;;", ""]), encoding="utf-8", newline="")
    assert definitions.tables(tmp_path) == definitions.tables()


@pytest.mark.parametrize("value", ["1,500", "1.500", "12,000", "1.500,000"])
def test_a_number_whose_separator_is_ambiguous_is_refused(tmp_path: Path, value: str) -> None:
    folder = _saved(tmp_path, ";", "utf-8", lambda cell: value if cell == "150" else cell)
    assert f"value {value!r} is not of type double precision" in _error(folder)


@pytest.mark.parametrize("encoding", ["cp1258", "latin-1", "utf-16-le"])
def test_a_file_in_another_encoding_is_refused_by_name(tmp_path: Path, encoding: str) -> None:
    text = (definitions.FOLDER / THRESHOLDS).read_text(encoding="utf-8")
    (tmp_path / THRESHOLDS).write_bytes(text.encode(encoding, "replace") + "à".encode("latin-1"))
    assert "save the file as UTF-8" in _error(tmp_path)


def test_a_definition_without_a_required_key_is_refused(tmp_path: Path) -> None:
    folder = _own(tmp_path, "  unit: ratio\n", "", "indicator_definition.yml")
    with pytest.raises(ContractError, match="on_time lacks 'unit'"):
        definitions.tables(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(ContractError, match="definitions: "):
        definitions.tables(tmp_path)


def _error(folder: Path) -> str:
    with pytest.raises(ContractError) as error:
        definitions.tables(folder)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (WEIGHTS, "1c,", "1b,2024-01-01,,transparency,Công khai,Content,,8,1,\n1c,", "lines 3 and 4: 1b has two values from 2024-01-01; end the first with valid_to 2024-01-01"),
        (WEIGHTS, "1b,2022-06-23,,", "1b,2022-06-23,2022-06-23,", "line 3: valid_to 2022-06-23 must be after valid_from 2022-06-23"),
        (WEIGHTS, ",synced,", ",sync,", "line 4: kpi_id 'sync' is not known; known are digital_result, "),
        (WEIGHTS, ",synced,", ",signed,", "line 4: kpi_id 'signed' is not known"),
        (WEIGHTS, ",0.8,", ",80,", "line 6: full_at 80 must be a ratio"),
        (WEIGHTS, ",0.8,", ",0,", "line 6: full_at 0 must be a ratio"),
        (WEIGHTS, ",0.8,", ",nan,", "line 6: full_at 'nan' is not of type double precision"),
        (WEIGHTS, "synced,6,", "synced,0,", "line 4: maximum 0 must be more than 0"),
        (WEIGHTS, "synced,6,", "synced,-6,", "line 4: maximum -6 must be more than 0"),
        (WEIGHTS, ",progress,", ",speed,", "line 5: group_code 'speed' is not known"),
        (THRESHOLDS, "commune/month", "commune/half_month", "lines 2 and 3: low_activity commune/half_month 2025-07-01 appears twice"),
        (THRESHOLDS, "commune/month,2025-07-01", "commune/half_month,2026-01-01", "lines 2 and 3: low_activity commune/half_month has two values"),
        (THRESHOLDS, "low_activity,", "low,", "line 2: threshold_id 'low' is not known; known are low_activity, institution_class, index_coverage, target, implausible_above"),
        (THRESHOLDS, "commune/half_month", "ward/half_month", "line 2: scope of low_activity 'ward/half_month' is not known"),
        (THRESHOLDS, "commune/half_month", "commune/fortnight", "line 2: scope of low_activity"),
        (THRESHOLDS, ",,150,", ",,-1,", "line 2: value -1 must be 0 or more"),
        (THRESHOLDS, ",,150,", ",,0.5,", "line 2: value 0.5 must be a whole number"),
        (THRESHOLDS, "work_file_electronic/district", "work_file/district", "line 10: scope of target"),
        (THRESHOLDS, "work_file_electronic/district", "sent/district", "line 10: scope of target"),
        (THRESHOLDS, ",0.7,", ",70,", "line 10: value 70 must be 0 or more, 1 at most"),
        (THRESHOLDS, "claimed_hours_per_document", "hours_per_document", "line 12: scope of implausible_above"),
        (THRESHOLDS, "class,good", "class,splendid", "line 5: scope of institution_class 'splendid' is not known; known are excellent, good, fair, average, weak"),
        (THRESHOLDS, "institution_class,weak,2016-04-01,,0,Yếu,Weak,#ED5050,Thang màu của Bộ chỉ số 766\n", "", "institution_class lacks weak"),
        (THRESHOLDS, "good,2016-04-01,", "good,2022-06-23,", "line 5: class good begins 2022-06-23, but the map begins 2016-04-01"),
        (THRESHOLDS, "good,2016-04-01,,", "good,2016-04-01,2030-01-01,", "line 5: class good has no value from 2030-01-01"),
        (THRESHOLDS, "good,2016-04-01,,", "good,2030-01-01,,80,Tốt,Good,#5CC488,\ninstitution_class,good,2016-04-01,2025-07-01,", "lines 6 and 5: class good has no value from 2025-07-01 until 2030-01-01"),
        (THRESHOLDS, ",,80,", ",,70,", "lines 5 and 6: class good must begin above fair"),
        (THRESHOLDS, ",,0,Yếu", ",,10,Yếu", "line 8: class weak must begin at 0"),
        (THRESHOLDS, ",Tốt,", ",,", "line 5: label_vi of a class is missing"),
        (THRESHOLDS, ",Good,", ",,", "line 5: label_en of a class is missing"),
        (THRESHOLDS, "#5CC488", "", "line 5: colour of a class is missing"),
        (THRESHOLDS, "#5CC488", "green", "line 5: colour 'green' must be written #rrggbb"),
        (THRESHOLDS, "nửa tháng, tính", 'nửa tháng", tính', "line 3: "),
        (THRESHOLDS, ",Ít hồ sơ,", ",Ít hồ sơ, ít lắm,", "line 2: there are more fields than columns"),
        (THRESHOLDS, ",Ít hồ sơ,", ",Ít\0,", "line 2: label_vi 'Ít\\x00' is not of type text"),
        (INDICATORS, "reused:", "re_used:", "unknown indicator 're_used'; known are on_time, "),
        (INDICATORS, "table: service_kpi", "table: document_kpi", "line 15: on_time table must be service_kpi"),
        (INDICATORS, "unit: ratio", "unit: points", "on_time unit must be ratio"),
        (INDICATORS, "reused:", "synced:", "synced appears twice"),
        (INDICATORS, '"2.0"\n    from: 2022-08-15', '"2.1"\n    from: 2022-08-15', 'online_share has no version "2.0": levels of services count before its first day, modes from then on'),
        (INDICATORS, "from: 2022-08-15", "from: 2022-09-01", 'online_share "2.0" begins 2022-09-01, service_active 2022-08-15: both must begin on the same day'),
        (INDICATORS, "from: 2022-08-15", "from: 2016-04-01", "online_share has two versions from 2016-04-01; keep one"),
        (INDICATORS, '"2.0"', '"1.0"', "online_share 1.0 appears twice"),
        (INDICATORS, '"2.0"', "2.0", "online_share version 2.0 must be text; write it in quotes"),
        (INDICATORS, "from: 2022-08-15", "from: 2022-08-15 07:00:00", "must be a date such as 2022-08-15"),
        (INDICATORS, "from: 2022-08-15", "from: 2022-13-15", "2022-13-15 is not valid: month must be in 1..12"),
        (INDICATORS, "better: high", "better: more", "on_time better 'more' must be high, low or ''"),
        (INDICATORS, "better: high", "beter: high", "on_time lacks 'better'"),
        (INDICATORS, "    excluded:", "    exclude:", "on_time has the unknown key 'exclude'"),
        (INDICATORS, ", en: Finished on time}", "}", "line 7: on_time name lacks 'en'"),
        (INDICATORS, "  name: {vi: Tỷ lệ giải quyết đúng hạn", "  name: {vi: [Tỷ lệ", "line 8: "),
        (INDICATORS, "unit: ratio", "unit: !!bool ratio", "line 10: ratio is not valid"),
    ],
)  # fmt: skip
def test_an_invalid_definition_is_refused_with_its_line(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    error = _error(_own(tmp_path, old, new, name))
    assert error.startswith(name) and message in error


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("days_saved,ALL,month,2022-05-01,1,hours,báo cáo,", "indicator_id 'days_saved' is not known; known are hours_saved, vnd_saved"),
        ("hours_saved,ALL,month,2022-05-01,1,vnd,báo cáo,", "unit of hours_saved 'vnd' is not known; known are hours"),
        ("hours_saved,ALL,half_month,2022-05-01,1,hours,báo cáo,", "period 'half_month' is not known; known are week, month, quarter, half_year, year"),
        ("hours_saved,ALL,day,2022-05-01,1,hours,báo cáo,", "period 'day' is not known; known are week, month, quarter, half_year, year"),
        ("hours_saved,ALL,week,2022-05-04,1,hours,báo cáo,", "period_start 2022-05-04 is not the first day of a week; weeks begin on Thursday"),
        ("hours_saved,ALL,month,2022-05-02,1,hours,báo cáo,", "period_start 2022-05-02 is not the first day of a month"),
        ("hours_saved,ALL,quarter,2022-05-01,1,hours,báo cáo,", "period_start 2022-05-01 is not the first day of a quarter"),
        ("hours_saved,ALL,half_year,2022-04-01,1,hours,báo cáo,", "period_start 2022-04-01 is not the first day of a half_year"),
        ("hours_saved,ALL,year,2022-07-01,1,hours,báo cáo,", "period_start 2022-07-01 is not the first day of a year"),
        ("hours_saved,ALL,year,2022-01-01,-1,hours,báo cáo,", "amount -1 must be 0 or more"),
        ("hours_saved,ALL,year,2022-01-01,9223372036854775808,hours,báo cáo,", "amount '9223372036854775808' is not of type bigint"),
    ],
)  # fmt: skip
def test_an_invalid_reported_figure_is_refused(tmp_path: Path, line: str, message: str) -> None:
    header = (definitions.FOLDER / REPORTED).read_text(encoding="utf-8")
    (tmp_path / REPORTED).write_text(f"{header}{line}\n", encoding="utf-8")
    assert _error(tmp_path) == f"{REPORTED} line 2: {message}"


@pytest.mark.parametrize(
    ("period", "start"),
    [("week", "2022-05-05"), ("month", "2022-05-01"), ("quarter", "2022-10-01"), ("half_year", "2022-07-01"), ("year", "2022-01-01")],
)  # fmt: skip
def test_a_reported_figure_of_a_period_is_read(tmp_path: Path, period: str, start: str) -> None:
    header = (definitions.FOLDER / REPORTED).read_text(encoding="utf-8")
    (tmp_path / REPORTED).write_text(f"{header}vnd_saved,H47.20,{period},{start},100,vnd,báo cáo,\n", encoding="utf-8")
    assert [row["period"] for row in definitions.tables(tmp_path)["manual_indicator"]] == [period]


@pytest.mark.parametrize("text", ["", "- on_time\n", "on_time\n", "{}\n", "# nothing\n"])
def test_a_file_without_indicators_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / INDICATORS).write_text(text, encoding="utf-8")
    assert _error(tmp_path) == f"{INDICATORS}: it must describe each indicator under its kpi_id"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\n", "line 1: name must be a mapping of names: name, table, unit, better, versions"),
        ("on_time:\n  name: {vi: a\n", "line 3: expected ',' or '}'"),
        ("on_time:\n\tname: a\n", "line 2: a tab; YAML is indented with blanks"),
        ("on_time: \0\n", "line 1: special characters are not allowed"),
        ("on_time: {name: {vi: a, en: b}, table: service_kpi, unit: ratio, better: '', versions: []}", "line 1: on_time has no version"),
        ("on_time: {name: {vi: a, en: b}, table: service_kpi, unit: ratio, better: '', versions: ['1.0']}", "line 1: on_time must be a mapping of names: version, from"),
        ("on_time: {name: {vi: '', en: b}, table: service_kpi, unit: ratio, better: '', versions: []}", "line 1: on_time name vi is empty"),
        ("on_time: {name: {vi: 1, en: b}, table: service_kpi, unit: ratio, better: '', versions: []}", "line 1: on_time name vi 1 must be text; write it in quotes"),
        ("on_time: &a\n  name: *a\n", "line 1: found unconstructable recursive node"),
    ],
)  # fmt: skip
def test_yaml_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / INDICATORS).write_text(text, encoding="utf-8")
    assert _error(tmp_path).startswith(f"{INDICATORS} {message}")


def test_a_missing_indicator_is_refused(tmp_path: Path) -> None:
    text = (definitions.FOLDER / INDICATORS).read_text(encoding="utf-8")
    (tmp_path / INDICATORS).write_text(text[: text.index("institution_map:")], encoding="utf-8")
    assert _error(tmp_path) == f"{INDICATORS} lacks institution_map; add the definition, or it is not published"


def test_an_index_without_components_is_refused(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).write_text((definitions.FOLDER / WEIGHTS).read_text().splitlines()[0])
    assert _error(tmp_path).startswith(f"{WEIGHTS}: it needs at least one component")


@pytest.mark.parametrize("name", [THRESHOLDS, INDICATORS])
def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    text = (definitions.FOLDER / name).read_text(encoding="utf-8")
    (tmp_path / name).write_bytes(text.encode("utf-8").replace("ú".encode(), b"\xfa").replace("Ít".encode(), b"\xcdt"))
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "ú" in line or "Ít" in line)
    assert _error(tmp_path) == f"{name} line {line}: this is not UTF-8; save the file as UTF-8"


@pytest.mark.parametrize("name", [THRESHOLDS, WEIGHTS, REPORTED, INDICATORS])
def test_a_file_saved_by_excel_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    text = (definitions.FOLDER / name).read_text(encoding="utf-8")
    (tmp_path / name).write_text(text, encoding="utf-8-sig", newline="\r\n")
    assert definitions.tables(tmp_path) == definitions.tables()


@pytest.mark.parametrize(
    "name", ["index_766_weights.csv", "Manual_indicator.csv", "indicator_definition.yaml", "README.md"]
)
def test_a_file_with_an_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert _error(tmp_path) == (
        f"definitions: unknown file {name}; known are "
        "indicator_definition.yml, indicator_threshold.csv, index_766_weight.csv, manual_indicator.csv"
    )


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS).mkdir()
    assert _error(tmp_path) == f"{WEIGHTS} cannot be read: Is a directory"


def test_a_hidden_file_in_the_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    assert definitions.tables(tmp_path) == definitions.tables()


def test_later_versions_of_a_definition_are_read(tmp_path: Path) -> None:
    text = (definitions.FOLDER / INDICATORS).read_text(encoding="utf-8")
    at = text.index("online_share_all:")
    later = '  - version: "3.0"\n    from: 2027-01-01\n    numerator: {vi: a, en: b}\n    denominator: {vi: c, en: d}\n'
    (tmp_path / INDICATORS).write_text(text[:at] + later + text[at:], encoding="utf-8")
    rows = [r for r in definitions.tables(tmp_path)["indicator_definition"] if r["kpi_id"] == "online_share"]
    assert [row["valid_to"] for row in rows] == [date(2022, 8, 15), date(2027, 1, 1), None]


def test_changing_a_returned_row_does_not_change_the_definitions() -> None:
    definitions.tables()["index_766_weight"][0]["maximum"] = 0
    assert definitions.tables()["index_766_weight"][0]["maximum"] == 4


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8) | st.none()), max_size=4))
def test_a_component_has_at_most_one_weight_on_a_day(validities: list[tuple[int, int | None]]) -> None:
    spans = [(first, last or 9) for first, last in validities]
    days = [day for first, last in spans for day in range(first, last)]
    lines = "".join(
        f"9,2024-01-0{first},{f'2024-01-0{last}' if last else ''},progress,a,b,,1,1,\n" for first, last in validities
    )
    text = (definitions.FOLDER / WEIGHTS).read_text(encoding="utf-8")
    with TemporaryDirectory() as folder:
        (Path(folder) / WEIGHTS).write_text(text + lines, encoding="utf-8")
        if len(days) == len(set(days)) and all(first < last for first, last in spans):
            assert len(definitions.tables(Path(folder))["index_766_weight"]) == 17 + len(validities)
        else:
            assert f"{WEIGHTS} line" in _error(Path(folder))


@given(st.sampled_from([THRESHOLDS, WEIGHTS, REPORTED, INDICATORS]), st.binary(max_size=60), st.integers(0, 300))
def test_any_file_is_read_or_refused_with_its_name(name: str, damage: bytes, at: int) -> None:
    whole = (definitions.FOLDER / name).read_bytes()[:600]
    with TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(whole[:at] + damage + whole[at:])
        try:
            definitions.tables(Path(folder))
        except ContractError as error:
            assert str(error).startswith(name)
