"""Write the results of checks to the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from lgsp.check.gate import RuleResult, SuiteResult
from lgsp.signing import SigningKey
from lgsp.sql import one_row
from lgsp.store.ledger import Connection

SUMS = """
select batch_id, md5(string_agg(concat_ws('|', suite, rule_id, severity, checked_count, failed_count, is_passed, observed), E'\\n'
    order by suite collate "C", rule_id collate "C")) as results
from ledger.check_result
"""


def record_results(connection: Connection, suites: Iterable[SuiteResult], *, batch_id: str | None = None, snapshot_id: int | None = None) -> None:  # fmt: skip
    """Replace the stored results of a batch, or of the tables of a publication, in `ledger.check_result`."""
    if batch_id is not None:
        connection.execute("delete from ledger.check_result where batch_id = %s", [batch_id])
    else:
        connection.execute("delete from ledger.check_result where batch_id is null and snapshot_id = %s", [snapshot_id])
    if rows := as_rows(suites, batch_id=batch_id, snapshot_id=snapshot_id):
        columns = ", ".join(rows[0])
        connection.execute(
            f"insert into ledger.check_result ({columns}) select {columns} from json_populate_recordset(null::ledger.check_result, %s)",
            [json.dumps(rows)],
        )


def sign(connection: Connection, batch_id: str, key: SigningKey) -> None:
    """Sign the stored results of a batch: a failure that somebody turns into a success afterwards is noticed."""
    connection.execute(
        "insert into ledger.signing_key (key_id, public_key) values (%s, %s) on conflict do nothing", [key.id, key.public.decode()]
    )  # fmt: skip
    row = one_row(connection.execute(f"{SUMS} where batch_id = %s group by batch_id", [batch_id]))
    connection.execute(
        "update ledger.batch set results_signature = %s, results_key = %s where batch_id = %s",
        [key.sign(signed_content(batch_id, row["results"])).hex(), key.id, batch_id],
    )


def signed_content(batch_id: str, results: str) -> bytes:
    """What is signed of the results of a batch: its id and the hash of their rows."""
    return f"{batch_id} {results}".encode()


def as_rows(suites: Iterable[SuiteResult], **subject: Any) -> list[dict[str, Any]]:
    """The results as rows of `ledger.check_result`; `subject` is the batch id or the snapshot id, by column name."""
    return [
        {**subject, "rule_id": result.rule.id, "suite": result.suite, "severity": result.rule.severity, "checked_count": result.checked, "failed_count": result.failed,
         "is_passed": result.is_passed, "observed": _observed(result),
         "meaning": result.rule.meaning, "rule_version": result.rule.version, "sample_keys": list(result.sample_keys), "checked_at": datetime.now().astimezone().isoformat()}
        for suite in suites for result in suite.results
    ]  # fmt: skip


def _observed(result: RuleResult) -> str | None:
    if not result.is_evaluated:
        return "could not be evaluated"
    return f"{result.observed}; overruled {result.overruled}" if result.overruled else result.observed
