"""Tests of the rules about whole tables: each detects its failing example, and a failed rule stops a publication."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from lgsp import publish, store
from lgsp.indicators import compute
from lgsp.publish import table_rules
from lgsp.publish.refusal import PublicationRefused
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.snapshots import pointer
from lgsp.store.transaction import publishing
from tests.integration.conftest import Installation

RULES = contract.rules("table")


def _insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    placeholders = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into {table} ({', '.join(row)}) values ({placeholders})", row)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_a_table_rule_detects_the_failing_row_of_its_contract(rule: Rule, installation: Installation) -> None:
    assert rule.proof and rule.owner and rule.meaning_vi and rule.why
    for side, expected in (("fails", 1), ("keeps", 0)):
        with store.connect(installation.settings) as connection:
            storage = contract.load(rule.table).storage
            connection.execute(f"truncate {storage}, ledger.completeness")
            _insert(connection, "ledger.completeness", contract.sample("completeness"))
            sample = f"shared.{rule.table}" if rule.table in records.KINDS else rule.table
            _insert(connection, storage, contract.sample(sample) | rule.proof[side])
        with publishing(store.url(installation.settings)) as transaction:
            assert table_rules.failing(transaction, rule)[:2] == (expected, 1), side


def test_p11_a_failed_table_rule_stops_publishing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.ingest("one_stop_shop")
    installation.publish()
    before = installation.data_hashes()
    installation.ingest("online_services")
    original_query = compute.indicator_query
    columns = ", ".join("wrong as received_total" if name == "received_total" else name
                        for name in contract.load("form_06a").stored_names if name != "snapshot_id")  # fmt: skip

    def query_with_wrong_form(table: str) -> str:
        query = original_query(table)
        wrong = f"select {columns} from (select *, received_total + 1 as wrong from ({query}) q) s"
        return wrong if table == "form_06a" else query

    monkeypatch.setattr(compute, "indicator_query", query_with_wrong_form)
    with pytest.raises(PublicationRefused, match=r"BALANCE_06A .* rows of form_06a fail, such as ALL"):
        installation.publish()
    assert installation.data_hashes() == before
    (result,) = installation.query(
        "select * from ledger.check_result where snapshot_id = 2 and rule_id = 'BALANCE_06A'"
    )
    assert not result["is_passed"] and result["sample_keys"]
    assert "Không đạt" in (installation.settings.docs / "publication" / "2" / "index.html").read_text()
    override = table_rules.RuleOverride(("BALANCE_06A",), "Lan", "the form is not read this week")
    published = publish.run(installation.settings, override)
    assert published and published.snapshot_id == 2
    overruled = {"BALANCE_06A": {"by": "Lan", "why": "the form is not read this week"}}
    (snapshot,) = installation.query("select verdict, overruled from shared.snapshot where snapshot_id = 2")
    assert snapshot == {"verdict": "overruled", "overruled": overruled}
    manifest = pointer.manifest(installation.settings.shared, 2)
    assert (manifest["verdict"], manifest["overruled"]) == ("overruled", overruled)


@pytest.mark.parametrize(
    "column", ["taken_count", "inserted_count", "record_count", "dossier_record_count", "work_file_record_count"]
)
def test_a_publication_with_a_wrong_count_cannot_be_committed(column: str, published: Installation) -> None:
    with (
        pytest.raises(psycopg.errors.CheckViolation, match="snapshot"),
        store.connect(published.settings) as connection,
    ):
        connection.execute(f"update ledger.publication set {column} = {column} + 1")
