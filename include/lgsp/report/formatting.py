"""Format numbers and dates in Vietnamese or English; numbers are rounded half up here and in no earlier step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from lgsp.report import translations
from lgsp.window import LOCAL

MISSING = "–"
ROMAN = {1: "I", 2: "II", 3: "III", 4: "IV"}


def round_half_up(value: float | Decimal, places: int) -> Decimal:
    """A number rounded half up to decimal places: 99.875 is 99.88 with two places."""
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return number or number.copy_abs()  # no −0


def times_100(ratio: float | None) -> float | None:
    """A ratio times 100, computed in decimals: 0.29 gives 29, not 28.999999999999996."""
    return None if ratio is None else float(Decimal(str(ratio)) * 100)


def difference(value: float | None, before: float | None, unit: str, places: int = 1) -> Decimal | None:
    """The change of a value as it is shown, for a ratio in percentage points; None when one of the values is unknown."""
    if value is None or before is None:
        return None
    scale = 100 if unit == "ratio" else 1
    places_shown = places if unit in ("ratio", "points", "hours") else 0
    return round_half_up((Decimal(str(value)) - Decimal(str(before))) * scale, places_shown)


@dataclass(frozen=True)
class Numbers:
    """The format of numbers and dates in one language."""

    language: str

    def number(self, value: float | Decimal | None, places: int = 0) -> str:
        """A number with thousands separators: 1.234,56 in Vietnamese."""
        if value is None:
            return MISSING
        text = f"{round_half_up(value, places):,}".replace("-", "−")
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def percent(self, ratio: float | None, places: int = 1) -> str:
        """A ratio in percent: 0.99875 is 99,9% in Vietnamese."""
        if ratio is None:
            return MISSING
        return f"{self.number(Decimal(str(ratio)) * 100, places)}%"

    def amount(self, value: float | None, unit: str, places: int = 1) -> str:
        """A value of an indicator in its unit."""
        if unit == "ratio":
            return self.percent(value, places)
        return self.number(value, places if unit in ("points", "hours") else 0)

    def change(self, value: float | None, before: float | None, unit: str, places: int = 1) -> str:
        """The change of a value with its sign, for a ratio in percentage points; "unchanged" when it is rounded to 0.

        Empty when one of the values is unknown.
        """
        change = difference(value, before, unit, places)
        if not change:
            return "" if change is None else translations.load(self.language)["no_change"]
        text = ("+" if change > 0 else "") + self.number(change, max(0, -int(change.as_tuple().exponent)))
        return f"{text} {'điểm phần trăm' if self.language == 'vi' else 'pp'}" if unit == "ratio" else text

    def day(self, day: date) -> str:
        """A day: 12/11/2026, or 12 Nov 2026."""
        return f"{day:%d/%m/%Y}" if self.language == "vi" else f"{day.day} {day:%b %Y}"

    def short_day(self, day: date) -> str:
        """A day without the year: 12/11, or 12 Nov."""
        return f"{day:%d/%m}" if self.language == "vi" else f"{day.day} {day:%b}"

    def instant(self, at: datetime) -> str:
        """An instant in local time."""
        local = at.astimezone(LOCAL)
        return f"{local:%H:%M} {'ngày ' if self.language == 'vi' else 'on '}{self.day(local.date())}"

    def span(self, start: date, end: date) -> str:
        """The days of a half-open interval, first to last."""
        return f"{self.day(start)} – {self.day(end - timedelta(days=1))}"

    def period(self, period: str, start: date) -> str:
        """The name of a period: tháng 6/2022, quý II/2022, 6 tháng đầu năm 2022."""
        is_vi, half = self.language == "vi", 1 if start.month <= 6 else 2
        quarter = ROMAN[(start.month + 2) // 3]
        names = {
            "week": f"{'tuần từ' if is_vi else 'week from'} {self.day(start)}",
            "month": f"tháng {start.month}/{start.year}" if is_vi else f"{start:%B %Y}",
            "quarter": f"quý {quarter}/{start.year}" if is_vi else f"quarter {quarter}/{start.year}",
            "half_year": f"6 tháng {'đầu' if half == 1 else 'cuối'} năm {start.year}" if is_vi else f"half-year {ROMAN[half]}/{start.year}",
            "year": f"năm {start.year}" if is_vi else f"{start.year}",
        }  # fmt: skip
        return names[period]
