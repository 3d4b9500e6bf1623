"""edXML is parsed with any prefix and namespace, and hostile XML is refused."""

from __future__ import annotations

import pytest

from lgsp.sources.documents import edxml

HEAD = "<From><OrganId>000.00.07.H47</OrganId></From><DocumentId>000.00.07.H47,2021/06/18,785/STTTT-CNTT</DocumentId>"


@pytest.mark.parametrize(
    "message",
    [
        f'<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><MessageHeader>{HEAD}</MessageHeader></edXML>',
        f'<x:edXML xmlns:x="http://www.e-doc.vn/Schema/"><x:MessageHeader>{HEAD}</x:MessageHeader></x:edXML>',
        f"<edXML><MessageHeader>{HEAD}</MessageHeader></edXML>",
    ],
    ids=["current namespace", "older one with a prefix", "none"],
)
def test_d36_a_header_is_found_by_local_name(message: str) -> None:
    head = edxml.header(edxml.parse(message))
    assert head.text("From", "OrganId") == "000.00.07.H47"
    assert edxml.document_id(head.text("DocumentId"), None, None, None) == "H47.07,2021/06/18,785/STTTT-CNTT"


@pytest.mark.parametrize(
    "message",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><edXML><MessageHeader>&b;</MessageHeader></edXML>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><edXML/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><edXML>&e;</edXML>',
        "<edXML><MessageHeader>",
        "",
        "not xml at all",
        "<a>" * 5000,
    ],
)
def test_s11_hostile_xml_is_refused_before_it_is_parsed(message: str) -> None:
    with pytest.raises(edxml.Unreadable):
        edxml.parse(message)


def test_a_uuid_as_document_id_is_replaced_by_its_parts() -> None:
    found = edxml.document_id("5f0c2f0e-9f7c-4b1a-8a57-1d2f0e9f7c4b", "000.00.07.H47", "2021/06/18", "785/STTTT-CNTT")
    assert found == "H47.07,2021/06/18,785/STTTT-CNTT"


def test_a_secret_is_recognised_in_any_secrecy_element() -> None:
    assert edxml.is_secret(edxml.parse("<edXML><Other><SecurityLevel>Mật</SecurityLevel></Other></edXML>"))
    assert not edxml.is_secret(edxml.parse("<edXML><SecurityLevel>Thường</SecurityLevel></edXML>"))
