"""Trace a row to its sources: its records, the source of each value, its versions and the raw pages."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lgsp.errors import LgspError
from lgsp.explain import raw_pages
from lgsp.harmonise.organisations.directory import identify
from lgsp.schema import contract
from lgsp.schema.records import ABOUT, IDENTITY, KINDS
from lgsp.settings import Settings
from lgsp.store import snapshot_lookup
from lgsp.store.ledger import Connection
from lgsp.store.snapshot_lookup import PublishedSnapshot
from lgsp.vietnam import codes, pasted, times_and_numbers
from lgsp.window import local_day

Rows = list[dict[str, Any]]

# The key of each kind of row, and the records that belong to a row.
KEYS = {"dossier": "dossier_id", "document": "document_id", "work_file": "work_file_id"}
RECORDS = {
    "dossier": (
        ("dossier", "(source, source_key) in (select source, source_key from {dossier_source} where dossier_id = %(key)s)"),
    ),
    "document": (
        ("document", "%(key)s in (document_id, refers_to_document_id) or refers_to_told in (select told_id from record.document where document_id = %(key)s)"),
        ("document_status", "document_id = %(key)s"),
    ),
    "work_file": (("work_file", "work_file_id = %(key)s"),),
}  # fmt: skip
RELATED_TABLES = {
    "dossier": {
        "dossier_event": "event_seq",
        "dossier_pause": "seq",
        "reconciliation": "attribute",
        "dossier_source": "source, source_key",
    },
    "document": {"document_delivery": "recipient_organisation_id"},
    "work_file": {},
}
# The columns of a record that identify it and describe how it was read; its content is in the values.
RECORD_COLUMNS = ("source", "source_key", "source_updated_at", "batch_id", "raw_pointer", "raw_hash", "repairs", "quality_flags", "is_deleted",
                  "source_code", "other_code", "business_type", "status", "occurred_at", "organisation_id", "profile")  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """A published row with its sources."""

    kind: str
    key: str
    snapshot: PublishedSnapshot
    left_in: int | None  # the snapshot that removed it from the shared table
    values: tuple[dict[str, Any], ...]
    records: tuple[dict[str, Any], ...]
    related: dict[str, Rows]  # rows of other tables about the same thing, by table
    versions: tuple[dict[str, Any], ...]
    batches: tuple[dict[str, Any], ...]
    rules: tuple[dict[str, Any], ...]
    quarantine: tuple[dict[str, Any], ...]


def row(
    settings: Settings,
    connection: Connection,
    kind: str,
    key: str,
    snapshot_id: int | None = None,
    is_read: bool = True,
) -> Trace:
    """The trace of a dossier, document or work file to the landed bytes, without their content.

    With `is_read` each raw page is read again and compared with its SHA-256. Raises LgspError when no row has the key.
    """
    snapshot = snapshot_lookup.find(connection, snapshot_id)
    key, versions = _versions(connection, kind, key)
    shown = connection.execute(f"select * from {snapshot.table(kind)} where {KEYS[kind]} = %s", [key]).fetchone()
    left_in = None if shown else max((v["snapshot_to"] for v in versions if v["snapshot_to"]), default=None)
    records = _records(connection, snapshot, kind, key)
    for record in records if is_read else ():
        page = raw_pages.read_page(settings, connection, record["raw_pointer"])
        record["page"] = asdict(page) if page else None
    related = {
        table: connection.execute(
            f"select * from {snapshot.table(table)} where {KEYS[kind]} = %s order by {order}", [key]
        ).fetchall()
        for table, order in RELATED_TABLES[kind].items()
    }
    flags = {(kind, flag) for flag in (shown or {}).get("quality_flags") or ()}
    flags |= {(record["kind"], flag) for record in records for flag in record.get("quality_flags") or ()}
    return Trace(
        kind, key, snapshot, left_in,
        values=tuple(_values(kind, shown or versions[-1], records, related.get("reconciliation", []))),
        records=tuple({name: value for name, value in record.items() if name != "columns"} for record in records),
        related=related,
        versions=tuple(_changes(kind, versions)),
        batches=tuple(_batches(connection, {record["batch_id"] for record in records})),
        rules=tuple(_rules(flags)),
        quarantine=tuple(_quarantined(connection, records)),
    )  # fmt: skip


def _versions(connection: Connection, kind: str, key: str) -> tuple[str, Rows]:
    """The key and all published versions of a row, oldest first; a dossier is found by the code of any source."""
    names = ", ".join(contract.load(kind).names)  # in an upgraded store the newer columns are last
    query = (
        f"select {names}, null::bigint as snapshot_to, snapshot_id as shown_from from shared.{kind} where {KEYS[kind]} = %(key)s "
        f"union all select {names}, snapshot_to, snapshot_from from history.{kind} where {KEYS[kind]} = %(key)s "
        "order by shown_from"
    )
    if versions := connection.execute(query, {"key": key}).fetchall():
        return key, versions
    key = pasted.key(key)
    for found in _ids(connection, kind, key):
        if versions := connection.execute(query, {"key": found}).fetchall():
            return found, versions
    quarantined = connection.execute(
        "select source, rule_id, state from ledger.quarantine where kind = %s and source_key = %s limit 1", [kind, key]
    ).fetchone()
    if quarantined:
        raise LgspError(
            f"{kind} {key} was never published: {quarantined['source']} sent it, {quarantined['rule_id']} put it in quarantine "
            f"({quarantined['state']}); see `lgsp quarantine list`"
        )
    raise LgspError(f"there is no {kind} {key!r}{_similar(connection, kind, key)}")


def _ids(connection: Connection, kind: str, key: str) -> Iterator[str]:
    """The ids of the rows that a key may mean: in another style, or the code of a dossier in one of its sources."""
    if kind == "document":
        agency, _, rest = key.partition(",")
        day, _, reference = rest.partition(",")
        identity, issued_at = identify(agency), times_and_numbers.instant(day)
        if identity and issued_at:
            yield f"{identity[0]},{local_day(issued_at):%Y/%m/%d},{codes.document_reference(reference)}"
        return
    if kind == "work_file":
        query = "select work_file_id as id from shared.work_file where ledger.code_key(work_file_id) = ledger.code_key(%(key)s)"
    else:
        query = (
            "select dossier_id as id from shared.dossier_source where %(key)s in (source_key, source_code) "
            "union all select s.dossier_id from record.dossier r join shared.dossier_source s using (source, source_key) "
            "where ledger.code_key(%(key)s) in (ledger.code_key(r.source_code), ledger.code_key(r.other_code)) "
            "union all select dossier_id from history.dossier where ledger.code_key(dossier_id) = ledger.code_key(%(key)s)"
        )
    for row in connection.execute(f"{query} limit 1", {"key": key}).fetchall():
        yield row["id"]


def _similar(connection: Connection, kind: str, key: str) -> str:
    stem = key[: max(len(key) * 2 // 3, 4)]
    rows = connection.execute(
        f"select {KEYS[kind]} as key from shared.{kind} where starts_with({KEYS[kind]}, %s) order by 1 limit 2000",
        [stem],
    ).fetchall()
    similar = difflib.get_close_matches(key, [row["key"] for row in rows], n=5)
    return f"; similar: {', '.join(similar)}" if similar else ""


def _records(connection: Connection, snapshot: PublishedSnapshot, kind: str, key: str) -> Rows:
    """The newest records of a row, each with all its columns under `columns`."""
    records = []
    for name, condition in RECORDS[kind]:
        where = condition.format(dossier_source=snapshot.table("dossier_source"))
        rows = connection.execute(
            f"select * from record.{name} where {where} order by source_updated_at, source, source_key", {"key": key}
        ).fetchall()
        names = [column for column in RECORD_COLUMNS if column in KINDS[name].columns]
        records += [{"kind": name, **{column: row[column] for column in names}, "columns": row} for row in rows]
    return records


def _values(kind: str, shown: dict[str, Any], records: Rows, conflicts: Rows) -> Rows:
    """Each published value with the systems that sent it; a value that no system sent is derived."""
    disputed = {conflict["attribute"]: conflict for conflict in conflicts}
    values = []
    for name in contract.load(kind).data_names:
        if name in ABOUT or name in IDENTITY or shown[name] is None:
            continue
        sent = [record["columns"] for record in records]
        sources = sorted({row["source"] for row in sent if name in row and row[name] == shown[name]})
        if name in disputed:
            sources = [disputed[name]["published_from"]]
        value = {"attribute": name, "value": shown[name], "from": sources or ["derived"]}
        if conflict := disputed.get(name):
            value["disputed"] = {
                "one_stop_shop": conflict["one_stop_value"],
                "online_services": conflict["online_services_value"],
            }
        values.append(value)
    return values


def _changes(kind: str, versions: Rows) -> Rows:
    """The first and last snapshot of each version, and the columns that differ from the version before."""
    changes: Rows = []
    before: dict[str, Any] = {}
    for version in versions:
        changed = [name for name in contract.load(kind).data_names if before and before[name] != version[name]]
        changes.append({"snapshot_from": version["shown_from"], "snapshot_to": version["snapshot_to"], "batch_id": version["batch_id"], "changed": changed})  # fmt: skip
        before = version
    return changes


def _batches(connection: Connection, batch_ids: set[str]) -> Rows:
    return connection.execute(
        "select batch_id, source, window_from, window_to, purpose, state, rebuilt_from, landed_at, checked_at, published_at, snapshot_id "
        "from ledger.batch where batch_id = any(%s) order by batch_id",
        [sorted(batch_ids)],
    ).fetchall()


def _rules(flags: set[tuple[str, str]]) -> Rows:
    """The meaning of the rules whose ids are quality flags of a row."""
    known = {(kind, rule.id): rule for kind, _ in flags for rule in contract.rules(kind)}
    return [
        {"rule_id": flag, "version": rule.version, "severity": rule.severity, "meaning": rule.meaning}
        for flag, rule in sorted({flag: known.get((kind, flag)) for kind, flag in sorted(flags)}.items())
        if rule
    ]


def _quarantined(connection: Connection, records: Rows) -> Rows:
    """Quarantine entries of other versions of the records, open and closed."""
    return [
        entry
        for record in records
        for entry in connection.execute(
            "select quarantine_id, source, source_key, rule_id, rule_version, reason, state, raw_pointer from ledger.quarantine "
            "where source = %s and kind = %s and source_key = %s order by 1",
            [record["source"], record["kind"], record["source_key"]],
        ).fetchall()
    ]
