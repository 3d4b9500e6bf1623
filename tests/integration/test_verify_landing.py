"""Every change of a landed byte, or of what the ledger says of it, is found and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lgsp import signing, store
from lgsp.cli.main import main
from lgsp.errors import PublicationFailed
from lgsp.land import archive
from lgsp.maintain import verify_landing
from lgsp.signing import SigningKey
from lgsp.store import record_sums
from lgsp.store.transaction import publishing, reading
from tests.integration.conftest import WHOLE, Installation


def _run(installation: Installation, *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=dict(installation.settings.environment))


def _flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x01
    path.write_bytes(bytes(content))


def _folder(installation: Installation) -> Path:
    (folder,) = (installation.settings.landing / "documents").iterdir()
    return folder


def _change(statement: str) -> Callable[[Installation], None]:
    def change(installation: Installation) -> None:
        with store.connect(installation.settings) as connection:
            assert connection.execute(statement).rowcount == 1

    return change


_ONE_CALL = "(batch_id, number) = (select batch_id, number from ledger.source_call where batch_id like 'documents.%' order by number limit 1)"
_ONE_BATCH = "batch_id = (select max(batch_id) from ledger.batch where source = 'documents')"
ALTERATIONS: dict[str, tuple[Callable[[Installation], object], str]] = {
    "the first byte of a pack": (lambda i: _flip(_folder(i) / "bodies.pack", 0), "was altered after landing"),
    "the last byte of a pack": (lambda i: _flip(_folder(i) / "bodies.pack", -1), "was altered after landing"),
    "a byte of the calls": (lambda i: _flip(_folder(i) / "calls.jsonl", 40), "was altered after landing"),
    "a byte of the manifest": (lambda i: _flip(_folder(i) / "manifest.json", -20), "was altered after landing"),
    "a count of the manifest": (
        lambda i: (_folder(i) / "manifest.json").write_bytes((_folder(i) / "manifest.json").read_bytes().replace(b'"gap": 0', b'"gap": 1')),
        "was altered after landing",
    ),
    "a folder removed": (lambda i: shutil.rmtree(_folder(i)), "has no sealed batch"),
    "a folder that no batch has": (
        lambda i: shutil.copytree(_folder(i), _folder(i).with_name("documents.2026-08-01_2026-08-02.1-000000")),
        "is not in the ledger: run `lgsp adopt`",
    ),
    "the hash of a call": (_change(f"update ledger.source_call set sha256 = repeat('0', 64) where {_ONE_CALL}"), "rows were altered by hand"),
    "a call that did not count": (_change(f"update ledger.source_call set is_whole = not is_whole where {_ONE_CALL}"), "rows were altered by hand"),
    "a call deleted": (_change(f"delete from ledger.source_call where {_ONE_CALL}"), "rows were altered by hand"),
    "the window of a batch": (
        _change(f"update ledger.batch set window_to = window_to + interval '1 day' where {_ONE_BATCH}"), "another source, window or purpose",
    ),
    "the purpose of a batch": (_change(f"update ledger.batch set purpose = 'sweep' where {_ONE_BATCH}"), "another source, window or purpose"),
    "an expiry by a stranger": (
        lambda i: archive.expire(_folder(i), "gone", SigningKey.from_pem(signing.new_key())), "which is no key of this store",
    ),
}  # fmt: skip


def test_each_alteration_of_landing_is_found(
    published_copy: Installation, server: object, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    landing = published_copy.settings.landing
    kept = tmp_path / "kept"
    shutil.copytree(landing, kept)
    clean = verify_landing.verify_landing(published_copy.settings)
    assert (clean.batches, clean.problems) == (3, []) and clean.answers > 50 and clean.bytes > 100_000
    rows = {name: published_copy.query(f"select * from ledger.{name}") for name in ("source_call", "batch")}
    for name, (alter, expected) in ALTERATIONS.items():
        with subtests.test(name):
            alter(published_copy)
            (problem,) = verify_landing.verify_landing(published_copy.settings).problems
            assert expected in problem
        shutil.rmtree(landing)
        shutil.copytree(kept, landing)
        _restore(published_copy, rows)
    assert verify_landing.verify_landing(published_copy.settings).problems == []


def _restore(installation: Installation, rows: dict[str, list[dict[str, object]]]) -> None:
    with store.connect(installation.settings) as connection:
        for call in rows["source_call"]:
            columns = ", ".join(call)
            connection.execute(
                f"insert into ledger.source_call ({columns}) values ({', '.join(['%s'] * len(call))}) "
                "on conflict (batch_id, number) do update set sha256 = excluded.sha256, is_whole = excluded.is_whole",
                list(call.values()),
            )
        for batch in rows["batch"]:
            connection.execute(
                "update ledger.batch set window_to = %s, purpose = %s where batch_id = %s",
                [batch["window_to"], batch["purpose"], batch["batch_id"]],
            )


def test_the_command_and_every_night_verify_landing(published_copy: Installation) -> None:
    environment = dict(published_copy.settings.environment)
    assert "3 landed batches" in CliRunner().invoke(main, ["verify", "--landing"], env=environment).output
    nights = [
        verify_landing.verify_landing(published_copy.settings, date(2026, 9, 1) + timedelta(days=n))
        for n in range(verify_landing.NIGHTS)
    ]
    assert sum(night.batches for night in nights) == 3
    archive.expire(_folder(published_copy), "older than ten years", SigningKey.load(published_copy.settings))
    assert CliRunner().invoke(main, ["verify", "--landing"], env=environment).exit_code == 0
    _flip(next((published_copy.settings.landing / "one_stop_shop").iterdir()) / "bodies.pack", 9)
    altered = CliRunner().invoke(main, ["verify", "--landing"], env=environment)
    assert altered.exit_code == 1 and "1 NOT as landed" in altered.output


def test_a_batch_can_expire_before_the_first_publication(checked_copy: Installation) -> None:
    archive.expire(_folder(checked_copy), "a test reading", SigningKey.load(checked_copy.settings))
    assert verify_landing.verify_landing(checked_copy.settings).problems == []


ALTERED = {
    "a failed result": "update ledger.check_result set is_passed = true, failed_count = 0 where ctid = (select ctid from ledger.check_result where failed_count > 0 and batch_id is not null limit 1)",
    "a deleted result": "delete from ledger.check_result where ctid = (select ctid from ledger.check_result where batch_id is not null limit 1)",
    "a record": "update record.dossier set status = 'withdrawn' where ctid = (select ctid from record.dossier where status is distinct from 'withdrawn' limit 1)",
    "a deleted version of an agency": "delete from record.organisation_version where ctid = (select ctid from record.organisation_version limit 1)",
    "a token": "update restricted.applicant_token set token = 'x' where ctid = (select ctid from restricted.applicant_token limit 1)",
    "a list": "update record.organisation set name = 'x' where ctid = (select ctid from record.organisation limit 1)",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in ALTERED if "result" not in name])
def test_f43_an_altered_row_that_would_be_published_is_found(published: Installation, name: str) -> None:
    with reading(store.url(published.settings)) as transaction:
        signed = record_sums.read(transaction, signing.verify) or {}
    with publishing(store.url(published.settings)) as transaction:
        assert record_sums.altered(transaction, signed) == []
        transaction.do(ALTERED[name])
        assert len(record_sums.altered(transaction, signed)) == 1  # rolled back


@pytest.mark.parametrize("name", [name for name in ALTERED if "result" in name])
def test_an_altered_check_result_is_found(published_copy: Installation, name: str) -> None:
    assert verify_landing.verify_landing(published_copy.settings).problems == []
    with store.connect(published_copy.settings) as connection:
        assert connection.execute(ALTERED[name].encode()).rowcount
    (problem,) = verify_landing.verify_landing(published_copy.settings).problems
    assert "check results" in problem and "altered by hand" in problem


@pytest.mark.parametrize(
    "altered",
    ["delete from ledger.record_sums", "update ledger.record_sums set content = replace(content, ':\"', ':\"1')"],
)
def test_sums_altered_by_hand_stop_the_next_publication(checked_copy: Installation, altered: str) -> None:
    checked_copy.publish()
    checked_copy.ingest("documents")
    with store.connect(checked_copy.settings) as connection:
        assert connection.execute(altered.encode()).rowcount == 1
    with pytest.raises(PublicationFailed, match=r"ledger\.record_sums"):
        checked_copy.publish()


@pytest.mark.exhaustive
def test_an_altered_record_is_found_after_the_next_publication(installation: Installation) -> None:
    first, second = WHOLE.split(6)
    installation.ingest_all(first)
    installation.publish()
    with store.connect(installation.settings) as connection:
        connection.execute(ALTERED["a record"].encode())
    installation.ingest_all(second)
    installation.publish()
    result = _run(installation, "verify")
    assert result.exit_code == 1 and "record.dossier: rows were altered by hand" in result.output
