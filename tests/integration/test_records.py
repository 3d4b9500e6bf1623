"""Single records, as a source may send them: what is published of each, told by the shared tables alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
import pytest

from lgsp import check, codelist, database, harmonise, land, ledger, link, publish
from lgsp.storage import Pack
from lgsp.window import Window
from tests.integration.conftest import Installation
from tests.samples import AGENCY, DAY, LISTS, one_stop, online

Feed = Callable[..., list[str]]


@pytest.fixture
def feed(installation: Installation) -> Feed:
    """Lands hand-made answers as if a source had sent them, and takes them as far as they go."""
    database.init(installation.settings)

    def take(
        source: str, *rows: dict[str, Any], window: Window = DAY, publishes: bool = True, **lists: Any
    ) -> list[str]:
        with database.connect(installation.settings) as connection:
            batch = ledger.open_batch(connection, source, window)
        pack = Pack(installation.settings.landing / batch.landing_path)
        dossiers = {"content": list(rows)} if source == "one_stop_shop" else {"error_code": "0", "result": list(rows)}
        answers: dict[str, Any] = {
            **copy.deepcopy(LISTS[source]),
            **({} if source == "documents" else {"dossiers": dossiers}),
            **lists,
        }
        for name, given in answers.items():
            for request, answer in given if isinstance(given, list) and name == "edocs" else [(name, given)]:
                pack.annotate(pack.append(name, request, 200, orjson.dumps(answer), 0.0, True), is_whole=True)
        count = len(rows)
        pack.seal({"declared": count, "read": count, "gap": 0})
        with database.connect(installation.settings) as connection:
            ledger.advance(connection, batch.batch_id, "landed")
        ids = check.run(installation.settings, harmonise.run(installation.settings, [batch.batch_id]))
        if publishes:
            publish.run(installation.settings)
        return ids

    return take


def _dossiers(installation: Installation) -> dict[str, dict[str, Any]]:
    return {row["dossier_id"]: row for row in installation.query("select * from shared.dossier")}


def test_a_dossiers_id_changes_when_its_one_stop_record_comes_later(feed: Feed, installation: Installation) -> None:
    feed("online_services", online(MaHoSo=f"{AGENCY}-260803-98765", MaHoSoKhac=f"{AGENCY}-260803-0001"))
    assert list(_dossiers(installation)) == [f"{AGENCY}-260803-98765"]
    feed("one_stop_shop", one_stop())
    (found,) = _dossiers(installation).values()
    assert found["dossier_id"] == f"{AGENCY}-260803-0001" and found["in_one_stop"] and found["in_online_services"]
    assert (found["channel"], found["submitted_via"], found["satisfaction"], found["has_conflict"]) == (
        "online",
        "national",
        5,
        True,
    )
    (gone,) = installation.query("select dossier_id, snapshot_from, snapshot_to from history.dossier")
    assert gone == {"dossier_id": f"{AGENCY}-260803-98765", "snapshot_from": 1, "snapshot_to": 2}


def test_a_version_in_quarantine_does_not_replace_the_last_good_one(feed: Feed, installation: Installation) -> None:
    feed("one_stop_shop", one_stop())
    feed("one_stop_shop", one_stop(dossierStatus={"id": 77}, modifiedDate="2026-08-03T09:00:00.000+0000"))
    (found,) = _dossiers(installation).values()
    assert found["status"] == "finished"
    (row,) = installation.query("select rule_id, reason, state, raw_pointer from ledger.quarantine")
    assert row["rule_id"] == "DOS_STATUS_MAPPED" and row["state"] == "open" and row["raw_pointer"]
    assert "77" in row["reason"] and "codelists/dossier_status.yml" in row["reason"]


def test_a_tombstone_takes_the_dossier_away_even_without_its_code(feed: Feed, installation: Installation) -> None:
    feed("one_stop_shop", one_stop())
    feed(
        "one_stop_shop",
        {"id": "a1", "modifiedDate": "2026-08-03T09:00:00.000+0000", "deletedDate": "2026-08-03T09:00:00.000+0000"},
    )
    assert _dossiers(installation) == {}
    assert installation.query("select count(*) as n from shared.dossier_event")[0]["n"] == 0
    assert installation.query("select count(*) as n from history.dossier")[0]["n"] == 1


@pytest.mark.parametrize(
    ("change", "dossiers"),
    [
        ({}, 1),
        ({"SoBienNhan": "BN-2"}, 2),
        ({"MaTTHC": "1.001193"}, 2),
        ({"NgayTiepNhan": "20260802082000"}, 2),
        ({"NgayTiepNhan": ""}, 2),
    ],
    ids=["all the same", "other receipt", "other procedure", "other day", "no received day"],
)
def test_a_receipt_links_only_with_procedure_agency_and_day(
    change: dict[str, str], dossiers: int, feed: Feed, installation: Installation
) -> None:
    feed("one_stop_shop", one_stop())
    feed(
        "online_services",
        online(
            **{
                "MaHoSo": f"{AGENCY}-260803-98765",
                "TrangThaiHoSo": "1" if change.get("NgayTiepNhan") == "" else "9",
                **change,
            }
        ),
    )
    assert len(_dossiers(installation)) == dossiers
    if dossiers == 1:
        rules = {row["match_rule"] for row in installation.query("select match_rule from shared.dossier_source")}
        assert rules == {"receipt"}


@pytest.mark.parametrize("at_once", [1, 100_000])
def test_a_record_that_changes_its_code_leaves_the_other_side_whole(
    at_once: int, feed: Feed, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RECORDS_AT_ONCE", at_once)
    minted = f"{AGENCY}-260803-98765"
    feed("one_stop_shop", one_stop(receiptCode=""))
    feed("online_services", online(MaHoSo=minted, MaHoSoKhac=f"{AGENCY}-260803-0001"))
    assert len(_dossiers(installation)) == 1
    feed("online_services", online(MaHoSo=minted, MaHoSoKhac="", NgayCapNhat="20260803120000"))
    found = _dossiers(installation)
    assert {key: (row["in_one_stop"], row["in_online_services"]) for key, row in found.items()} == {
        f"{AGENCY}-260803-0001": (True, False), minted: (False, True),
    }  # fmt: skip


def test_two_unknown_procedures_are_not_one(feed: Feed, installation: Installation) -> None:
    feed("one_stop_shop", one_stop(procedure={"code": "1.999998"}))
    feed("online_services", online(MaHoSo=f"{AGENCY}-260803-98765", MaTTHC="1.999999"))
    assert [row["service_code"] for row in _dossiers(installation).values()] == ["UNKNOWN", "UNKNOWN"]


def test_a_due_date_at_local_midnight_is_the_day_it_begins(feed: Feed, installation: Installation) -> None:
    """T17:00Z is local midnight of the next day: due on the 3rd, received on the 3rd."""
    feed("one_stop_shop", one_stop(appointmentDate="2026-08-02T17:00:00.000+0000"))
    (found,) = _dossiers(installation).values()
    assert (found["due_on"], found["received_on"], found["is_on_time"]) == (date(2026, 8, 3), date(2026, 8, 3), True)


def test_a_missing_list_stays_unknown_and_is_no_conflict(feed: Feed, installation: Installation) -> None:
    feed("one_stop_shop", one_stop(applyMethod={"id": 0}))
    feed("online_services", online())
    (found,) = _dossiers(installation).values()
    assert found["fee_vnd"] == 2000 and not found["has_conflict"], installation.query(
        "select * from shared.reconciliation"
    )


def test_a_mended_code_list_and_a_rebuild_bring_the_row_back(
    feed: Feed, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed("one_stop_shop", one_stop(dossierStatus={"id": 77}))
    assert _dossiers(installation) == {}
    mended = {
        **codelist.load("dossier_status"),
        "one_stop_shop": {**codelist.load("dossier_status")["one_stop_shop"], "77": "finished"},
    }
    genuine = codelist.load.__wrapped__
    monkeypatch.setattr(codelist, "load", lambda name: mended if name == "dossier_status" else genuine(name))
    again = land.landed(installation.settings, "one_stop_shop", DAY)
    check.run(installation.settings, harmonise.run(installation.settings, again))
    publish.run(installation.settings)
    assert [row["status"] for row in _dossiers(installation).values()] == ["finished"]


@pytest.mark.parametrize(
    "record",
    [one_stop(procedure={"code": "thoaitestthutuc"}), one_stop(applicant={"data": {"fullname": "nguyenvana_test"}}),
     one_stop(procedure={"code": "2.000815", "translate": {"name": "thoaitest thủ tục"}})],
    ids=["procedure code", "applicant", "procedure name"],
)  # fmt: skip
def test_trial_records_are_ignored_and_counted(record: dict[str, Any], feed: Feed, installation: Installation) -> None:
    (batch_id,) = feed("one_stop_shop", record)
    assert _dossiers(installation) == {} and installation.batch(batch_id).counts["ignored_count"] == 1


def test_a_record_of_any_shape_ends_in_a_row_or_in_quarantine(feed: Feed, installation: Installation) -> None:
    broken: list[Any] = [
        one_stop(id="b1", task="not a list"),
        one_stop(id="b2", code=f"{AGENCY}-260803-0002", procedure=[]),
        {"id": None},
        one_stop(id="b3", code=f"{AGENCY}-260803-0003", acceptedDate="9999-12-31T17:00:00.000+0000"),
    ]
    (batch_id,) = feed("one_stop_shop", *broken)
    counts = installation.batch(batch_id).counts
    assert counts["published_count"] + counts["quarantined_count"] == counts["fetched_count"] == 4


def _edoc(
    document_id: str, kind: str = "0", refers: str = "", subject: str = "Báo cáo", sent: str = "2026/08/03 10:00:00"
) -> dict[str, Any]:
    business = f"<Bussiness><BussinessDocType>{kind}</BussinessDocType><DocumentId>{refers}</DocumentId></Bussiness>"
    xml = (
        f"<edXML><MessageHeader><From><OrganId>000.00.07.H47</OrganId></From><To><OrganId>{AGENCY}</OrganId></To>"
        f"<DocumentId>{document_id}</DocumentId><Code><CodeNumber>785</CodeNumber><CodeNotation>STTTT</CodeNotation></Code>"
        "<PromulgationInfo><PromulgationDate>2026/08/03</PromulgationDate></PromulgationInfo>"
        f"<DocumentType><TypeName>Báo cáo</TypeName></DocumentType><Subject>{subject}</Subject></MessageHeader>"
        f"<TraceHeaderList><TraceHeader><Timestamp>{sent}</Timestamp></TraceHeader>{business}</TraceHeaderList></edXML>"
    )
    return {"success": True, "data": {"edxml": xml, "attachments": []}}


def _papers(feed: Feed, *messages: tuple[str, str, dict[str, Any]]) -> None:
    listed = [{"docId": doc_id, "createdTime": created, "messageType": "edoc"} for doc_id, created, _ in messages]
    edocs = [(f"getEdoc {doc_id}", answer) for doc_id, _, answer in messages]
    feed(
        "documents",
        *listed,
        messages={"success": True, "count": len(listed), "data": listed},
        edocs=edocs,
        work_files={"success": True, "data": []},
    )


KEY = "000.00.07.H47,2026/08/03,785/STTTT"


def test_a_late_redelivery_does_not_undo_an_update(feed: Feed, installation: Installation) -> None:
    original, update = _edoc(KEY, subject="cũ"), _edoc(KEY, "2", KEY, subject="mới", sent="2026/08/03 11:00:00")
    _papers(
        feed,
        ("d1", "2026/08/03 10:00:00", original),
        ("d2", "2026/08/03 11:00:00", update),
        ("d3", "2026/08/03 15:00:00", original),
    )
    (found,) = installation.query("select document_id, subject from shared.document")
    assert found == {"document_id": "H47.07,2026/08/03,785/STTTT", "subject": "mới"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["document first", "revocation first"])
def test_a_revocation_by_uuid_finds_its_document(
    order: tuple[int, int], feed: Feed, installation: Installation
) -> None:
    uuid = "5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7c4b"
    messages = [
        ("d1", "2026/08/03 10:00:00", _edoc(uuid)),
        (
            "d2",
            "2026/08/03 12:00:00",
            _edoc("000.00.07.H47,2026/08/03,800/STTTT", "1", uuid, sent="2026/08/03 12:00:00"),
        ),
    ]
    for place in order:
        _papers(feed, messages[place])
    (found,) = installation.query("select document_id, revoked_at is not null as is_revoked from shared.document")
    assert found == {"document_id": "H47.07,2026/08/03,785/STTTT", "is_revoked": True}


def test_a_rebuild_of_nothing_says_so(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from lgsp.cli import main

    for name, value in installation.settings.environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["rebuild", "documents", "--from", "2026-08-01", "--to", "2026-08-02"])
    assert done.exit_code == 1 and "nothing of documents was landed" in done.output


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1)])
def test_a_late_record_that_joins_two_groups_makes_them_one_dossier(
    feed: Feed, installation: Installation, order: tuple[int, ...]
) -> None:
    records = [
        ("one_stop_shop", one_stop()),
        ("online_services", online(MaHoSo=f"{AGENCY}-260803-90001", MaHoSoKhac=f"{AGENCY}-260803-0001", SoBienNhan="")),
        ("online_services", online(MaHoSo=f"{AGENCY}-260803-90002", MaHoSoKhac=f"{AGENCY}-260803-90001", SoBienNhan="", NgayCapNhat="20260803120000")),
    ]  # fmt: skip
    for place in order:
        source, record = records[place]
        feed(source, record)
    (found,) = _dossiers(installation).values()
    assert (found["dossier_id"], found["in_one_stop"], found["in_online_services"]) == (
        f"{AGENCY}-260803-0001",
        True,
        True,
    )
    rows = installation.query("select source_key, code_role from shared.dossier_source order by source_key")
    assert [(row["source_key"][-5:], row["code_role"]) for row in rows] == [
        ("90001", "other"),
        ("90002", "other"),
        ("a1", "main"),
    ]
    assert {row["dossier_id"] for row in installation.query("select dossier_id from shared.dossier_event")} == {
        found["dossier_id"]
    }
