"""From a row to its sources: the records it was made of, which system each value came from, its versions, and the raw pages."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass
from typing import Any

from lgsp.errors import LgspError
from lgsp.explain import question as questions
from lgsp.explain import raw_pages
from lgsp.explain.question import Snapshot
from lgsp.schema import contract
from lgsp.schema.records import ABOUT, IDENTITY, KINDS
from lgsp.settings import Settings
from lgsp.store.ledger import Connection

Rows = list[dict[str, Any]]

# What a kind of row is made of: its key, and the records that speak of it.
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
BESIDE = {
    "dossier": {"dossier_event": "event_seq", "reconciliation": "attribute", "dossier_source": "source, source_key"},
    "document": {"document_delivery": "recipient_organisation_id"},
    "work_file": {},
}
# Of a record only what says which one it is and how it was read: what it says is in the values.
TOLD = ("source", "source_key", "source_updated_at", "batch_id", "raw_pointer", "raw_hash", "repairs", "quality_flags", "is_deleted",
        "source_code", "other_code", "business_type", "status", "occurred_at", "organisation_id", "profile")  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """A published row with everything it came from."""

    kind: str
    key: str
    snapshot: Snapshot
    left_in: int | None  # the snapshot in which it left the shared table
    values: tuple[dict[str, Any], ...]
    records: tuple[dict[str, Any], ...]
    beside: dict[str, Rows]
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
    """A dossier, a document or a work file, back to the landed bytes; never their content.

    With `is_read` each raw page is read again and compared with its SHA-256. Raises LgspError when nothing bears the key.
    """
    of = questions.snapshot(connection, snapshot_id)
    key, versions = _versions(connection, kind, key)
    shown = connection.execute(f"select * from {of.table(kind)} where {KEYS[kind]} = %s", [key]).fetchone()
    left_in = None if shown else max((v["snapshot_to"] for v in versions if v["snapshot_to"]), default=None)
    records = _records(connection, of, kind, key)
    for record in records if is_read else ():
        page = raw_pages.of(settings, connection, record["raw_pointer"])
        record["page"] = asdict(page) if page else None
    beside = {
        table: connection.execute(
            f"select * from {of.table(table)} where {KEYS[kind]} = %s order by {order}", [key]
        ).fetchall()
        for table, order in BESIDE[kind].items()
    }
    flags = {(kind, flag) for flag in (shown or {}).get("quality_flags") or ()}
    flags |= {(record["kind"], flag) for record in records for flag in record.get("quality_flags") or ()}
    return Trace(
        kind, key, of, left_in,
        values=tuple(_values(kind, shown or versions[-1], records, beside.get("reconciliation", []))),
        records=tuple({name: value for name, value in record.items() if name != "says"} for record in records),
        beside=beside,
        versions=tuple(_changes(kind, versions)),
        batches=tuple(_batches(connection, {record["batch_id"] for record in records})),
        rules=tuple(_rules(flags)),
        quarantine=tuple(_held(connection, records)),
    )  # fmt: skip


def _versions(connection: Connection, kind: str, key: str) -> tuple[str, Rows]:
    """Every published version of a row, the oldest first; a dossier is found by any code that a source gave it."""
    names = ", ".join(contract.load(kind).names)  # an upgraded store has its newer columns last
    query = (
        f"select {names}, null::bigint as snapshot_to, snapshot_id as began_in from shared.{kind} where {KEYS[kind]} = %(key)s "
        f"union all select {names}, snapshot_to, snapshot_from from history.{kind} where {KEYS[kind]} = %(key)s "
        "order by began_in"
    )
    if found := connection.execute(query, {"key": key}).fetchall():
        return key, found
    other = _other_key(connection, key) if kind == "dossier" else None
    if other and (found := connection.execute(query, {"key": other}).fetchall()):
        return other, found
    held = connection.execute(
        "select source, rule_id, state from ledger.quarantine where kind = %s and source_key = %s limit 1", [kind, key]
    ).fetchone()
    if held:
        raise LgspError(
            f"{kind} {key} was never published: {held['source']} sent it, {held['rule_id']} holds it ({held['state']}); see `lgsp quarantine list`"
        )
    raise LgspError(f"there is no {kind} {key!r}{_near(connection, kind, key)}")


def _other_key(connection: Connection, key: str) -> str | None:
    found = connection.execute(
        "select dossier_id from shared.dossier_source where source_key = %(key)s or source_code = %(key)s "
        "union all select s.dossier_id from record.dossier r join shared.dossier_source s using (source, source_key) where r.other_code = %(key)s limit 1",
        {"key": key},
    ).fetchone()
    return found["dossier_id"] if found else None


def _near(connection: Connection, kind: str, key: str) -> str:
    stem = key[: max(len(key) * 2 // 3, 4)]
    rows = connection.execute(
        f"select {KEYS[kind]} as key from shared.{kind} where starts_with({KEYS[kind]}, %s) order by 1 limit 2000",
        [stem],
    ).fetchall()
    near = difflib.get_close_matches(key, [row["key"] for row in rows], n=5)
    return f"; near it: {', '.join(near)}" if near else ""


def _records(connection: Connection, of: Snapshot, kind: str, key: str) -> Rows:
    """The newest records that speak of a row, each with what it says under `says`."""
    found = []
    for name, condition in RECORDS[kind]:
        where = condition.format(dossier_source=of.table("dossier_source"))
        rows = connection.execute(
            f"select * from record.{name} where {where} order by source_updated_at, source, source_key", {"key": key}
        ).fetchall()
        kept = [column for column in TOLD if column in KINDS[name].columns]
        found += [{"kind": name, **{column: row[column] for column in kept}, "says": row} for row in rows]
    return found


def _values(kind: str, shown: dict[str, Any], records: Rows, conflicts: Rows) -> Rows:
    """Each published value with the systems that say so; a value that none says is derived."""
    disputed = {conflict["attribute"]: conflict for conflict in conflicts}
    told = []
    for name in contract.load(kind).data_names:
        if name in ABOUT or name in IDENTITY or shown[name] is None:
            continue
        said_by = sorted({r["says"]["source"] for r in records if name in r["says"] and r["says"][name] == shown[name]})
        if name in disputed:
            said_by = [disputed[name]["published_from"]]
        value = {"attribute": name, "value": shown[name], "from": said_by or ["derived"]}
        if conflict := disputed.get(name):
            value["disputed"] = {
                "one_stop_shop": conflict["one_stop_value"],
                "online_services": conflict["online_services_value"],
            }
        told.append(value)
    return told


def _changes(kind: str, versions: Rows) -> Rows:
    """Since which snapshot each version was shown, until which, and what it said otherwise than the one before."""
    told: Rows = []
    before: dict[str, Any] = {}
    for version in versions:
        changed = [name for name in contract.load(kind).data_names if before and before[name] != version[name]]
        told.append({"snapshot_from": version["began_in"], "snapshot_to": version["snapshot_to"], "batch_id": version["batch_id"], "changed": changed})  # fmt: skip
        before = version
    return told


def _batches(connection: Connection, batch_ids: set[str]) -> Rows:
    return connection.execute(
        "select batch_id, source, window_from, window_to, purpose, state, rebuilt_from, landed_at, checked_at, published_at, snapshot_id "
        "from ledger.batch where batch_id = any(%s) order by batch_id",
        [sorted(batch_ids)],
    ).fetchall()


def _rules(flags: set[tuple[str, str]]) -> Rows:
    """What the rules mean whose names a row bears."""
    known = {(kind, rule.id): rule for kind, _ in flags for rule in contract.rules(kind)}
    return [
        {"rule_id": flag, "version": rule.version, "severity": rule.severity, "meaning": rule.meaning}
        for flag, rule in sorted({flag: known.get((kind, flag)) for kind, flag in sorted(flags)}.items())
        if rule
    ]


def _held(connection: Connection, records: Rows) -> Rows:
    """Other versions of the records that are or were in quarantine."""
    return [
        held
        for record in records
        for held in connection.execute(
            "select quarantine_id, source, source_key, rule_id, rule_version, reason, state, raw_pointer from ledger.quarantine "
            "where source = %s and kind = %s and source_key = %s order by 1",
            [record["source"], record["kind"], record["source_key"]],
        ).fetchall()
    ]
