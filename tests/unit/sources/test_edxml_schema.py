"""The profile of QCVN 102: the first violation is reported, never the value."""

from __future__ import annotations

import pytest

from lgsp.sources.documents import edxml_schema
from tests.unit.sources.test_documents_rows import TO, edoc, read, read_status, state

BROKEN = {
    "a number for yes": (edoc(business="<BussinessDocType>0</BussinessDocType><Paper>2</Paper>"),
                         "Document/Bussiness/Paper is not written as the profile says"),
    "a day of another style": (edoc().replace("2021/06/18</P", "18/06/2021</P"),
                               "Document/MessageHeader/PromulgationInfo/PromulgationDate is not written as the profile says"),
    "no recipient": (edoc(to=""), "Document/MessageHeader lacks To"),
    "no traces": (edoc().replace("TraceHeader", "Other"), "Document lacks TraceHeaderList"),
    "two subjects": (edoc(more="<Subject>Nguyễn Văn Bình</Subject>"), "Document/MessageHeader has more than one Subject"),
    "a long subject": (edoc(subject="Nguyễn Văn Bình " * 40), "Document/MessageHeader/Subject is too long"),
    "packed recipients": (edoc(to="<To><OrganId>000.00.20.H47#000.00.21.H47#000.00.22.H47</OrganId></To>"),
                          "Document/MessageHeader/To/OrganId is too long"),
    "steering 7": (edoc().replace("<SteeringType>1", "<SteeringType>7"), "Document/MessageHeader/SteeringType is not written as the profile says"),
}  # fmt: skip


@pytest.mark.parametrize(("xml", "violation"), BROKEN.values(), ids=BROKEN)
def test_a_violation_is_named_without_its_value(xml: str, violation: str) -> None:
    assert read(xml)["profile_violation"] == violation


@pytest.mark.parametrize("xml", [edoc(), edoc(to=TO * 9), edoc().replace("2021/06/18</P", "2021-06-18</P"), edoc(more="<DueDate/>"),
                                 edoc(more="<Vendor><Own>x</Own></Vendor>")])  # fmt: skip
def test_a_good_message_is_valid(xml: str) -> None:
    assert read(xml)["profile_violation"] is None


def test_unknown_elements_are_allowed_and_reported() -> None:
    row = read(
        edoc(
            more="<Vendor><Own>x</Own></Vendor>",
            other="<OtherInfo><Priority>0</Priority><Colour>red</Colour></OtherInfo>",
        )
    )
    assert row["profile_unknown"] == "Colour, Own, Vendor" and row["document_id"]


@pytest.mark.parametrize("code", ["05", "5", "processing", "05 - Đang xử lý", "104"])
def test_every_form_of_a_status_is_valid(code: str) -> None:
    assert read_status(state(code))["profile_violation"] is None


def test_an_unknown_form_of_status_is_a_violation() -> None:
    assert (
        read_status(state("xong rồi"))["profile_violation"]
        == "Status/MessageHeader/StatusCode is not written as the profile says"
    )


VALUES = [
    "2021/06/18",
    "2021-06-18",
    "2021/06-18",
    "18/06/2021",
    "２０２１/06/18",
    "",
    "x" * 35,
    "x" * 36,
    "x" * 501,
    "1",
    "7",
    "05",
    "12 trang",
]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(
    "name", ["PromulgationDate", "Paper", "Subject", "PageAmount", "StatusCode", "OrganId", "Timestamp"]
)
def test_the_form_of_a_value_is_valid_exactly_when_the_value_is(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, reader = (state(), read_status) if name in ("StatusCode", "Timestamp") else (edoc(), read)
    end = good.index(f"</{name}>")
    xml = good[: good.rindex(">", 0, end) + 1] + value + good[end:]
    by_form = reader(xml)["profile_violation"]
    monkeypatch.setattr(edxml_schema, "_value_form", lambda name, value: value)
    assert reader(xml)["profile_violation"] == by_form


def test_messages_of_one_shape_are_validated_once() -> None:
    edxml_schema.validate_shape.cache_clear()
    for number in range(200):
        read(
            edoc(
                subject=f"V/v báo cáo số {number}",
                key=f"000.00.07.H47,2021/06/18,{number}/STTTT",
                to=TO * (1 + number % 5),
            )
        )
    assert edxml_schema.validate_shape.cache_info().misses <= 2


def test_messages_with_values_wrong_alike_are_validated_once() -> None:
    edxml_schema.validate_shape.cache_clear()
    good = edoc()
    end = good.index("</PromulgationDate>")
    start = good.rindex(">", 0, end) + 1
    reasons = {
        read(good[:start] + day + good[end:])["profile_violation"]
        for day in ("18/06/2021", "18.06.21", "June", "2021-6-18", "20210618")
    }
    assert len(reasons) == 1 and None not in reasons
    assert edxml_schema.validate_shape.cache_info().misses == 1
