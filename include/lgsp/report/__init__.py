"""Write the reports for leaders, the weekly digest and Index 766, from one snapshot, as an HTML page and an Excel workbook.

    reports/weekly/2026-11-12/digest.vi.html, digest.vi.xlsx
    reports/index/month/2026-10-01/index.vi.html, index.vi.xlsx

The same snapshot, period and language give the same bytes. The report of a newer snapshot replaces the older one. A report
of an older snapshot that is requested by its number is stored in the subfolder `snapshot-<number>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lgsp import files
from lgsp.indicators.periods import INDEX_PERIODS
from lgsp.report import snapshot_reader, translations

if TYPE_CHECKING:
    from lgsp.settings import Settings

__all__ = ["LANGUAGES", "PERIODS", "Report", "index", "weekly"]

LANGUAGES, PERIODS = translations.LANGUAGES, INDEX_PERIODS


@dataclass(frozen=True)
class Report:
    """A written report: its period, snapshot and files."""

    period: str
    period_start: date
    snapshot_id: int
    paths: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.period} {self.period_start}, snapshot {self.snapshot_id}: {', '.join(map(str, self.paths))}"


def weekly(
    settings: Settings, period_start: date | None = None, language: str = "vi", snapshot_id: int | None = None, out: Path | None = None
) -> Report:  # fmt: skip
    """Write the digest of a week, by default of the newest completed one, into `out` or the reports folder.

    Raises SettingError when `period_start` is not the first day of a week or the snapshot is no longer available,
    NothingPublished when no week is completed, LgspError when the snapshot has no data for the week.
    """
    from lgsp.report import html, sheets
    from lgsp.report.weekly_digest import read

    with snapshot_reader.open_snapshot(settings, snapshot_id) as snapshot:
        week = read(snapshot, period_start)
        folder = out or _folder(settings.reports / "weekly" / str(week.start), snapshot)
        contents = {"html": html.weekly_page(week, language).encode(), "xlsx": sheets.weekly_workbook(week, language)}
    return Report("week", week.start, snapshot.snapshot_id, _write(folder, f"digest.{language}", contents))


def index(
    settings: Settings, period: str, period_start: date | None = None, language: str = "vi", snapshot_id: int | None = None, out: Path | None = None
) -> Report:  # fmt: skip
    """Write the Index 766 report of a month, quarter or half_year, by default of the newest completed one.

    `out` and the errors are as for `weekly`.
    """
    from lgsp.report import html, index_766, sheets

    with snapshot_reader.open_snapshot(settings, snapshot_id) as snapshot:
        content = index_766.read(snapshot, period, period_start)
        folder = out or _folder(settings.reports / "index" / period / str(content.start), snapshot)
        contents = {
            "html": html.index_page(content, language).encode(),
            "xlsx": sheets.index_workbook(content, language),
        }
    return Report(period, content.start, snapshot.snapshot_id, _write(folder, f"index.{language}", contents))


def _folder(folder: Path, snapshot: snapshot_reader.SnapshotReader) -> Path:
    return folder if snapshot.is_newest else folder / f"snapshot-{snapshot.snapshot_id}"


def _write(folder: Path, name: str, contents: dict[str, bytes]) -> tuple[Path, ...]:
    paths = tuple(folder / f"{name}.{extension}" for extension in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        files.replace(path, content)
    return paths
