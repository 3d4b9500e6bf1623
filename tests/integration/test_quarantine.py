"""The life of a row in quarantine: how it comes, how it leaves, and that nothing else makes it leave."""

from __future__ import annotations

from typing import Any

import pytest

from lgsp import database, ledger, quarantine, records
from lgsp.errors import LgspError
from lgsp.transaction import publishing
from tests.integration.conftest import Installation
from tests.samples import DAY

RULE = "DOS_RECEIVED_FUTURE"  # which somebody may accept


@pytest.fixture
def store(installation: Installation) -> Installation:
    """An installation whose ledger is there and empty."""
    database.init(installation.settings)
    return installation


def _row(**changes: Any) -> dict[str, Any]:
    """A row as the check holds it."""
    row = {
        "source_key": "a1", "kind": "dossier", "rule_id": RULE, "rule_version": "1.0.0", "reason": "received 2062",
        "raw_pointer": "b#2:0", "record_hash": "bytes1", "source_updated_at": "2026-08-03 03:00:00+00", "organisation_id": None,
        "occurred_on": None,
    }  # fmt: skip
    return {**row, **changes}


def _batch(store: Installation, *rows: dict[str, Any], **about: Any) -> ledger.Batch:
    """A checked batch that holds some rows."""
    with database.connect(store.settings) as connection:
        batch = ledger.open_batch(connection, "one_stop_shop", DAY, **about)
        quarantine.keep(connection, batch, list(rows))
        ledger.advance(connection, batch.batch_id, "checked")
    return batch


def _states(store: Installation) -> list[tuple[str, str]]:
    rows = store.query("select source_key, state from ledger.quarantine order by quarantine_id")
    return [(row["source_key"], row["state"]) for row in rows]


def _merged(store: Installation, batch: ledger.Batch, *good: tuple[str, str, str]) -> None:
    """A publication that brings good dossiers, each as (key, change time, bytes), and then looks what they correct."""
    with publishing(database.url(store.settings)) as transaction:
        for kind in records.FACTS:
            transaction.temporary(f"incoming_{kind.name}", f"record.{kind.name}")
        for key, changed, raw in good:
            for table in ("record.dossier", "incoming_dossier"):
                transaction.do(
                    f"insert into {table} (source, source_key, source_updated_at, raw_hash, batch_id) "
                    "values ('one_stop_shop', $1::text, $2::text::timestamptz, $3::text, $4::text)",
                    key, changed, raw, batch.batch_id,
                )  # fmt: skip
        quarantine.corrected(transaction, [batch.batch_id])
        transaction.commit()


def test_what_is_held_again_is_the_same_row_with_the_newest_reason(store: Installation) -> None:
    first = _batch(store, _row())
    later = _batch(store, _row(reason="received 2063", rule_version="1.1.0"))
    with database.connect(store.settings) as connection:
        quarantine.keep(connection, first, [_row(reason="an old batch, checked again")])
    (row,) = store.query("select reason, rule_version, batch_id, state from ledger.quarantine")
    assert row == {"reason": "received 2063", "rule_version": "1.1.0", "batch_id": later.batch_id, "state": "open"}


@pytest.mark.parametrize(
    ("good", "state"),
    [
        (("a1", "2026-08-03 04:00:00+00", "other"), "corrected"),
        (("a1", "2026-08-03 03:00:00+00", "other"), "corrected"),
        (("a1", "2026-08-03 03:00:00+00", "bytes1"), "redriven"),
        (("a1", "2026-08-03 02:00:00+00", "other"), "open"),
        (("a2", "2026-08-03 04:00:00+00", "other"), "open"),
    ],
    ids=["newer", "as new", "the same bytes by mended rules", "older", "another record"],
)
def test_a_good_version_as_new_or_newer_lets_a_row_go(
    good: tuple[str, str, str], state: str, store: Installation
) -> None:
    _batch(store, _row())
    batch = _batch(store)
    _merged(store, batch, good)
    assert _states(store) == [("a1", state)]
    if state == "corrected":
        (row,) = store.query("select state_by, state_reason from ledger.quarantine")
        assert row["state_by"] == "source" and batch.batch_id in row["state_reason"]


def test_a_bad_version_that_comes_after_the_good_one_is_let_go_when_its_batch_is_published(store: Installation) -> None:
    _merged(store, _batch(store), ("a1", "2026-08-03 09:00:00+00", "good"), ("a2", "2026-08-03 03:00:00+00", "bytes1"))
    late = _batch(store, _row(), _row(source_key="a2"))
    _merged(store, late)
    assert _states(store) == [("a1", "corrected"), ("a2", "open")], "what is published itself is no correction"


def test_a_decision_needs_a_reason_an_open_row_and_a_rule_that_may_be_waived(store: Installation) -> None:
    _batch(
        store,
        _row(),
        _row(source_key="d1", kind="document", rule_id="SECRET_DOC"),
        _row(source_key="?", rule_id="DOS_KEY"),
    )
    with database.connect(store.settings) as connection:
        status, secret, _ = sorted(row.quarantine_id for row in quarantine.listing(connection))
        with pytest.raises(LgspError, match="no row 999 in quarantine"):
            quarantine.accept(connection, 999, "an", "seen")
        with pytest.raises(LgspError, match="SECRET_DOC holds back cannot be accepted"):
            quarantine.accept(connection, secret, "an", "seen")
        with pytest.raises(LgspError, match="needs its reason"):
            quarantine.discard(connection, status, "an", " ")
        assert quarantine.waived(connection, "one_stop_shop") == []
        assert quarantine.accept(connection, status, "an", "checked on paper").state == "accepted"
        assert quarantine.waived(connection, "one_stop_shop") == [("dossier", "a1", "bytes1", RULE)]
        with pytest.raises(LgspError, match="is accepted by an: checked on paper"):
            quarantine.discard(connection, status, "an", "twice sent")


def test_only_what_waited_too_long_is_aged(store: Installation) -> None:
    _batch(store, _row(), _row(source_key="a2", record_hash="bytes2"), _row(source_key="a3", record_hash="bytes3"))
    store.query(
        "update ledger.quarantine set created_at = now() - interval '20 days' where source_key <> 'a3' returning 1"
    )
    with database.connect(store.settings) as connection:
        (found,) = quarantine.aged(connection)
        assert (found.source, found.rule_id, found.records, found.oldest_days) == ("one_stop_shop", RULE, 2, 20)
        assert quarantine.aged(connection, 21) == []
