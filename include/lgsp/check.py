"""Check: rows that break a rule go to quarantine with all their reasons; a batch that breaks one is refused."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from lgsp import contract, database, gate, ledger, privacy, records, reference, sources, text
from lgsp.contract import Rule, quoted
from lgsp.errors import BatchRefused, ContractError
from lgsp.settings import Settings
from lgsp.workbench import duck

log = logging.getLogger(__name__)

SAMPLE = 5000
UNKNOWN_SHARE = 0.2


@dataclass
class Counts:
    """What became of the records of one batch."""

    fetched: int = 0
    duplicates: int = 0
    ignored: int = 0
    quarantined: int = 0
    stopped: int = 0  # of the quarantined: secret ones, which never refuse a batch
    superseded: int = 0
    accepted: int = 0
    unresolved: int = 0
    unknown: int = 0


@dataclass
class Checked:
    """A batch after its rows were judged."""

    batch: ledger.Batch
    counts: Counts = field(default_factory=Counts)
    judgements: list[gate.Judgement] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    personal: list[privacy.Finding] = field(default_factory=list)


def run(settings: Settings, batch_ids: list[str]) -> list[str]:
    """Check harmonised batches; the ids of those that passed.

    Raises BatchRefused, after all were judged, when any of them was refused: the message says which and why.
    """
    refusals = [f"{batch_id}: {why}" for batch_id in batch_ids if (why := _check(settings, batch_id))]
    if refusals:
        raise BatchRefused("refused, nothing of it will be published: " + "; ".join(refusals))
    return batch_ids


def _check(settings: Settings, batch_id: str) -> str | None:
    """Judge one batch; why it was refused, or None."""
    with database.connect(settings) as connection:
        batch = ledger.batch(connection, batch_id)
        history = _history(connection, batch)
    folder = settings.staging / batch_id
    # whoever publishes meanwhile sees the folder whole or not at all
    final, accepted = folder / "accepted", folder / "judged"
    shutil.rmtree(accepted, ignore_errors=True)
    accepted.mkdir(parents=True, mode=0o700)
    checked = Checked(batch)
    checked.counts.duplicates = int((folder / "harmonised" / "repeated").read_text())
    checked.counts.fetched = batch.counts["fetched_count"]
    with duck(settings) as con:
        for kind in records.FACTS:
            if (folder / "harmonised" / f"{kind.name}.parquet").exists():
                _check_kind(con, kind, folder, checked)
        _references(con, folder, checked.counts)
    for kind in records.LISTS:
        if (staged := folder / "harmonised" / f"{kind.name}.parquet").exists():
            shutil.copy(staged, accepted / staged.name)
    with duck(settings) as con:
        checked.personal = privacy.scan(con, accepted)
    checked.judgements.append(gate.batch(_bounds(checked, history)))
    why = _why(checked)
    shutil.rmtree(final, ignore_errors=True)
    if why:
        shutil.rmtree(accepted)
    else:
        accepted.rename(final)
    _record(settings, checked, why)
    _docs(settings, checked, why)
    log.info("%s %s: %s%s", batch.source, batch.window, checked.counts, f", REFUSED: {why}" if why else "")
    return why


def _check_kind(con: duckdb.DuckDBPyConnection, kind: records.Kind, folder: Path, checked: Checked) -> None:
    rules = contract.rules(kind.name)
    counts = checked.counts
    end = quoted(checked.batch.window.end.isoformat())
    con.execute(
        f"create or replace table staged as select *, timestamptz {end} as window_to from '{folder}/harmonised/{kind.name}.parquet'"
    )
    columns = {row[0] for row in con.execute("describe staged").fetchall()}
    # the same version of a record, read twice, is one; trial records are nobody's
    counts.duplicates += _drop(
        con,
        "row_number() over (partition by source_key, source_updated_at, content_hash, case when source_key is null then raw_hash end order by raw_pointer) > 1",
    )
    if "is_test" in columns:
        counts.ignored += _drop(con, "is_test")
    privacy.mark(con, "staged", kind)
    for rule in rules:
        _prove(con, rule)
    bad = {rule: f"coalesce({rule.bad}, false)" for rule in rules}
    con.execute(
        "create or replace table flagged as select *, "
        + ", ".join(f'not {sql} as "{rule.id}"' for rule, sql in bad.items())
        + " from staged"
    )
    flags = con.execute("select " + ", ".join(f'"{rule.id}"' for rule in rules) + " from flagged").fetch_df()
    checked.judgements.append(gate.rows(kind.name, flags, rules))
    stopped = " and ".join(f'"{rule.id}"' for rule in rules if rule.quarantines) or "true"
    warned = ", ".join(f"case when not \"{rule.id}\" then '{rule.id}' end" for rule in rules if not rule.quarantines)
    checked.quarantine += _reasons(con, kind, rules)
    quarantined = _count(con, f"select count(*) from flagged where not ({stopped})")
    secret = [rule.id for rule in rules if rule.severity == "blocker"]
    counts.stopped += (
        _count(con, "select count(*) from flagged where " + " or ".join(f'not "{r}"' for r in secret)) if secret else 0
    )
    counts.quarantined += quarantined
    names = ", ".join(name for name in kind.columns if name != "quality_flags")
    quality = (
        f", list_filter([{warned}], lambda x: x is not null) as quality_flags"
        if "quality_flags" in kind.columns
        else ""
    )
    tokens = "".join(f", {name}" for name in records.TOKENS if name in columns)
    con.execute(
        f"create or replace table kept as select {names}{quality}{tokens} from flagged where {stopped} "
        "qualify row_number() over (partition by source_key order by source_updated_at desc, raw_hash desc) = 1"
    )
    kept = _count(con, "select count(*) from kept")
    counts.superseded += len(flags) - quarantined - kept
    counts.accepted += kept
    con.execute(
        f"copy (select * from kept order by source_key) to '{folder}/judged/{kind.name}.parquet' (format parquet, compression zstd)"
    )
    living = " where not is_deleted" if "is_deleted" in columns else ""
    sample = con.sql(f"select * from kept{living} using sample {SAMPLE} rows").to_arrow_table().to_pandas()
    if any(rule.native for rule in rules) and len(sample):
        checked.judgements.append(gate.native(kind.name, sample, rules))


def _drop(con: duckdb.DuckDBPyConnection, condition: str) -> int:
    before = _count(con, "select count(*) from staged")
    con.execute(f"create or replace table staged as select * from staged qualify not coalesce({condition}, false)"
                if " over " in condition else f"delete from staged where {condition}")  # fmt: skip
    return before - _count(con, "select count(*) from staged")


def _prove(con: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    try:
        con.execute(f"select {rule.bad} from staged limit 0")
    except duckdb.Error as error:
        raise ContractError(f"rule {rule.id} of kind {rule.kind} cannot be compiled: {error}") from error


def _reasons(con: duckdb.DuckDBPyConnection, kind: records.Kind, rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
    """One row for each record and each rule that sends it to quarantine; only what the rule shows is told."""
    found: list[dict[str, Any]] = []
    columns = {row[0] for row in con.execute("describe flagged").fetchall()}
    organisation = next(
        (c for c in ("receiving_organisation_id", "issuing_organisation_id", "organisation_id") if c in columns),
        "null::varchar",
    )
    day = (
        "coalesce(received_on, submitted_on)"
        if "received_on" in columns
        else ("issued_on" if "issued_on" in columns else "null::date")
    )
    for rule in rules:
        if not rule.quarantines:
            continue
        shown = " || ', ' || ".join(f"'{name} ' || coalesce({name}::varchar, 'missing')" for name in rule.shows)
        shown = "''" if rule.severity == "blocker" or not shown else shown
        mend = f"; mend or extend {rule.mend}" if rule.mend else ""
        rows = con.execute(
            f"select coalesce(source_key, '?') as source_key, source_updated_at::varchar as changed, raw_hash as record_hash, raw_pointer, "
            f"{organisation} as organisation_id, coalesce({day}, (source_updated_at at time zone 'Asia/Ho_Chi_Minh')::date)::varchar as occurred_on, "
            f'{shown} as shown from flagged where not "{rule.id}"'
        ).fetchall()
        found += [
            {"source_key": privacy.nameless(key), "kind": kind.name, "rule_id": rule.id, "rule_version": rule.version, "record_hash": content,
             "source_updated_at": changed, "raw_pointer": pointer, "organisation_id": text.without_persons(organisation_id), "occurred_on": on and date.fromisoformat(on),
             "reason": f"{rule.meaning}{f': {text.without_persons(values)}' if values else ''}{mend}"}
            for key, changed, content, pointer, organisation_id, on, values in rows
        ]  # fmt: skip
    return found


def _references(con: duckdb.DuckDBPyConnection, folder: Path, counts: Counts) -> None:
    """Count accepted rows that point at nothing: neither UNKNOWN nor in the lists that came with the batch."""
    if (folder / "judged" / "dossier.parquet").exists():
        counts.unresolved += _count(con, f"""
            select count(*) from '{folder}/judged/dossier.parquet' d
            where (receiving_organisation_id <> 'UNKNOWN' and receiving_organisation_id not in (select organisation_id from '{folder}/harmonised/organisation.parquet'))
               or (service_code <> 'UNKNOWN' and service_code not in (select service_code from '{folder}/harmonised/service.parquet'))
            """)  # fmt: skip
        counts.unknown += _count(
            con,
            f"select count(*) from '{folder}/judged/dossier.parquet' where not is_deleted and receiving_organisation_id = 'UNKNOWN'",
        )
    if (folder / "judged" / "document.parquet").exists():
        counts.unresolved += _count(
            con, f"select count(*) from '{folder}/judged/document.parquet' where issuing_organisation_id is null"
        )


@dataclass(frozen=True)
class History:
    """What the published batches of a source tell about the size of another."""

    per_working_day: float
    is_window_known: bool


def _history(connection: ledger.Connection, batch: ledger.Batch) -> History:
    """How many records a working day usually brings (0 without history), and whether this window was read before.

    A record that changed again has left its old window: what is read again may rightly be less, or nothing.
    """
    days = 0
    records_read = 0
    published = [b for b in ledger.batches(connection, "published", source=batch.source) if b.purpose == "window"]
    for before in sorted(published, key=lambda b: b.window.end)[-28:]:
        if before.window.end - before.window.start >= timedelta(days=1):
            days += sum(1 for day in before.window.days() if reference.is_working(day))
            records_read += before.counts["fetched_count"]
    known = any(b.window.start < batch.window.end and b.window.end > batch.window.start for b in published)
    return History(records_read / days if days else 0.0, known)


def _bounds(checked: Checked, history: History) -> list[gate.Bound]:
    counts, source = checked.counts, sources.load(checked.batch.source)
    judged = counts.accepted + counts.superseded + counts.quarantined
    placed = counts.accepted + counts.superseded + counts.duplicates + counts.quarantined + counts.ignored
    low, high = _volume(checked.batch, history, source.volume)
    return [
        gate.Bound("RECONCILIATION", checked.batch.counts["gap_count"], 0, 0, "as many records were read as the source says it has"),
        gate.Bound("CONSERVATION", counts.fetched - placed, 0, 0, "every record that came is in exactly one place"),
        gate.Bound("QUARANTINED_SHARE", counts.quarantined - counts.stopped, 0, gate.allowed(judged), "at most 5 % of the rows are in quarantine"),
        gate.Bound("REFERENCES", counts.unresolved, 0, 0, "every accepted row points at an agency and a procedure that exist"),
        gate.Bound("PERSONAL_DATA", sum(f.count for f in checked.personal), 0, 0,
                   "; ".join(map(str, checked.personal)) or "no shared text holds a name, an identity number, a phone or an e-mail"),
        gate.Bound("UNKNOWN_SHARE", counts.unknown, 0, max(5, int(counts.accepted * UNKNOWN_SHARE)), "most rows name an agency of the source's own list", "warning"),
        gate.Bound("VOLUME", counts.fetched, low, high, f"as many records as usual (about {history.per_working_day:.0f} a working day)"),
    ]  # fmt: skip


def _volume(batch: ledger.Batch, history: History, told: Any) -> tuple[float, float | None]:
    """Bounds on a batch's size from the source's history; none while there is too little of it to speak."""
    days = sum(1 for day in batch.window.days() if reference.is_working(day))
    is_whole = batch.window.end - batch.window.start >= timedelta(days=1)
    if history.per_working_day < told["from_count"] or days == 0:
        return 0, None
    return (1 if is_whole and not history.is_window_known else 0), days * history.per_working_day * told["most_times"]


def _why(checked: Checked) -> str | None:
    blocking = [v for judgement in checked.judgements for v in judgement.verdicts if v.blocks]
    return "; ".join(
        f"{v.rule_id} ({v.meaning}): " + (f"observed {v.observed}" if v.suite == "batch" else f"{v.failed} of {v.checked} rows fail")
        for v in blocking
    ) or None  # fmt: skip


def _record(settings: Settings, checked: Checked, why: str | None) -> None:
    batch, counts = checked.batch, checked.counts
    with database.connect(settings) as connection:
        connection.execute("delete from ledger.check_result where batch_id = %s", [batch.batch_id])
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.check_result (batch_id, rule_id, suite, severity, checked_count, failed_count, is_passed, observed, meaning, rule_version) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [[batch.batch_id, v.rule_id, v.suite, v.severity, v.checked, v.failed, v.is_passed, v.observed, v.meaning, v.version]
                 for judgement in checked.judgements for v in judgement.verdicts],
            )  # fmt: skip
            cursor.executemany(
                "insert into ledger.quarantine (source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash, source_updated_at, organisation_id, occurred_on, batch_id) "
                "values (%(source)s, %(source_key)s, %(kind)s, %(rule_id)s, %(rule_version)s, %(reason)s, %(raw_pointer)s, %(record_hash)s, %(source_updated_at)s, %(organisation_id)s, %(occurred_on)s, %(batch_id)s) "
                "on conflict (source, kind, source_key, record_hash, rule_id) do nothing",
                [{**row, "source": batch.source, "batch_id": batch.batch_id} for row in checked.quarantine],
            )
        ledger.advance(
            connection, batch.batch_id, "refused" if why else "checked", why=why,
            duplicate_count=counts.duplicates, quarantined_count=counts.quarantined, ignored_count=counts.ignored,
            superseded_count=counts.superseded, accepted_count=counts.accepted,
        )  # fmt: skip
    if counts.stopped:
        log.error(
            "%s %s: %d secret records in a system that must hold none; stopped without their content",
            batch.source,
            batch.window,
            counts.stopped,
        )


def _docs(settings: Settings, checked: Checked, why: str | None) -> None:
    batch, counts = checked.batch, checked.counts
    facts = [
        ("batch", batch.batch_id), ("window", str(batch.window)), ("verdict", f"refused: {why}" if why else "passed"),
        ("records", f"{counts.fetched:,} read = {counts.accepted:,} accepted + {counts.superseded:,} superseded + {counts.duplicates:,} duplicates"
                    f" + {counts.quarantined:,} in quarantine + {counts.ignored:,} trial records"),
    ]  # fmt: skip
    gate.publish_docs(
        settings.docs / batch.source, f"{sources.load(batch.source).title}: data quality", facts, checked.judgements
    )


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    assert row is not None
    return int(row[0])
