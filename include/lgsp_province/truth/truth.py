"""Computes the ground truth: what a correct pipeline publishes of a simulated world as of an instant.

The truth is computed from the clean world and the marks of its defects, never from what a server has sent.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lgsp_province.defects import broken_feeds
from lgsp_province.truth import dossiers, indicators, ledger
from lgsp_province.truth.documents import document_tables, work_file_table
from lgsp_province.world.world import World

_IN_JSON = ("quarantined", "ignored", "indicators")  # tables that are small enough for truth.json


@dataclass(frozen=True)
class Truth:
    """The tables of the truth by name, also as attributes, and row counts in `totals`."""

    as_of: int
    totals: dict[str, int]
    tables: dict[str, pa.Table]

    def __getattr__(self, name: str) -> pa.Table:
        try:
            return self.__dict__["tables"][name]
        except KeyError:
            raise AttributeError(f"the truth has no table {name!r}") from None

    def write(self, folder: Path) -> None:
        """Write one Parquet file per table, and `truth.json` with the totals and the small tables."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        summary: dict[str, Any] = {
            "as_of": datetime.fromtimestamp(self.as_of, UTC).isoformat(),
            "totals": self.totals,
        }
        summary |= {name: self.tables[name].to_pylist() for name in _IN_JSON}
        text = json.dumps(summary, ensure_ascii=False, indent=1, default=str)
        (folder / "truth.json").write_text(text, encoding="utf-8")


def truth_of(world: World, as_of: int) -> Truth:
    """The truth of a world at an instant, in seconds since 1970."""
    view = world.view(as_of)
    published = dossiers.published(view)
    document_table, delivery_table = document_tables(world.document_data, as_of)
    quarantined = {side: dossiers.quarantined(view, side) for side in ("one-stop", "portal")}
    incomplete_days = dict(broken_feeds.incomplete_days(world.feeds, world.calendar))
    for agency, day in dossiers.quarantined_days(view):
        incomplete_days[agency] = np.append(incomplete_days.get(agency, np.array([], np.int64)), day)
    tables = {
        "dossiers": dossiers.dossier_table(view, published),
        "documents": document_table,
        "deliveries": delivery_table,
        "work_files": work_file_table(world.document_data, as_of),
        "defects": ledger.defects(world, view),
        "quarantined": ledger.quarantined(world, view, quarantined),
        "ignored": ledger.ignored(view, dossiers.is_test(view)),
        "links": ledger.links(view, published.rows, published.in_one_stop & published.in_portal),
        "indicators": indicators.rates(published),
        "zero_activity": indicators.zero_activity(published, world.catalogue, world.start, as_of, incomplete_days),
    }
    totals = {name: tables[name].num_rows for name in ("dossiers", "documents", "deliveries", "work_files")}
    totals["events"] = int(published.event_count.sum())
    totals["one_stop_records"] = int((view.one_stop.visible > 0).sum())
    totals["online_services_records"] = int((view.portal.visible > 0).sum())
    return Truth(as_of, totals, tables)
