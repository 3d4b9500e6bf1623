"""Simulates two source systems in this process: a few records that change, disappear and come back."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from hypothesis import strategies as st

from lgsp.land.archive import Batch
from lgsp.land.reader import LOOK_UPS, Keys, Reader, Reading
from lgsp.land.source_client import Client
from lgsp.schema.sources import Source
from lgsp.settings import Settings
from lgsp.store import connect, ledger
from lgsp.window import LOCAL, Window
from tests.integration.conftest import Installation
from tests.samples import AGENCY, LISTS, one_stop, online

ONE_STOP, PORTAL = "one_stop_shop", "online_services"
STATUS, DUE = "DOS_STATUS_MAPPED", "DOS_DUE_BEFORE_RECEIVE"
UNKNOWN_STATUS, TRIAL = 77, "nguyenvana_test"
Key = tuple[str, str]


@dataclass(frozen=True, order=True)
class Version:
    """One version of a record as a source sent it, ordered by time, with the rules that it breaks."""

    changed_at: datetime
    raw_hash: str
    key: Key
    breaks: frozenset[str] = frozenset()
    is_trial: bool = False
    is_deleted: bool = False


@dataclass(frozen=True)
class Change:
    """A change of a record in a source: the time, the defects, and the new content."""

    number: int
    changed_at: datetime
    fee: int = 0
    breaks: frozenset[str] = frozenset()
    is_trial: bool = False
    is_deleted: bool = False
    is_linked: bool = True

    def record(self, source: str) -> dict[str, Any]:
        """The changed record in the format of a source."""
        return self._one_stop() if source == ONE_STOP else self._portal()

    def _one_stop(self) -> dict[str, Any]:
        changed = self.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        wrong: dict[str, Any] = {}
        if STATUS in self.breaks:
            wrong["dossierStatus"] = {"id": UNKNOWN_STATUS}
        if DUE in self.breaks:
            wrong["appointmentDate"] = "2026-08-01T10:00:00.000+0000"
        if self.is_trial:
            wrong["applicant"] = {"data": {"fullname": TRIAL}}
        return one_stop(
            id=f"a{self.number}", code=_code(self.number), receiptCode=f"BN-{self.number}", feeTotal=self.fee,
            modifiedDate=changed, deletedDate=changed if self.is_deleted else None, **wrong,
        )  # fmt: skip

    def _portal(self) -> dict[str, Any]:
        wrong: dict[str, Any] = {}
        if STATUS in self.breaks:
            wrong["TrangThaiHoSo"] = str(UNKNOWN_STATUS)
        if DUE in self.breaks:
            wrong["NgayHenTra"] = "20260801170000"
        if self.is_trial:
            wrong["ChuHoSo"] = TRIAL
        return online(
            MaHoSo=_code(90000 + self.number), MaHoSoKhac=_code(self.number) if self.is_linked else "",
            SoBienNhan=f"BN-{self.number}" if self.fee % 2 else "", DanhGia=str(1 + self.fee % 5),
            NgayCapNhat=self.changed_at.astimezone(LOCAL).strftime("%Y%m%d%H%M%S"), DaXoa="1" if self.is_deleted else "0", **wrong,
        )  # fmt: skip


def _code(number: int) -> str:
    return f"{AGENCY}-260803-{number:04d}"


def version(source: str, row: Mapping[str, Any], not_before: Mapping[str, str] | None = None) -> Version:
    """The version in a record that was sent, read without the code under test."""
    key = row["id"] if source == ONE_STOP else row["MaHoSo"]
    if source == ONE_STOP:
        changed = datetime.strptime(row["modifiedDate"], "%Y-%m-%dT%H:%M:%S.%f%z")
        status, due = row["dossierStatus"]["id"], row["appointmentDate"] < "2026-08-03"
        is_trial, is_deleted = row["applicant"]["data"].get("fullname") == TRIAL, row["deletedDate"] is not None
    else:
        changed = datetime.strptime(row["NgayCapNhat"], "%Y%m%d%H%M%S").replace(tzinfo=LOCAL)
        status, due = int(row["TrangThaiHoSo"]), row["NgayHenTra"] < "20260803"
        is_trial, is_deleted = row.get("ChuHoSo") == TRIAL, row["DaXoa"] == "1"
    if not_before and key in not_before:
        changed = max(changed, datetime.fromisoformat(not_before[key]))
    broken = {STATUS} if status == UNKNOWN_STATUS else set()
    broken |= {DUE} if due else set()
    return Version(
        changed.astimezone(UTC), hashlib.md5(orjson.dumps(row)).hexdigest(), (source, key),
        frozenset() if is_deleted else frozenset(broken), is_trial, is_deleted,
    )  # fmt: skip


def landed(source: str, batch: Batch) -> list[Version]:
    """The versions in a landed batch, including the tombstones of a sweep."""
    bodies = {call.number: (call, orjson.loads(body)) for call, body in batch.bodies(batch.calls())}
    rows_key = "content" if source == ONE_STOP else "result"
    versions = [
        version(source, row, batch.manifest.get("returned"))
        for call, body in bodies.values() if call.list == "dossiers" for row in body[rows_key]
    ]  # fmt: skip
    for tombstone in batch.manifest.get("deleted", ()):
        deleted_at = datetime.fromisoformat(tombstone["deleted_at"]).astimezone(UTC)
        versions.append(
            Version(
                deleted_at, bodies[tombstone["answer"]][0].sha256, (source, tombstone["source_key"]), is_deleted=True
            )
        )
    return versions


@dataclass
class Systems:
    """The current records of each system, all versions that it sent, and the records that it deleted without a notice."""

    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: {}, PORTAL: {}})
    deleted: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: {}, PORTAL: {}})
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: [], PORTAL: []})
    shifts_pages: bool = False  # a window lists a record twice, and an older version

    def change(self, source: str, change: Change) -> None:
        """Change a record in a system. A change with an earlier time than the current version is ignored."""
        row = change.record(source)
        new = version(source, row)
        before = self.records[source].get(new.key[1])
        if before is None or version(source, before).changed_at <= new.changed_at:
            self.records[source][new.key[1]] = row
            self.sent[source].append(row)

    def delete(self, source: str, index: int) -> None:
        """Delete a record without a notice."""
        if keys := sorted(self.records[source]):
            key = keys[index % len(keys)]
            self.deleted[source][key] = self.records[source].pop(key)

    def restore(self, source: str) -> None:
        """Restore all deleted records unchanged; a record that was created again since then stays."""
        self.records[source] = {**self.deleted[source], **self.records[source]}
        self.deleted[source].clear()

    @contextmanager
    def connect(self, settings: Settings, source: Source) -> Iterator[tuple[Client, None]]:
        """Replaces `source_client.connect`: the same calls, answered by this process."""
        yield _Client(self, source.name), None


class _Client:
    """Answers like the client of a source: appends the bytes to the pack and gives the declared counts."""

    def __init__(self, systems: Systems, source: str) -> None:
        self._systems, self._source = systems, source

    def count_records(self, window: Window) -> int:
        return len(self._within(window))

    def read_lists(self, reader: Reader) -> None:
        for name, answer in LISTS[self._source].items():
            _append(reader, name, answer)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        rows = self._within(window)
        if self._systems.shifts_pages:
            listed = {(v.key, v.changed_at) for v in (version(self._source, row) for row in rows)}
            older = [(version(self._source, row), row) for row in self._systems.sent[self._source][-2:-1]]
            # never two contents with the same time: the warning about them depends on the rest of the batch
            rows += [*rows[:1], *[row for sent, row in older if (sent.key, sent.changed_at) not in listed]]
        for page in (rows[:2], rows[2:]):
            _append(
                reader,
                "dossiers",
                {"content": page} if self._source == ONE_STOP else {"error_code": "0", "result": page},
            )
        return {"dossiers": Reading(declared=len(rows), read=len(rows))}

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        keys = Keys(spans=[span])
        for key, row in self._systems.records[self._source].items():
            keys.add(key, self._changed(row))
        _append(reader, "keys", sorted(keys.change_times))
        return keys

    def look_up(self, reader: Reader, name: str, key: str, landed_as: str = LOOK_UPS) -> tuple[str | None, int]:
        row = self._systems.records[self._source].get(key)
        return None if row is None else self._changed(row), _append(
            reader, landed_as, {"looked_up": key, "found": row is not None}
        )

    def _within(self, window: Window) -> list[dict[str, Any]]:
        rows = self._systems.records[self._source].values()
        return [row for row in rows if window.start <= version(self._source, row).changed_at < window.end]

    def _changed(self, row: dict[str, Any]) -> str:
        return str(row["modifiedDate" if self._source == ONE_STOP else "NgayCapNhat"])


def _append(reader: Reader, name: str, answer: Any) -> int:
    number = reader.pack.append(name, name, 200, orjson.dumps(answer), 0.0, False)
    reader.pack.annotate(number, is_whole=True)
    return number


RECORDS = 4  # in each system: a batch with five quarantined records would be refused
DAYS = [date(2026, 8, day) for day in range(3, 7)]
NOON = [datetime(2026, 8, day.day, 12, tzinfo=LOCAL) for day in DAYS]
sources = st.sampled_from([ONE_STOP, PORTAL])
# often the same time, so that only their content distinguishes two versions
moments = st.builds(lambda noon, hours: noon + timedelta(hours=hours), st.sampled_from(NOON), st.integers(0, 2))
defects = st.sampled_from(
    [frozenset[str](), frozenset({STATUS}), frozenset({DUE}), frozenset[str](), frozenset({STATUS, DUE})]
)
changes = st.builds(
    Change, st.integers(1, RECORDS), moments, fee=st.integers(0, 9), breaks=defects, is_trial=st.sampled_from([False] * 5 + [True]),
    is_deleted=st.sampled_from([False] * 5 + [True]), is_linked=st.booleans(),
)  # fmt: skip
source_changes = st.lists(st.tuples(sources, changes), min_size=1, max_size=5)
SPAN = Window.of_days(DAYS[0], DAYS[-1])


def copy_in_another_order(store: Installation, other: Installation) -> list[str]:
    """Copy the landed batches, in another order, and the decisions to another installation; the ids of its batches."""
    with connect(store.settings) as connection:
        originals = [b for source in (ONE_STOP, PORTAL) for b in ledger.overlapping(connection, source, SPAN)]
    random.Random(len(originals)).shuffle(originals)
    batch_ids = []
    with connect(other.settings) as connection:
        for original in originals:
            batch = ledger.open_batch(connection, original.source, original.window, purpose=original.purpose)
            shutil.copytree(store.settings.landing / original.landing_path, other.settings.landing / batch.landing_path)
            ledger.advance(connection, batch.batch_id, "landed")
            batch_ids.append(batch.batch_id)
        columns = (
            "source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash, source_updated_at, "
            "organisation_id, occurred_on, state, state_by, state_reason"
        )
        for row in store.query(f"select {columns} from ledger.quarantine where state in ('accepted', 'discarded')"):
            connection.execute(
                f"insert into ledger.quarantine ({columns}, batch_id) values ({', '.join(['%s'] * len(row))}, %s)",
                [*row.values(), batch_ids[0]],
            )
    return batch_ids
