"""Numbers and days as people write them: rounded half up here and nowhere before, in Vietnamese or English."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from lgsp.report import translations
from lgsp.window import LOCAL

NOTHING = "–"
ROMAN = {1: "I", 2: "II", 3: "III", 4: "IV"}


def rounded(value: float | Decimal, places: int) -> Decimal:
    """A number rounded half up in the decimal digits it is written with: 99.875 is 99.88 with two."""
    told = Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return told or told.copy_abs()  # nobody writes −0


def hundred(ratio: float | None) -> float | None:
    """A ratio as points of a hundred: 0.29 is 29, not 28.999999999999996."""
    return None if ratio is None else float(Decimal(str(ratio)) * 100)


def moved(value: float | None, before: float | None, unit: str, places: int = 1) -> Decimal | None:
    """By how much a value moved as it is shown, a ratio in percentage points; None where one of both is unknown."""
    if value is None or before is None:
        return None
    scale = 100 if unit == "ratio" else 1
    shown = places if unit in ("ratio", "points", "hours") else 0
    return rounded((Decimal(str(value)) - Decimal(str(before))) * scale, shown)


@dataclass(frozen=True)
class Numbers:
    """How one language writes numbers and days."""

    language: str

    def number(self, value: float | Decimal | None, places: int = 0) -> str:
        """A number with its thousands grouped: 1.234,56 in Vietnamese."""
        if value is None:
            return NOTHING
        text = f"{rounded(value, places):,}".replace("-", "−")
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def percent(self, ratio: float | None, places: int = 1) -> str:
        """A ratio in percent: 0.99875 is 99,9 %."""
        if ratio is None:
            return NOTHING
        return f"{self.number(Decimal(str(ratio)) * 100, places)}{' %' if self.language == 'vi' else '%'}"

    def amount(self, value: float | None, unit: str, places: int = 1) -> str:
        """A value of an indicator in its own unit."""
        if unit == "ratio":
            return self.percent(value, places)
        return self.number(value, places if unit in ("points", "hours") else 0)

    def change(self, value: float | None, before: float | None, unit: str, places: int = 1) -> str:
        """By how much a value moved, with its sign: percentage points of a ratio; in words where nothing of it shows.

        Empty where one of both is unknown.
        """
        by = moved(value, before, unit, places)
        if not by:
            return "" if by is None else translations.of(self.language)["no_change"]
        text = ("+" if by > 0 else "") + self.number(by, max(0, -int(by.as_tuple().exponent)))
        return f"{text} {'điểm %' if self.language == 'vi' else 'pp'}" if unit == "ratio" else text

    def day(self, day: date) -> str:
        """A day: 12/11/2026, or 12 Nov 2026."""
        return f"{day:%d/%m/%Y}" if self.language == "vi" else f"{day.day} {day:%b %Y}"

    def short_day(self, day: date) -> str:
        """A day without its year."""
        return f"{day:%d/%m}" if self.language == "vi" else f"{day.day} {day:%b}"

    def instant(self, at: datetime) -> str:
        """An instant in local time."""
        local = at.astimezone(LOCAL)
        return f"{local:%H:%M} {'ngày ' if self.language == 'vi' else 'on '}{self.day(local.date())}"

    def span(self, start: date, end: date) -> str:
        """The days of a half-open interval, first to last."""
        return f"{self.day(start)} – {self.day(end - timedelta(days=1))}"

    def period(self, period: str, start: date) -> str:
        """A period by its name: tháng 6/2022, quý II/2022, 6 tháng đầu năm 2022."""
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
