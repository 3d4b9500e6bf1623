"""Redrives records in quarantine: processes them again from the landed bytes, as if they were new.

Every rule is evaluated again, not only the one that a row broke.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lgsp import check, harmonise, install, store
from lgsp.check import quarantine
from lgsp.check.quarantine import QuarantinedRow
from lgsp.errors import BatchRefused, ContractError, LgspError
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch
from lgsp.land.record_subset import parse_pointer
from lgsp.schema import sources
from lgsp.settings import Settings
from lgsp.sql import one_row
from lgsp.store import ledger

log = logging.getLogger(__name__)

# The raw pointer names the batch whose landing folder has the record; a tombstone of a sweep is in no landing folder.
CHOOSE = """
select distinct on (landed.landing_path, split_part(q.raw_pointer, '#', 2))
    q.raw_pointer, q.kind, q.source_key, q.record_hash, landed.landing_path
from ledger.quarantine q join ledger.batch landed on landed.batch_id = split_part(q.raw_pointer, '#', 1)
where q.raw_pointer ~ '#[0-9]+:[0-9]+$' and landed.purpose <> 'sweep' and landed.state <> 'withdrawn' and {condition}
    and (%(rule)s::text is null or q.rule_id = %(rule)s) and (%(source)s::text is null or q.source = %(source)s)
order by landed.landing_path, split_part(q.raw_pointer, '#', 2), q.quarantine_id
"""
# Secret records are redriven only by their id, because a person must have looked at each of them.
IN_BULK = f"""
{quarantine.IS_WAITING} and not exists (
    select 1 from ledger.quarantine s where s.source = q.source and s.kind = q.kind and s.source_key = q.source_key
        and s.record_hash = q.record_hash and s.rule_id = any(%(secret)s) and s.state in ('open', 'discarded'))
"""

OUTCOMES = f"""
with redriven as ({quarantine.REDRIVEN_ROWS})
select bool_and(b.state in ('checked', 'published')) and count(q.rule_id) = 0 as has_passed,
    coalesce(array_agg(distinct q.rule_id) filter (where q.rule_id is not null), '{{}}') as rules
from ledger.redriven_record r join ledger.batch b using (batch_id)
left join redriven using (batch_id, raw_pointer)
left join ledger.quarantine q on q.quarantine_id = redriven.quarantine_id and q.state in ('open', 'discarded')
where r.batch_id = any(%(batch_ids)s)
group by b.source, r.kind, r.source_key, r.record_hash
"""


@dataclass(frozen=True)
class RedriveResult:
    """The result of a redrive: how many records passed, and how many records each rule still keeps in quarantine."""

    batch_ids: list[str]
    records: int = 0
    passed: int = 0
    failed_rules: dict[str, int] = field(default_factory=dict)
    refused: str | None = None
    not_landed: int = 0  # records whose landing folder was deleted

    @property
    def still_quarantined(self) -> int:
        """How many of the records are still in quarantine."""
        return self.records - self.passed

    def __str__(self) -> str:
        not_landed = (
            f"; {self.not_landed} records have no landing folder any more: discard them" if self.not_landed else ""
        )
        if not self.records:
            return f"nothing to redrive{not_landed}"
        rules = ", ".join(f"{rule} {count}" for rule, count in self.failed_rules.items())
        text = f"{self.records} redriven: {self.passed} passed, {self.still_quarantined} still in quarantine"
        return text + (f" ({rules})" if rules else "") + (f"; {self.refused}" if self.refused else "") + not_landed


def redrive_rows(
    settings: Settings, quarantine_ids: Sequence[int] = (), rule_id: str | None = None, source: str | None = None
) -> RedriveResult:
    """Redrive the chosen quarantine rows, or all rows when none are chosen. Records that passed wait to be published.

    Raises LgspError when a row given by its id is not waiting. When a batch is refused or cannot be read, its records
    stay in quarantine and the result has the reason; the other batches are not affected.
    """
    batch_ids, not_landed = _open_batches(settings, quarantine_ids, rule_id, source)
    refused = "; ".join(why for batch_id in batch_ids if (why := _harmonise_and_check(settings, batch_id)))
    return replace(outcome(settings, batch_ids, refused or None), not_landed=not_landed)


def _harmonise_and_check(settings: Settings, batch_id: str) -> str | None:
    """Harmonise and check one batch; returns why it failed, or None."""
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


def open_batches(
    settings: Settings, quarantine_ids: Sequence[int] = (), rule_id: str | None = None, source: str | None = None
) -> list[str]:
    """Open new batches with the records of the chosen rows, one batch per landing folder; returns their ids.

    Records whose landing folder was deleted are skipped, and secret records too unless their row is given by its id.
    Raises LgspError when a row given by its id is not waiting.
    """
    return _open_batches(settings, quarantine_ids, rule_id, source)[0]


def _open_batches(
    settings: Settings, quarantine_ids: Sequence[int], rule_id: str | None, source: str | None
) -> tuple[list[str], int]:
    """The ids of the new batches, and the number of records without a landing folder."""
    install.ensure(settings)
    batch_ids, not_landed = [], 0
    with store.connect(settings) as connection:
        _check_are_waiting(connection, quarantine_ids)
        for landing_path, records in _chosen(connection, quarantine_ids, rule_id, source):
            if (settings.landing / landing_path / "manifest.json").exists():
                batch_ids.append(_open_batch(connection, landing_path, records))
            else:
                not_landed += len(records)
                log.warning(
                    "landing folder %s of %d records in quarantine was deleted: discard them",
                    landing_path,
                    len(records),
                )
    return batch_ids, not_landed


def _chosen(
    connection: ledger.Connection, quarantine_ids: Sequence[int], rule_id: str | None, source: str | None
) -> list[tuple[str, list[dict[str, Any]]]]:
    """The chosen records by landing folder."""
    # a row that is given by its id may also be an accepted one that was redriven before
    rows = connection.execute(
        CHOOSE.format(condition="q.quarantine_id = any(%(ids)s)" if quarantine_ids else IN_BULK),
        {"ids": list(quarantine_ids), "rule": rule_id, "source": source, "secret": quarantine.secret_rules()},
    ).fetchall()
    folders: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        folders[row["landing_path"]].append(row)
    return list(folders.items())


def _check_are_waiting(connection: ledger.Connection, quarantine_ids: Sequence[int]) -> None:
    for quarantine_id in quarantine_ids:
        row = quarantine.get(connection, quarantine_id)
        if row.state not in ("open", "accepted"):
            raise LgspError(f"row {quarantine_id} is {row.state} ({row.state_reason}): there is nothing to redrive")


def _open_batch(connection: ledger.Connection, landing_path: str, records: list[dict[str, Any]]) -> str:
    row = one_row(
        connection.execute(
            "select batch_id from ledger.batch where landing_path = %s order by rebuilt_from is not null, batch_id limit 1",
            [landing_path],
        )
    )
    landed = ledger.batch(connection, row["batch_id"])
    batch = ledger.open_batch(connection, landed.source, landed.window, rebuilt_from=landed, purpose="redrive")
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.redriven_record (batch_id, raw_pointer, kind, source_key, record_hash) values (%s, %s, %s, %s, %s)",
            [
                (batch.batch_id, *(record[name] for name in ("raw_pointer", "kind", "source_key", "record_hash")))
                for record in records
            ],
        )
    ledger.advance(connection, batch.batch_id, "landed", declared_count=len(records), fetched_count=len(records))
    return batch.batch_id


def outcome(settings: Settings, batch_ids: list[str], refused: str | None = None) -> RedriveResult:
    """Resolve the rows whose records passed in these checked batches; returns the result. Safe to repeat."""
    with store.connect(settings) as connection:
        for batch_id in batch_ids:
            quarantine.resolve_redriven(connection, batch_id)
        result = _outcome(connection, batch_ids, refused)
    log.info("%s", result)
    return result


def _outcome(connection: ledger.Connection, batch_ids: list[str], refused: str | None) -> RedriveResult:
    rows = connection.execute(OUTCOMES, {"batch_ids": batch_ids}).fetchall()
    failed_rules = Counter(rule for row in rows for rule in row["rules"])
    passed = sum(row["has_passed"] for row in rows)
    return RedriveResult(batch_ids, len(rows), passed, dict(sorted(failed_rules.items())), refused)


def raw_record(settings: Settings, quarantined: QuarantinedRow) -> Any:
    """The record of a quarantine row, as its source sent it. It may contain personal data.

    Raises ContractError when the landing folder was deleted or altered, LgspError when the record is secret.
    """
    with store.connect(settings) as connection:
        for row in quarantine.rows_of_version(connection, quarantined):
            if row.rule_id in quarantine.secret_rules() and row.state != "redriven":
                raise LgspError(f"the record breaks {row.rule_id}, a rule about secrets: its content is never shown")
        batch = ledger.batch(connection, quarantined.raw_pointer.partition("#")[0])
    landed = Batch.open(settings.landing / batch.landing_path)
    number, ordinal = parse_pointer(quarantined.raw_pointer)
    for call, body in landed.bodies([call for call in landed.calls() if call.number == number]):
        answer = json_sanitiser.parse(body)[0]
        config = sources.load(quarantined.source).lists.get(call.list)
        if config is None:
            return answer  # the answer is the record
        listed: Any = answer.get(config["records"]) if isinstance(answer, dict) else answer
        return listed[ordinal]
    raise LgspError(f"{landed.folder} has no answer for {quarantined.raw_pointer}")
