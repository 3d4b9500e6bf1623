"""Tests of single records as a source can send them: what the shared tables contain for each of them."""

from __future__ import annotations

import copy
import functools
import random
import string
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner

from lgsp.check import gate
from lgsp.cli.main import main
from lgsp.publish import link_dossiers
from lgsp.schema import codelists
from lgsp.store.embedded_postgres import Server
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation, installed, set_environment
from tests.integration.readings import read_answers
from tests.samples import AGENCY, DAY, LISTS, one_stop, online

Send = Callable[..., list[str]]


def _send(
    installation: Installation, source: str, *rows: dict[str, Any], publishes: bool = True, **lists: Any
) -> list[str]:
    dossiers = {"content": list(rows)} if source == "one_stop_shop" else {"error_code": "0", "result": list(rows)}
    contents: dict[str, Any] = {
        **copy.deepcopy(LISTS[source]),
        **({} if source == "documents" else {"dossiers": dossiers}),
        **lists,
    }
    answers = [
        (name, request, answer)
        for name, content in contents.items()
        for request, answer in (content if name == "edocs" else [(name, content)])
    ]
    return read_answers(installation, source, DAY, answers, len(rows), publishes)


@pytest.fixture
def send(installation: Installation) -> Send:
    """A function that lands records as if a source had sent them, processes them, and publishes them by default."""
    return functools.partial(_send, installation)


# Records of independent dossiers, landed together to save time: the one-stop shop first, then the portal.

TRIALS: dict[str, dict[str, Any]] = {
    "procedure code": {"procedure": {"code": "thoaitestthutuc"}},
    "applicant": {"applicant": {"data": {"fullname": "nguyenvana_test"}}},
    "procedure name": {"procedure": {"code": "2.000815", "translate": {"name": "thoaitest thủ tục"}}},
}
RECEIPTS: dict[str, tuple[dict[str, str], int]] = {
    "all the same": ({}, 1),
    "other receipt": ({"SoBienNhan": "BN-other"}, 2),
    "other procedure": ({"MaTTHC": "1.001193"}, 2),
    "other day": ({"NgayTiepNhan": "20260802082000"}, 2),
    "no received day": ({"NgayTiepNhan": "", "TrangThaiHoSo": "1"}, 2),
}


def _code(number: int) -> str:
    return f"{AGENCY}-260803-{number:04d}"


@pytest.fixture(scope="module")
def many(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation that published one batch of independent records of each system."""
    installation = installed(server, tmp_path_factory.mktemp("many"), {})
    one_stops = [
        one_stop(id=f"t{n}", code=_code(n), receiptCode="", **trial) for n, trial in enumerate(TRIALS.values(), 101)
    ]
    onlines = []
    for number, (change, _) in enumerate(RECEIPTS.values(), 201):
        one_stops.append(one_stop(id=f"r{number}", code=_code(number), receiptCode=f"BN-{number}"))
        onlines.append(online(**{"MaHoSo": _code(90000 + number), "SoBienNhan": f"BN-{number}", **change}))
    one_stops.append(one_stop(id="u", code=_code(301), receiptCode="BN-301", procedure={"code": "1.999998"}))
    onlines.append(online(MaHoSo=_code(90301), SoBienNhan="BN-301", MaTTHC="1.999999"))
    one_stops.append(one_stop(id="m", code=_code(302), receiptCode="", appointmentDate="2026-08-02T17:00:00.000+0000"))
    one_stops.append(one_stop(id="l", code=_code(303), receiptCode="BN-303", applyMethod={"id": 0}))
    onlines.append(online(MaHoSo=_code(303), SoBienNhan="BN-303"))
    _send(installation, "one_stop_shop", *one_stops, publishes=False)
    _send(installation, "online_services", *onlines)
    return installation


def _dossiers(installation: Installation) -> dict[str, dict[str, Any]]:
    return {row["dossier_id"]: row for row in installation.query("select * from shared.dossier")}


def test_a_dossier_gets_the_id_of_a_later_one_stop_record(send: Send, installation: Installation) -> None:
    send("online_services", online(MaHoSo=f"{AGENCY}-260803-98765", MaHoSoKhac=f"{AGENCY}-260803-0001"))
    assert list(_dossiers(installation)) == [f"{AGENCY}-260803-98765"]
    send("one_stop_shop", one_stop())
    (dossier,) = _dossiers(installation).values()
    assert dossier["dossier_id"] == f"{AGENCY}-260803-0001" and dossier["in_one_stop"] and dossier["in_online_services"]
    assert (dossier["channel"], dossier["submitted_via"]) == ("online", "national")
    assert dossier["satisfaction"] == 5 and dossier["has_conflict"]
    (replaced,) = installation.query("select dossier_id, snapshot_from, snapshot_to from history.dossier")
    assert replaced == {"dossier_id": f"{AGENCY}-260803-98765", "snapshot_from": 1, "snapshot_to": 2}


def test_a_quarantined_version_does_not_replace_the_last_one(send: Send, installation: Installation) -> None:
    send("one_stop_shop", one_stop())
    send("one_stop_shop", one_stop(dossierStatus={"id": 77}, modifiedDate="2026-08-03T09:00:00.000+0000"))
    (dossier,) = _dossiers(installation).values()
    assert dossier["status"] == "finished"
    (row,) = installation.query("select rule_id, reason, state, raw_pointer from ledger.quarantine")
    assert row["rule_id"] == "DOS_STATUS_MAPPED" and row["state"] == "open" and row["raw_pointer"]
    assert "77" in row["reason"] and "codelists/dossier_status.yml" in row["reason"]


def test_a_tombstone_removes_the_dossier_even_without_its_code(send: Send, installation: Installation) -> None:
    send("one_stop_shop", one_stop())
    send(
        "one_stop_shop",
        {"id": "a1", "modifiedDate": "2026-08-03T09:00:00.000+0000", "deletedDate": "2026-08-03T09:00:00.000+0000"},
    )
    assert _dossiers(installation) == {}
    assert installation.query("select count(*) as n from shared.dossier_event")[0]["n"] == 0
    assert installation.query("select count(*) as n from history.dossier")[0]["n"] == 1


@pytest.mark.parametrize("case", RECEIPTS)
def test_a_receipt_links_only_with_procedure_agency_and_day(case: str, many: Installation) -> None:
    number = list(RECEIPTS).index(case) + 201
    keys = [f"r{number}", _code(90000 + number)]
    rows = many.query("select * from shared.dossier_source where source_key = any(%s)", keys)
    assert len(rows) == 2 and len({row["dossier_id"] for row in rows}) == RECEIPTS[case][1]
    if RECEIPTS[case][1] == 1:
        assert {row["match_rule"] for row in rows} == {"receipt"}


@pytest.mark.parametrize("at_once", [1, *exhaustive(100_000)])
def test_a_record_that_changes_its_code_leaves_its_dossier(
    at_once: int, send: Send, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_dossiers, "RECORDS_AT_ONCE", at_once)
    portal_code = f"{AGENCY}-260803-98765"
    send("one_stop_shop", one_stop(receiptCode=""))
    send("online_services", online(MaHoSo=portal_code, MaHoSoKhac=f"{AGENCY}-260803-0001"))
    assert len(_dossiers(installation)) == 1
    send("online_services", online(MaHoSo=portal_code, MaHoSoKhac="", NgayCapNhat="20260803120000"))
    dossiers = _dossiers(installation)
    assert {key: (row["in_one_stop"], row["in_online_services"]) for key, row in dossiers.items()} == {
        f"{AGENCY}-260803-0001": (True, False), portal_code: (False, True),
    }  # fmt: skip


def test_records_with_unknown_procedures_are_not_linked(many: Installation) -> None:
    dossiers = _dossiers(many)
    assert [dossiers[_code(number)]["service_code"] for number in (301, 90301)] == ["UNKNOWN", "UNKNOWN"]


def test_a_due_time_at_local_midnight_is_the_day_that_starts(many: Installation) -> None:
    """T17:00Z is local midnight of the next day: due on the 3rd, received on the 3rd."""
    dossier = _dossiers(many)[_code(302)]
    assert (dossier["due_on"], dossier["received_on"], dossier["is_on_time"]) == (
        date(2026, 8, 3),
        date(2026, 8, 3),
        True,
    )


def test_a_missing_fee_list_is_not_a_conflict(many: Installation) -> None:
    dossier = _dossiers(many)[_code(303)]
    assert dossier["in_one_stop"] and dossier["in_online_services"]
    assert dossier["fee_vnd"] == 2000 and not dossier["has_conflict"], many.query("select * from shared.reconciliation")


def test_a_row_is_published_after_a_code_list_fix_and_a_rebuild(
    send: Send, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    send("one_stop_shop", one_stop(dossierStatus={"id": 77}))
    assert _dossiers(installation) == {}
    fixed = {
        **codelists.load("dossier_status"),
        "one_stop_shop": {**codelists.load("dossier_status")["one_stop_shop"], "77": "finished"},
    }
    load = codelists.load.__wrapped__
    monkeypatch.setattr(codelists, "load", lambda name: fixed if name == "dossier_status" else load(name))
    installation.rebuild("one_stop_shop", DAY)
    installation.publish()
    assert [row["status"] for row in _dossiers(installation).values()] == ["finished"]


def test_trial_records_are_ignored_and_counted(many: Installation) -> None:
    (batch,) = many.query("select * from ledger.batch where source = 'one_stop_shop'")
    assert batch["ignored_count"] == len(TRIALS) and batch["quarantined_count"] == 0
    known = {row["source_key"] for row in many.query("select source_key from record.dossier")}
    assert "m" in known and not known & {"t101", "t102", "t103"}


def test_a_record_of_any_shape_becomes_a_row_or_is_quarantined(send: Send, installation: Installation) -> None:
    broken: list[Any] = [
        one_stop(id="b1", task="not a list"),
        one_stop(id="b2", code=f"{AGENCY}-260803-0002", procedure=[]),
        {"id": None},
        one_stop(id="b3", code=f"{AGENCY}-260803-0003", acceptedDate="9999-12-31T17:00:00.000+0000"),
    ]
    (batch_id,) = send("one_stop_shop", *broken)
    counts = installation.batch(batch_id).counts
    assert counts["published_count"] + counts["quarantined_count"] == counts["fetched_count"] == 4


def test_a_code_becomes_a_hub_and_stops_being_one(send: Send, installation: Installation) -> None:
    def portal(number: int, **changes: Any) -> dict[str, Any]:
        code = _code(number)
        return online(MaHoSo=code, SoBienNhan=f"BN-{number}", MaHoSoKhac="000.00.00.H47-200101-0001", **changes)

    ids = "select dossier_id from shared.dossier order by 1"
    send("online_services", *(portal(number) for number in range(1, 6)))
    assert len(installation.query(ids)) == 1, "five records of one code are one dossier"
    send("online_services", portal(6))
    assert [row["dossier_id"] for row in installation.query(ids)] == [_code(number) for number in range(1, 7)]
    send("online_services", portal(6, DaXoa="1", NgayCapNhat="20260803120000"))
    assert len(installation.query(ids)) == 1


def _with_long_texts(record: dict[str, Any], **keys: str) -> list[dict[str, Any]]:
    """Copies of a record with numbered keys, each with one text of 6,000 signs that no index compresses."""
    noise = random.Random(7)
    copies = []
    for path in [(name,) for name in record] + [
        (a, b) for a, inner in record.items() if isinstance(inner, dict) for b in inner
    ]:
        changed = copy.deepcopy(record) | {name: key.format(len(copies)) for name, key in keys.items()}
        place = changed if len(path) == 1 else changed[path[0]]
        place[path[-1]] = "".join(noise.choices(string.ascii_letters + string.digits, k=6_000))
        copies.append(changed)
    return copies


def test_a_text_too_long_for_a_key_stops_no_other_record(
    send: Send, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MAX_QUARANTINED_SHARE", 1)
    named = one_stop(agency={"code": AGENCY, "name": "UBND xã Cẩm Thanh"}, competentAgency={"code": "", "name": ""})
    one_stops = _with_long_texts(named, id="a{}", code=f"{AGENCY}-260803-{{:04}}")
    portals = _with_long_texts(online(), MaHoSo=f"{AGENCY}-260803-1{{:03}}")
    lists = {source: copy.deepcopy(LISTS[source]) for source in ("one_stop_shop", "online_services")}
    for source, name, key, code in (
        ("one_stop_shop", "agencies", "code", "000.2{}.20.H47"), ("one_stop_shop", "procedures", "code", "2.0009{:02}.000.00.00.H47"),
        ("online_services", "agencies", "MADONVI", "000.3{}.20.H47"), ("online_services", "procedures", "MATTHC", "2.0008{:02}"),
    ):  # fmt: skip
        (rows,) = (value for value in lists[source][name].values() if isinstance(value, list))
        rows += _with_long_texts(rows[-1], **{key: code})
    send("one_stop_shop", *one_stops, **lists["one_stop_shop"])
    send("online_services", *portals, **lists["online_services"])
    assert {batch["state"] for batch in installation.query("select state from ledger.batch")} == {"published"}
    assert installation.query("select rule_id from ledger.quarantine where rule_id = 'STORE_REFUSES'") == []
    too_long = installation.query(
        "select kind, count(*) as n from ledger.quarantine where rule_id like '%%TOO_LONG' group by 1 order by 1"
    )
    assert {row["kind"] for row in too_long} == {"dossier", "organisation"}


def _edoc(
    document_id: str,
    kind: str = "0",
    target: str = "",
    subject: str = "Báo cáo",
    sent: str = "2026/08/03 10:00:00",
    number: str = "785",
) -> dict[str, Any]:
    business = f"<Bussiness><BussinessDocType>{kind}</BussinessDocType><DocumentId>{target}</DocumentId></Bussiness>"
    xml = (
        f"<edXML><MessageHeader><From><OrganId>000.00.07.H47</OrganId></From><To><OrganId>{AGENCY}</OrganId></To>"
        f"<DocumentId>{document_id}</DocumentId><Code><CodeNumber>{number}</CodeNumber><CodeNotation>STTTT</CodeNotation></Code>"
        "<PromulgationInfo><PromulgationDate>2026/08/03</PromulgationDate></PromulgationInfo>"
        f"<DocumentType><TypeName>Báo cáo</TypeName></DocumentType><Subject>{subject}</Subject></MessageHeader>"
        f"<TraceHeaderList><TraceHeader><Timestamp>{sent}</Timestamp></TraceHeader>{business}</TraceHeaderList></edXML>"
    )
    return {"success": True, "data": {"edxml": xml, "attachments": []}}


def _send_messages(send: Send, *messages: tuple[str, str, dict[str, Any]]) -> None:
    listed = [{"docId": doc_id, "createdTime": created, "messageType": "edoc"} for doc_id, created, _ in messages]
    edocs = [(f"getEdoc {doc_id}", answer) for doc_id, _, answer in messages]
    send(
        "documents",
        *listed,
        messages={"success": True, "count": len(listed), "data": listed},
        edocs=edocs,
        work_files={"success": True, "data": []},
    )


KEY = "000.00.07.H47,2026/08/03,785/STTTT"


def test_a_late_redelivery_does_not_revert_an_update(send: Send, installation: Installation) -> None:
    original, update = _edoc(KEY, subject="cũ"), _edoc(KEY, "2", KEY, subject="mới", sent="2026/08/03 11:00:00")
    _send_messages(
        send,
        ("d1", "2026/08/03 10:00:00", original),
        ("d2", "2026/08/03 11:00:00", update),
        ("d3", "2026/08/03 15:00:00", original),
    )
    (row,) = installation.query("select document_id, subject from shared.document")
    assert row == {"document_id": "H47.07,2026/08/03,785/STTTT", "subject": "mới"}


def test_a_revocation_by_uuid_applies_to_its_document(send: Send, installation: Installation) -> None:
    cases = []
    for number, order in {801: "document first", 802: "revocation first"}.items():
        uuid = f"5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7{number}"
        revocation = _edoc(
            f"000.00.07.H47,2026/08/03,9{number}/STTTT", "1", uuid, sent="2026/08/03 12:00:00", number=f"9{number}"
        )
        messages = [
            (f"d{number}", "2026/08/03 10:00:00", _edoc(uuid, number=str(number))),
            (f"r{number}", "2026/08/03 12:00:00", revocation),
        ]
        cases.append(messages if order == "document first" else messages[::-1])
    for arriving in zip(*cases, strict=True):
        _send_messages(send, *arriving)
    rows = installation.query("select document_id, revoked_at is not null as is_revoked from shared.document")
    assert {row["document_id"]: row["is_revoked"] for row in rows} == {
        "H47.07,2026/08/03,801/STTTT": True, "H47.07,2026/08/03,802/STTTT": True}  # fmt: skip


def test_a_rebuild_without_landed_data_is_refused(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, installation.settings)
    result = CliRunner().invoke(main, ["rebuild", "documents", "--from", "2026-08-01", "--to", "2026-08-02"])
    assert result.exit_code == 1 and "no data of documents was landed" in result.output


@pytest.mark.exhaustive
def test_a_late_record_that_links_two_groups_joins_them(send: Send, installation: Installation) -> None:
    cases = []
    for n, order in {1: (1, 2, 0), 2: (2, 0, 1)}.items():
        first, second = _code(90010 + n), _code(90020 + n)
        records = [
            ("one_stop_shop", one_stop(id=f"a{n}", code=_code(n), receiptCode=f"BN-{n}")),
            ("online_services", online(MaHoSo=first, MaHoSoKhac=_code(n), SoBienNhan="")),
            ("online_services", online(MaHoSo=second, MaHoSoKhac=first, SoBienNhan="", NgayCapNhat="20260803120000")),
        ]
        cases.append([records[index] for index in order])
    for arriving in zip(*cases, strict=True):
        for source in ("one_stop_shop", "online_services"):
            if records := [record for sender, record in arriving if sender == source]:
                send(source, *records, publishes=False)
        installation.publish()
    dossiers = _dossiers(installation)
    assert {key: (row["in_one_stop"], row["in_online_services"]) for key, row in dossiers.items()} == {
        _code(1): (True, True), _code(2): (True, True)}  # fmt: skip
    rows = installation.query("select source_key, dossier_id, code_role from shared.dossier_source")
    assert {row["source_key"]: (row["dossier_id"], row["code_role"]) for row in rows} == {
        key: (_code(n), role)
        for n in (1, 2)
        for key, role in ((f"a{n}", "main"), (_code(90010 + n), "other"), (_code(90020 + n), "other"))
    }
    events = installation.query("select distinct dossier_id from shared.dossier_event order by 1")
    assert [row["dossier_id"] for row in events] == [_code(1), _code(2)]
