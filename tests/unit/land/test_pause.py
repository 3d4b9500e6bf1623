"""A wait that a source asks for is kept by every thread, and quiet hours are without any call."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import ContractError, SourceFailed, SourcePaused
from lgsp.land.http_client import Caller
from lgsp.land.pause import Pause
from lgsp.schema.quiet_hours import QuietHours
from lgsp.settings import Endpoint
from lgsp.window import LOCAL

NOON = datetime(2026, 8, 3, 12, tzinfo=LOCAL)


def test_every_thread_waits_for_the_pause_of_one() -> None:
    pause, waits = Pause(), list[float]()
    pause.begin(1800)
    threads = [threading.Thread(target=pause.wait, args=(waits.append,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waits) == 8 and all(1790 < wait < 1801 for wait in waits)


def test_a_longer_pause_of_another_thread_is_waited_for() -> None:
    pause, waits = Pause(), list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            pause.begin(3000)

    pause.begin(5)
    pause.wait(sleep)
    assert [round(wait, -1) for wait in waits] in ([0, 3000], [10, 3000]), "the extension is waited for too"


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    stored, waits = list[float](), list[float]()
    pause = Pause(stored.append)
    pause.begin(100)
    pause.begin(1)
    pause.wait(waits.append)
    assert waits[0] > 90 and stored == [100, 1]


def test_a_pause_that_is_over_is_not_waited_for() -> None:
    pause = Pause()
    pause.begin(0.01)
    time.sleep(0.02)
    pause.wait(lambda seconds: pytest.fail("waited"))


def test_nobody_calls_a_source_that_asks_for_too_long_a_wait() -> None:
    pause = Pause()
    pause.refuse(SourcePaused("asks for a day", NOON))
    with pytest.raises(SourceFailed, match="asks for a day"):
        pause.wait(lambda seconds: None)


@pytest.mark.parametrize(
    ("hours", "clock", "ends"),
    [
        ("22:00-05:00", "21:59", None),
        ("22:00-05:00", "22:00", "05:00"),
        ("22:00-05:00", "04:59", "05:00"),
        ("22:00-05:00", "05:00", None),
        ("11:30-13:00", "12:00", "13:00"),
        ("22-5", "23:30", "05:00"),
        ("18:00-24:00", "23:59", "00:00"),
        (["11:30-13:00", "13:00-14:00"], "12:00", "14:00"),
        ([], "12:00", None),
    ],
)
def test_quiet_hours_end_at_a_local_time(hours: str | list[str], clock: str, ends: str | None) -> None:
    hour, minute = map(int, clock.split(":"))
    moment = NOON.replace(hour=hour, minute=minute).astimezone(UTC)
    end = QuietHours.parse(hours).end_after(moment)
    assert (end and f"{end:%H:%M}") == ends
    assert end is None or moment < end <= moment + timedelta(days=1)


@given(st.integers(0, 1439), st.integers(0, 1439), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_the_end_of_quiet_hours_is_not_quiet(start: int, end: int, moment: datetime) -> None:
    if start == end:
        return
    quiet = QuietHours.parse(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    over = quiet.end_after(moment.replace(tzinfo=LOCAL))
    if over is not None:
        assert quiet.end_after(over) is None
        assert quiet.end_after(over - timedelta(minutes=1)) == over


@pytest.mark.parametrize("text", ["22:00", "25:00-05:00", "22:00-05:61", "10:00-10:00", "00:00-24:00", "night", 1320])
def test_a_wrong_span_of_hours_is_an_error(text: object) -> None:
    with pytest.raises(ContractError, match="is not a span of the local day"):
        QuietHours.parse([text])  # type: ignore[list-item]


def test_a_source_is_not_called_in_its_quiet_hours() -> None:
    caller = Caller(
        Endpoint("documents", "http://127.0.0.1:9", "", ""),
        acquire_call=lambda: pytest.fail("a call was made"),
        quiet_hours=QuietHours.parse("11:00-13:30"),
        now=lambda: NOON,
    )
    with pytest.raises(SourcePaused, match=r"quiet hours \(11:00-13:30, .* from 13:30 on 2026-08-03") as failure:
        caller.ask("GET", "/", accept=lambda answer: None)
    assert failure.value.until == NOON.replace(hour=13, minute=30)
