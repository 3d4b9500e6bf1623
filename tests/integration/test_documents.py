"""Tests of single messages of the document system: what is published of them, in any order and format."""

from __future__ import annotations

import functools
import itertools
import logging
import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from lgsp import store
from lgsp.land.archive import Pack
from lgsp.store import ledger
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window
from lgsp_province.defects import hostile_edxml
from tests.integration.conftest import Installation, installed
from tests.integration.test_documents_truth import texts_outside_landing
from tests.unit.sources.test_documents_rows import edoc, state

AGENCIES = [{"orgCode": code, "orgName": name, "parentCode": ""} for code, name in (
    ("000.00.07.H47", "Sở Thông tin và Truyền thông"), ("000.00.20.H47", "UBND TP.Hội An"), ("000.25.20.H47", "UBND xã Cẩm Thanh"))]  # fmt: skip
DAY = Window.of_days(date(2021, 6, 18), date(2021, 6, 20))
KEY = "000.00.07.H47,2021/06/18,785/STTTT-CNTT"
ID = "H47.07,2021/06/18,785/STTTT-CNTT"
Message = tuple[str, str, str]  # docId, time on the 18th at which it was listed, edXML


def _post(
    installation: Installation, *sent: Message, work_files: tuple[dict[str, Any], ...] = (),
    gateway_fields: dict[str, dict[str, Any]] | None = None, publishes: bool = True,
) -> None:  # fmt: skip
    with store.connect(installation.settings) as connection:
        batch = ledger.open_batch(connection, "documents", DAY)
    pack = Pack(installation.settings.landing / batch.landing_path)
    rows = [
        {"docId": i, "createdTime": f"2021/06/18 {at}", "messageType": "status" if "StatusCode" in x else "edoc"}
        for i, at, x in sent
    ]
    answers: list[tuple[str, str, Any]] = [("agencies", "agencies", AGENCIES), ("messages", "messages", {"data": rows})]
    for i, _, x in sent:
        answers.append(
            ("edocs", f"getEdoc {i}", {"success": True, "data": {"edxml": x, **(gateway_fields or {}).get(i, {})}})
        )
    answers.append(("work_files", "work_files", {"data": list(work_files)}))
    for name, request, answer in answers:
        pack.annotate(pack.append(name, request, 200, orjson.dumps(answer), 0.0, True), is_whole=True)
    pack.seal({"declared": len(sent) + len(work_files), "read": len(sent) + len(work_files), "gap": 0})
    with store.connect(installation.settings) as connection:
        ledger.advance(connection, batch.batch_id, "landed")
    installation.process([batch.batch_id])
    if publishes:
        installation.publish()


@pytest.fixture
def post(installation: Installation) -> Callable[..., None]:
    """A function that lands messages as if the gateway had sent them, processes them, and publishes them by default."""
    return functools.partial(_post, installation)


def _business(kind: int, refers: str = KEY, more: str = "") -> str:
    return f"<BussinessDocType>{kind}</BussinessDocType><DocumentId>{refers}</DocumentId>{more}"


def _receivers(**changes: int) -> str:
    listed = "".join(f"<Receiver><OrganId>000.{code[1:]}.20.H47</OrganId><ReceiverType>{kind}</ReceiverType></Receiver>" for code, kind in changes.items())  # fmt: skip
    return f"<BussinessDocumentInfo><DocumentInfo>0</DocumentInfo><DocumentReceiver>1</DocumentReceiver><ReceiverList>{listed}</ReceiverList></BussinessDocumentInfo>"


def _at(xml: str, time: str) -> str:
    return xml.replace("10:15:32", time).replace("14:02:11", time)


UUID = "5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7c4b"
SEQUENCES: dict[str, tuple[Message, ...]] = {
    "an update, a redelivery and statuses": (
        ("d1", "10:20:00", edoc(subject="cũ")),
        ("d2", "11:00:00", _at(edoc(subject="mới", business=_business(2)), "11:00:00")),
        ("s1", "10:40:00", _at(state("01"), "10:30:00")),
        ("d3", "15:00:00", edoc(subject="cũ")),
    ),
    "recipients added and removed": (
        ("d1", "10:20:00", edoc()),
        ("d2", "11:00:00", _at(edoc(subject="không đổi", business=_business(2, more=_receivers(c25=0, c00=1))), "11:00:00")),
        ("s1", "12:00:00", state("03").replace("<From><OrganId>000.00.20.H47", "<From><OrganId>000.25.20.H47")),
    ),
    "a revocation and a recall": (
        ("d1", "10:20:00", edoc(key=UUID)),
        ("d2", "12:00:00", _at(edoc(key="000.00.07.H47,2021/06/18,800/STTTT", business=_business(1, UUID)), "12:00:00")),
        ("s1", "12:10:00", _at(state("13"), "12:05:00")),
        ("s2", "12:20:00", _at(state("15 - Đồng ý"), "12:15:00")),
    ),
    "an update under its own number": (
        ("d1", "10:20:00", edoc(key=UUID, subject="cũ")),
        ("d2", "11:00:00", _at(edoc(key="000.00.07.H47,2021/06/18,801/STTTT", subject="mới", business=_business(2, UUID)), "11:00:00").replace(">785<", ">801<")),
        ("s1", "09:00:00", state("05")),
    ),
    "a replacement": (
        ("d1", "10:20:00", edoc()),
        ("d2", "12:00:00", _at(edoc(key="000.00.07.H47,2021/06/18,802/STTTT-CNTT", business=_business(3)), "12:00:00").replace(">785<", ">802<")),
        ("s1", "13:00:00", state("02")),
    ),
    "statuses that go back": (
        ("d1", "10:20:00", edoc()),
        ("s1", "16:00:00", _at(state("06"), "15:00:00")),
        ("s2", "15:30:00", _at(state("04"), "15:20:00")),
        ("s3", "15:40:00", _at(state("fail"), "15:35:00")),
    ),
}  # fmt: skip
RESULTS: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Any]]] = {
    "an update, a redelivery and statuses": ({ID: ("mới", None, False)}, {(ID, "H47.20"): ("arrived", [])}),
    "recipients added and removed": ({ID: ("V/v báo cáo", None, False)}, {(ID, "H47.20.25"): ("accepted", [])}),
    "a revocation and a recall": ({ID: ("V/v báo cáo", None, True)}, {(ID, "H47.20"): ("recall_accepted", [])}),
    "an update under its own number": ({ID: ("mới", None, False)}, {(ID, "H47.20"): ("processing", [])}),
    "a replacement": (
        {ID: ("V/v báo cáo", "H47.07,2021/06/18,802/STTTT-CNTT", False), "H47.07,2021/06/18,802/STTTT-CNTT": ("V/v báo cáo", None, False)},
        {(ID, "H47.20"): ("rejected", []), ("H47.07,2021/06/18,802/STTTT-CNTT", "H47.20"): ("sent", [])},
    ),
    "statuses that go back": ({ID: ("V/v báo cáo", None, False)}, {(ID, "H47.20"): ("assigned", ["DOC_STATUS_ORDER"])}),
}  # fmt: skip


def _renumbered(case: int, text: str) -> str:
    """A text with the document numbers and UUIDs of a case, so that all cases are published together."""
    return re.sub(r"(?<=[>,])(785|80\d|70\d|699)(?=[</])", rf"{case}\1", text).replace(UUID, f"{case:02d}{UUID[2:]}")


def _messages_of(case: int, messages: Iterable[Message]) -> list[Message]:
    return [(f"{case}{doc_id}", at, _renumbered(case, xml)) for doc_id, at, xml in messages]


def test_a_document_ends_the_same_in_any_order_of_arrival(
    post: Callable[..., None], installation: Installation
) -> None:
    orders: dict[str, Callable[[tuple[Message, ...]], tuple[Message, ...]]] = {
        "as sent": lambda sent: sent, "reversed": lambda sent: sent[::-1], "the first message last": lambda sent: (*sent[1:], sent[0])}  # fmt: skip
    cases = dict(enumerate(itertools.product(orders, SEQUENCES), 1))
    arrivals = [_messages_of(case, orders[order](SEQUENCES[name])) for case, (order, name) in cases.items()]
    for arriving in itertools.zip_longest(*arrivals):
        post(*(message for message in arriving if message))
    documents = {r["document_id"]: (r["subject"], r["replaced_by_document_id"], r["revoked_at"] is not None) for r in installation.query("select * from shared.document")}  # fmt: skip
    deliveries = {(r["document_id"], r["recipient_organisation_id"]): (r["status"], r["quality_flags"]) for r in installation.query("select * from shared.document_delivery")}  # fmt: skip
    for case, (order, name) in cases.items():
        expected_documents, expected_deliveries = RESULTS[name]
        id_of_case = re.compile(rf",{case}(785|80\d)/")
        assert {k: v for k, v in documents.items() if id_of_case.search(k)} == {
            _renumbered(case, k): (subject, replaced_by and _renumbered(case, replaced_by), is_revoked)
            for k, (subject, replaced_by, is_revoked) in expected_documents.items()
        }, (order, name)
        assert {k: v for k, v in deliveries.items() if id_of_case.search(k[0])} == {
            (_renumbered(case, k[0]), k[1]): v for k, v in expected_deliveries.items()
        }, (order, name)


def _numbered(number: int, subject: str, business: str = "", at: str = "10:15:32", key: str = UUID) -> str:
    """A message with this document number."""
    xml = edoc(key=key, subject=subject, business=business or _business(0, ""))
    return _at(xml.replace(">785<", f">{number}<"), at)


SHARED_UUID: dict[str, Message] = {
    "first": ("m1", "10:20:00", _numbered(701, "một")),
    "second": ("m2", "10:30:00", _numbered(702, "hai")),
    "update": ("u", "11:00:00", _numbered(700, "mới", _business(2, UUID), "11:00:00", UUID)),
    "revocation": ("r", "12:00:00", _numbered(699, "thu hồi", _business(1, UUID), "12:00:00", "")),
    "order": ("o", "12:00:00", _numbered(699, "quyết định thu hồi", key="000.00.07.H47,2021/06/18,699/STTTT-CNTT")),
}  # fmt: skip


@pytest.mark.exhaustive
def test_a_uuid_of_two_documents_means_the_same_in_any_order(
    post: Callable[..., None], installation: Installation
) -> None:
    orders = [
        ["first second update revocation order"],
        ["first update", "second revocation", "order"],
        ["update order", "revocation", "second", "first"],
    ]
    cases = [
        [_messages_of(case, (SHARED_UUID[name] for name in step.split())) for step in steps]
        for case, steps in enumerate(orders, 1)
    ]
    for step in itertools.zip_longest(*cases, fillvalue=[]):
        post(*itertools.chain(*step))
    rows = installation.query(
        "select number, subject, revoked_at is not null as is_revoked from shared.document order by number"
    )
    assert [(row["number"], row["subject"], row["is_revoked"]) for row in rows] == [
        (f"{case}{number}", subject, is_revoked)
        for case in range(1, len(orders) + 1)
        for number, subject, is_revoked in (("699", "quyết định thu hồi", False), ("701", "mới", True), ("702", "hai", False))
    ]  # fmt: skip


def test_a_replacement_replaces_every_listed_document(post: Callable[..., None], installation: Installation) -> None:
    infos = "".join(f"<ReplacementInfo><DocumentId>{replaced}</DocumentId></ReplacementInfo>" for replaced in (KEY, KEY.replace("785", "703"), UUID))  # fmt: skip
    replacing = "<BussinessDocType>3</BussinessDocType>" + f"<ReplacementInfoList>{infos}</ReplacementInfoList>"
    key = KEY.replace("785", "704")
    replacement = ("n", "12:00:00", _numbered(704, "thay thế", replacing, "12:00:00", key))
    earlier = [("m1", "10:20:00", edoc()), ("m2", "10:20:00", _numbered(703, "hai", key=KEY.replace("785", "703"))), ("m3", "10:20:00", _numbered(702, "ba"))]  # fmt: skip
    replacement_last = _messages_of(1, [*earlier, replacement])
    replacement_first = _messages_of(2, [replacement, *earlier])
    for arriving in zip(replacement_last, replacement_first, strict=True):
        post(*arriving)
    rows = installation.query("select number, replaced_by_document_id as by from shared.document order by number")
    new_id = {case: ID.replace("785", f"{case}704") for case in (1, 2)}
    assert [(row["number"], row["by"]) for row in rows] == [
        (f"{case}{number}", replaced_by)
        for case in (1, 2)
        for number, replaced_by in (("702", new_id[case]), ("703", new_id[case]), ("704", None), ("785", new_id[case]))
    ]


def test_an_unusual_document_is_published_with_quality_flags(
    post: Callable[..., None], installation: Installation
) -> None:
    unusual = edoc(
        to="<To><OrganId/><OrganName>UBND xã Cẩm Thanh</OrganName></To><To><OrganId/><OrganName>Ai đó</OrganName></To>",
        other="<OtherInfo><Priority>9</Priority><PageAmount>ba</PageAmount><Colour>red</Colour></OtherInfo>",
        more="<DueDate>hôm qua</DueDate>",
    )
    post(("d1", "10:20:00", unusual))
    (row,) = installation.query("select priority, quality_flags, page_count, due_on from shared.document")
    assert row == {"priority": None, "page_count": None, "due_on": None,
                     "quality_flags": ["DOC_PRIORITY_MAPPED", "DOC_PROFILE", "DOC_PROFILE_UNKNOWN", "DOC_RECIPIENT_UNKNOWN", "DOC_TIME_OMITTED", "DOC_VALUE_UNREADABLE"]}  # fmt: skip
    assert [r["recipient_organisation_id"] for r in installation.query("select * from shared.document_delivery")] == [
        "H47.20.25"
    ]


UNREADABLE = {
    "type": (edoc(type_name="Thư tay của ông Nguyễn Văn Bình"), "DOC_TYPE_MAPPED", "codelists/document_type.yml"),
    "status": (state("77"), "DOC_STATUS_MAPPED", "codelists/delivery_status.yml"),
    "business": (edoc(business=_business(7)), "DOC_BUSINESS_MAPPED", "business_source 7"),
    "personal business": (edoc(business="<BussinessDocType>của Nguyễn Văn Bình</BussinessDocType>"), "DOC_BUSINESS_MAPPED", "(not shown)"),
    "day": (edoc().replace("2021/06/18</P", "hôm qua</P"), "DOC_TIME_UNREADABLE", "PromulgationDate:unreadable_time"),
    "sending": (edoc().replace("2021/06/18 10:15:32", "hôm qua"), "DOC_TIME_UNREADABLE", "Timestamp:unreadable_time"),
    "status time": (state().replace("2021/06/18 14:02:11", "hôm qua"), "DOC_STATUS_WHOLE", "Timestamp:unreadable_time"),
    "future status": (state().replace("2021/06/18 14:02:11", "2021/06/21 00:00:00"), "DOC_STATUS_FUTURE", "occurred_at 2021-06-20 17:00"),
    "key": (edoc(key=UUID).replace("<CodeNumber>785</CodeNumber><CodeNotation>STTTT-CNTT</CodeNotation>", ""), "DOC_ID_MISSING", "number"),
}  # fmt: skip


@pytest.fixture(scope="module")
def quarantine(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The quarantined rows of all unreadable messages."""
    installation = installed(server, tmp_path_factory.mktemp("unreadable"), {})
    messages = [(name, "10:20:00", xml) for name, (xml, _, _) in UNREADABLE.items()]
    for start in range(0, len(messages), 5):  # a small batch may have at most five quarantined rows
        _post(installation, *messages[start : start + 5], publishes=False)
    return installation.query("select source_key, rule_id, reason from ledger.quarantine")


@pytest.mark.parametrize("message", UNREADABLE)
def test_an_unreadable_message_is_quarantined_with_a_reason(message: str, quarantine: list[dict[str, Any]]) -> None:
    _, rule, reason = UNREADABLE[message]
    (row,) = (row for row in quarantine if row["source_key"] == message)
    assert row["rule_id"] == rule and reason in row["reason"] and "Bình" not in row["reason"]


def test_s11_hostile_messages_are_quarantined_alone(post: Callable[..., None], installation: Installation) -> None:
    bad = [(f"bad{number}", "10:20:00", xml) for number, xml in enumerate(hostile_edxml.messages())]
    for start in range(0, len(bad), 5):  # a small batch may have at most five quarantined rows
        post(("good", "10:20:00", edoc()), *bad[start : start + 5], publishes=start + 5 >= len(bad))
    rows = {row["source_key"]: row["reason"] for row in installation.query("select * from ledger.quarantine")}
    assert rows.keys() == {f"bad{number}" for number in range(len(hostile_edxml.messages()))}
    assert all("trouble" in reason and "root:" not in reason for reason in rows.values()), rows
    assert [row["document_id"] for row in installation.query("select * from shared.document")] == [ID]


def _work_file(**changes: str) -> dict[str, Any]:
    return {"maHoSo": "H1", "tieuDe": "Hồ sơ", "maDonVi": "000.00.07.H47", "capDonVi": "TINH", "ngayMo": "18/06/2021", "ngayDong": "",
            "xuLyDienTu": "1", "doMat": "Thường", "soVanBan": 1, "ngayCapNhat": "18/06/2021 10:00:00", **changes}  # fmt: skip


def test_an_impossible_work_file_is_quarantined_with_a_reason(
    post: Callable[..., None], installation: Installation
) -> None:
    unreadable_day = _work_file(maHoSo="H2", ngayDong="hôm qua")
    future = _work_file(maHoSo="H3", ngayDong="21/06/2021")
    unknown_level = _work_file(maHoSo="H4", capDonVi="Cấp của Nguyễn Văn Bình")
    unknown_agency = _work_file(maHoSo="H5", maDonVi="Phòng Nội vụ")
    post(work_files=(_work_file(), unreadable_day, future, unknown_level, unknown_agency))
    published = installation.query("select work_file_id, organisation_id from shared.work_file order by 1")
    assert [tuple(row.values()) for row in published] == [("H1", "H47.07"), ("H5", "UNKNOWN")]
    rows = {row["source_key"]: row for row in installation.query("select * from ledger.quarantine")}
    assert {key: row["rule_id"] for key, row in rows.items()} == {
        "H2": "WF_TIME_UNREADABLE", "H3": "WF_CLOSED_FUTURE", "H4": "WF_LEVEL_MAPPED"}  # fmt: skip
    assert "(not shown)" in rows["H4"]["reason"] and "Bình" not in rows["H4"]["reason"]


CANARY = "CANARY-7Q4Z"
SECRETS = ["Mật", "TỐI MẬT", unicodedata.normalize("NFD", "Tuyệt mật"), "mat", "2"]


def test_secret_content_is_only_in_the_landing_area(
    post: Callable[..., None], installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    messages: list[Message] = []
    for n, level in enumerate(SECRETS):
        marked = f"<OtherInfo><SecurityLevel>{level}</SecurityLevel></OtherInfo>"
        secret = edoc(subject=CANARY, other=marked).replace("STTTT-CNTT", CANARY)
        status = state("05", more=f"<Description>{CANARY}</Description>{marked}").replace("STTTT-CNTT", CANARY)
        messages += [(f"d{n}", "10:20:00", secret), (f"s{n}", "10:20:00", status), (f"e{n}", "10:20:00", edoc(subject=CANARY))]  # fmt: skip
    files = tuple(_work_file(maHoSo=f"H{n}", tieuDe=CANARY, doMat=level) for n, level in enumerate(SECRETS))
    post(*messages, work_files=files, gateway_fields={f"e{n}": {"doMat": level} for n, level in enumerate(SECRETS)})
    rows = installation.query("select source_key, rule_id from ledger.quarantine")
    rules = {"d": "SECRET_DOC", "s": "SECRET_DOC_STATUS", "e": "SECRET_DOC", "H": "SECRET_WORK_FILE"}
    assert {(row["source_key"], row["rule_id"]) for row in rows} == {
        (f"{kind}{n}", rule) for n in range(len(SECRETS)) for kind, rule in rules.items()
    }
    texts = [*texts_outside_landing(installation), caplog.text, *_files_outside_landing(installation)]
    assert not any(CANARY in text for text in texts)
    assert "secret records" in caplog.text, "the operator is informed"


def _files_outside_landing(installation: Installation) -> list[str]:
    home: Path = installation.settings.home
    files = (path for path in home.rglob("*") if path.is_file() and installation.settings.landing not in path.parents)
    return [path.read_bytes().decode("latin-1") for path in itertools.islice(files, 5000)]
