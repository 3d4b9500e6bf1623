"""The results of checks, as rows of the ledger."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from lgsp.check.gate import Judgement
from lgsp.store.ledger import Connection


def record_results(connection: Connection, judgements: Iterable[Judgement], *, batch_id: str | None = None, snapshot_id: int | None = None) -> None:  # fmt: skip
    """Keep what every rule said of a batch, or of the tables of a publication, in place of what was said before."""
    if batch_id is not None:
        connection.execute("delete from ledger.check_result where batch_id = %s", [batch_id])
    else:
        connection.execute("delete from ledger.check_result where batch_id is null and snapshot_id = %s", [snapshot_id])
    if told := results(judgements, batch_id=batch_id, snapshot_id=snapshot_id):
        columns = ", ".join(told[0])
        connection.execute(
            f"insert into ledger.check_result ({columns}) select {columns} from json_populate_recordset(null::ledger.check_result, %s)",
            [json.dumps(told)],
        )


def results(judgements: Iterable[Judgement], **of: Any) -> list[dict[str, Any]]:
    """What every rule said, as rows of `ledger.check_result`; `of` says of what."""
    return [
        {**of, "rule_id": v.rule.id, "suite": v.suite, "severity": v.rule.severity, "checked_count": v.checked, "failed_count": v.failed,
         "is_passed": v.is_passed, "observed": "could not be evaluated" if not v.is_evaluated else f"{v.observed}; overruled {v.overruled}" if v.overruled else v.observed,
         "meaning": v.rule.meaning, "rule_version": v.rule.version, "sample_keys": list(v.sample_keys), "checked_at": datetime.now().astimezone().isoformat()}
        for judgement in judgements for v in judgement.verdicts
    ]  # fmt: skip
