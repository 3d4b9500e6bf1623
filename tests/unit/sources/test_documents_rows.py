"""Every message of the document system becomes a row, in the format of any vendor."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgsp.schema import codelists
from lgsp.sources.documents import codes, messages
from lgsp.vietnam import text
from lgsp.vietnam.codes import document_reference
from lgsp_province.defects import text_damage

pytestmark = pytest.mark.slow

NAMESPACES = ("http://www.mic.gov.vn/TBT/QCVN_102_2016", "http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc")
OTHER = "<OtherInfo><Priority>1</Priority><PageAmount>3</PageAmount></OtherInfo>"
TO = "<To><OrganId>000.00.20.H47</OrganId></To>"
UUID = "5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7c4b"
BY_NAME = {text.key("UBND xã Cẩm Thanh") or "": "H47.20.25"}


def edoc(
    to: str = TO, type_name: str = "Công văn", other: str = OTHER, business: str = "<BussinessDocType>0</BussinessDocType><Paper>0</Paper>",
    subject: str = "V/v báo cáo", more: str = "", key: str = "000.00.07.H47,2021/06/18,785/STTTT-CNTT",
) -> str:  # fmt: skip
    """A valid message; each part can be replaced."""
    return (
        "<edXML><edXMLEnvelope><edXMLHeader><MessageHeader><From><OrganId>000.00.07.H47</OrganId></From>"
        f"{to}<DocumentId>{key}</DocumentId>"
        "<Code><CodeNumber>785</CodeNumber><CodeNotation>STTTT-CNTT</CodeNotation></Code>"
        "<PromulgationInfo><PromulgationDate>2021/06/18</PromulgationDate></PromulgationInfo>"
        f"<DocumentType><Type>2</Type><TypeDetail>18</TypeDetail><TypeName>{type_name}</TypeName></DocumentType>"
        f"<Subject>{subject}</Subject>{other}{more}<SteeringType>1</SteeringType></MessageHeader>"
        "<TraceHeaderList><TraceHeader><OrganId>000.00.07.H47</OrganId><Timestamp>2021/06/18 10:15:32</Timestamp></TraceHeader>"
        f"<Bussiness>{business}</Bussiness></TraceHeaderList></edXMLHeader></edXMLEnvelope></edXML>"
    )


def state(code: str = "05", more: str = "") -> str:
    """A good status message."""
    return (
        "<edXML><edXMLHeader><MessageHeader><From><OrganId>000.00.20.H47</OrganId></From><ResponseFor><OrganId>000.00.07.H47</OrganId>"
        "<Code>785/STTTT-CNTT</Code><PromulgationDate>2021/06/18</PromulgationDate><DocumentId>000.00.07.H47,2021/06/18,785/STTTT-CNTT</DocumentId>"
        f"</ResponseFor><StatusCode>{code}</StatusCode><Timestamp>2021/06/18 14:02:11</Timestamp>{more}</MessageHeader></edXMLHeader></edXML>"
    )


def read(xml: object, **gateway_fields: Any) -> dict[str, Any]:
    """The row of a document."""
    answer = {"success": True, "data": {"edxml": xml, "attachments": [], **gateway_fields}}
    return messages.document_row(messages.from_answer("d1", answer, "b#1:0", "hash"), BY_NAME)


def read_status(xml: object) -> dict[str, Any]:
    """The row of a status."""
    return messages.status_row(messages.from_answer("s1", {"data": {"edxml": xml}}, "b#1:0", "hash"), BY_NAME)


def content(row: dict[str, Any]) -> dict[str, Any]:
    """The content columns of a row, without its profile and repairs."""
    return {
        name: value
        for name, value in row.items()
        if name not in ("profile", "profile_violation", "profile_unknown", "repairs")
    }


def _prefixed(xml: str, prefix: str, namespace: str) -> str:
    marked = xml.replace("</", "\0").replace("<", f"<{prefix}:").replace("\0", f"</{prefix}:")
    return marked.replace(f"<{prefix}:edXML>", f'<{prefix}:edXML xmlns:{prefix}="{namespace}">', 1)


def _soap(xml: str) -> str:
    inner = xml.replace("<edXML>", f'<e:edXML xmlns:e="{NAMESPACES[1]}">', 1).replace("</edXML>", "</e:edXML>")
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><w:Security xmlns:w="urn:w"><w:Token>x</w:Token></w:Security>'
        f"</s:Header><s:Body>{inner}</s:Body></s:Envelope>"
    )


WRITTEN = {
    **{f"namespace {n}": f'<edXML xmlns="{namespace}">' + edoc().removeprefix("<edXML>") for n, namespace in enumerate(NAMESPACES)},
    "prefix": _prefixed(edoc(), "edXML", NAMESPACES[0]),
    "odd prefix": _prefixed(edoc(), "x-1", NAMESPACES[2]),
    "soap 1.1": _soap(edoc()),
    "Business": edoc().replace("Bussiness", "Business"),
    "capitals": edoc().replace("OrganId", "ORGANID").replace("DocumentId", "DocumentID").replace("TypeName", "typename"),
    "declared in another encoding": '<?xml version="1.0" encoding="UTF-16"?>' + edoc(),
    "byte order mark": "\ufeff" + edoc(),
    "in another order": edoc().replace(TO, "").replace("</MessageHeader>", f"{TO}</MessageHeader>"),
    "decomposed": unicodedata.normalize("NFD", edoc()),
    "character data": edoc().replace("785</CodeNumber>", "<![CDATA[785]]></CodeNumber>"),
}  # fmt: skip


@pytest.mark.parametrize("xml", WRITTEN.values(), ids=WRITTEN)
def test_d36_the_messages_of_every_vendor_give_the_same_row(xml: str) -> None:
    plain, found = content(read(edoc())), content(read(xml))
    assert text.clean(found.pop("subject")) == text.clean(plain.pop("subject"))
    found["document_type_source"], plain["document_type_source"] = None, None
    assert found == plain and found["document_id"] == "H47.07,2021/06/18,785/STTTT-CNTT"


def test_the_namespace_is_recorded() -> None:
    assert read(WRITTEN["odd prefix"])["profile"] == NAMESPACES[2]


@pytest.mark.parametrize(
    ("sent", "meaning"),
    [
        ("Công văn", "official_letter"), ("CÔNG  VĂN", "official_letter"), ("công văn - hỏa tốc", "official_letter"),
        (unicodedata.normalize("NFD", "Công văn"), "official_letter"), ("Quyết định (cá biệt)", "decision"),
        ("Giấy uỷ quyền", "authorisation"), ("Bản thoả thuận", "agreement"), ("Văn thư lạ", None), (None, None),
    ],
)  # fmt: skip
def test_d36_the_name_of_a_type_decides(sent: str | None, meaning: str | None) -> None:
    assert codelists.meanings("document_type", "documents").get(codes.document_type(sent) or "") == meaning


@pytest.mark.parametrize("name", ["document_type", "document_priority", "delivery_status", "steering_kind"])
def test_the_codes_are_written_as_they_are_looked_up(name: str) -> None:
    codes = codelists.meanings(name, "documents")
    assert [code for code in codes if text.key(code) != code] == []


@pytest.mark.parametrize(
    ("sent", "meaning"),
    [("0", "normal"), ("1", "urgent"), ("3", "express"), ("4", "express"), ("5", "normal"), ("Hỏa tốc", "express"),
     ("Hoả tốc", "express"), ("THƯỢNG KHẨN", "very_urgent"), ("2 - Thượng khẩn", "very_urgent"), ("9", None)],
)  # fmt: skip
def test_priorities_of_both_vendors_have_one_meaning(sent: str, meaning: str | None) -> None:
    key = read(edoc(other=f"<OtherInfo><Priority>{sent}</Priority></OtherInfo>"))["priority_key"]
    assert codelists.meanings("document_priority", "documents").get(key) == meaning


@pytest.mark.parametrize(
    ("sent", "meaning"),
    [("05", "processing"), ("5", "processing"), ("processing", "processing"), ("05 - Đang xử lý", "processing"),
     ("Đang xử lý", "processing"), ("inbox", "arrived"), ("initial", "arrived"), ("DONE", "completed"), ("fail", "transport_failed"),
     ("cancellation", "recall_requested"), ("103", "recall_requested"), ("104", "update_requested"), ("77", None), ("", None)],
)  # fmt: skip
def test_a_status_is_understood_in_every_form(sent: str, meaning: str | None) -> None:
    key = read_status(state(sent))["status_key"]
    assert codelists.meanings("delivery_status", "documents").get(key or "") == meaning


@pytest.mark.parametrize("packed", ["000.00.20.H47#000.25.20.H47", "000.00.20.H47##000.25.20.H47", "000.00.20.H47;000.25.20.H47",
                                    "000.00.20.H47, 000.25.20.H47", "#000.25.20.H47#000.00.20.H47_test#000.00.20.H47"])  # fmt: skip
def test_d32_packed_recipients_are_separated(packed: str) -> None:
    row = read(edoc(to=f"<To><OrganId>{packed}</OrganId></To>"))
    assert (row["recipients"], row["unknown_recipient_count"]) == (["H47.20", "H47.20.25"], 0)


def test_d21_recipients_match_by_name_without_test_agencies() -> None:
    to = (
        "<To><OrganId/><OrganName>UBND xã Cẩm Thanh</OrganName></To><To><OrganId>H47_test</OrganId><OrganName>Thử</OrganName></To>"
        "<To><OrganId>000.00.20.H47_TEST</OrganId></To><To><OrganId></OrganId><OrganName>Công ty nào đó</OrganName></To>"
    )
    row = read(edoc(to=to))
    assert (row["recipients"], row["unknown_recipient_count"]) == (["H47.20.25"], 1)


def test_an_update_adds_and_removes_recipients() -> None:
    changes = (
        "<BussinessDocType>2</BussinessDocType><BussinessDocumentInfo><DocumentInfo>0</DocumentInfo><DocumentReceiver>1</DocumentReceiver><ReceiverList>"
        "<Receiver><OrganId>000.25.20.H47</OrganId><ReceiverType>0</ReceiverType></Receiver>"
        "<Receiver><OrganId>000.00.20.H47</OrganId><ReceiverType>1</ReceiverType></Receiver></ReceiverList></BussinessDocumentInfo>"
    )
    row = read(edoc(business=changes))
    assert (row["recipients_added"], row["recipients_removed"], row["is_content"]) == (["H47.20.25"], ["H47.20"], False)


def test_every_document_that_a_message_responds_to_is_in_its_row() -> None:
    about = "".join(
        f"<ResponseFor><DocumentId>000.00.00.H47,2021/06/10,{n}/UBND</DocumentId></ResponseFor>" for n in (2, 1)
    )
    assert read(edoc(more=about))["responds_to_document_ids"] == ["H47,2021/06/10,2/UBND", "H47,2021/06/10,1/UBND"]


SECRECY = [
    "Mật",
    "MẬT",
    "mat",
    "Tối mật",
    "Tuyệt mật",
    unicodedata.normalize("NFD", "Tuyệt mật"),
    "1",
    "2",
    "3",
    "true",
]


@pytest.mark.parametrize("sent", SECRECY)
@pytest.mark.parametrize(
    "place", ["in OtherInfo", "as an attribute", "next to the edXML", "in the header", "in a status"]
)
def test_a_secret_document_has_a_row_without_content(sent: str, place: str) -> None:
    canary = "CANARY-SECRET"
    if place == "in a status":
        row = read_status(state(more=f"<Description>{canary}</Description><DoMat>{sent}</DoMat>"))
    elif place == "next to the edXML":
        row = read(edoc(subject=canary), doMat=sent)
    else:
        xml = {
            "in OtherInfo": edoc(subject=canary, other=f"<OtherInfo><SecurityLevel>{sent}</SecurityLevel></OtherInfo>"),
            "as an attribute": edoc(subject=canary, other=f'<OtherInfo DoMat="{sent}"/>'),
            "in the header": edoc(subject=canary, more=f"<Secrecy>{sent}</Secrecy>"),
        }[place]
        row = read(xml)
    assert row == {"source_key": row["source_key"], "raw_pointer": "b#1:0", "raw_hash": "hash", "is_secret": True}


@pytest.mark.parametrize("sent", ["Thường", "thuong", "THƯỜNG", "0", "", "Không mật", "Bình thường", unicodedata.normalize("NFD", "Thường")])  # fmt: skip
def test_an_ordinary_document_is_not_secret(sent: str) -> None:
    row = read(edoc(other=f"<OtherInfo><SecurityLevel>{sent}</SecurityLevel></OtherInfo>"), doMat=sent)
    assert not row["is_secret"] and row["document_id"]


def test_an_unreadable_secret_document_is_secret() -> None:
    assert read("<not xml", doMat="Mật") == {"source_key": "d1", "raw_pointer": "b#1:0", "raw_hash": "hash", "is_secret": True}  # fmt: skip


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["edxml", "data", "attachments", "doMat", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(ANYTHING)
@settings(max_examples=300, deadline=None)
def test_any_answer_becomes_a_row(answer: object) -> None:
    for made in (messages.document_row, messages.status_row):
        assert made(messages.from_answer("d1", answer, "b#1:0", "h"), {})["source_key"] == "d1"


NOISE = (
    st.text(alphabet=st.characters(), max_size=200)
    | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
    | st.lists(st.integers(0, 0xFFFF), max_size=100).map(lambda codes: "".join(map(chr, codes)))
)


@given(NOISE)
@settings(max_examples=300, deadline=None)
def test_any_text_becomes_a_row(xml: str) -> None:
    assert read(xml)["trouble"] and read_status(xml)["trouble"]


GOOD = [edoc(), state(), _soap(edoc()), _prefixed(edoc(), "x", NAMESPACES[0])]
CUTS = st.tuples(st.sampled_from(GOOD), st.floats(0, 1), st.floats(0, 1),
                 st.text(alphabet=st.characters() | st.sampled_from("<>&/;#,!?-\x00\ud800é"), max_size=20)
                 | st.sampled_from(["<!DOCTYPE a>", "<!--", "-->", "<?x?>", "&a;", "&#0;", "<To>", "</To>", "]]>", "<MessageHeader>"]))  # fmt: skip


@given(CUTS)
@settings(max_examples=600, deadline=None)
def test_any_mutation_of_a_good_message_becomes_a_row(cut: tuple[str, float, float, str]) -> None:
    good, start, length, put = cut
    at = int(start * len(good))
    mutated = good[:at] + put + good[at + int(length * 30) :]
    for row in (read(mutated), read_status(mutated)):
        assert row["source_key"] and (row.get("trouble") or row["is_secret"] or "profile_violation" in row)


@pytest.mark.parametrize(
    ("sent", "subject", "repairs"),
    [
        (text_damage.to_tcvn3("đôn đốc giải quyết hồ sơ quá hạn"), "đôn đốc giải quyết hồ sơ quá hạn", "Subject:tcvn3"),
        (text_damage.to_mojibake("Thông báo lịch tiếp dân"), "Thông báo lịch tiếp dân", "Subject:mojibake"),
        ("Dinhkem", None, "Subject:filler"),
        ("V/v gi\ufffdi quy\ufffdt", "V/v gi\ufffdi quy\ufffdt", "Subject:garbled"),
        ("đơn của ông Nguyễn Văn Bình", "đơn của ông […]", None),
    ],
)
def test_a_subject_is_repaired_and_has_no_personal_data(sent: str, subject: str | None, repairs: str | None) -> None:
    row = read(edoc(subject=sent))
    assert (row["subject"], row["repairs"]) == (subject, repairs)


@pytest.mark.parametrize(
    ("sent", "day", "repairs"),
    [
        ("2021/06/20", date(2021, 6, 20), None), ("2021-06-20", date(2021, 6, 20), None), ("", None, None),
        ("20/06/2021", date(2021, 6, 20), "DueDate:format"), ("2021-06-20T00:00:00", date(2021, 6, 20), None),
        ("2021-06-19T20:00:00Z", date(2021, 6, 20), "DueDate:format"), ("20210620", date(2021, 6, 20), "DueDate:format"),
        ("hôm qua", None, "DueDate:unreadable_time"), ("2021/02/30", None, "DueDate:unreadable_time"),
        ("0001/01/01", None, "DueDate:sentinel"), ("N/A", None, "DueDate:filler"),
    ],
)  # fmt: skip
def test_a_due_day_is_read_in_any_format_or_is_unreadable(sent: str, day: date | None, repairs: str | None) -> None:
    row = read(edoc(more=f"<DueDate>{sent}</DueDate>"))
    assert (row["due_on"], row["repairs"]) == (day, repairs)


@pytest.mark.parametrize("sent", ["2021/06/18 10:15:32", "2021-06-18T10:15:32", "18/06/2021 10:15:32", "2021-06-18T03:15:32Z"])  # fmt: skip
def test_a_time_is_read_in_any_format(sent: str) -> None:
    at = datetime(2021, 6, 18, 3, 15, 32, tzinfo=UTC)
    assert read(edoc().replace("2021/06/18 10:15:32", sent))["sent_at"] == at
    assert read_status(state().replace("2021/06/18 14:02:11", sent))["occurred_at"] == at


@pytest.mark.parametrize("sent", ["18/06/2021", "2021-06-18", "20210618"])
def test_a_key_is_the_same_for_any_format_of_its_day(sent: str) -> None:
    row = read(edoc(key=UUID).replace("2021/06/18</P", f"{sent}</P"))
    assert (row["document_id"], row["issued_on"]) == ("H47.07,2021/06/18,785/STTTT-CNTT", date(2021, 6, 18))


def test_an_unreadable_time_is_reported() -> None:
    row = read(edoc().replace("2021/06/18 10:15:32", "sáng nay").replace("2021/06/18</P", "hôm qua</P"))
    assert row["sent_at"] is None
    assert row["repairs"] == "PromulgationDate:unreadable_time,Timestamp:unreadable_time"
    assert read_status(state().replace("2021/06/18 14:02:11", "chiều"))["repairs"] == "Timestamp:unreadable_time"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("7", "7"), ("05 - Đang xử lý", "05 - Đang xử lý"), ("Nguyễn Văn Bình", "(not shown)"), ("049087001234", "(not shown)"),
     ("lời dặn của ai đó " * 4, "(not shown)"), ("  ", None), (None, None)],
)  # fmt: skip
def test_an_operator_sees_codes_and_no_personal_data(sent: str | None, shown: str | None) -> None:
    assert codes.displayable(sent) == shown


def test_the_text_of_an_unknown_kind_of_message_is_not_stored() -> None:
    row = read(edoc(business="<BussinessDocType>thu hồi cho nguyễn văn bình</BussinessDocType>"))
    assert row["business_type"] == "other" and "bình" not in str(row).lower()


def test_only_the_hash_of_an_id_is_stored() -> None:
    assert "Bình" not in str(read(edoc(key="đơn của ông Nguyễn Văn Bình")))


@pytest.mark.parametrize(
    "written",
    [
        "5/UBND-VP", "05/UBND-VP", "005/ubnd-vp", "05/UBND–VP", "5/UBND — VP", "05 / UBND\u2011VP", "5/UB\u200bND-VP", "Số: 05/UBND-VP",
        "05//UBND-VP", "０5／UBND－VP", "05/UBND-VP.", "5\u2044UBND\u2212VP", unicodedata.normalize("NFD", "Số 5/UBND-VP"), "\ufeff05/UBND-VP\u00a0",
    ],
)  # fmt: skip
def test_the_ways_to_write_one_number_are_one_document(written: str) -> None:
    key = "H47.20,2022/06/01,5/UBND-VP"
    for agency in ("000.00.20.H47", "H47.20", " h47.20\u200b"):
        answer = f"<ResponseFor><DocumentId>{agency},2022/06/01,{written}</DocumentId></ResponseFor>"
        assert read(edoc(more=answer))["responds_to_document_ids"] == [key]
        assert read(edoc(key=f"{agency},2022/06/01,{written}"))["document_id"] == key
    parts = f"<ResponseFor><OrganId>H47.20</OrganId><Code>{written}</Code><PromulgationDate>01/06/2022</PromulgationDate></ResponseFor>"
    assert read(edoc(more=parts))["responds_to_document_ids"] == [key]


@pytest.mark.parametrize(("first", "second"), [("5/UBND-VP", "50/UBND-VP"), ("5/UBND-VP", "5/UBND-VX"), ("0/UBND", "1/UBND"), ("5/2022/QĐ-UBND", "5/QĐ-UBND")])  # fmt: skip
def test_two_numbers_stay_two_documents(first: str, second: str) -> None:
    assert document_reference(first) != document_reference(second)


def test_number_and_notation_are_published_as_sent() -> None:
    sent = edoc(key="000.00.07.H47,2021/06/18,05/QĐ–TTg").replace(">785<", ">05<").replace(">STTTT-CNTT<", ">QĐ–TTg<")
    row = read(sent)
    assert (row["document_id"], row["number"], row["notation"]) == ("H47.07,2021/06/18,5/QĐ-TTG", "05", "QĐ–TTg")
    assert read(sent.replace("<CodeNumber>05</CodeNumber>", ""))["number"] == "05"


@given(
    number=st.integers(0, 99_999),
    zeros=st.integers(0, 3),
    notation=st.from_regex(r"[A-ZĐ]{2,5}-[A-ZĐ]{2,5}", fullmatch=True),
)
@settings(max_examples=30, deadline=None)
def test_the_normal_form_of_a_number_is_stable(number: int, zeros: int, notation: str) -> None:
    form = document_reference("0" * zeros + f"{number}/{notation.lower()}")
    assert form == f"{number}/{notation}" == document_reference(form)
