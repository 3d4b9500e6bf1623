"""Two systems made up for a test: a handful of records that change, vanish and come back, asked without a wire."""

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
from lgsp.land.reader import Keys, Reader, Reading
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
    """One version of a record as a source told it: what puts it in order, and what is to become of it."""

    changed_at: datetime
    raw_hash: str
    key: Key
    breaks: frozenset[str] = frozenset()
    is_trial: bool = False
    is_deleted: bool = False


@dataclass(frozen=True)
class Change:
    """What somebody does to a record: how it ends, what is wrong with it, and when the source says it happened."""

    number: int
    changed_at: datetime
    fee: int = 0
    breaks: frozenset[str] = frozenset()
    is_trial: bool = False
    is_deleted: bool = False
    is_linked: bool = True

    def told_by(self, source: str) -> dict[str, Any]:
        """The record as a system sends it from now on."""
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
    """What a record says that was sent: read here by hand, not by what is under test."""
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
    """The versions that a landed batch holds, tombstones of a sweep among them."""
    bodies = {call.number: (call, orjson.loads(body)) for call, body in batch.bodies(batch.calls())}
    place = "content" if source == ONE_STOP else "result"
    versions = [
        version(source, row, batch.manifest.get("returned"))
        for call, told in bodies.values() if call.list == "dossiers" for row in told[place]
    ]  # fmt: skip
    for stone in batch.manifest.get("deleted", ()):
        gone_at = datetime.fromisoformat(stone["deleted_at"]).astimezone(UTC)
        versions.append(
            Version(gone_at, bodies[stone["answer"]][0].sha256, (source, stone["source_key"]), is_deleted=True)
        )
    return versions


@dataclass
class Systems:
    """What each system holds now, every answer it could repeat, and what it forgot without a word."""

    holds: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: {}, PORTAL: {}})
    forgotten: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: {}, PORTAL: {}})
    told: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {ONE_STOP: [], PORTAL: []})
    is_restless: bool = False  # the paging shifts: a window lists a record twice, and versions that are past

    def change(self, source: str, change: Change) -> None:
        """Let a system hold a new version of a record; no system tells an older time than it told before."""
        row = change.told_by(source)
        new = version(source, row)
        before = self.holds[source].get(new.key[1])
        if before is None or version(source, before).changed_at <= new.changed_at:
            self.holds[source][new.key[1]] = row
            self.told[source].append(row)

    def forget(self, source: str, place: int) -> None:
        """Delete a record without a word."""
        if keys := sorted(self.holds[source]):
            key = keys[place % len(keys)]
            self.forgotten[source][key] = self.holds[source].pop(key)

    def remember(self, source: str) -> None:
        """Have everything back that was forgotten, as it was; what was made anew since then stays."""
        self.holds[source] = {**self.forgotten[source], **self.holds[source]}
        self.forgotten[source].clear()

    @contextmanager
    def asking(self, settings: Settings, source: Source) -> Iterator[tuple[Client, None]]:
        """In place of `land.asking`: the same questions, answered by this process."""
        yield _Client(self, source.name), None


class _Client:
    """Answers as a source's own client would: exact bytes into the pack, and what they declare."""

    def __init__(self, systems: Systems, source: str) -> None:
        self._systems, self._source = systems, source

    def count_records(self, window: Window) -> int:
        return len(self._within(window))

    def read_lists(self, reader: Reader) -> None:
        for name, answer in LISTS[self._source].items():
            _keep(reader, name, answer)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        rows = self._within(window)
        if self._systems.is_restless:
            listed = {(found.key, found.changed_at) for found in (version(self._source, row) for row in rows)}
            past = [(version(self._source, row), row) for row in self._systems.told[self._source][-2:-1]]
            # never two contents of one time: the warning about them hangs on what else is in the batch
            rows += [*rows[:1], *[row for one, row in past if (one.key, one.changed_at) not in listed]]
        for page in (rows[:2], rows[2:]):
            _keep(
                reader,
                "dossiers",
                {"content": page} if self._source == ONE_STOP else {"error_code": "0", "result": page},
            )
        return {"dossiers": Reading(declared=len(rows), read=len(rows))}

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        keys = Keys(spans=[span])
        for key, row in self._systems.holds[self._source].items():
            keys.add(key, self._changed(row))
        _keep(reader, "keys", sorted(keys.change_times))
        return keys

    def look_up(self, reader: Reader, name: str, key: str) -> tuple[str | None, int]:
        row = self._systems.holds[self._source].get(key)
        return None if row is None else self._changed(row), _keep(
            reader, "look_ups", {"looked_up": key, "found": row is not None}
        )

    def _within(self, window: Window) -> list[dict[str, Any]]:
        rows = self._systems.holds[self._source].values()
        return [row for row in rows if window.start <= version(self._source, row).changed_at < window.end]

    def _changed(self, row: dict[str, Any]) -> str:
        return str(row["modifiedDate" if self._source == ONE_STOP else "NgayCapNhat"])


def _keep(reader: Reader, name: str, answer: Any) -> int:
    number = reader.pack.append(name, name, 200, orjson.dumps(answer), 0.0, False)
    reader.pack.annotate(number, is_whole=True)
    return number


RECORDS = 4  # of each system: five bad ones would refuse a batch
DAYS = [date(2026, 8, day) for day in range(3, 7)]
NOON = [datetime(2026, 8, day.day, 12, tzinfo=LOCAL) for day in DAYS]
sources = st.sampled_from([ONE_STOP, PORTAL])
# often the same moment: versions of one time are told apart by what they say alone
moments = st.builds(lambda noon, hours: noon + timedelta(hours=hours), st.sampled_from(NOON), st.integers(0, 2))
defects = st.sampled_from(
    [frozenset[str](), frozenset({STATUS}), frozenset({DUE}), frozenset[str](), frozenset({STATUS, DUE})]
)
changes = st.builds(
    Change, st.integers(1, RECORDS), moments, fee=st.integers(0, 9), breaks=defects, is_trial=st.sampled_from([False] * 5 + [True]),
    is_deleted=st.sampled_from([False] * 5 + [True]), is_linked=st.booleans(),
)  # fmt: skip
told = st.lists(st.tuples(sources, changes), min_size=1, max_size=5)
SPAN = Window.of_days(DAYS[0], DAYS[-1])


def fed_in_another_order(store: Installation, other: Installation) -> list[str]:
    """What was landed, and what was decided, in another installation that takes it up in another order."""
    with connect(store.settings) as connection:
        once = [b for source in (ONE_STOP, PORTAL) for b in ledger.overlapping(connection, source, SPAN)]
    random.Random(len(once)).shuffle(once)
    batch_ids = []
    with connect(other.settings) as connection:
        for batch in once:
            again = ledger.open_batch(connection, batch.source, batch.window, purpose=batch.purpose)
            shutil.copytree(store.settings.landing / batch.landing_path, other.settings.landing / again.landing_path)
            ledger.advance(connection, again.batch_id, "landed")
            batch_ids.append(again.batch_id)
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
