"""Readers during continuous publications: every read is one published snapshot, and no reader waits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from lgsp.schema import contract
from lgsp.snapshots import pointer, writer
from lgsp.store.embedded_postgres import Server
from tests.faults import readers
from tests.faults.reading import KINDS, Judgement, Read, Seen
from tests.integration import conftest
from tests.integration.conftest import Installation, copied

checked, published = conftest.checked, conftest.published
quiet_province, world = conftest.quiet_province, conftest.world

PUBLISHED = {
    1: {"dossier": (2, 20), "service_kpi": (3, 30)},
    2: {"dossier": (3, 21), "service_kpi": (3, 30)},
    3: {"dossier": (3, 22), "service_kpi": (3, 31)},
}


def _judged(*reads: Seen) -> Judgement:
    judgement = Judgement()
    judgement.add("test", [Read(0, 0.0, seen) for seen in reads], PUBLISHED)
    return judgement


def test_p1_reads_of_published_snapshots_in_order_are_not_torn() -> None:
    judgement = _judged(
        Seen(PUBLISHED[1], 1), Seen(PUBLISHED[2], 2), Seen({}, is_missing=True), Seen({"service_kpi": (3, 30)}), Seen(PUBLISHED[3], 3)
    )  # fmt: skip
    assert (judgement.torn, judgement.backward, judgement.missing, judgement.snapshots) == ([], [], 1, {1, 2, 3})


@pytest.mark.parametrize(
    "seen",
    [
        Seen({"dossier": (3, 22), "service_kpi": (3, 30)}),  # one table of the third snapshot, one of the second
        Seen(PUBLISHED[3], 2),  # a complete snapshot under another id
        Seen({"dossier": (3, 23)}),  # one row differs
    ],
)
def test_p1_a_read_of_two_snapshots_is_reported_as_torn(seen: Seen) -> None:
    assert len(_judged(Seen(PUBLISHED[1], 1), seen).torn) == 1


def test_p9_a_read_of_an_older_snapshot_is_reported_as_backward() -> None:
    assert len(_judged(Seen(PUBLISHED[2], 2), Seen({"service_kpi": (3, 30)}), Seen(PUBLISHED[1], 1)).backward) == 1


class SwitchingFileSystem(LocalFileSystem):  # type: ignore[misc]
    """The local files; the pointer `current` moves to snapshot 2 just before the nth operation of a reader."""

    cachable = False

    def __init__(self, root: Path, step: int) -> None:
        super().__init__()
        self.root, self.steps_left = root, step

    def _step(self) -> None:
        if self.steps_left == 0:
            pointer.switch_to(self.root, 2)
        self.steps_left -= 1

    def ls(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return super().ls(*arguments, **options)

    def _open(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return super()._open(*arguments, **options)


def _snapshot(root: Path, number: int, months: tuple[str, ...]) -> list[str]:
    """Write a snapshot of one table with one row in each month; the values in column `state`."""
    table = contract.load("zero_activity")
    snapshot = writer.start(root, number, number)
    files = []
    for month in months:
        row = {
            "organisation_id": "A", "period": "month", "period_start": date.fromisoformat(f"{month}-01"), "channel": "any", "state": f"{number} {month}",
            "as_of": datetime(2026, 9, 1, tzinfo=UTC), "snapshot_id": number,
        }  # fmt: skip
        files += [snapshot.write(table, month, pa.Table.from_pylist([row], schema=table.arrow_schema()))]
    snapshot.close_table(files)
    snapshot.folder.rename(root / "snapshots" / str(number))
    return [f"{number} {month}" for month in months]


@pytest.mark.parametrize(
    "months",
    [("2026-06", "2026-07"), ("2026-07",), ("2026-06", "2026-07", "2026-08"), ("2026-06", "2026-08")],
)
def test_p1_a_plain_reader_sees_one_snapshot_or_gets_an_error(months: tuple[str, ...], tmp_path: Path) -> None:
    seen: list[list[str]] = []
    while True:
        root = tmp_path / str(len(seen))
        before, after = _snapshot(root, 1, ("2026-06", "2026-07")), _snapshot(root, 2, months)
        pointer.switch_to(root, 1)
        files = SwitchingFileSystem(root, len(seen))
        try:
            states = sorted(pd.read_parquet(root / "current" / "zero_activity", filesystem=files)["state"])
        except (FileNotFoundError, KeyError):  # a file is missing, or all are, and with them the column
            states = ["error"]
        assert states in (before, after, ["error"]), f"with a switch at step {len(seen)} it saw {states}"
        seen.append(states)
        if files.steps_left >= 0:  # the reader finished before the pointer moved
            break
    assert after in seen and seen[-1] == before and ["error"] in seen


@pytest.mark.slow
def test_p1_p10_f39_readers_see_one_snapshot_and_never_wait(
    server: Server, published: Installation, tmp_path: Path
) -> None:
    settings, phases = copied(server, published, tmp_path).settings, (readers.PUBLISHING, readers.HOLDING)
    report = readers.measure(settings, seconds=1, readers=4, size=20, pause=2, phases=phases)
    assert report.is_good, "\n".join(readers.lines(report))
    for phase in phases:
        count, _ = report.publication(phase)
        assert count >= 1, "nothing was published during the reads"
        for kind in KINDS:
            assert report.milliseconds(kind, phase)[0] > 0, f"no reads of kind {kind}"
    assert len(report.judgement.snapshots) > 2, "the readers must see several snapshots"
    assert report.samples > 0
