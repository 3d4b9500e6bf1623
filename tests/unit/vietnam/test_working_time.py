"""Working time counts only opening hours of working days, and the calendar reports how far it is announced."""

import logging
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import holidays
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import ContractError
from lgsp.schema import contract
from lgsp.vietnam import holiday_overrides, working_days, working_time
from lgsp.window import LOCAL
from lgsp_province.world.calendar import WorkCalendar

seconds = st.integers(
    int(datetime(2020, 6, 1, tzinfo=LOCAL).timestamp()), int(datetime(2026, 6, 1, tzinfo=LOCAL).timestamp())
)
spans = st.integers(0, 60 * working_time.WORKING_DAY)
day_dates = st.dates(date(2020, 1, 10), date(2027, 6, 30))
TET = {
    2021: ("2021-02-10", "2021-02-16"), 2022: ("2022-01-31", "2022-02-04"), 2023: ("2023-01-20", "2023-01-26"),
    2024: ("2024-02-08", "2024-02-14"), 2025: ("2025-01-25", "2025-02-02"), 2026: ("2026-02-14", "2026-02-22"),
}  # fmt: skip


def at(*local_times: str) -> working_time.Instants:
    """Local times as instants."""
    return np.array([np.datetime64(text) - np.timedelta64(7, "h") for text in local_times], "datetime64[us]")


def days(*dates: str | date) -> working_time.Days:
    return np.array(dates, "datetime64[D]")


def moments(*epoch_seconds: int) -> working_time.Instants:
    return np.array(epoch_seconds, np.int64).astype("datetime64[s]")


def span(micros: int) -> np.timedelta64:
    return np.timedelta64(micros, "us")


# The calendar


@pytest.mark.parametrize("year", TET)
def test_offices_are_closed_at_tet_and_open_before_and_after(year: int) -> None:
    first, last = (date.fromisoformat(text) for text in TET[year])
    closed = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    assert not any(working_days.is_working(day) for day in closed)
    assert working_days.is_working(date.fromisoformat(str(working_time.next_working_day(days(last))[0])))
    assert working_time.days_between(days(first - timedelta(days=10)), days(first))[0] >= 5


@pytest.mark.parametrize("day", ["2024-05-04", "2025-04-26", "2026-08-22", "2026-01-10"])
def test_a_saturday_traded_for_a_bridge_day_is_a_working_day(day: str) -> None:
    found = working_days.day(date.fromisoformat(day))
    assert found.is_working_day and found.is_swap_day and not found.is_holiday


@pytest.mark.parametrize("day", ["2024-04-29", "2025-05-02", "2026-08-31", "2026-01-02"])
def test_the_bridge_day_is_a_holiday(day: str) -> None:
    found = working_days.day(date.fromisoformat(day))
    assert found.is_holiday and not found.is_working_day
    assert working_days.holidays([found.day_on.year])[found.day_on] == found.name


def test_an_override_wins_and_has_a_legal_basis() -> None:
    found = {day: working_days.day(day) for day in holiday_overrides.load().days}
    assert {day.source for day in found.values()} == {"override"}
    assert all(day.legal_basis for day in found.values())
    assert working_days.day(date(2026, 1, 5)).source == "library"


def test_every_override_differs_from_the_library() -> None:
    library = holidays.country_holidays("VN", years=range(2020, 2029))
    for day, override in holiday_overrides.load().days.items():
        library_is_working = day in library.weekend_workdays or (day.weekday() < 5 and day not in library)
        assert library_is_working != override.is_working_day, f"the library now has {day}: delete its line"


def test_the_table_has_each_day_once_and_all_its_columns() -> None:
    rows = [vars(working_days.day(day)) for day in (date(2026, 1, 10), date(2026, 6, 6))]
    table = contract.load("working_day")
    assert all(list(row) == [name for name in table.names if name not in contract.LINEAGE] for row in rows)
    listed = [row["day_on"] for row in working_days.tables()["working_day"]]
    assert listed == [working_days.FIRST_DAY + timedelta(days=n) for n in range(len(listed))]
    assert listed[-1] == working_days.LAST_DAY


@given(day_dates)
def test_a_weekday_off_is_a_holiday(day: date) -> None:
    found = working_days.day(day)
    assert not (found.is_working_day and found.is_holiday)
    assert found.is_working_day or found.is_holiday or day.weekday() >= 5
    assert found.is_swap_day == (found.is_working_day and day.weekday() >= 5)


def test_d39_no_rule_refuses_a_saturday() -> None:
    assert working_days.day(date(2026, 6, 6)).is_saturday_counter
    assert not working_days.day(date(2026, 6, 7)).is_saturday_counter, "a Sunday"
    assert not working_days.day(date(2026, 8, 22)).is_saturday_counter, "a working day"
    assert not working_days.day(date(2021, 2, 13)).is_saturday_counter, "Tết"
    rules = [rule for table in contract.every() for rule in table.rules]
    weekday_rules = [
        rule.id
        for rule in rules
        if any(word in rule.bad.lower() for word in ("isodow", "dayofweek", "weekday", "working"))
    ]
    assert rules and not weekday_rules


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-13-01,true,Ngày làm bù,CV 1", "line 3: day_on '2026-13-01'"),
        ("2026-01-10,có,Ngày làm bù,CV 1", "line 3: is_working_day 'có'"),
        ("2026-01-10,true,Ngày làm bù,", "line 3: 2026-01-10 needs a name and a legal_basis"),
        ("2026-01-10,true,Ngày làm bù", "line 3: 3 cells where 4"),
        ("2026-01-02,true,Ngày làm bù,CV 1", "line 3: 2026-01-02 already has a line"),
    ],
)
def test_an_error_names_the_invalid_line(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "days.csv"
    file.write_text(f"day_on,is_working_day,name,legal_basis\n2026-01-02,false,Ngày nghỉ,CV 1\n{line}\n")
    with pytest.raises(ContractError, match=f"days.csv {message}"):
        holiday_overrides.read(file)


@pytest.mark.parametrize(
    ("separator", "encoding", "answers"),
    [(";", "utf-8", ("false", "confirmed_until")), (",", "utf-8-sig", ("FALSE", "CONFIRMED_UNTIL")), ("\t", "utf-16", ("False", "confirmed_until"))],
)  # fmt: skip
def test_overrides_saved_by_a_spreadsheet_are_read(
    tmp_path: Path, separator: str, encoding: str, answers: tuple[str, str]
) -> None:
    file, (free, confirmed) = tmp_path / "days.csv", answers
    lines = [holiday_overrides.COLUMNS, ["2026-01-02", free, "Ngày nghỉ", "CV 1"], ["2026-12-31", confirmed, "Lịch", "TB"], [""] * 4]  # fmt: skip
    file.write_bytes("\r\n".join(map(separator.join, lines)).encode(encoding))
    loaded = holiday_overrides.read(file)
    assert loaded.confirmed_until == date(2026, 12, 31) and loaded.days[date(2026, 1, 2)].name == "Ngày nghỉ"


def test_a_file_without_a_confirmed_day_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "days.csv"
    file.write_text("day_on,is_working_day,name,legal_basis\n2026-01-02,false,Ngày nghỉ,CV 1\n")
    with pytest.raises(ContractError, match="no line has confirmed_until"):
        holiday_overrides.read(file)


def test_the_newest_confirmed_day_counts(tmp_path: Path) -> None:
    file = tmp_path / "days.csv"
    lines = ["2027-12-31,confirmed_until,Lịch 2027,TB 2", "2026-12-31,confirmed_until,Lịch 2026,TB 1"]
    file.write_text("\n".join(["day_on,is_working_day,name,legal_basis", *lines]))
    assert holiday_overrides.read(file) == holiday_overrides.Overrides({}, date(2027, 12, 31))


@pytest.mark.parametrize(("days_left", "is_short"), [(200, False), (90, False), (89, True), (-5, True)])
def test_a_calendar_announced_for_less_than_ninety_days_is_short(
    days_left: int, is_short: bool, caplog: pytest.LogCaptureFixture
) -> None:
    as_of = working_days.confirmed_until() - timedelta(days=days_left)
    assert working_time.horizon(as_of).days_left == days_left
    with caplog.at_level(logging.WARNING):
        warning = working_time.warn_if_short(as_of)
    assert (warning is not None) == is_short == bool(caplog.records)
    assert warning is None or ("working_days.csv" in warning and str(days_left) in warning)


def test_the_calendar_ends_a_year_after_the_last_announced_year() -> None:
    assert working_days.LAST_DAY == date(working_days.confirmed_until().year + 1, 12, 31)
    with pytest.raises(working_time.OutOfCalendar, match="outside the calendar"):
        working_time.between(at("1999-12-31T08:00"), at("2026-06-01T08:00"))
    with pytest.raises(working_time.OutOfCalendar, match="ends on"):
        working_time.add_days(days(working_days.LAST_DAY), np.int64(1))


# Working time


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("2026-06-01T07:00", "2026-06-01T17:00", 480),
        ("2026-06-01T11:00", "2026-06-01T14:00", 60),  # over noon
        ("2026-06-01T11:30", "2026-06-01T13:30", 0),
        ("2026-06-01T23:59:59", "2026-06-02T07:01", 1),
        ("2026-06-05T16:00", "2026-06-08T08:00", 120),  # over a weekend
        ("2026-02-13T16:59", "2026-02-23T07:01", 2),  # over Tết
        ("2025-12-31T16:00", "2026-01-05T08:00", 120),  # over the year's end and its bridge day
        ("2026-08-21T17:00", "2026-08-24T07:00", 480),  # a Saturday that is worked
        ("2024-02-29T07:00", "2024-03-01T07:00", 480),
        ("2026-06-01T09:00:30", "2026-06-01T09:02:29", 1),
        ("2026-06-01T09:02:29", "2026-06-01T09:00:30", -1),
    ],
)
def test_minutes_count_only_while_offices_are_open(start: str, end: str, minutes: int) -> None:
    assert working_time.minutes_between(at(start), at(end))[0] == minutes
    assert query_value("select working_minutes(?, ?)", [aware(start), aware(end)]) == minutes


@pytest.mark.parametrize(
    ("received", "count", "due"),
    [
        ("2026-06-01T09:00", 3, "2026-06-04T17:00"),
        ("2026-06-01T16:59:59.999999", 3, "2026-06-04T17:00"),
        ("2026-06-01T17:00", 3, "2026-06-05T17:00"),  # after closing: counts from the next working day
        ("2026-06-01T23:59:59", 3, "2026-06-05T17:00"),
        ("2026-06-02T00:00", 3, "2026-06-05T17:00"),
        ("2026-06-06T09:00", 3, "2026-06-11T17:00"),  # D39: on a Saturday, counts from Monday
        ("2026-02-13T16:00", 2, "2026-02-24T17:00"),  # over Tết
        ("2025-12-31T08:00", 1, "2026-01-05T17:00"),
    ],
)
def test_a_due_time_in_days_is_at_closing_time(received: str, count: int, due: str) -> None:
    assert working_time.due(at(received), np.int64(count)) == at(due)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-06-01T07:00", 8, "2026-06-01T17:00"),
        ("2026-06-01T09:00", 8, "2026-06-02T09:00"),
        ("2026-06-01T10:30", 1, "2026-06-01T11:30"),
        ("2026-06-01T11:00", 1, "2026-06-01T14:00"),
        ("2026-06-01T17:00", 4, "2026-06-02T11:00"),
        ("2026-02-13T16:00", 2, "2026-02-23T08:00"),
        ("2026-06-01T12:00", 0, "2026-06-01T12:00"),
    ],
)
def test_a_due_time_in_hours_counts_opening_hours(start: str, hours: int, end: str) -> None:
    assert working_time.add(at(start), np.timedelta64(hours, "h")) == at(end)


@given(seconds, seconds, seconds)
def test_working_time_is_additive(a: int, b: int, c: int) -> None:
    one, two, three = (moments(moment) for moment in (a, b, c))
    both = working_time.between(one, two) + working_time.between(two, three)
    assert both == working_time.between(one, three)


@given(seconds, seconds)
def test_working_time_is_between_zero_and_elapsed_time(a: int, b: int) -> None:
    worked = working_time.between(moments(min(a, b)), moments(max(a, b)))[0].astype(np.int64)
    assert 0 <= worked <= abs(a - b) * 1_000_000


@given(seconds, spans, spans)
def test_adding_twice_is_adding_the_sum(start: int, one: int, two: int) -> None:
    twice = working_time.add(working_time.add(moments(start), span(one)), span(two))
    assert twice == working_time.add(moments(start), span(one + two))


@given(seconds, spans)
def test_the_working_time_until_the_due_time_is_the_added_time(start: int, added: int) -> None:
    end = working_time.add(moments(start), span(added))
    assert working_time.between(moments(start), end) == span(added)
    assert end >= moments(start)


@given(seconds, seconds, spans, st.integers(1, 60))
def test_a_later_start_is_never_due_earlier(a: int, b: int, added: int, count: int) -> None:
    sooner, later = moments(min(a, b)), moments(max(a, b))
    assert working_time.add(sooner, span(added)) <= working_time.add(later, span(added))
    assert working_time.due(sooner, np.int64(count)) <= working_time.due(later, np.int64(count))


@given(seconds, st.integers(1, 60))
def test_a_due_day_is_the_given_number_of_working_days_away(received: int, count: int) -> None:
    due = working_time.due(moments(received), np.int64(count))
    due_on = working_time.local_days(due)
    assert working_time.is_working(due_on).all()
    assert due == due_on.astype("datetime64[us]") + np.timedelta64(10, "h"), "17:00 local time all year"
    counted = working_time.local_days(moments(received))
    is_next = not working_time.is_working(counted)[0] or (received + 7 * 3600) % 86_400 >= 17 * 3600
    assert working_time.days_between(counted, due_on)[0] == count + is_next


@given(day_dates, day_dates)
def test_working_days_between_two_days_equal_a_count_day_by_day(a: date, b: date) -> None:
    first, last = min(a, b), max(a, b)
    one_by_one = sum(working_days.is_working(first + timedelta(days=n + 1)) for n in range((last - first).days))
    assert working_time.days_between(days(first), days(last))[0] == one_by_one
    assert working_time.days_between(days(last), days(first))[0] == -one_by_one


@given(day_dates)
def test_the_next_working_day_is_the_first_working_day_after(day: date) -> None:
    following = date.fromisoformat(str(working_time.next_working_day(days(day))[0]))
    assert following > day and working_days.is_working(following)
    assert not any(working_days.is_working(day + timedelta(days=n)) for n in range(1, (following - day).days))


@cache
def province_calendar() -> WorkCalendar:
    return WorkCalendar(date(2020, 2, 1), date(2025, 12, 1))


before_2026 = st.integers(
    int(datetime(2020, 6, 1, tzinfo=LOCAL).timestamp()), int(datetime(2025, 10, 1, tzinfo=LOCAL).timestamp())
)


@given(st.lists(before_2026, min_size=2, max_size=50), st.integers(2, 40))
def test_the_simulated_province_has_the_same_hours(times: list[int], count: int) -> None:
    simulated, instants = province_calendar(), np.array(times, np.int64)
    worked = np.diff(simulated.to_working(instants))
    ours = working_time.between(moments(*times[:-1]), moments(*times[1:])).astype(np.int64)
    assert (ours == worked * 1_000_000).all()
    assert (
        working_time.due(moments(*times), np.int64(count))
        == moments(*simulated.due(instants, np.full(len(times), count)))
    ).all()
    later = working_time.add(moments(*times), span(60_000_000 * count))
    worked_later = simulated.to_working(later.astype("datetime64[s]").astype(np.int64))
    assert (worked_later == simulated.to_working(instants) + 60 * count).all()


# Pauses


def aware(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LOCAL)


@cache
def database() -> duckdb.DuckDBPyConnection:
    """DuckDB with the macros, as in the linking step."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    rows = [working_days.day(working_days.FIRST_DAY + timedelta(days=n)) for n in range(2922)]
    listed = pa.table({"day_on": [r.day_on for r in rows], "is_working_day": [r.is_working_day for r in rows]})
    con.register("working_day", listed)
    con.execute(working_time.macros_sql())
    return con


def query_value(query: str, values: list[object]) -> object:
    row = database().execute(query, values).fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(
    ("due_on", "paused", "shifted"),
    [
        ("2026-06-04", 0, "2026-06-04"),
        ("2026-06-04", 1, "2026-06-05"),
        ("2026-06-04", 480, "2026-06-05"),
        ("2026-06-04", 481, "2026-06-08"),
        ("2026-02-13", 480, "2026-02-23"),  # over Tết
        ("2026-06-30", 480, "2026-07-01"),
        ("2025-12-31", 480, "2026-01-05"),
        ("2026-06-07", 480, "2026-06-08"),  # due on a Sunday
    ],
)
def test_a_pause_shifts_the_due_day(due_on: str, paused: int, shifted: str) -> None:
    if paused:
        assert working_time.shift_due_day(days(due_on), np.int64(paused)) == days(shifted)
    day = date.fromisoformat(due_on)
    assert query_value("select due_effective_on(?, ?, 0, ?)", [day, day, paused]) == date.fromisoformat(shifted)


def test_an_amended_due_day_already_includes_its_pause() -> None:
    due_on, first_on = date(2026, 6, 9), date(2026, 6, 4)
    assert query_value("select due_effective_on(?, ?, 0, 960)", [due_on, first_on]) == due_on
    assert query_value("select due_effective_on(?, ?, 1, 960)", [due_on, due_on]) == due_on
    assert query_value("select due_effective_on(?, null, null, 960)", [due_on]) == date(2026, 6, 11)
    assert query_value("select due_effective_on(null, null, null, 960)", []) is None


@given(day_dates, st.integers(1, 20_000))
def test_sql_and_python_shift_a_due_day_alike(day: date, paused: int) -> None:
    found = query_value("select due_effective_on(?, null, null, ?)", [day, paused])
    try:
        assert found == date.fromisoformat(str(working_time.shift_due_day(days(day), np.int64(paused))[0]))
    except working_time.OutOfCalendar:
        assert found is None


def test_a_due_day_outside_the_calendar_is_null_in_sql() -> None:
    assert query_value("select due_effective_on(date '1999-01-01', null, 0, 480)", []) is None
