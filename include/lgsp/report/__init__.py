"""The reports leaders read: the weekly digest and the index, each of one snapshot, as a page and as a workbook.

    reports/weekly/2026-11-12/digest.vi.html, digest.vi.xlsx
    reports/index/month/2026-10-01/index.vi.html, index.vi.xlsx

The same snapshot, period and language give the same bytes. A newer snapshot's report replaces an older one's; a report
of an older snapshot that somebody names is kept beside it, in a folder `snapshot-<number>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lgsp import files
from lgsp.report import snapshot_reader, translations
from lgsp.report.periods import MONTHS

if TYPE_CHECKING:
    from lgsp.settings import Settings

__all__ = ["LANGUAGES", "PERIODS", "Report", "index", "weekly"]

LANGUAGES, PERIODS = translations.LANGUAGES, tuple(MONTHS)


@dataclass(frozen=True)
class Report:
    """What was written: of which period and snapshot, and where."""

    period: str
    period_start: date
    snapshot_id: int
    paths: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.period} {self.period_start}, snapshot {self.snapshot_id}: {', '.join(map(str, self.paths))}"


def weekly(
    settings: Settings, period_start: date | None = None, language: str = "vi", snapshot_id: int | None = None, out: Path | None = None
) -> Report:  # fmt: skip
    """Write the digest of a week, by default of the newest that is over, into `out` or the folder of reports.

    Raises SettingError for a day that begins no week or a snapshot that cannot be told any more, NothingPublished where
    the snapshot says nothing of the week.
    """
    from lgsp.report import html, sheets
    from lgsp.report.weekly_digest import read

    with snapshot_reader.opened(settings, snapshot_id) as snapshot:
        found = read(snapshot, period_start)
        folder = out or _folder(settings.reports / "weekly" / str(found.start), snapshot)
        files = {"html": html.of_week(found, language).encode(), "xlsx": sheets.of_week(found, language)}
    return Report("week", found.start, snapshot.snapshot_id, _written(folder, f"digest.{language}", files))


def index(
    settings: Settings, period: str, period_start: date | None = None, language: str = "vi", snapshot_id: int | None = None, out: Path | None = None
) -> Report:  # fmt: skip
    """Write the index of a month, quarter or half_year, by default of the newest that is over; as `weekly` does."""
    from lgsp.report import html, index_766, sheets

    with snapshot_reader.opened(settings, snapshot_id) as snapshot:
        found = index_766.read(snapshot, period, period_start)
        folder = out or _folder(settings.reports / "index" / period / str(found.start), snapshot)
        files = {"html": html.of_index(found, language).encode(), "xlsx": sheets.of_index(found, language)}
    return Report(period, found.start, snapshot.snapshot_id, _written(folder, f"index.{language}", files))


def _folder(folder: Path, snapshot: snapshot_reader.Snapshot) -> Path:
    return folder if snapshot.is_newest else folder / f"snapshot-{snapshot.snapshot_id}"


def _written(folder: Path, name: str, contents: dict[str, bytes]) -> tuple[Path, ...]:
    paths = tuple(folder / f"{name}.{kind}" for kind in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        files.replace(path, content)
    return paths
