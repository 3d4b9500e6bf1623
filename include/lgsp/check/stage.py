"""Check: rows that break a rule go to quarantine with all their reasons; a batch that breaks one is refused."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lgsp import store
from lgsp.check import batch_metrics, data_docs, gate, personal_data, quarantine, results, row_rules
from lgsp.errors import BatchRefused, ContractError
from lgsp.harmonise.context import duck
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.settings import Settings
from lgsp.store import ledger

log = logging.getLogger(__name__)


@dataclass
class Checked:
    """A batch after its rows, and it as a whole, were judged."""

    batch: ledger.Batch
    counts: batch_metrics.Counts = field(default_factory=batch_metrics.Counts)
    rows: list[row_rules.Flagged] = field(default_factory=list)
    judgements: list[gate.Judgement] = field(default_factory=list)

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        """One row for each record and each rule that holds it."""
        return [row for flagged in self.rows for row in flagged.quarantine]

    @property
    def why(self) -> str | None:
        """Why the batch is refused, or None."""
        return "; ".join(str(v) for judgement in self.judgements for v in judgement.verdicts if v.blocks) or None


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
    with store.connect(settings) as connection:
        batch = ledger.batch(connection, batch_id)
        if batch.state == "published":  # a task that was cleared: nothing is left to judge
            return None
        decided = row_rules.Decided(
            quarantine.waived(connection, batch.source), quarantine.discarded(connection, batch.source)
        )
    folder = settings.staging / batch_id
    # whoever publishes meanwhile sees the folder whole or not at all
    final, accepted = folder / "accepted", folder / "judged"
    shutil.rmtree(accepted, ignore_errors=True)
    accepted.mkdir(parents=True, mode=0o700)
    checked = Checked(batch)
    checked.counts.duplicates = int((folder / "harmonised" / "repeated").read_text())
    checked.counts.fetched = batch.counts["fetched_count"]
    for kind in records.FACTS:
        if (staged := folder / "harmonised" / f"{kind.name}.parquet").exists():
            with duck(settings) as con:
                _judge_rows(con, checked, kind, staged, accepted, decided)
    for kind in records.LISTS:
        if (staged := folder / "harmonised" / f"{kind.name}.parquet").exists():
            shutil.copy(staged, accepted / staged.name)
    with store.connect(settings) as connection, duck(settings) as con:
        _judge_batch(con, connection, checked, accepted)
    shutil.rmtree(final, ignore_errors=True)
    if checked.why:
        shutil.rmtree(accepted)
    else:
        accepted.rename(final)
    with store.connect(settings) as connection:
        _record(connection, checked)
    with store.connect(settings) as connection:
        data_docs.publish(settings.docs, connection, batch, checked.judgements, checked.quarantine)
    why = checked.why
    log.info("%s %s: %s%s", batch.source, batch.window, checked.counts, f", REFUSED: {why}" if why else "")
    return why


def _judge_rows(
    con: duckdb.DuckDBPyConnection, checked: Checked, kind: records.Kind, staged: Path, accepted: Path,
    decided: row_rules.Decided,
) -> None:  # fmt: skip
    batch = checked.batch
    flagged = row_rules.judge(con, kind, staged, accepted / f"{kind.name}.parquet", batch.window.end, decided)
    checked.judgements.append(
        gate.rows(kind.name, flagged.flags, flagged.rules, flagged.sample_keys, is_again=batch.purpose == "redrive")
    )
    if flagged.sample is not None and len(flagged.sample):
        checked.judgements.append(gate.native(kind.name, flagged.sample, flagged.rules))
    checked.rows.append(flagged)
    checked.counts.add(flagged)


def _judge_batch(
    con: duckdb.DuckDBPyConnection, connection: ledger.Connection, checked: Checked, accepted: Path
) -> None:
    """Judge the batch as a whole by the rules of kind `batch`, on one row of facts."""
    batch = checked.batch
    rules = contract.rules("batch")
    told = batch_metrics.of(
        batch, checked.counts, batch_metrics.past(connection, batch, accepted), checked.rows, _disputed(checked),
        personal_data.scan(con, accepted, records.LISTS), con, accepted,
    )  # fmt: skip
    flags, observed = flags_of(con, told.values, rules)
    judged = gate.facts("batch", flags, rules, observed)
    overruled = ledger.overrides(connection, batch)
    checked.judgements = [_overruled(judgement, overruled) for judgement in [*checked.judgements, judged]]


def _overruled(judgement: gate.Judgement, overruled: Mapping[str, str]) -> gate.Judgement:
    """A judgement with what somebody overruled; who lets many rows be in quarantine lets many rows break one rule."""
    share = overruled.get("QUARANTINED_SHARE") if judgement.suite.startswith("rows") else None
    verdicts = [
        replace(verdict, overruled=overruled.get(verdict.rule.id, share if verdict.rule.severity == "error" else None))
        for verdict in judgement.verdicts
    ]
    return replace(judgement, verdicts=verdicts)


def flags_of(
    con: duckdb.DuckDBPyConnection, values: Mapping[str, object], rules: tuple[Rule, ...]
) -> tuple[dict[str, bool], dict[str, str | None]]:
    """Whether one row of facts keeps each rule, and what is observed, in words, where it does not."""
    columns = ", ".join(f"{name}::{type_} as {name}" for name, type_ in batch_metrics.COLUMNS.items())
    con.register("given", pa.table({name: [values.get(name)] for name in batch_metrics.COLUMNS}))
    con.execute(f"create or replace table fact as select {columns} from given")
    con.unregister("given")
    flags: dict[str, bool] = {}
    observed: dict[str, str | None] = {}
    for rule in rules:
        shown = " || ', ' || ".join(
            f"coalesce({name}, '')" if name.endswith("_told") else f"'{name} ' || format('{{:,}}', {name})"
            for name in rule.shows
        )
        try:
            row = con.execute(f"select not coalesce({rule.bad}, false), {shown or 'null'} from fact").fetchone()
        except duckdb.Error as error:
            raise ContractError(f"rule {rule.id} of kind {rule.kind} cannot be compiled: {error}") from error
        assert row is not None
        flags[rule.id] = bool(row[0])
        observed[rule.id] = None if row[0] else row[1]
    return flags, observed


def _disputed(checked: Checked) -> list[str]:
    """The rules of which Great Expectations counted another number of failures than was flagged."""
    failed = {flagged.kind.name: flagged.failed for flagged in checked.rows}
    return [
        f"{verdict.rule.id}: {verdict.failed} against {failed[verdict.rule.kind][verdict.rule.id]}"
        for judgement in checked.judgements if judgement.suite.startswith("rows")
        for verdict in judgement.verdicts
        if verdict.is_evaluated and verdict.failed != failed[verdict.rule.kind][verdict.rule.id]
    ]  # fmt: skip


def _record(connection: ledger.Connection, checked: Checked) -> None:
    batch, counts = checked.batch, checked.counts
    results.record_results(connection, checked.judgements, batch_id=batch.batch_id)
    quarantine.keep(connection, batch, checked.quarantine)
    trials = [(flagged.kind.name, *trial) for flagged in checked.rows for trial in flagged.trials]
    ledger.record_trials(connection, batch, trials)
    ledger.advance(
        connection, batch.batch_id, "refused" if checked.why else "checked", why=checked.why,
        duplicate_count=counts.duplicates, quarantined_count=counts.quarantined, ignored_count=counts.ignored,
        superseded_count=counts.superseded, accepted_count=counts.accepted,
    )  # fmt: skip
    if batch.purpose == "redrive":
        quarantine.settle(connection, batch.batch_id)
    if counts.stopped:
        log.error(
            "%s %s: %d secret records in a system that must hold none; stopped without their content",
            batch.source,
            batch.window,
            counts.stopped,
        )
