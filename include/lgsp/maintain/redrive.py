"""Redrive: records in quarantine go the way of a new record once more, from the bytes that were landed.

Everything that is still open about a record is asked again, not one rule alone.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lgsp import check, harmonise, install, store
from lgsp.check import quarantine
from lgsp.check.quarantine import Held
from lgsp.errors import BatchRefused, ContractError, LgspError
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch
from lgsp.land.record_subset import place
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.store import ledger

log = logging.getLogger(__name__)

# The pointer says which landing folder holds the record; a tombstone of a sweep has none.
PICK = """
select distinct on (landed.landing_path, split_part(q.raw_pointer, '#', 2))
    q.raw_pointer, q.kind, q.source_key, q.record_hash, landed.landing_path
from ledger.quarantine q join ledger.batch landed on landed.batch_id = split_part(q.raw_pointer, '#', 1)
where q.raw_pointer ~ '#[0-9]+:[0-9]+$' and landed.purpose <> 'sweep' and {condition}
    and (%(rule)s::text is null or q.rule_id = %(rule)s) and (%(source)s::text is null or q.source = %(source)s)
order by landed.landing_path, split_part(q.raw_pointer, '#', 2), q.quarantine_id
"""
# Secret records are driven again by number alone: somebody looked at each.
IN_BULK = f"""
{quarantine.WAITS} and not exists (
    select 1 from ledger.quarantine s where s.source = q.source and s.kind = q.kind and s.source_key = q.source_key
        and s.record_hash = q.record_hash and s.rule_id = any(%(secret)s) and s.state in ('open', 'discarded'))
"""

FATES = f"""
with driven as ({quarantine.DRIVEN})
select bool_and(b.state in ('checked', 'published')) and count(q.rule_id) = 0 as has_passed,
    coalesce(array_agg(distinct q.rule_id) filter (where q.rule_id is not null), '{{}}') as rules
from ledger.redriven_record r join ledger.batch b using (batch_id)
left join driven using (batch_id, raw_pointer)
left join ledger.quarantine q on q.quarantine_id = driven.quarantine_id and q.state in ('open', 'discarded')
where r.batch_id = any(%(batch_ids)s)
group by b.source, r.kind, r.source_key, r.record_hash
"""


@dataclass(frozen=True)
class Redriven:
    """What driving records again changed."""

    batch_ids: list[str]
    records: int = 0
    passed: int = 0
    held: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    gone: int = 0  # records whose landing folder is there no more

    @property
    def still_held(self) -> int:
        """How many of the records are in quarantine as before."""
        return self.records - self.passed

    def __str__(self) -> str:
        gone = f"; landing gone: {self.gone} records, discard them" if self.gone else ""
        if not self.records:
            return f"nothing to drive again{gone}"
        rules = ", ".join(f"{rule} {count}" for rule, count in self.held.items())
        told = f"{self.records} driven again: {self.passed} passed, {self.still_held} still in quarantine"
        return told + (f" ({rules})" if rules else "") + (f"; {self.refused}" if self.refused else "") + gone


def run(
    settings: Settings, quarantine_ids: Sequence[int] = (), rule_id: str | None = None, source: str | None = None
) -> Redriven:
    """Drive the chosen rows again, all when nothing is chosen; what passed waits to be published.

    Raises LgspError when a row that was named does not wait. A batch that is refused or cannot be read is told in the
    answer: its records stay in quarantine, those of the others do not wait for them.
    """
    batch_ids, gone = _pick(settings, quarantine_ids, rule_id, source)
    refused = "; ".join(why for batch_id in batch_ids if (why := _drive(settings, batch_id)))
    return replace(outcome(settings, batch_ids, refused or None), gone=gone)


def _drive(settings: Settings, batch_id: str) -> str | None:
    """Harmonise and check one batch; why nothing of it passed, or None."""
    try:
        check.run(settings, harmonise.run(settings, [batch_id]))
    except BatchRefused as error:
        return str(error)
    except (ContractError, OSError) as error:
        with store.connect(settings) as connection:
            ledger.advance(connection, batch_id, "failed", why=str(error))
        log.error("%s: %s", batch_id, error)
        return f"{batch_id}: {error}"
    return None


def pick(
    settings: Settings, quarantine_ids: Sequence[int] = (), rule_id: str | None = None, source: str | None = None
) -> list[str]:
    """New batches over the landed bytes of the chosen rows: one for each landing folder, of these records alone.

    Folders that are gone are passed over, and so are, unless they are named, records that a rule about secrets holds.
    Raises LgspError when a row that was named does not wait.
    """
    return _pick(settings, quarantine_ids, rule_id, source)[0]


def _pick(
    settings: Settings, quarantine_ids: Sequence[int], rule_id: str | None, source: str | None
) -> tuple[list[str], int]:
    """The new batches, and how many records have no landing folder any more."""
    install.ensure(settings)
    batch_ids, gone = [], 0
    with store.connect(settings) as connection:
        _prove_waiting(connection, quarantine_ids)
        for landing_path, picked in _chosen(connection, quarantine_ids, rule_id, source):
            if (settings.landing / landing_path / "manifest.json").exists():
                batch_ids.append(_open(connection, landing_path, picked))
            else:
                gone += len(picked)
                log.warning("landing gone: %s with %d records in quarantine, discard them", landing_path, len(picked))
    return batch_ids, gone


def _chosen(
    connection: ledger.Connection, quarantine_ids: Sequence[int], rule_id: str | None, source: str | None
) -> list[tuple[str, list[dict[str, Any]]]]:
    """The chosen records by landing folder."""
    # who names a row may drive an accepted one again
    rows = connection.execute(
        PICK.format(condition="q.quarantine_id = any(%(ids)s)" if quarantine_ids else IN_BULK),
        {"ids": list(quarantine_ids), "rule": rule_id, "source": source, "secret": quarantine.secret_rules()},
    ).fetchall()
    folders: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        folders[row["landing_path"]].append(row)
    return list(folders.items())


def _prove_waiting(connection: ledger.Connection, quarantine_ids: Sequence[int]) -> None:
    for quarantine_id in quarantine_ids:
        held = quarantine.one(connection, quarantine_id)
        if held.state not in ("open", "accepted"):
            raise LgspError(
                f"row {quarantine_id} is {held.state} ({held.state_reason}): there is nothing to drive again"
            )


def _open(connection: ledger.Connection, landing_path: str, picked: list[dict[str, Any]]) -> str:
    row = connection.execute(
        "select batch_id from ledger.batch where landing_path = %s order by rebuilt_from is not null, batch_id limit 1",
        [landing_path],
    ).fetchone()
    assert row is not None
    landed = ledger.batch(connection, row["batch_id"])
    again = ledger.open_batch(connection, landed.source, landed.window, rebuilt_from=landed, purpose="redrive")
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.redriven_record (batch_id, raw_pointer, kind, source_key, record_hash) values (%s, %s, %s, %s, %s)",
            [
                (again.batch_id, *(item[name] for name in ("raw_pointer", "kind", "source_key", "record_hash")))
                for item in picked
            ],
        )
    ledger.advance(connection, again.batch_id, "landed", declared_count=len(picked), fetched_count=len(picked))
    return again.batch_id


def outcome(settings: Settings, batch_ids: list[str], refused: str | None = None) -> Redriven:
    """What became of the records of re-driven batches once they were checked; asking again changes nothing."""
    with store.connect(settings) as connection:
        for batch_id in batch_ids:
            quarantine.settle(connection, batch_id)
        told = _outcome(connection, batch_ids, refused)
    log.info("%s", told)
    return told


def _outcome(connection: ledger.Connection, batch_ids: list[str], refused: str | None) -> Redriven:
    rows = connection.execute(FATES, {"batch_ids": batch_ids}).fetchall()
    held = Counter(rule for row in rows for rule in row["rules"])
    passed = sum(row["has_passed"] for row in rows)
    return Redriven(batch_ids, len(rows), passed, dict(sorted(held.items())), refused)


def raw(settings: Settings, held: Held) -> Any:
    """The record a row is about, as its source sent it; it may hold what belongs to a person.

    Raises ContractError when the landing folder is gone or altered, LgspError when a rule about secrets holds the record.
    """
    with store.connect(settings) as connection:
        for row in quarantine.reasons(connection, held):
            if row.rule_id in quarantine.secret_rules() and row.state != "redriven":
                raise LgspError(f"{row.rule_id} holds the record: its content is shown to nobody")
        batch = ledger.batch(connection, held.raw_pointer.partition("#")[0])
    landed = Batch.open(settings.landing / batch.landing_path)
    number, ordinal = place(held.raw_pointer)
    for call, body in landed.bodies([call for call in landed.calls() if call.number == number]):
        told = json_sanitiser.loads(json_sanitiser.harmless(body))
        described = sources.load(held.source).lists.get(call.list)
        if described is None:
            return told  # the answer is the record
        listed: Any = told.get(described["records"]) if isinstance(told, dict) else told
        return listed[ordinal]
    raise LgspError(f"{held.raw_pointer} is no answer of {landed.folder}")
