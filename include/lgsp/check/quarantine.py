"""The quarantine: one row for each record version and rule that it broke, and the states the row goes through.

A row is `open` until one of these happens:

* `redriven`: the record was processed again and passed.
* `corrected`: the source sent a valid version with the same or a later change time.
* `accepted`: a person decided to publish the record although it breaks the rule.
* `discarded`: a person decided never to publish this version of the record.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from lgsp.errors import LgspError
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.store import decisions

if TYPE_CHECKING:
    from lgsp.store.ledger import Batch, Connection
    from lgsp.store.transaction import Transaction

STATES = ("open", "redriven", "corrected", "accepted", "discarded")

# A source that reacts to a report corrects the record within two weeks. Older rows need a reminder.
AGED_DAYS = 14

Violation = tuple[str, str, str, str]
"""A record version and the rule it broke: (kind, source_key, record_hash, rule_id)."""


@dataclass(frozen=True)
class QuarantinedRow:
    """One row of `ledger.quarantine`: a record version, the rule it broke, and its current state."""

    quarantine_id: int
    source: str
    source_key: str
    kind: str
    rule_id: str
    rule_version: str
    reason: str
    raw_pointer: str
    record_hash: str
    source_updated_at: datetime | None
    organisation_id: str | None
    occurred_on: date | None
    batch_id: str
    state: str
    state_reason: str | None
    state_by: str | None
    state_at: datetime | None
    redriven_in: str | None
    created_at: datetime

    @property
    def age_days(self) -> int:
        """Whole days since the row was created."""
        return (datetime.now(self.created_at.tzinfo) - self.created_at).days

    @property
    def rule(self) -> Rule | None:
        """The current version of the rule; None when the rule no longer exists."""
        return next((rule for rule in contract.rules(self.kind) if rule.id == self.rule_id), None)


@dataclass(frozen=True)
class AgedRows:
    """The rows of one source and rule that have been waiting for too long."""

    source: str
    rule_id: str
    owner: str
    records: int
    oldest_days: int


COLUMNS = ", ".join(f"q.{field.name}" for field in fields(QuarantinedRow))

# Batch ids end in a serial number. A later batch overwrites what an earlier one recorded, never the reverse.
UPSERT = """
insert into ledger.quarantine as q (source, source_key, kind, rule_id, rule_version, reason, raw_pointer, record_hash,
    source_updated_at, organisation_id, occurred_on, batch_id)
values (%(source)s, %(source_key)s, %(kind)s, %(rule_id)s, %(rule_version)s, %(reason)s, %(raw_pointer)s, %(record_hash)s,
    %(source_updated_at)s, %(organisation_id)s, %(occurred_on)s, %(batch_id)s)
on conflict (source, kind, source_key, record_hash, rule_id) do update set
    rule_version = excluded.rule_version, reason = excluded.reason, raw_pointer = excluded.raw_pointer,
    source_updated_at = excluded.source_updated_at, organisation_id = excluded.organisation_id,
    occurred_on = excluded.occurred_on, batch_id = excluded.batch_id, state = 'open',
    created_at = case when q.state = 'open' then q.created_at else now() end,
    state_at = case when q.state = 'open' then q.state_at else now() end,
    state_by = case when q.state = 'open' then q.state_by else 'check' end,
    state_reason = case when q.state = 'open' then q.state_reason else 'broke the rule again in ' || excluded.batch_id end
where right(excluded.batch_id, 6) >= right(q.batch_id, 6)
    and (q.state = 'open' or q.state = 'redriven' and right(excluded.batch_id, 6) > right(q.redriven_in, 6))
"""

# All batches over a landing folder give a landed record the same position. Older versions of the program hashed the
# harmonised row, so one landed record may have rows with several hashes: they are merged into one row.
MERGE_DUPLICATES = """
with incoming as (
    select * from unnest(%(kind)s::text[], %(source_key)s::text[], %(rule_id)s::text[], %(record_hash)s::text[], %(place)s::text[])
        as t (kind, source_key, rule_id, record_hash, place)
), existing as materialized (
    select q.* from ledger.batch b join ledger.quarantine q using (batch_id)
    where b.landing_path = %(landing_path)s and q.state = 'open'
), duplicate as (
    select q.quarantine_id, incoming.record_hash, not exists (
        select 1 from ledger.quarantine k where (k.source, k.kind, k.source_key, k.record_hash, k.rule_id)
            = (q.source, incoming.kind, incoming.source_key, incoming.record_hash, incoming.rule_id)
    ) and row_number() over
        (partition by incoming.kind, incoming.source_key, incoming.rule_id, incoming.record_hash order by q.quarantine_id desc) = 1 as stays
    from incoming join existing q on (q.kind, q.source_key, q.rule_id, split_part(q.raw_pointer, '#', 2))
        = (incoming.kind, incoming.source_key, incoming.rule_id, incoming.place)
    where q.record_hash <> incoming.record_hash
), deleted as (
    delete from ledger.quarantine q using duplicate d where q.quarantine_id = d.quarantine_id and not d.stays
)
update ledger.quarantine q set record_hash = d.record_hash from duplicate d where q.quarantine_id = d.quarantine_id and d.stays
"""

# A row is waiting while it is open. An accepted row is waiting until its record was redriven once.
IS_WAITING = "(q.state = 'open' or q.state = 'accepted' and q.redriven_in is null)"

# All rows of the records that some batches redrove: rows with the same bytes or the same landed position.
REDRIVEN_ROWS = """
select r.batch_id, r.raw_pointer, q.quarantine_id
from ledger.redriven_record r join ledger.batch b using (batch_id)
join ledger.quarantine q using (source, kind, source_key, record_hash)
where r.batch_id = any(%(batch_ids)s)
union
select r.batch_id, r.raw_pointer, q.quarantine_id
from ledger.redriven_record r join ledger.batch b using (batch_id)
join ledger.batch landed on landed.landing_path = b.landing_path
join ledger.quarantine q on split_part(q.raw_pointer, '#', 1) = landed.batch_id
    and split_part(q.raw_pointer, '#', 2) = split_part(r.raw_pointer, '#', 2)
where r.batch_id = any(%(batch_ids)s)
"""

# An accepted row stays waiting when its record broke another rule again, or when it was accepted after the batch was created.
RESOLVE = f"""
with redriven as ({REDRIVEN_ROWS}), failed_again as (
    select redriven.raw_pointer from redriven join ledger.quarantine q using (quarantine_id)
    where q.state = 'open' and q.batch_id = redriven.batch_id
), resolved as (
    select q.quarantine_id, b.batch_id, q.state = 'open' and right(q.batch_id, 6) < right(b.batch_id, 6) as passed
    from ledger.quarantine q join ledger.batch b on b.batch_id = any(%(batch_ids)s) and b.state in ('checked', 'published')
    where q.quarantine_id in (select quarantine_id from redriven)
        and (q.redriven_in is null or right(q.redriven_in, 6) < right(b.batch_id, 6))
        and (q.state = 'open' or q.state = 'accepted' and q.state_at <= b.created_at
            and q.quarantine_id not in (select redriven.quarantine_id from redriven join failed_again using (raw_pointer)))
)
update ledger.quarantine q set
    redriven_in = resolved.batch_id,
    state = case when passed then 'redriven' else q.state end,
    state_by = case when passed then 'redrive' else q.state_by end,
    state_at = case when passed then now() else q.state_at end,
    state_reason = case when passed then 'passed in ' || resolved.batch_id else q.state_reason end
from resolved where q.quarantine_id = resolved.quarantine_id
"""


def secret_rules() -> list[str]:
    """The ids of the rules about secret records. Records that break them are never shown and never redriven in bulk."""
    return sorted(rule.id for kind in records.FACTS for rule in contract.rules(kind.name) if rule.severity == "blocker")


def add(connection: Connection, batch: Batch, rows: list[dict[str, Any]]) -> None:
    """Put the rows of a batch that broke a rule into quarantine; existing rows get the newest reason and raw pointer.

    A `redriven` row is opened again when its record fails in a later batch. Rows in other closed states keep their state.
    """
    keys = {name: [row[name] for row in rows] for name in ("kind", "source_key", "rule_id", "record_hash")}
    places = [row["raw_pointer"].partition("#")[2] for row in rows]
    connection.execute(MERGE_DUPLICATES, {**keys, "place": places, "landing_path": batch.landing_path})
    with connection.cursor() as cursor:
        cursor.executemany(UPSERT, [{**row, "source": batch.source, "batch_id": batch.batch_id} for row in rows])


def resolve_redriven(connection: Connection, batch_id: str) -> None:
    """Set rows to `redriven` whose records passed in a batch of redriven records; safe to repeat.

    Call it after the batch has its final state: no record of a refused batch has passed.
    """
    connection.execute(RESOLVE, {"batch_ids": [batch_id]})


def has_new_decisions(transaction: Transaction) -> bool:
    """Whether a row that the indicators count was discarded or reopened since the newest publication."""
    return bool(transaction.one(
        "select exists (select 1 from ledger.quarantine where kind in ('dossier', 'document', 'work_file') "
        "and state in ('discarded', 'open') and occurred_on is not null "
        "and state_at > (select max(published_at) from ledger.publication))"
    ))  # fmt: skip


def reopen_redriven(transaction: Transaction, batch_id: str, why: str) -> None:
    """Open the rows again that were resolved by a batch that cannot be published."""
    transaction.do(
        """
        update ledger.quarantine set
            redriven_in = null,
            state_reason = case when state = 'redriven' then $1::text else state_reason end,
            state_by = case when state = 'redriven' then 'publish' else state_by end,
            state_at = case when state = 'redriven' then now() else state_at end,
            state = case when state = 'redriven' then 'open' else state end
        where redriven_in = $2::text and state in ('open', 'redriven', 'accepted')
        """,
        why,
        batch_id,
    )


def accepted(connection: Connection, source: str) -> list[Violation]:
    """The accepted record versions of a source, each with the rule it may break."""
    return _violations(connection, source, "accepted")


def discarded(connection: Connection, source: str) -> list[Violation]:
    """The discarded record versions of a source. They stay in quarantine even if they pass the rules now."""
    return _violations(connection, source, "discarded")


def _violations(connection: Connection, source: str, state: str) -> list[Violation]:
    rows = connection.execute(
        "select kind, source_key, record_hash, rule_id from ledger.quarantine where source = %s and state = %s order by quarantine_id",
        [source, state],
    ).fetchall()
    return [(row["kind"], row["source_key"], row["record_hash"], row["rule_id"]) for row in rows]


def resolve_corrected(transaction: Transaction, batch_ids: list[str]) -> None:
    """Close the open rows whose record has a valid version with the same or a later change time, after a merge.

    Reads only the merged records in the `incoming_<kind>` tables and the quarantine rows of the merged batches. The
    second part finds an invalid version that arrives after the valid one.
    """
    from lgsp.store.transaction import values

    newer = (
        "case when q.source_updated_at is null then right(r.batch_id, 6) > right(q.batch_id, 6) else r.source_updated_at >= q.source_updated_at end"
        # the quarantined bytes themselves are not a correction, unless they passed in a later batch
        " and (r.raw_hash <> q.record_hash or right(r.batch_id, 6) > right(q.batch_id, 6))"
    )
    for kind in records.FACTS:
        # the first condition is always true: both statements must use parameter $1
        for table, batches in ((f"incoming_{kind.name}", "$1::text is not null"),
                               (f"record.{kind.name}", "q.batch_id = any(string_to_array($1::text, ' '))")):  # fmt: skip
            transaction.do(
                f"""
                update ledger.quarantine q set
                    state = case when r.raw_hash = q.record_hash then 'redriven' else 'corrected' end,
                    state_by = case when r.raw_hash = q.record_hash then 'rebuild' else 'source' end,
                    redriven_in = case when r.raw_hash = q.record_hash then r.batch_id else q.redriven_in end,
                    state_reason = case when r.raw_hash = q.record_hash then 'passed in ' else 'a good version came in ' end || r.batch_id,
                    state_at = now()
                from {table} r
                where q.state = 'open' and q.kind = '{kind.name}' and {batches}
                    and r.source = q.source and r.source_key = q.source_key and {newer}
                """,
                values(batch_ids),
            )


def aged(connection: Connection, days: int = AGED_DAYS) -> list[AgedRows]:
    """The rows that have been waiting for more than `days` days, by source and rule; the oldest first."""
    rows = connection.execute(
        "select source, rule_id, min(kind) as kind, count(distinct (kind, source_key, record_hash)) as records, "
        "extract(day from now() - min(created_at))::integer as oldest from ledger.quarantine q "
        f"where {IS_WAITING} and created_at < now() - make_interval(days => %s) group by 1, 2 order by 5 desc, 1, 2",
        [days],
    ).fetchall()
    owners = {rule.id: rule.owner for kind in {row["kind"] for row in rows} for rule in contract.rules(kind)}
    return [AgedRows(r["source"], r["rule_id"], owners.get(r["rule_id"], ""), r["records"], r["oldest"]) for r in rows]


def list_rows(
    connection: Connection,
    *,
    source: str | None = None,
    rule_id: str | None = None,
    state: str | None = None,
    organisation_id: str | None = None,
    older_than: int | None = None,
) -> list[QuarantinedRow]:
    """The rows that match all given conditions, newest first. `older_than` is in days."""
    return _select(
        connection,
        "(%(source)s::text is null or q.source = %(source)s) and (%(rule)s::text is null or q.rule_id = %(rule)s) "
        "and (%(state)s::text is null or q.state = %(state)s) and (%(organisation)s::text is null or q.organisation_id = %(organisation)s) "
        "and (%(days)s::integer is null or q.created_at < now() - make_interval(days => %(days)s::integer))",
        {"source": source, "rule": rule_id, "state": state, "organisation": organisation_id, "days": older_than},
    )


def get(connection: Connection, quarantine_id: int) -> QuarantinedRow:
    """The row with this id. Raises LgspError when it does not exist."""
    rows = _select(connection, "q.quarantine_id = %(id)s", {"id": quarantine_id})
    if not rows:
        raise LgspError(f"there is no row {quarantine_id} in quarantine; see `lgsp quarantine list`")
    return rows[0]


def rows_of_version(connection: Connection, row: QuarantinedRow) -> list[QuarantinedRow]:
    """All rows of the same record version: one for each rule it broke."""
    return _select(
        connection,
        "q.source = %(source)s and q.kind = %(kind)s and q.source_key = %(source_key)s and q.record_hash = %(record_hash)s",
        {name: getattr(row, name) for name in ("source", "kind", "source_key", "record_hash")},
    )


def _select(connection: Connection, condition: str, parameters: dict[str, Any]) -> list[QuarantinedRow]:
    rows = connection.execute(
        f"select {COLUMNS} from ledger.quarantine q where {condition} order by q.quarantine_id desc", parameters
    ).fetchall()
    return [QuarantinedRow(**row) for row in rows]


def accept(connection: Connection, quarantine_id: int, who: str, why: str) -> QuarantinedRow:
    """Decide to publish a record version although it breaks this rule; it is published after the next redrive.

    Raises LgspError when the row is not open, or when the rule does not allow records to be accepted.
    """
    row = get(connection, quarantine_id)
    rule = row.rule
    if rule is None:
        raise LgspError(
            f"rule {row.rule_id} no longer exists: run `lgsp quarantine redrive {quarantine_id}`, no decision is needed"
        )
    if not rule.is_acceptable or row.source_key == "?":
        cause = "a record without a key cannot be published" if rule.is_acceptable else rule.why
        raise LgspError(f"a record that breaks {rule.id} cannot be accepted ({cause}): the source must correct it")
    return _decide(connection, row, "open", "accepted", who, why)


def discard(connection: Connection, quarantine_id: int, who: str, why: str) -> QuarantinedRow:
    """Decide never to publish a record version. Raises LgspError when the row is not open."""
    return _decide(connection, get(connection, quarantine_id), "open", "discarded", who, why)


def reopen(connection: Connection, quarantine_id: int, who: str, why: str) -> QuarantinedRow:
    """Open a discarded row again. Raises LgspError when it is not discarded."""
    return _decide(connection, get(connection, quarantine_id), "discarded", "open", who, why)


def _decide(connection: Connection, row: QuarantinedRow, before: str, after: str, who: str, why: str) -> QuarantinedRow:
    if not why.strip():
        raise LgspError("a decision needs a reason; give it with --why")
    updated = connection.execute(
        "update ledger.quarantine set state = %s, state_by = %s, state_reason = %s, state_at = now(), redriven_in = null "
        "where quarantine_id = %s and state = %s",
        [after, who, why.strip(), row.quarantine_id, before],
    )
    if updated.rowcount:
        decisions.record(connection)
    else:
        decision = f" by {row.state_by}: {row.state_reason}" if row.state_by else ""
        raise LgspError(f"row {row.quarantine_id} is {row.state}{decision}; only {before} rows can become {after}")
    return get(connection, row.quarantine_id)
