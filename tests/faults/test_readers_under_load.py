"""Readers while publications follow one another: every read is one published snapshot, and nobody waits."""

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
from tests.faults.reading import KINDS, Judged, Read, Seen
from tests.integration import conftest
from tests.integration.conftest import Installation, copied

published, quiet_province, world = conftest.published, conftest.quiet_province, conftest.world

PUBLISHED = {
    1: {"dossier": (2, 20), "service_kpi": (3, 30)},
    2: {"dossier": (3, 21), "service_kpi": (3, 30)},
    3: {"dossier": (3, 22), "service_kpi": (3, 31)},
}


def _judged(*seen: Seen) -> Judged:
    judged = Judged()
    judged.add("test", [Read(0, 0.0, one) for one in seen], PUBLISHED)
    return judged


def test_p1_what_equals_published_snapshots_in_their_order_is_not_torn() -> None:
    judged = _judged(
        Seen(PUBLISHED[1], 1), Seen(PUBLISHED[2], 2), Seen({}, is_gone=True), Seen({"service_kpi": (3, 30)}), Seen(PUBLISHED[3], 3)
    )  # fmt: skip
    assert (judged.torn, judged.back, judged.gone, judged.snapshots) == ([], [], 1, {1, 2, 3})


@pytest.mark.parametrize(
    "seen",
    [
        Seen({"dossier": (3, 22), "service_kpi": (3, 30)}),  # of the third and the second
        Seen(PUBLISHED[3], 2),  # whole, and told to be another
        Seen({"dossier": (3, 23)}),  # one row of it is another
    ],
)
def test_p1_a_read_of_two_snapshots_is_found_torn(seen: Seen) -> None:
    assert len(_judged(Seen(PUBLISHED[1], 1), seen).torn) == 1


def test_p9_a_read_of_an_older_snapshot_than_before_is_found_back_in_time() -> None:
    assert len(_judged(Seen(PUBLISHED[2], 2), Seen({"service_kpi": (3, 30)}), Seen(PUBLISHED[1], 1)).back) == 1


class Overtaken(LocalFileSystem):  # type: ignore[misc]
    """The local files, whose pointer `current` moves on just before the nth thing that a reader asks of them."""

    cachable = False

    def __init__(self, root: Path, step: int) -> None:
        super().__init__()
        self.root, self.left = root, step

    def _step(self) -> None:
        if self.left == 0:
            pointer.point(self.root, 2)
        self.left -= 1

    def ls(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return super().ls(*arguments, **options)

    def _open(self, *arguments: Any, **options: Any) -> Any:
        self._step()
        return super()._open(*arguments, **options)


def _snapshot(root: Path, number: int, months: tuple[str, ...]) -> list[str]:
    """A snapshot of one table with a row in each month; what its rows say."""
    table = contract.load("zero_activity")
    building = writer.begin(root, number, number)
    files = []
    for month in months:
        row = {
            "organisation_id": "A", "period": "month", "period_start": date.fromisoformat(f"{month}-01"), "channel": "any", "state": f"{number} {month}",
            "as_of": datetime(2026, 9, 1, tzinfo=UTC), "snapshot_id": number,
        }  # fmt: skip
        files += [building.write(table, month, pa.Table.from_pylist([row], schema=table.arrow_schema()))]
    building.close(files)
    building.folder.rename(root / "snapshots" / str(number))
    return [f"{number} {month}" for month in months]


@pytest.mark.parametrize(
    "months",
    [("2026-06", "2026-07"), ("2026-07",), ("2026-06", "2026-07", "2026-08"), ("2026-06", "2026-08")],
)
def test_p1_a_plain_reader_overtaken_at_any_step_sees_one_snapshot_or_is_told_that_a_file_is_gone(
    months: tuple[str, ...], tmp_path: Path
) -> None:
    seen: list[list[str]] = []
    while True:
        root = tmp_path / str(len(seen))
        before, after = _snapshot(root, 1, ("2026-06", "2026-07")), _snapshot(root, 2, months)
        pointer.point(root, 1)
        files = Overtaken(root, len(seen))
        try:
            told = sorted(pd.read_parquet(root / "current" / "zero_activity", filesystem=files)["state"])
        except (FileNotFoundError, KeyError):  # a file is gone, or all are and there is not even a column
            told = ["gone"]
        assert told in (before, after, ["gone"]), f"overtaken at step {len(seen)} it saw {told}"
        seen.append(told)
        if files.left >= 0:  # it had asked for everything before the pointer moved
            break
    assert after in seen and seen[-1] == before and ["gone"] in seen


@pytest.mark.slow
def test_p1_p10_f39_readers_see_one_snapshot_each_and_wait_for_nobody_while_publications_follow_one_another(
    server: Server, published: Installation, tmp_path: Path
) -> None:
    told = readers.run(copied(server, published, tmp_path).settings, seconds=2.5, readers=4, size=50)
    assert told.is_good, "\n".join(readers.lines(told))
    for phase in (readers.PUBLISHING, readers.HOLDING):
        count, _ = told.publication(phase)
        assert count >= 1, "nothing was published while they read"
        for kind in KINDS:
            assert told.milliseconds(kind, phase)[0] > 0, f"nobody read: {kind}"
    assert len(told.judged.snapshots) > 2, "they saw one snapshot after the other"
    assert told.samples > 100
