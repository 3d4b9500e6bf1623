"""The check stage: put rows that break a rule into quarantine, and refuse a batch that breaks a batch rule."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from lgsp import config, store
from lgsp.check import batch_metrics, data_docs, gate, personal_data, quarantine, results, row_rules
from lgsp.errors import BatchRefused, ContractError
from lgsp.harmonise.context import duck
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.settings import Settings
from lgsp.signing import SigningKey
from lgsp.sql import one_row
from lgsp.store import disk, heartbeat, ledger

log = logging.getLogger(__name__)


@dataclass
class BatchCheck:
    """The state of one batch's check: counts, flagged rows by kind, and the results of the suites."""

    batch: ledger.Batch
    counts: batch_metrics.Counts = field(default_factory=batch_metrics.Counts)
    rows: list[row_rules.FlaggedRows] = field(default_factory=list)
    list_quarantine: list[dict[str, Any]] = field(default_factory=list)  # rows of lists, for `ledger.quarantine`
    rule_counts: list[gate.RuleCount] = field(default_factory=list)
    suites: list[gate.SuiteResult] = field(default_factory=list)

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        """The rows for `ledger.quarantine`: one for each record and rule it broke."""
        return [row for flagged in self.rows for row in flagged.quarantine] + self.list_quarantine

    @property
    def refusal(self) -> str | None:
        """Why the batch is refused; None when it passes."""
        return "; ".join(str(result) for suite in self.suites for result in suite.results if result.blocks) or None


def run(settings: Settings, batch_ids: list[str]) -> list[str]:
    """Check harmonised batches and return their ids. Batches that are published already are skipped.

    Raises BatchRefused when any batch is refused, after all were checked; the message names each with its reason.
    """
    config.activate(settings)
    refusals = []
    for batch_id in batch_ids:
        with heartbeat.beating(settings, batch_id), disk.closing(settings, batch_id, settings.staging / batch_id):
            if refusal := _check(settings, batch_id):
                refusals.append(f"{batch_id}: {refusal}")
    if refusals:
        raise BatchRefused("refused, nothing of it will be published: " + "; ".join(refusals))
    return batch_ids


def _check(settings: Settings, batch_id: str) -> str | None:
    """Check one batch; why it is refused, or None."""
    with store.connect(settings) as connection:
        batch = ledger.batch(connection, batch_id)
        if batch.state in ("published", "withdrawn"):  # the Airflow task was cleared after the publication
            return None
        decisions = row_rules.Decisions(
            quarantine.accepted(connection, batch.source), quarantine.discarded(connection, batch.source)
        )
    folder = settings.staging / batch_id
    # written under another name and renamed: a publisher must never see a partly written folder
    final, accepted = folder / "accepted", folder / "judged"
    shutil.rmtree(accepted, ignore_errors=True)
    accepted.mkdir(parents=True, mode=0o700)
    checked = BatchCheck(batch)
    checked.counts.duplicates = int((folder / "harmonised" / "repeated").read_text(encoding="utf-8"))
    checked.counts.fetched = batch.counts["fetched_count"]
    with duck(settings) as con:
        for kind in records.FACTS:
            if (staged := folder / "harmonised" / f"{kind.name}.parquet").exists():
                check_rows(con, checked, kind, staged, accepted, decisions)
        for kind in records.LISTS:
            if (staged := folder / "harmonised" / f"{kind.name}.parquet").exists():
                checked.list_quarantine += row_rules.copy_list(con, kind, staged, accepted / staged.name)
        with store.connect(settings) as connection:
            _evaluate_rules(con, connection, checked, accepted)
    shutil.rmtree(final, ignore_errors=True)
    if checked.refusal:
        shutil.rmtree(accepted)
    else:
        accepted.rename(final)
    with store.connect(settings) as connection:
        _record(settings, connection, checked)
    with store.connect(settings) as connection:
        data_docs.publish(settings.docs, connection, batch, checked.suites, checked.quarantine)
    refusal = checked.refusal
    log.info("%s %s: %s%s", batch.source, batch.window, checked.counts, f", REFUSED: {refusal}" if refusal else "")
    return refusal


def check_rows(
    con: duckdb.DuckDBPyConnection, checked: BatchCheck, kind: records.Kind, staged: Path, accepted: Path,
    decisions: row_rules.Decisions,
) -> None:  # fmt: skip
    """Apply the row rules to the harmonised records of a kind, write the accepted rows, and add the counts."""
    batch = checked.batch
    flagged = row_rules.apply(con, kind, staged, accepted / f"{kind.name}.parquet", batch.window.end, decisions)
    is_redrive = batch.purpose == "redrive"
    checked.rule_counts += gate.count_rows(
        kind.name, flagged.rows, flagged.failed, flagged.rules, flagged.sample_keys, is_redrive
    )
    if flagged.sample is not None and len(flagged.sample):
        checked.suites.append(gate.check_sample(kind.name, flagged.sample, flagged.rules))
    checked.rows.append(flagged)
    checked.counts.add(flagged)


def _evaluate_rules(
    con: duckdb.DuckDBPyConnection, connection: ledger.Connection, checked: BatchCheck, accepted: Path
) -> None:
    """Evaluate the counts of the row rules, and the rules of kind `batch` on the metrics of the batch."""
    batch = checked.batch
    rules = contract.rules("batch")
    metrics = batch_metrics.compute(
        batch, checked.counts, batch_metrics.load_history(connection, batch, accepted), checked.rows,
        personal_data.scan(con, accepted, records.LISTS), con, accepted,
    )  # fmt: skip
    flags, observed = batch_flags(con, metrics.values, rules)
    suite = gate.evaluate("rules", [*checked.rule_counts, *gate.count_flags("batch", flags, rules, observed)])
    overrides = ledger.overrides(connection, batch)
    checked.suites = [_with_overrides(suite, overrides) for suite in [suite, *checked.suites]]


def _with_overrides(suite: gate.SuiteResult, overrides: Mapping[str, str]) -> gate.SuiteResult:
    """A suite with the operators' overrides; an override of QUARANTINED_SHARE also covers every row rule of severity `error`."""
    share = overrides.get("QUARANTINED_SHARE")

    def overruled(result: gate.RuleResult) -> str | None:
        is_row_error = result.suite.startswith("rows") and result.rule.severity == "error"
        return overrides.get(result.rule.id, share if is_row_error else None)

    return replace(suite, results=[replace(result, overruled=overruled(result)) for result in suite.results])


def batch_flags(
    con: duckdb.DuckDBPyConnection, values: Mapping[str, object], rules: tuple[Rule, ...]
) -> tuple[dict[str, bool], dict[str, str | None]]:
    """Evaluate batch rules on one row of metrics: by rule id, whether it passes, and the observed values where it fails.

    Raises ContractError when a rule cannot be compiled.
    """
    columns = ", ".join(f"{name}::{type_} as {name}" for name, type_ in batch_metrics.COLUMNS.items())
    con.register("metrics", pa.table({name: [values.get(name)] for name in batch_metrics.COLUMNS}))
    con.execute(f"create or replace table metric as select {columns} from metrics")
    con.unregister("metrics")
    flags: dict[str, bool] = {}
    observed: dict[str, str | None] = {}
    for rule in rules:
        shown = " || ', ' || ".join(
            f"coalesce({name}, '')" if name.endswith("_details") else f"'{name} ' || format('{{:,}}', {name})"
            for name in rule.shows
        )
        try:
            row = one_row(con.execute(f"select not coalesce({rule.bad}, false), {shown or 'null'} from metric"))
        except duckdb.Error as error:
            raise ContractError(f"rule {rule.id} of kind {rule.kind} cannot be compiled: {error}") from error
        flags[rule.id] = bool(row[0])
        observed[rule.id] = None if row[0] else row[1]
    return flags, observed


def _record(settings: Settings, connection: ledger.Connection, checked: BatchCheck) -> None:
    batch, counts = checked.batch, checked.counts
    results.record_results(connection, checked.suites, batch_id=batch.batch_id)
    results.sign(connection, batch.batch_id, SigningKey.load(settings))
    quarantine.add(connection, batch, checked.quarantine)
    test_records = [(flagged.kind.name, *record) for flagged in checked.rows for record in flagged.test_records]
    ledger.record_trials(connection, batch, test_records)
    ledger.advance(
        connection, batch.batch_id, "refused" if checked.refusal else "checked", why=checked.refusal,
        duplicate_count=counts.duplicates, quarantined_count=counts.quarantined, ignored_count=counts.ignored,
        superseded_count=counts.superseded, accepted_count=counts.accepted,
    )  # fmt: skip
    if batch.purpose == "redrive":
        quarantine.resolve_redriven(connection, batch.batch_id)
    if counts.secret:
        log.error(
            "%s %s: %d secret records in a system that must not contain any; quarantined without their content",
            batch.source,
            batch.window,
            counts.secret,
        )
