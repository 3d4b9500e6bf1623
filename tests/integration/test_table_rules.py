"""Rules about whole tables: proven alive by the rows their contracts name, and able to stop a publication."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from lgsp import publish, store
from lgsp.indicators import compute
from lgsp.publish import table_rules
from lgsp.publish.refusal import PublicationRefused
from lgsp.schema import contract
from lgsp.schema.contract import Rule
from lgsp.snapshots import pointer
from lgsp.store.transaction import publishing
from tests.integration.conftest import Installation

RULES = contract.rules("table")


def _insert(connection: Any, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join(f"%({name})s" for name in row)
    connection.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", row)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_a_table_rule_tells_the_row_that_breaks_it_from_the_one_that_keeps_it(
    rule: Rule, installation: Installation
) -> None:
    assert rule.proof and rule.owner and rule.meaning_vi and rule.why
    for side, expected in (("fails", 1), ("keeps", 0)):
        with store.connect(installation.settings) as connection:
            connection.execute(f"truncate shared.{rule.table}, ledger.completeness")
            _insert(connection, "ledger.completeness", contract.sample("completeness"))
            _insert(connection, f"shared.{rule.table}", contract.sample(rule.table) | rule.proof[side])
        with publishing(store.url(installation.settings)) as transaction:
            assert table_rules.failing(transaction, rule)[:2] == (expected, 1), side


def test_p11_a_table_that_breaks_a_rule_is_not_published_unless_somebody_takes_it_on_by_name(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.ingest("one_stop_shop")
    installation.publish()
    before = installation.data_hashes()
    installation.ingest("online_services")
    whole = compute.query
    spoilt = "select *, received_total + 1 as wrong from ({}) q"
    columns = ", ".join("wrong as received_total" if name == "received_total" else name
                        for name in contract.load("form_06a").names if name != "snapshot_id")  # fmt: skip
    monkeypatch.setattr(
        compute, "query",
        lambda table: f"select {columns} from ({spoilt.format(whole(table))}) s" if table == "form_06a" else whole(table),
    )  # fmt: skip
    with pytest.raises(PublicationRefused, match=r"BALANCE_06A .* rows of form_06a fail, such as H47"):
        installation.publish()
    assert installation.data_hashes() == before
    (result,) = installation.query(
        "select * from ledger.check_result where snapshot_id = 2 and rule_id = 'BALANCE_06A'"
    )
    assert not result["is_passed"] and result["sample_keys"]
    assert "Không đạt" in (installation.settings.docs / "publication" / "2" / "index.html").read_text()
    named = table_rules.RuleOverride(("BALANCE_06A",), "Lan", "the form is not read this week")
    published = publish.run(installation.settings, named)
    assert published and published.snapshot_id == 2
    overruled = {"BALANCE_06A": {"by": "Lan", "why": "the form is not read this week"}}
    (told,) = installation.query("select verdict, overruled from shared.snapshot where snapshot_id = 2")
    assert told == {"verdict": "overruled", "overruled": overruled}
    manifest = pointer.manifest(installation.settings.shared, 2)
    assert (manifest["verdict"], manifest["overruled"]) == ("overruled", overruled)


def test_a_publication_whose_counts_are_off_by_one_cannot_be_committed(published: Installation) -> None:
    for column in ("taken_count", "inserted_count", "record_count", "dossier_record_count", "work_file_record_count"):
        with (
            pytest.raises(psycopg.errors.CheckViolation, match="snapshot"),
            store.connect(published.settings) as connection,
        ):
            connection.execute(f"update ledger.publication set {column} = {column} + 1")
