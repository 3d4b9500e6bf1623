"""Formats and parses times and texts as the sources write them."""

import unicodedata
from datetime import UTC, datetime

from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, day_date, day_number

_times: dict[int, str] = {}
_compact_times: dict[int, str] = {}
_iso_days: dict[int, str] = {}
_compact_days: dict[int, str] = {}


def _time(second: int) -> str:
    text = _times.get(second)
    if text is None:
        text = _times[second] = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return text


def _compact_time(second: int) -> str:
    text = _compact_times[second] = _time(second).replace(":", "")
    return text


def iso(instant: int) -> str:
    """The instant in UTC as `2022-06-01T01:15:00.000+0000`."""
    day, second = divmod(instant, DAY)
    text = _iso_days.get(day)
    if text is None:
        text = _iso_days[day] = f"{day_date(day).isoformat()}T"
    return text + (_times.get(second) or _time(second)) + ".000+0000"


def compact(instant: int) -> str:
    """The instant in local time as `20220601081500`."""
    day, second = divmod(instant + LOCAL_OFFSET, DAY)
    text = _compact_days.get(day)
    if text is None:
        text = _compact_days[day] = day_date(day).strftime("%Y%m%d")
    return text + (_compact_times.get(second) or _compact_time(second))


def slashed(instant: int) -> str:
    """The instant in local time as `2021/06/18 10:15:32`."""
    day, second = divmod(instant + LOCAL_OFFSET, DAY)
    return f"{day_date(day):%Y/%m/%d} {_time(second)}"


def vietnamese(instant: int) -> str:
    """The instant in local time as `18/06/2021 10:15:32`."""
    day, second = divmod(instant + LOCAL_OFFSET, DAY)
    return f"{day_date(day):%d/%m/%Y} {_time(second)}"


def from_iso(text: str) -> int:
    """The instant of an ISO 8601 text.

    Raises ValueError when the text is not a time or has no UTC offset.
    """
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + in a query string arrives as a space
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no UTC offset")
    return int(moment.astimezone(UTC).timestamp())


def from_compact(text: str) -> int:
    """The instant of `yyyyMMddHHmmss` in local time."""
    moment = datetime.strptime(text, "%Y%m%d%H%M%S")
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return day_number(moment.date()) * DAY + seconds - LOCAL_OFFSET


def from_slashed_day(text: str) -> int:
    """The local day number of `yyyy/MM/dd`."""
    return day_number(datetime.strptime(text, "%Y/%m/%d").date())


def typed_by_hand(compact: str, variant: int, is_day: bool) -> str:
    """`yyyyMMddHHmmss` in one of three common spellings, with or without the time of day.

    The separator of the date is a slash (variant 0), a dot (1) or a dash (2).
    """
    year, month, day = compact[:4], compact[4:6], compact[6:8]
    text = (f"{day}/{month}/{year}", f"{int(day)}.{int(month)}.{year}", f"{day}-{month}-{year}")[variant]
    return text if is_day else f"{text} {compact[8:10]}:{compact[10:12]}:{compact[12:14]}"


def decomposed(text: str) -> str:
    """The same text in NFD."""
    return unicodedata.normalize("NFD", text)
