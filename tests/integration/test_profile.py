"""Profiles of batches are stored, and unusual batches are compared with earlier ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from lgsp import harmonise, land, store
from lgsp.check import baselines, freshness
from lgsp.cli.drift import drift
from lgsp.install import ensure
from lgsp.land import json_sanitiser
from lgsp.land.archive import Batch, Pack
from lgsp.store import ledger
from lgsp.window import Window, midnight
from tests.integration.conftest import WHOLE, Installation

SOURCE = "one_stop_shop"
MONDAY = date(2022, 6, 6)


@pytest.fixture
def connection(install: Callable[..., Installation]) -> Iterator[ledger.Connection]:
    """A connection to an empty store."""
    settings = install({}).settings
    ensure(settings)
    with store.connect(settings) as connection:
        yield connection


def planted(
    connection: ledger.Connection, first: date, counts: list[int], *, state: str = "published",
    read_at: datetime | None = None, nulls: float = 0.02, rebuilt_from: ledger.Batch | None = None,
) -> ledger.Batch:  # fmt: skip
    """Insert a batch of consecutive days with these numbers of records, as the harmonise stage would leave it."""
    window = Window.of_days(first, first + timedelta(days=len(counts) - 1))
    batch = ledger.open_batch(connection, SOURCE, window, rebuilt_from=rebuilt_from)
    total = sum(counts)
    connection.execute("update ledger.batch set state = 'checked' where batch_id = %s", [batch.batch_id])
    connection.execute(
        "update ledger.batch set state = %s, fetched_count = %s, published_count = %s, created_at = %s where batch_id = %s",
        [state, total, total if state == "published" else 0, read_at or window.end, batch.batch_id],
    )
    connection.execute(
        "insert into ledger.field_profile values (%s, 'dossiers', 'appliedDate', %s, %s, '{string}')",
        [batch.batch_id, total, round(total * nulls)],
    )
    for n, count in enumerate(counts):
        if count:
            connection.execute(
                "insert into ledger.batch_day values (%s, 'dossier', %s, %s)",
                [batch.batch_id, first + timedelta(days=n), count],
            )
    return ledger.batch(connection, batch.batch_id)


def weeks(connection: ledger.Connection, count: int, **options: Any) -> None:
    """Daily batches of whole weeks before MONDAY: about 1,000 records on working days, 100 at weekends."""
    for n in range(-7 * count, 0):
        day = MONDAY + timedelta(days=n)
        planted(connection, day, [(1000 if day.weekday() < 5 else 100) + n % 7], **options)


def test_a_day_is_compared_with_its_weekday(connection: ledger.Connection) -> None:
    weeks(connection, 9)
    [day] = baselines.day_volumes(connection, planted(connection, MONDAY, [211], state="harmonised"))
    assert day.is_unusual and not day.is_suspicious_zero
    # two of the nine Mondays were holidays
    assert day.description == "Monday 6 June 2022: expected 800–1,200, got 211 (median of 7 Mondays 1,000)"


def test_an_empty_working_day_is_suspicious_unless_read_before(
    connection: ledger.Connection,
) -> None:
    weeks(connection, 3)
    empty = planted(connection, MONDAY, [0], state="harmonised")
    assert [day.is_suspicious_zero for day in baselines.day_volumes(connection, empty)] == [True]
    without = planted(connection, MONDAY, [1010], state="harmonised")
    connection.execute("update ledger.batch_day set kind = 'other' where batch_id = %s", [without.batch_id])
    assert [day.missing_kinds for day in baselines.day_volumes(connection, without)] == [
        ("dossier where 1,002 are usual",)
    ]
    planted(connection, MONDAY, [1010])
    assert baselines.day_volumes(connection, empty) == []


def test_a_day_read_by_an_older_version_counts_as_read_before(connection: ledger.Connection) -> None:
    weeks(connection, 3)
    before = planted(connection, MONDAY, [1010])
    for table in ("batch_day", "field_profile"):  # an older version stored neither
        connection.execute(f"delete from ledger.{table} where batch_id = %s", [before.batch_id])
    assert baselines.day_volumes(connection, planted(connection, MONDAY, [0], state="harmonised")) == []


def test_late_readings_give_no_lower_bound(connection: ledger.Connection) -> None:
    first = MONDAY - timedelta(days=42)
    planted(connection, first, [300] * 42)  # a backfill in one window: most records have changed again since
    today = planted(connection, MONDAY, [950], state="harmonised")
    [day] = baselines.day_volumes(connection, today)
    assert day.expected is not None and day.expected.low == 0 and day.expected.middle == 300


def test_a_rebuilt_batch_counts_as_read_when_its_bytes_were_read(connection: ledger.Connection) -> None:
    weeks(connection, 4)
    before = planted(connection, MONDAY, [5])
    again = planted(connection, MONDAY, [5], state="harmonised", rebuilt_from=before,
                    read_at=before.window.end + timedelta(days=300))  # fmt: skip
    [day] = baselines.day_volumes(connection, again)
    assert day.is_unusual and day.expected is not None and day.expected.low > 0


def test_the_newest_record_is_never_after_the_end_of_its_window(connection: ledger.Connection) -> None:
    batch = planted(connection, MONDAY, [5, 5, 0])
    connection.execute("insert into ledger.batch_day values (%s, 'dossier', '2202-06-07', 1)", [batch.batch_id])
    planted(connection, MONDAY + timedelta(days=3), [5], state="refused")
    newest = {fresh.source: fresh.newest_record_on for fresh in freshness.measure(connection, batch.window.end)}
    assert newest == {SOURCE: MONDAY + timedelta(days=1), "online_services": None, "documents": None}


def test_a_field_that_is_suddenly_empty_reaches_the_limit(connection: ledger.Connection) -> None:
    weeks(connection, 2)
    [null] = baselines.unusual_nulls(connection, planted(connection, MONDAY, [1000], state="harmonised", nulls=0.61))
    assert null.is_limit
    assert (
        null.description == "dossiers.appliedDate: empty in 61% of 1,000 records, usually in 2% (median of 10 batches)"
    )
    late = planted(connection, MONDAY, [1000], state="harmonised", nulls=0.61, read_at=midnight(date(2023, 1, 1)))
    assert baselines.unusual_nulls(connection, late) == []  # no earlier batch was read so late


def altered(installed: Installation, batch_id: str, alter: Callable[[dict[str, Any]], None]) -> None:
    """Land the batch again with altered dossiers; dossiers with other field names are left out."""
    folder = installed.settings.landing / installed.batch(batch_id).landing_path
    landed = Batch.open(folder)
    answers = list(landed.bodies(landed.calls()))
    shutil.rmtree(folder)
    pack = Pack(folder)
    for call, body in answers:
        answer, _ = json_sanitiser.parse(body)
        if call.list == "dossiers":
            answer["content"] = [record for record in answer["content"] if record and "appliedDate" in record]
            for record in answer["content"]:
                alter(record)
        number = pack.append(call.list, call.request, call.status, orjson.dumps(answer), call.seconds, False)
        pack.annotate(number, is_whole=True, records=call.records)
    pack.seal({name: value for name, value in landed.manifest.items() if not name.startswith("calls")})


def test_the_drift_of_a_batch_is_stored_and_shown(installation: Installation) -> None:
    [usual_id] = harmonise.run(installation.settings, land.run(installation.settings, SOURCE, WHOLE))
    days = installation.query("select day_on, record_count from ledger.batch_day where batch_id = %s", usual_id)
    fetched = installation.batch(usual_id).counts["fetched_count"]
    assert {row["day_on"] for row in days} <= set(WHOLE.days())
    assert 0.95 * fetched < sum(row["record_count"] for row in days) <= fetched
    [name] = installation.query(
        "select * from ledger.field_profile where batch_id = %s and field = 'procedure.code'", usual_id
    )
    assert (name["record_count"], name["json_types"]) == (fetched, ["string"])
    with store.connect(installation.settings) as connection:
        for n in range(1, 5):  # copies of the batch in the weeks before, as if they had been published
            clone(connection, usual_id, timedelta(days=-12 * n))

    def alter(record: dict[str, Any]) -> None:
        record["ngayNop"] = record.pop("appliedDate")
        record["isPaidOnline"] = "true" if record["isPaidOnline"] else "false"
        record["agency"] = "H47"

    [odd_id] = land.run(installation.settings, SOURCE, WHOLE)
    altered(installation, odd_id, alter)
    for _ in range(2):  # harmonising again replaces the profile
        harmonise.run(installation.settings, [odd_id])
    result = CliRunner().invoke(
        drift, [SOURCE, "--last", "1", "--json"], env=environment(installation), catch_exceptions=False
    )
    changes = {(row["what"], row["told"].split(":")[0]) for row in map(orjson.loads, result.output.splitlines())}
    assert {
        ("new field", "ngayNop"), ("gone field", "appliedDate"), ("empty", "dossiers.appliedDate"),
        ("retyped field", "isPaidOnline (string, was number)"), ("retyped field", "agency (string, was object)"),
        ("empty", "dossiers.agency.code"),
    } <= changes  # fmt: skip
    assert not any("procedure" in description for _, description in changes)


def test_xml_records_are_profiled_from_their_staged_rows(published: Installation) -> None:
    [row] = published.query(
        "select record_count, null_count from ledger.field_profile join ledger.batch using (batch_id) "
        "where source = 'documents' and list = 'document' and field = 'subject'"
    )
    assert row["record_count"] > 20 and row["null_count"] < row["record_count"] / 2
    kinds = published.query("select kind, sum(record_count) as n from ledger.batch_day group by kind")
    assert {row["kind"] for row in kinds} == {"dossier", "document", "document_status", "work_file"}


def environment(installed: Installation) -> dict[str, str]:
    return {"LGSP_HOME": str(installed.settings.home), "LGSP_DATABASE_URL": str(installed.settings.database_url)}


def clone(connection: ledger.Connection, batch_id: str, shift: timedelta) -> None:
    """Copy a batch and its profile as a published batch with another window."""
    batch = ledger.batch(connection, batch_id)
    window = Window(batch.window.start + shift, batch.window.end + shift)
    other = ledger.open_batch(connection, batch.source, window).batch_id
    connection.execute("update ledger.batch set state = 'checked' where batch_id = %s", [other])
    connection.execute(
        "update ledger.batch set state = 'published', fetched_count = %(n)s, published_count = %(n)s where batch_id = %(id)s",
        {"n": batch.counts["fetched_count"], "id": other},
    )
    connection.execute(
        "insert into ledger.field_profile select %s, list, field, record_count, null_count, json_types "
        "from ledger.field_profile where batch_id = %s", [other, batch_id]
    )  # fmt: skip
