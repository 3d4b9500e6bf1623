"""The ground truth: what a perfect reader of the three systems would publish as of an instant.

Computed from the clean world and the marks of its defects, never from anything a server sent.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lgsp_province.defects import broken_feeds
from lgsp_province.truth import indicators, ledger
from lgsp_province.truth.documents import document_tables, work_file_table
from lgsp_province.world import agencies
from lgsp_province.world.calendar import Seconds, local_days
from lgsp_province.world.dossiers import CHANNELS, COUNTER, ONLINE
from lgsp_province.world.lives import ACCEPTED, FINISHED, NEVER, NOT_ACCEPTED, PROCESSING, STATUSES, WITHDRAWN
from lgsp_province.world.view import SystemView, View

if TYPE_CHECKING:
    from lgsp_province.world.world import World

_EMBEDDED = ("quarantined", "ignored", "indicators")  # small enough to stand in the JSON too


@dataclass(frozen=True)
class Truth:
    """Tables by name, and totals by table."""

    as_of: int
    totals: dict[str, int]
    tables: dict[str, pa.Table]

    def __getattr__(self, name: str) -> pa.Table:
        try:
            return self.__dict__["tables"][name]
        except KeyError:
            raise AttributeError(f"the truth has no table {name}") from None

    def write(self, folder: Path) -> None:
        """One Parquet file per table, and `truth.json` with totals and the short tables."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        summary: dict[str, Any] = {
            "as_of": datetime.fromtimestamp(self.as_of, UTC).isoformat(),
            "totals": self.totals,
        }
        summary |= {name: self.tables[name].to_pylist() for name in _EMBEDDED}
        text = json.dumps(summary, ensure_ascii=False, indent=1, default=str)
        (folder / "truth.json").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Published:
    """The dossiers that stand in the shared dataset, as columns; absent instants are -1."""

    rows: NDArray[np.int64]
    agency: NDArray[np.int64]
    service: NDArray[np.int64]
    leads_one_stop: NDArray[np.bool_]
    in_portal: NDArray[np.bool_]
    channel: NDArray[np.int64]
    status: NDArray[np.int64]
    events: NDArray[np.int64]
    submitted: Seconds
    received: Seconds
    due: Seconds
    finished: Seconds
    closed: Seconds

    @property
    def is_on_time(self) -> NDArray[np.bool_]:
        """Kept its promise; only meaningful with a due date and an end."""
        return (self.finished >= 0) & (self.due >= 0) & (local_days(self.finished) <= local_days(self.due))


def _reached(view: View, rows: NDArray[np.int64], visible: NDArray[np.int64], status: int) -> Seconds:
    """When each dossier last reached a status, -1 when it has not."""
    lives = view.dossiers.lives
    slots = np.arange(lives.times.shape[1])
    is_seen = (slots < visible[:, None]) & (lives.statuses[rows] == status)
    return np.asarray(np.where(is_seen, lives.times[rows], -1).max(axis=1), np.int64)


def quarantined(view: View, side: str) -> NDArray[np.bool_]:
    """Records of one side, `one-stop` or `portal`, that must not be published, once it shows; no test records."""
    system = view.one_stop if side == "one-stop" else view.portal
    statuses = view.dossiers.lives.statuses
    is_seen = np.arange(statuses.shape[1]) < system.visible[:, None]
    is_accepted, is_finished = (((statuses == status) & is_seen).any(axis=1) for status in (ACCEPTED, FINISHED))
    marks = view.marks
    shows = marks.has(f"unknown-status-{side}", f"poison-element-{side}") & (system.visible > 0)
    shows |= marks.has(f"D25-{side}", f"D28-received-{side}") & is_accepted
    shows |= marks.has(f"D26-{side}", f"D28-finished-{side}") & is_finished
    return np.asarray(shows & ~is_test(view), np.bool_)


def is_test(view: View) -> NDArray[np.bool_]:
    """Dossiers that are trials, whichever system shows them."""
    return view.marks.has("D24", "D21-test")


def _is_live(system: SystemView) -> NDArray[np.bool_]:
    return (system.visible > 0) & ~system.is_deleted


def published(view: View) -> Published:
    """Choose the leading record of every dossier and read the clean facts as it shows them."""
    dossiers, marks, lives = view.dossiers, view.marks, view.dossiers.lives
    is_real = ~is_test(view)
    leads = _is_live(view.one_stop) & ~quarantined(view, "one-stop") & is_real
    in_portal = _is_live(view.portal) & ~quarantined(view, "portal") & is_real
    rows = np.flatnonzero(leads | in_portal)
    leads, in_portal = leads[rows], in_portal[rows]
    visible = np.where(leads, view.one_stop.visible[rows], view.portal.visible[rows]).astype(np.int64)
    known = view.as_of - np.where(leads, 0, dossiers.sync_delay[rows])
    accepted = _reached(view, rows, visible, ACCEPTED)
    due = np.where(lives.amended_at[rows] <= known, lives.due[rows], lives.due_first[rows])
    due[~leads & marks.has("schema-drift")[rows]] = -1
    is_overwritten = ~leads & marks.has("submitted-overwritten")[rows] & (accepted >= 0)
    status = lives.statuses[rows, visible - 1].astype(np.int64)
    status[leads & (status == ACCEPTED)] = PROCESSING  # the one-stop has one code for both
    channel = dossiers.channel[rows].astype(np.int64)
    channel[marks.has("channel-conflict")[rows] & ~in_portal & (channel == ONLINE)] = COUNTER
    channel[marks.has("D27")[rows]] = ONLINE
    refused = _reached(view, rows, visible, NOT_ACCEPTED)
    return Published(
        rows,
        dossiers.agency[rows].astype(np.int64),
        dossiers.service[rows].astype(np.int64),
        leads,
        in_portal,
        channel,
        status,
        visible,
        np.where(is_overwritten, accepted, dossiers.submitted[rows]),
        accepted,
        np.where(accepted >= 0, due, -1),
        _reached(view, rows, visible, FINISHED),
        np.maximum(refused, _reached(view, rows, visible, WITHDRAWN)),
    )


def instants(values: Seconds) -> pa.Array:
    """Timestamps with a zone; -1 is null."""
    return pa.array(values * 1_000_000, pa.int64(), mask=(values < 0) | (values >= NEVER)).cast(
        pa.timestamp("us", "UTC")
    )


def days(values: Seconds) -> pa.Array:
    """Local dates of instants; -1 is null."""
    number = local_days(values).astype(np.int32)
    return pa.array(number, pa.int32(), mask=(values < 0) | (values >= NEVER)).cast(pa.date32())


def _dossier_table(view: View, found: Published) -> pa.Table:
    everyone, catalogue = agencies.load(), view.dossiers.catalogue.services
    alone = ~found.leads_one_stop
    codes = {seen.row: seen.code for seen in view.each(view.one_stop, found.rows[~alone])}
    codes |= {seen.row: seen.portal_code for seen in view.each(view.portal, found.rows[alone])}
    is_known = (found.finished >= 0) & (found.due >= 0)
    fees = np.array([service.fee_vnd for service in catalogue])[found.service]
    return pa.table(
        {
            "dossier_id": [codes[row] for row in found.rows.tolist()],
            "service_code": [catalogue[n].code for n in found.service.tolist()],
            "agency_code": [everyone[n].code for n in found.agency.tolist()],
            "receiving_organisation_id": [everyone[n].new_code for n in found.agency.tolist()],
            "channel": [CHANNELS[n] for n in found.channel.tolist()],
            "status": [STATUSES[n] for n in found.status.tolist()],
            "submitted_at": instants(found.submitted),
            "received_at": instants(found.received),
            "due_at": instants(found.due),
            "finished_at": instants(found.finished),
            "received_on": days(found.received),
            "due_on": days(found.due),
            "finished_on": days(found.finished),
            "closed_at": instants(found.closed),
            "is_on_time": pa.array(found.is_on_time, mask=~is_known),
            "fee_vnd": pa.array(fees, mask=view.marks.has("poison-number")[found.rows]),
            "in_one_stop": found.leads_one_stop,
            "in_online_services": found.in_portal,
            "event_count": found.events,
        }
    )


def of(world: "World", as_of: int) -> Truth:
    """The truth of a world at an instant."""
    view = world.view(as_of)
    found = published(view)
    documents, deliveries = document_tables(world.papers, as_of)
    files = work_file_table(world.papers, as_of)
    tables = {
        "dossiers": _dossier_table(view, found),
        "documents": documents,
        "deliveries": deliveries,
        "work_files": files,
        "defects": ledger.defects(world, view),
        "quarantined": ledger.quarantined(
            world, view, {side: quarantined(view, side) for side in ("one-stop", "portal")}
        ),
        "ignored": ledger.ignored(view, is_test(view)),
        "links": ledger.links(view, found.rows, found.leads_one_stop & found.in_portal),
        "indicators": indicators.rates(found),
        "zero_activity": indicators.zero_activity(
            found, world.catalogue, world.start, as_of, broken_feeds.doubt(world.feeds, world.calendar)
        ),
    }
    totals = {name: tables[name].num_rows for name in ("dossiers", "documents", "deliveries", "work_files")}
    totals["events"] = int(found.events.sum())
    totals["one_stop_records"] = int((view.one_stop.visible > 0).sum())
    totals["online_services_records"] = int((view.portal.visible > 0).sum())
    return Truth(as_of, totals, tables)
