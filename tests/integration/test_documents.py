"""The document system end to end: what is published is what happened, in whatever order and form it was told."""

from __future__ import annotations

import itertools
import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from lgsp import check, codelist, database, harmonise, ledger, publish
from lgsp.province import World, hostile, serving, truth_papers
from lgsp.storage import Pack
from lgsp.window import Window
from tests.integration.conftest import FIRST, MIDNIGHT, Installation
from tests.unit.test_documents import edoc, state

AS_OF = int(MIDNIGHT.timestamp())


@pytest.fixture(scope="module")
def papers() -> World:
    """Few dossiers, many documents, everything wrong that can be."""
    rates = {"D31": 0.1, "private-subject": 0.1, "D02": 0.02, "D03": 0.02, "D05": 0.02}
    return World.generate(
        "tiny", 11, FIRST, date(2026, 8, 10), dossiers_count=30, documents_count=400, defects_chosen=rates
    )


@pytest.fixture(scope="module")
def office(papers: World, server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The document system of that world, published once."""
    from lgsp.settings import Settings

    with serving(papers, as_of=MIDNIGHT) as connections:
        server.create_database("office")
        environment = {"AIRFLOW_CONN_DOCUMENTS": orjson.dumps(connections["documents"]).decode(), "LGSP_TOKEN_KEY": "only-for-tests",
                       "LGSP_HOME": str(tmp_path_factory.mktemp("office")), "LGSP_DATABASE_URL": server.url("office")}  # fmt: skip
        done = Installation(Settings.from_env(environment))
        done.run("documents")
        done.publish()
        yield done


def test_every_document_says_what_is_true(office: Installation, papers: World) -> None:
    documents, _ = truth_papers.documents(papers.papers, AS_OF)
    wanted = {row["document_id"]: row for row in documents.to_pylist()}
    found = {row["document_id"]: row for row in office.query("select * from shared.document")}
    assert found.keys() == wanted.keys() and len(found) > 300
    types = codelist.meanings("document_type", "documents")
    open_ = [name for name in documents.column_names if name not in ("subject", "has_person", "sent_at")]
    for key, row in wanted.items():
        row["document_type"] = types[row["document_type"].lower()]
        assert {name: found[key][name] for name in open_} == {name: row[name] for name in open_}, key


def test_every_subject_is_the_clean_one(office: Installation, papers: World) -> None:
    documents, _ = truth_papers.documents(papers.papers, AS_OF)
    wanted = {row["document_id"]: row["subject"] for row in documents.to_pylist() if not row["has_person"]}
    found = {row["document_id"]: row["subject"] for row in office.query("select * from shared.document")}
    assert {key: found[key] for key in wanted if found[key] != wanted[key]} == {}
    assert None in wanted.values(), "a filler says nothing"


def test_every_delivery_says_what_is_true(office: Installation, papers: World) -> None:
    _, deliveries = truth_papers.documents(papers.papers, AS_OF)
    found = {(r["document_id"], r["recipient_organisation_id"]): r for r in office.query("select * from shared.document_delivery")}  # fmt: skip
    wanted = {(r["document_id"], r["recipient_organisation_id"]): r for r in deliveries.to_pylist()}
    assert found.keys() == wanted.keys()
    names = ("sender_organisation_id", "sent_at", "arrived_at", "accepted_at", "assigned_at", "completed_at", "rejected_at", "status")  # fmt: skip
    for key, row in wanted.items():
        assert {n: found[key][n] for n in names} == {n: row[n] for n in names}, key
        assert found[key]["quality_flags"] == (["DOC_STATUS_ORDER"] if row["is_out_of_order"] else []), key
    assert any(row["is_out_of_order"] for row in wanted.values())


def test_nothing_planted_of_a_person_is_left(office: Installation, papers: World) -> None:
    planted = {text.casefold() for document in papers.papers.documents for text in document.planted}
    assert len(planted) > 10
    said = "\n".join(_everything(office)).casefold()
    assert [text for text in planted if text in said] == []


def test_hostile_and_secret_messages_are_in_quarantine_and_nothing_else_is(office: Installation, papers: World) -> None:
    stopped = {d.doc_id: d.stopped_as for d in papers.papers.documents if d.stopped_as and d.sent_at <= AS_OF}
    stopped |= {f.code: "secret" for f in papers.papers.work_files if f.is_secret and f.opened_at <= AS_OF}
    assert set(stopped.values()) == {"secret", "D37"}
    rows = office.query("select source_key, rule_id, reason from ledger.quarantine")
    assert {row["source_key"] for row in rows} == stopped.keys()
    rules = {"D37": {"DOC_READABLE"}, "secret": {"SECRET_DOC", "SECRET_WORK_FILE"}}
    assert all(row["rule_id"] in rules[str(stopped[row["source_key"]])] for row in rows)


def test_every_defect_of_the_catalogue_is_in_the_world(papers: World) -> None:
    shown = {name for document in papers.papers.documents for name in document.defects}
    wanted = {"D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D17", "D21", "D23", "D31", "D32", "D36", "D37"}
    assert wanted | {"secret", "status-form", "private-subject", "redelivered", "uuid-document-id"} <= shown


def _everything(installation: Installation) -> Iterator[str]:
    """All text outside of the landing area: files, staging, tables, pages."""
    for path in [*installation.settings.home.rglob("*.parquet"), *installation.settings.staging.rglob("*.parquet")]:
        yield str(pq.read_table(path).to_pylist())
    tables = installation.query("select schemaname || '.' || tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")  # fmt: skip
    for table in tables:
        yield str(installation.query(f"select * from {table['name']}"))
    yield from (path.read_text() for path in installation.settings.docs.rglob("*.html"))


# Single messages, as a gateway may send them.

AGENCIES = [{"orgCode": code, "orgName": name, "parentCode": ""} for code, name in (
    ("000.00.07.H47", "Sở Thông tin và Truyền thông"), ("000.00.20.H47", "UBND TP.Hội An"), ("000.25.20.H47", "UBND xã Cẩm Thanh"))]  # fmt: skip
DAY = Window.of_days(date(2021, 6, 18), date(2021, 6, 20))
KEY = "000.00.07.H47,2021/06/18,785/STTTT-CNTT"
ID = "H47.07,2021/06/18,785/STTTT-CNTT"
Message = tuple[str, str, str]  # docId, when it was listed (a time of the 18th), edXML


@pytest.fixture
def post(installation: Installation) -> Callable[..., list[str]]:
    """Lands messages as if the gateway had sent them, and takes them as far as they go."""
    database.init(installation.settings)

    def take(*sent: Message, work_files: tuple[dict[str, Any], ...] = (), **beside: Any) -> list[str]:
        with database.connect(installation.settings) as connection:
            batch = ledger.open_batch(connection, "documents", DAY)
        pack = Pack(installation.settings.landing / batch.landing_path)
        rows = [
            {"docId": i, "createdTime": f"2021/06/18 {at}", "messageType": "status" if "StatusCode" in x else "edoc"}
            for i, at, x in sent
        ]
        answers: list[tuple[str, str, Any]] = [
            ("agencies", "agencies", AGENCIES),
            ("messages", "messages", {"data": rows}),
        ]
        answers += [("edocs", f"getEdoc {i}", {"success": True, "data": {"edxml": x, **beside}}) for i, _, x in sent]
        answers += [("work_files", "work_files", {"data": list(work_files)})]
        for name, request, answer in answers:
            pack.annotate(pack.append(name, request, 200, orjson.dumps(answer), 0.0, True), is_whole=True)
        pack.seal({"declared": len(sent) + len(work_files), "read": len(sent) + len(work_files), "gap": 0})
        with database.connect(installation.settings) as connection:
            ledger.advance(connection, batch.batch_id, "landed")
        done = check.run(installation.settings, harmonise.run(installation.settings, [batch.batch_id]))
        publish.run(installation.settings)
        return done

    return take


def _business(kind: int, refers: str = KEY, more: str = "") -> str:
    return f"<BussinessDocType>{kind}</BussinessDocType><DocumentId>{refers}</DocumentId>{more}"


def _receivers(**changes: int) -> str:
    listed = "".join(f"<Receiver><OrganId>000.{code[1:]}.20.H47</OrganId><ReceiverType>{kind}</ReceiverType></Receiver>" for code, kind in changes.items())  # fmt: skip
    return f"<BussinessDocumentInfo><DocumentInfo>0</DocumentInfo><DocumentReceiver>1</DocumentReceiver><ReceiverList>{listed}</ReceiverList></BussinessDocumentInfo>"


def _at(xml: str, time: str) -> str:
    return xml.replace("10:15:32", time).replace("14:02:11", time)


UUID = "5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7c4b"
LIVES: dict[str, tuple[Message, ...]] = {
    "an update, a redelivery and statuses": (
        ("d1", "10:20:00", edoc(subject="cũ")),
        ("d2", "11:00:00", _at(edoc(subject="mới", business=_business(2)), "11:00:00")),
        ("s1", "10:40:00", _at(state("01"), "10:30:00")),
        ("d3", "15:00:00", edoc(subject="cũ")),
    ),
    "recipients added and taken away": (
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
    "an update under a number of its own": (
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
SAID: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Any]]] = {
    "an update, a redelivery and statuses": ({ID: ("mới", None, False)}, {(ID, "H47.20"): ("arrived", [])}),
    "recipients added and taken away": ({ID: ("V/v báo cáo", None, False)}, {(ID, "H47.20.25"): ("accepted", [])}),
    "a revocation and a recall": ({ID: ("V/v báo cáo", None, True)}, {(ID, "H47.20"): ("recall_accepted", [])}),
    "an update under a number of its own": ({ID: ("mới", None, False)}, {(ID, "H47.20"): ("processing", [])}),
    "a replacement": (
        {ID: ("V/v báo cáo", "H47.07,2021/06/18,802/STTTT-CNTT", False), "H47.07,2021/06/18,802/STTTT-CNTT": ("V/v báo cáo", None, False)},
        {(ID, "H47.20"): ("rejected", []), ("H47.07,2021/06/18,802/STTTT-CNTT", "H47.20"): ("sent", [])},
    ),
    "statuses that go back": ({ID: ("V/v báo cáo", None, False)}, {(ID, "H47.20"): ("assigned", ["DOC_STATUS_ORDER"])}),
}  # fmt: skip


def _nth(life: int, text: str) -> str:
    """A text of another life: other numbers of documents, so that lives can be lived side by side."""
    return (
        text.replace("785", f"{life}785")
        .replace(",80", f",{life}80")
        .replace(">80", f">{life}80")
        .replace(UUID, f"{life}{UUID[1:]}")
    )


@pytest.mark.parametrize("order", ["as sent", "backwards", "the first one last"])
def test_a_document_ends_the_same_in_any_order_of_arrival(
    order: str, post: Callable[..., list[str]], installation: Installation
) -> None:
    turned: dict[str, Callable[[tuple[Message, ...]], tuple[Message, ...]]] = {
        "as sent": lambda sent: sent, "backwards": lambda sent: sent[::-1], "the first one last": lambda sent: (*sent[1:], sent[0])}  # fmt: skip
    lives = [
        [(f"{life}{doc_id}", at, _nth(life, xml)) for doc_id, at, xml in turned[order](messages)]
        for life, messages in enumerate(LIVES.values(), 1)
    ]
    for arriving in itertools.zip_longest(*lives):
        post(*(message for message in arriving if message))
    documents = {r["document_id"]: (r["subject"], r["replaced_by_document_id"], r["revoked_at"] is not None) for r in installation.query("select * from shared.document")}  # fmt: skip
    deliveries = {(r["document_id"], r["recipient_organisation_id"]): (r["status"], r["quality_flags"]) for r in installation.query("select * from shared.document_delivery")}  # fmt: skip
    for life, (name, (said, done)) in enumerate(SAID.items(), 1):
        mine = f"/{life}785|,{life}785/|,{life}80"
        assert {k: v for k, v in documents.items() if re.search(mine, k)} == {
            _nth(life, k): (subject, replaced and _nth(life, replaced), revoked)
            for k, (subject, replaced, revoked) in said.items()
        }, name
        assert {k: v for k, v in deliveries.items() if re.search(mine, k[0])} == {
            (_nth(life, k[0]), k[1]): v for k, v in done.items()
        }, name


def _own(number: int, subject: str, business: str = "", at: str = "10:15:32", key: str = UUID) -> str:
    """A message under a number of its own."""
    xml = edoc(key=key, subject=subject, business=business or _business(0, ""))
    return _at(xml.replace(">785<", f">{number}<"), at)


BORNE_TWICE: dict[str, Message] = {
    "first": ("m1", "10:20:00", _own(701, "một")),
    "second": ("m2", "10:30:00", _own(702, "hai")),
    "update": ("u", "11:00:00", _own(700, "mới", _business(2, UUID), "11:00:00", UUID)),
    "revocation": ("r", "12:00:00", _own(699, "thu hồi", _business(1, UUID), "12:00:00", "")),
    "order": ("o", "12:00:00", _own(699, "quyết định thu hồi", key="000.00.07.H47,2021/06/18,699/STTTT-CNTT")),
}  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        ["first second update revocation order"],
        ["first update", "second revocation", "order"],
        ["update order", "revocation", "second", "first"],
    ],
    ids=lambda steps: " / ".join(steps),
)
def test_an_id_that_two_documents_bear_means_the_same_in_any_order_of_arrival(
    steps: list[str], post: Callable[..., list[str]], installation: Installation
) -> None:
    for step in steps:
        post(*(BORNE_TWICE[name] for name in step.split()))
    found = installation.query(
        "select number, subject, revoked_at is not null as is_revoked from shared.document order by number"
    )
    assert [(row["number"], row["subject"], row["is_revoked"]) for row in found] == [
        ("699", "quyết định thu hồi", False), ("701", "mới", True), ("702", "hai", False)]  # fmt: skip


@pytest.mark.parametrize("is_last", [False, True])
def test_each_document_of_a_replacement_is_replaced(
    is_last: bool, post: Callable[..., list[str]], installation: Installation
) -> None:
    infos = "".join(f"<ReplacementInfo><DocumentId>{told}</DocumentId></ReplacementInfo>" for told in (KEY, KEY.replace("785", "703"), UUID))  # fmt: skip
    replacing = "<BussinessDocType>3</BussinessDocType>" + f"<ReplacementInfoList>{infos}</ReplacementInfoList>"
    key = KEY.replace("785", "704")
    new = ("n", "12:00:00", _own(704, "thay thế", replacing, "12:00:00", key))
    earlier = [("m1", "10:20:00", edoc()), ("m2", "10:20:00", _own(703, "hai", key=KEY.replace("785", "703"))), ("m3", "10:20:00", _own(702, "ba"))]  # fmt: skip
    for message in [*earlier, new] if is_last else [new, *earlier]:
        post(message)
    found = installation.query("select number, replaced_by_document_id as by from shared.document order by number")
    by = ID.replace("785", "704")
    assert [(row["number"], row["by"]) for row in found] == [("702", by), ("703", by), ("704", None), ("785", by)]


def test_what_is_odd_is_published_with_its_flags(post: Callable[..., list[str]], installation: Installation) -> None:
    odd = edoc(
        to="<To><OrganId/><OrganName>UBND xã Cẩm Thanh</OrganName></To><To><OrganId/><OrganName>Ai đó</OrganName></To>",
        other="<OtherInfo><Priority>9</Priority><PageAmount>ba</PageAmount><Colour>red</Colour></OtherInfo>",
    )
    post(("d1", "10:20:00", odd))
    (found,) = installation.query("select priority, quality_flags, page_count from shared.document")
    assert found == {"priority": None, "page_count": None,
                     "quality_flags": ["DOC_PRIORITY_MAPPED", "DOC_PROFILE", "DOC_PROFILE_UNKNOWN", "DOC_RECIPIENT_UNKNOWN"]}  # fmt: skip
    assert [r["recipient_organisation_id"] for r in installation.query("select * from shared.document_delivery")] == [
        "H47.20.25"
    ]


@pytest.mark.parametrize(
    ("xml", "rule", "told"),
    [
        (edoc(type_name="Thư tay của ông Nguyễn Văn Bình"), "DOC_TYPE_MAPPED", "codelists/document_type.yml"),
        (state("77"), "DOC_STATUS_MAPPED", "codelists/delivery_status.yml"),
        (edoc(business=_business(7)), "DOC_BUSINESS_MAPPED", "business_source 7"),
        (edoc(business="<BussinessDocType>của Nguyễn Văn Bình</BussinessDocType>"), "DOC_BUSINESS_MAPPED", "(not shown)"),
        (edoc().replace("2021/06/18</P", "hôm qua</P"), "DOC_TIME_UNREADABLE", "PromulgationDate:unreadable_time"),
        (edoc().replace("2021/06/18 10:15:32", "hôm qua"), "DOC_TIME_UNREADABLE", "Timestamp:unreadable_time"),
        (state().replace("2021/06/18 14:02:11", "hôm qua"), "DOC_STATUS_WHOLE", "Timestamp:unreadable_time"),
        (state().replace("2021/06/18 14:02:11", "2021/06/21 00:00:00"), "DOC_STATUS_FUTURE", "occurred_at 2021-06-20 17:00"),
        (edoc(key=UUID).replace("<CodeNumber>785</CodeNumber><CodeNotation>STTTT-CNTT</CodeNotation>", ""), "DOC_ID_MISSING", "number"),
    ],
    ids=["type", "status", "business", "personal business", "day", "sending", "status time", "future status", "key"],
)  # fmt: skip
def test_what_nobody_understands_is_in_quarantine_with_its_reason(
    xml: str, rule: str, told: str, post: Callable[..., list[str]], installation: Installation
) -> None:
    post(("d1", "10:20:00", xml))
    (row,) = installation.query("select rule_id, reason from ledger.quarantine")
    assert row["rule_id"] == rule and told in row["reason"] and "Bình" not in row["reason"]


def test_s11_each_hostile_message_is_in_quarantine_and_the_others_are_published(
    post: Callable[..., list[str]], installation: Installation
) -> None:
    bad = [(f"bad{number}", "10:20:00", xml) for number, xml in enumerate(hostile.messages())]
    for start in range(0, len(bad), 5):  # of a few rows, five may be in quarantine
        post(("good", "10:20:00", edoc()), *bad[start : start + 5])
    rows = {row["source_key"]: row["reason"] for row in installation.query("select * from ledger.quarantine")}
    assert rows.keys() == {f"bad{number}" for number in range(len(hostile.messages()))}
    assert all("trouble" in reason and "root:" not in reason for reason in rows.values()), rows
    assert [row["document_id"] for row in installation.query("select * from shared.document")] == [ID]


def _work_file(**changes: str) -> dict[str, Any]:
    return {"maHoSo": "H1", "tieuDe": "Hồ sơ", "maDonVi": "000.00.07.H47", "capDonVi": "TINH", "ngayMo": "18/06/2021", "ngayDong": "",
            "xuLyDienTu": "1", "doMat": "Thường", "soVanBan": 1, "ngayCapNhat": "18/06/2021 10:00:00", **changes}  # fmt: skip


def test_a_work_file_that_cannot_be_right_is_in_quarantine_and_one_of_nobody_is_of_unknown(
    post: Callable[..., list[str]], installation: Installation
) -> None:
    level = _work_file(maHoSo="H4", capDonVi="Cấp của Nguyễn Văn Bình")
    unread, future = (_work_file(maHoSo="H2", ngayDong="hôm qua"), _work_file(maHoSo="H3", ngayDong="21/06/2021"))
    post(work_files=(_work_file(), unread, future, level, _work_file(maHoSo="H5", maDonVi="Phòng Nội vụ")))
    found = {
        row["work_file_id"]: row["organisation_id"] for row in installation.query("select * from shared.work_file")
    }
    assert found == {"H1": "H47.07", "H5": "UNKNOWN"}
    rows = {row["source_key"]: row for row in installation.query("select * from ledger.quarantine")}
    assert {key: row["rule_id"] for key, row in rows.items()} == {
        "H2": "WF_TIME_UNREADABLE", "H3": "WF_CLOSED_FUTURE", "H4": "WF_LEVEL_MAPPED"}  # fmt: skip
    assert "(not shown)" in rows["H4"]["reason"] and "Bình" not in rows["H4"]["reason"]


def test_a_due_day_nobody_can_read_is_flagged(post: Callable[..., list[str]], installation: Installation) -> None:
    post(("d1", "10:20:00", edoc(more="<DueDate>hôm qua</DueDate>")))
    (found,) = installation.query("select due_on, quality_flags from shared.document")
    assert found["due_on"] is None and "DOC_TIME_OMITTED" in found["quality_flags"]


CANARY = "CANARY-7Q4Z"
SECRETS = ["Mật", "TỐI MẬT", unicodedata.normalize("NFD", "Tuyệt mật"), "mat", "2"]


@pytest.mark.parametrize("told", SECRETS)
def test_a_secret_is_nowhere_but_in_landing(
    told: str, post: Callable[..., list[str]], installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    marked = f"<OtherInfo><SecurityLevel>{told}</SecurityLevel></OtherInfo>"
    secret = edoc(subject=CANARY, other=marked).replace("STTTT-CNTT", CANARY)
    status = state("05", more=f"<Description>{CANARY}</Description>{marked}").replace("STTTT-CNTT", CANARY)
    file = _work_file(tieuDe=CANARY, doMat=told)
    post(("d1", "10:20:00", secret), ("s1", "10:20:00", status), work_files=(file,))
    post(("d2", "10:20:00", edoc(subject=CANARY)), doMat=told)
    rows = installation.query("select source_key, rule_id from ledger.quarantine")
    assert {(row["source_key"], row["rule_id"]) for row in rows} == {
        ("d1", "SECRET_DOC"), ("s1", "SECRET_DOC_STATUS"), ("d2", "SECRET_DOC"), ("H1", "SECRET_WORK_FILE")}  # fmt: skip
    said = [*_everything(installation), caplog.text, *_files_outside_landing(installation)]
    assert not any(CANARY in text for text in said)
    assert "secret records" in caplog.text, "somebody is told"


def _files_outside_landing(installation: Installation) -> list[str]:
    home: Path = installation.settings.home
    files = (path for path in home.rglob("*") if path.is_file() and installation.settings.landing not in path.parents)
    return [path.read_bytes().decode("latin-1") for path in itertools.islice(files, 5000)]
