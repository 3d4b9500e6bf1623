"""The quarantine: rows that broke a rule, one for each record version and rule, from the day they are held until they leave.

A row is `open` until its record passed when it was driven again (`redriven`), the source sent a good version as new or
newer (`corrected`), or somebody decided: publish it all the same (`accepted`), or never (`discarded`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from lgsp.errors import LgspError
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule

if TYPE_CHECKING:
    from lgsp.store.ledger import Batch, Connection
    from lgsp.store.transaction import Transaction

STATES = ("open", "redriven", "corrected", "accepted", "discarded")

# Two weeks: a source that answers at all has corrected a record by then; what is older nobody works on.
AGED_DAYS = 14

Version = tuple[str, str, str, str]
"""A record version and a rule: kind, source_key, record_hash, rule_id."""


@dataclass(frozen=True)
class Held:
    """One row in quarantine: a record version, the rule it broke, and what became of it."""

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
        """For how many whole days it has been held."""
        return (datetime.now(self.created_at.tzinfo) - self.created_at).days

    @property
    def rule(self) -> Rule | None:
        """The rule as it is asked today; None when it is asked no more."""
        return next((rule for rule in contract.rules(self.kind) if rule.id == self.rule_id), None)


@dataclass(frozen=True)
class Aged:
    """Rows of one source and rule that have waited for too long."""

    source: str
    rule_id: str
    owner: str
    records: int
    oldest_days: int


COLUMNS = ", ".join(f"q.{field.name}" for field in fields(Held))

# Batches are numbered in the order they were opened: the later one knows better.
KEEP = """
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

# A record's landed place is the same in every batch over its landing folder. An older version told what it held by
# what was harmonised, so one landed record may have rows by several hashes: they become one.
TWINS = """
with again as (
    select * from unnest(%(kind)s::text[], %(source_key)s::text[], %(rule_id)s::text[], %(record_hash)s::text[], %(place)s::text[])
        as t (kind, source_key, rule_id, record_hash, place)
), there as materialized (
    select q.* from ledger.batch held join ledger.quarantine q using (batch_id)
    where held.landing_path = %(landing_path)s and q.state = 'open'
), twin as (
    select q.quarantine_id, again.record_hash, not exists (
        select 1 from ledger.quarantine k where (k.source, k.kind, k.source_key, k.record_hash, k.rule_id)
            = (q.source, again.kind, again.source_key, again.record_hash, again.rule_id)
    ) and row_number() over
        (partition by again.kind, again.source_key, again.rule_id, again.record_hash order by q.quarantine_id desc) = 1 as stays
    from again join there q on (q.kind, q.source_key, q.rule_id, split_part(q.raw_pointer, '#', 2))
        = (again.kind, again.source_key, again.rule_id, again.place)
    where q.record_hash <> again.record_hash
), gone as (
    delete from ledger.quarantine q using twin where q.quarantine_id = twin.quarantine_id and not twin.stays
)
update ledger.quarantine q set record_hash = twin.record_hash from twin where q.quarantine_id = twin.quarantine_id and twin.stays
"""

# Rows that still wait for something: accepted ones until they were driven again once.
WAITS = "(q.state = 'open' or q.state = 'accepted' and q.redriven_in is null)"

# Every row of the records that some batches drove again: of the same bytes, or of the same landed place.
DRIVEN = """
select r.batch_id, r.raw_pointer, q.quarantine_id
from ledger.redriven_record r join ledger.batch b using (batch_id)
join ledger.quarantine q using (source, kind, source_key, record_hash)
where r.batch_id = any(%(batch_ids)s)
union
select r.batch_id, r.raw_pointer, q.quarantine_id
from ledger.redriven_record r join ledger.batch b using (batch_id)
join ledger.batch held on held.landing_path = b.landing_path
join ledger.quarantine q on split_part(q.raw_pointer, '#', 1) = held.batch_id
    and split_part(q.raw_pointer, '#', 2) = split_part(r.raw_pointer, '#', 2)
where r.batch_id = any(%(batch_ids)s)
"""

# An accepted row goes on waiting when another rule held its record again, or when it was accepted too late to be seen.
SETTLE = f"""
with driven as ({DRIVEN}), again as (
    select driven.raw_pointer from driven join ledger.quarantine q using (quarantine_id)
    where q.state = 'open' and q.batch_id = driven.batch_id
), judged as (
    select q.quarantine_id, b.batch_id, q.state = 'open' and right(q.batch_id, 6) < right(b.batch_id, 6) as passed
    from ledger.quarantine q join ledger.batch b on b.batch_id = any(%(batch_ids)s) and b.state in ('checked', 'published')
    where q.quarantine_id in (select quarantine_id from driven)
        and (q.redriven_in is null or right(q.redriven_in, 6) < right(b.batch_id, 6))
        and (q.state = 'open' or q.state = 'accepted' and q.state_at <= b.created_at
            and q.quarantine_id not in (select driven.quarantine_id from driven join again using (raw_pointer)))
)
update ledger.quarantine q set
    redriven_in = judged.batch_id,
    state = case when passed then 'redriven' else q.state end,
    state_by = case when passed then 'redrive' else q.state_by end,
    state_at = case when passed then now() else q.state_at end,
    state_reason = case when passed then 'passed in ' || judged.batch_id else q.state_reason end
from judged where q.quarantine_id = judged.quarantine_id
"""


def secret_rules() -> list[str]:
    """The ids of the rules about what must not be here at all: what they hold is neither shown nor driven again in bulk."""
    return sorted(rule.id for kind in records.FACTS for rule in contract.rules(kind.name) if rule.severity == "blocker")


def keep(connection: Connection, batch: Batch, rows: list[dict[str, Any]]) -> None:
    """Hold the rows of a batch that broke a rule; a row that is held already gets the newest reason and place.

    What left by passing comes back when it fails again in a later batch; what was corrected or decided stays so.
    """
    told = {name: [row[name] for row in rows] for name in ("kind", "source_key", "rule_id", "record_hash")}
    places = [row["raw_pointer"].partition("#")[2] for row in rows]
    connection.execute(TWINS, {**told, "place": places, "landing_path": batch.landing_path})
    with connection.cursor() as cursor:
        cursor.executemany(KEEP, [{**row, "source": batch.source, "batch_id": batch.batch_id} for row in rows])


def settle(connection: Connection, batch_id: str) -> None:
    """Let go of the rows that a checked batch of re-driven records did not fail again; repeating it changes nothing.

    Called once the batch has its state: of a batch that was refused nothing passed.
    """
    connection.execute(SETTLE, {"batch_ids": [batch_id]})


def was_decided(transaction: Transaction) -> bool:
    """Whether somebody discarded what indicators count as held, or took that back, since the newest publication."""
    return bool(transaction.one(
        "select exists (select 1 from ledger.quarantine where kind in ('dossier', 'document', 'work_file') "
        "and state in ('discarded', 'open') and occurred_on is not null "
        "and state_at > (select max(published_at) from ledger.publication))"
    ))  # fmt: skip


def unsettle(transaction: Transaction, batch_id: str, why: str) -> None:
    """Let the rows wait again that left with a batch which cannot be published after all."""
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


def waived(connection: Connection, source: str) -> list[Version]:
    """The record versions of a source that somebody accepted, each with the rule it may break."""
    return _versions(connection, source, "accepted")


def discarded(connection: Connection, source: str) -> list[Version]:
    """The record versions of a source that somebody discarded: they are held also when they would pass today."""
    return _versions(connection, source, "discarded")


def _versions(connection: Connection, source: str, state: str) -> list[Version]:
    rows = connection.execute(
        "select kind, source_key, record_hash, rule_id from ledger.quarantine where source = %s and state = %s order by quarantine_id",
        [source, state],
    ).fetchall()
    return [(row["kind"], row["source_key"], row["record_hash"], row["rule_id"]) for row in rows]


def corrected(transaction: Transaction, batch_ids: list[str]) -> None:
    """Let go of the open rows whose record has a good version as new or newer, once some batches were merged.

    Looks at the records that `incoming_<kind>` brought and at the rows that these batches hold themselves, so also at
    a bad version that came late; never at the rest.
    """
    from lgsp.store.transaction import values

    newer = (
        "case when q.source_updated_at is null then right(r.batch_id, 6) > right(q.batch_id, 6) else r.source_updated_at >= q.source_updated_at end"
        # the bytes that are held are no correction of themselves, unless they passed later
        " and (r.raw_hash <> q.record_hash or right(r.batch_id, 6) > right(q.batch_id, 6))"
    )
    for kind in records.FACTS:
        # the parameter is cast where it is not needed, so that both take it
        for known, batches in ((f"incoming_{kind.name}", "$1::text is not null"),
                               (f"record.{kind.name}", "q.batch_id = any(string_to_array($1::text, ' '))")):  # fmt: skip
            transaction.do(
                f"""
                update ledger.quarantine q set
                    state = case when r.raw_hash = q.record_hash then 'redriven' else 'corrected' end,
                    state_by = case when r.raw_hash = q.record_hash then 'rebuild' else 'source' end,
                    redriven_in = case when r.raw_hash = q.record_hash then r.batch_id else q.redriven_in end,
                    state_reason = case when r.raw_hash = q.record_hash then 'passed in ' else 'a good version came in ' end || r.batch_id,
                    state_at = now()
                from {known} r
                where q.state = 'open' and q.kind = '{kind.name}' and {batches}
                    and r.source = q.source and r.source_key = q.source_key and {newer}
                """,
                values(batch_ids),
            )


def aged(connection: Connection, days: int = AGED_DAYS) -> list[Aged]:
    """Sources and rules with rows that have waited for more than some days, those with the oldest first."""
    rows = connection.execute(
        "select source, rule_id, min(kind) as kind, count(distinct (kind, source_key, record_hash)) as records, "
        "extract(day from now() - min(created_at))::integer as oldest from ledger.quarantine q "
        f"where {WAITS} and created_at < now() - make_interval(days => %s) group by 1, 2 order by 5 desc, 1, 2",
        [days],
    ).fetchall()
    owners = {rule.id: rule.owner for kind in {row["kind"] for row in rows} for rule in contract.rules(kind)}
    return [Aged(r["source"], r["rule_id"], owners.get(r["rule_id"], ""), r["records"], r["oldest"]) for r in rows]


def listing(
    connection: Connection,
    *,
    source: str | None = None,
    rule_id: str | None = None,
    state: str | None = None,
    organisation_id: str | None = None,
    older_than: int | None = None,
) -> list[Held]:
    """The rows in quarantine, newest first; each condition that is given narrows them."""
    return _held(
        connection,
        "(%(source)s::text is null or q.source = %(source)s) and (%(rule)s::text is null or q.rule_id = %(rule)s) "
        "and (%(state)s::text is null or q.state = %(state)s) and (%(organisation)s::text is null or q.organisation_id = %(organisation)s) "
        "and (%(days)s::integer is null or q.created_at < now() - make_interval(days => %(days)s::integer))",
        {"source": source, "rule": rule_id, "state": state, "organisation": organisation_id, "days": older_than},
    )


def one(connection: Connection, quarantine_id: int) -> Held:
    """One row. Raises LgspError when there is none of that number."""
    found = _held(connection, "q.quarantine_id = %(id)s", {"id": quarantine_id})
    if not found:
        raise LgspError(f"there is no row {quarantine_id} in quarantine; see `lgsp quarantine list`")
    return found[0]


def reasons(connection: Connection, held: Held) -> list[Held]:
    """Every row of the record version a row is about: all the rules it broke."""
    return _held(
        connection,
        "q.source = %(source)s and q.kind = %(kind)s and q.source_key = %(source_key)s and q.record_hash = %(record_hash)s",
        {name: getattr(held, name) for name in ("source", "kind", "source_key", "record_hash")},
    )


def _held(connection: Connection, condition: str, parameters: dict[str, Any]) -> list[Held]:
    rows = connection.execute(
        f"select {COLUMNS} from ledger.quarantine q where {condition} order by q.quarantine_id desc", parameters
    ).fetchall()
    return [Held(**row) for row in rows]


def accept(connection: Connection, quarantine_id: int, who: str, why: str) -> Held:
    """Decide that a record version is published though it breaks this rule: so it is, once it was driven again.

    Raises LgspError when the row waits no more, or when what the rule holds back must never be published.
    """
    held = one(connection, quarantine_id)
    rule = held.rule
    if rule is None:
        raise LgspError(
            f"rule {held.rule_id} is asked no more: `lgsp quarantine redrive {quarantine_id}` needs no decision"
        )
    if not rule.is_acceptable or held.source_key == "?":
        cause = "a record without a key cannot be published" if rule.is_acceptable else rule.why
        raise LgspError(f"what {rule.id} holds back cannot be accepted ({cause}): its source must correct it")
    return _decide(connection, held, "open", "accepted", who, why)


def discard(connection: Connection, quarantine_id: int, who: str, why: str) -> Held:
    """Decide that a record version is never published. Raises LgspError when the row waits no more."""
    return _decide(connection, one(connection, quarantine_id), "open", "discarded", who, why)


def reopen(connection: Connection, quarantine_id: int, who: str, why: str) -> Held:
    """Take back that a record version was discarded. Raises LgspError when it was not."""
    return _decide(connection, one(connection, quarantine_id), "discarded", "open", who, why)


def _decide(connection: Connection, held: Held, before: str, after: str, who: str, why: str) -> Held:
    if not why.strip():
        raise LgspError("a decision needs its reason (--why): somebody will ask")
    done = connection.execute(
        "update ledger.quarantine set state = %s, state_by = %s, state_reason = %s, state_at = now(), redriven_in = null "
        "where quarantine_id = %s and state = %s",
        [after, who, why.strip(), held.quarantine_id, before],
    )
    if not done.rowcount:
        said = f" by {held.state_by}: {held.state_reason}" if held.state_by else ""
        raise LgspError(f"row {held.quarantine_id} is {held.state}{said}; only what is {before} can become {after}")
    return one(connection, held.quarantine_id)
