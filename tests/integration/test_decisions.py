"""What people decided outlives the database, and nobody decides by writing into a table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lgsp import store
from lgsp.maintain import adopt, verify_landing
from lgsp.schema import contract, records
from lgsp.store import decisions
from lgsp.store.embedded_postgres import Server
from tests.integration.conftest import Installation, copied
from tests.integration.test_adopt import _run, _without_database

STATES = "select kind, source_key, rule_id, state, state_by, state_reason, state_at from ledger.quarantine where state in ('accepted', 'discarded') order by 1, 2, 3"


def _decide(installation: Installation, *arguments: str) -> None:
    result = _run(installation, *arguments, "--by", "Lan", "--why", "seen on paper")
    assert result.exit_code == 0, result.output


def _open_rows(installation: Installation, is_acceptable: bool) -> list[int]:
    rules = [rule.id for kind in records.FACTS for rule in contract.rules(kind.name) if rule.is_acceptable is is_acceptable]  # fmt: skip
    rows = installation.query(
        "select min(quarantine_id) as id from ledger.quarantine where state = 'open' and rule_id = any(%s) and source_key <> '?' "
        "group by source, kind, source_key having count(*) = 1 order by 1",
        rules,
    )
    return [row["id"] for row in rows]


@pytest.fixture(scope="module")
def decided(server: Server, published: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation with a decision of each kind, published."""
    published_copy = copied(server, published, tmp_path_factory.mktemp("decided"))
    accepted, discarded, *_ = _open_rows(published_copy, is_acceptable=True)
    _decide(published_copy, "quarantine", "accept", str(accepted))
    _decide(published_copy, "quarantine", "discard", str(discarded))
    assert _run(published_copy, "quarantine", "redrive", str(accepted)).exit_code == 0
    (row,) = published_copy.query("select source, organisation_id from record.organisation order by 1, 2 limit 1")
    days = ("--from", "2026-08-03", "--to", "2026-08-04")
    _decide(published_copy, "completeness", "confirm", row["source"], row["organisation_id"], *days)
    (batch,) = published_copy.query("select batch_id from ledger.batch where source = 'documents'")
    with store.connect(published_copy.settings) as connection:
        refused = store.ledger.batch(connection, batch["batch_id"])
        store.ledger.overrule(connection, refused, "RECONCILIATION", "Minh", "the source counts twice")
    published_copy.publish()
    assert _run(published_copy, "status").exit_code == 0
    return published_copy


def test_decisions_outlive_the_database(server: Server, decided: Installation, tmp_path: Path) -> None:
    made = decided.query("select what, verdict, decided_by from ledger.decision order by decision_id")
    assert {row["what"] for row in made} == {"quarantine", "silence", "override"}
    assert [line["decided_by"] for line in decisions.read(decided.settings)] == [row["decided_by"] for row in made]
    lost = _without_database(server, copied(server, decided, tmp_path))
    adoption = adopt.adopt(lost.settings)
    assert adoption.decisions == len(made) and not adoption.damaged
    lost.publish()
    assert lost.data_hashes() == decided.data_hashes()
    assert lost.query(STATES) == decided.query(STATES) != []
    for table in ("override", "confirmed_silence"):
        assert lost.query(f"select * from ledger.{table}") == decided.query(f"select * from ledger.{table}") != []
    assert verify_landing.verify_landing(lost.settings).problems == []
    assert adopt.adopt(lost.settings).epoch is None, "nothing is adopted twice"


ALTERED = {
    "discarded by nobody": "update ledger.quarantine set state = 'discarded' where quarantine_id = (select min(quarantine_id) from ledger.quarantine where state = 'open')",
    "another verdict": "update ledger.quarantine set state = 'accepted' where state = 'discarded'",
    "another person": "update ledger.quarantine set state_by = 'Minh' where state = 'discarded'",
    "an invented override": "insert into ledger.override (source, window_from, window_to, rule_id, decided_by, why) values ('documents', '2026-01-01', '2026-01-02', 'RECONCILIATION', 'nobody', 'x')",
    "a longer silence": "update ledger.confirmed_silence set last_on = last_on + 1",
    "an invented hold": "insert into ledger.hold (decided_by, why) values ('nobody', 'x')",
    "a decision of another person": "update ledger.decision set decided_by = 'Minh' where what = 'silence'",
    "a deleted decision": "delete from ledger.decision where what = 'silence'",
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_a_decision_that_nobody_made_is_found(decided: Installation, name: str) -> None:
    with store.connect(decided.settings) as connection:
        assert decisions.problems(decided.settings, connection) == []
        assert connection.execute(ALTERED[name].encode()).rowcount
        assert decisions.problems(decided.settings, connection)
        connection.rollback()


def test_an_altered_line_of_the_journal_is_found(decided: Installation) -> None:
    path = decisions.journal(decided.settings)
    whole = path.read_text()
    first, *others = whole.splitlines(keepends=True)
    path.write_text(json.dumps({**json.loads(first), "decided_by": "Minh"}) + "\n" + "".join(others))
    result = _run(decided, "verify", "--landing")
    path.write_text(whole)
    assert result.exit_code == 1 and "decisions.jsonl and ledger.decision differ, first in decision 1" in result.output


def test_a_line_that_a_crash_left_incomplete_is_written_again(decided: Installation) -> None:
    path = decisions.journal(decided.settings)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with store.connect(decided.settings) as connection:
        assert decisions.write_journal(decided.settings, connection) == 1
    assert path.read_bytes() == whole


def test_a_decision_that_was_committed_late_is_written_too(decided: Installation) -> None:
    path = decisions.journal(decided.settings)
    whole = path.read_bytes()
    first, *others = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(others))
    with store.connect(decided.settings) as connection:
        assert decisions.write_journal(decided.settings, connection) == 1
        assert decisions.problems(decided.settings, connection) == []
    assert path.read_bytes() == b"".join([*others, first])
    path.write_bytes(whole)


def test_an_older_database_is_refused_until_it_has_all_decisions(server: Server, decided: Installation) -> None:
    with store.connect(decided.settings) as connection:
        connection.execute(
            "delete from ledger.decision where decision_id = (select max(decision_id) from ledger.decision)"
        )
    result = _run(decided, "publish")
    assert result.exit_code == 1 and "lacks decisions of people" in result.output
    assert adopt.adopt(decided.settings).decisions == 1
