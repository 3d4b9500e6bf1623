"""Hostile answers that are valid HTTP: JSON and values that fit no interface, and single damaged characters."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.integration.hostile.wire import XML, Hostile, Source, one_stop_slice, sources
from tests.samples import one_stop, online

DEEP = b"[" * 100_000 + b"]" * 100_000


def _as(value: Any) -> Hostile:
    """The value as JSON, or bytes as they are."""
    return lambda wire: wire.whole(
        value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    )


def _changed(change: Callable[[bytes], bytes]) -> Hostile:
    return lambda wire: wire.whole(change(wire.sound))


def _inserted(value: bytes) -> Hostile:
    """The sound answer with one more field in front."""
    return _changed(lambda sound: b'{"more":' + value + b"," + sound[1:])


MARKS = (b'"receiptCode": "BN-1"', b'"SoBienNhan": "BN-1"', b'"messageType": "edoc"', b"<TypeName>")


def _with_damage(sound: bytes, value: bytes) -> bytes:
    """The sound bytes with damage in one of the MARKS, in front of its last quotation mark if it ends with one."""
    mark = next(mark for mark in MARKS if mark in sound)
    end = len(mark) - mark.endswith(b'"')
    return sound.replace(mark, mark[:end] + value + mark[end:], 1)


def damaged(value: bytes) -> Hostile:
    """The sound answer with damage in one field of its record."""
    return _changed(lambda sound: _with_damage(sound, value))


# Each costs its record, and nothing else of its page.
DAMAGES = {
    "invalid-utf8": b"\xff\xfe\x80",
    "overlong-utf8": b"\xc0\xaf",
    "cut-utf8": b"\xe1\xbb",
    "surrogate-bytes": b"\xed\xa0\x80",
    "pair-of-surrogate-bytes": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond-unicode": b"\xf4\x90\x80\x80",
    "latin-1": "ê".encode("latin-1"),
    "lone-surrogate": b"\\ud800",
    "lone-low-surrogate": b"\\udc00x",
    "raw-nul": b"\x00",
    "raw-escape": b"\x1b[31m",
    "raw-line-end": b"\n",
    "raw-nul-after-backslash": b"\\\\\x00",
    "invalid-escape": b"\\x41",
    "cut-escape": b"\\u12",
}


def damaged_source(name: str) -> tuple[Source, str, Hostile]:
    """A source with one record for each of the DAMAGES and a sound one; its call with the records, and the answer to it."""
    source, values = sources()[name], [*DAMAGES.values(), b""]
    if name == "documents":
        listed = [
            {"docId": f"d{n}", "createdTime": "2026/08/03 10:00:00", "messageType": "edoc"} for n in range(len(values))
        ]
        source.calls["list"] = {"success": True, "count": len(listed), "data": listed}
        return (
            source,
            "record",
            lambda page: page.whole(_with_damage(page.sound, values[int(page.target.rpartition("docId=d")[2])])),
        )
    codes = [f"000.25.20.H47-260803-{n:04}" for n in range(len(values))]
    rows = [one_stop(id=code, code=code) if name == "one_stop_shop" else online(MaHoSo=code) for code in codes]
    sent = b",".join(_with_damage(json.dumps(row).encode(), value) for row, value in zip(rows, values, strict=True))
    source.calls["count"] = {"total": len(values)}
    start = b'{"last":true,"content":[' if name == "one_stop_shop" else b'{"error_code":"0","tongso":"%d","result":[' % len(values)  # fmt: skip
    return source, "list", lambda page: page.whole(start + sent + b"]}")


# For any source. Name: (answer to its list, how the run ends).
CONTENTS: dict[str, tuple[Hostile, str]] = {
    "sound": (_changed(lambda sound: sound), "checked"),
    "json-truncated": (_changed(lambda sound: sound[:-30]), "not JSON"),
    "json-depth-100k": (_inserted(DEEP), "checked"),
    "json-depth-open-10mb": (_as(b"[" * 10_000_000), "over 1 MB"),
    "json-depth-open": (_as(b"[" * 900_000), "not JSON"),
    "json-int-1mb": (_inserted(b"9" * 900_000), "checked"),
    "json-1000-ints": (_inserted(b"[" + b",".join([b"9" * 900] * 1000) + b"]"), "checked"),
    "json-nan": (_inserted(b"NaN"), "checked"),
    "json-infinity": (_inserted(b"-Infinity"), "checked"),
    "json-duplicate-keys": (_inserted(b'1,"more":2'), "checked"),
    "json-escaped-nul": (damaged(b"\\u0000"), "checked"),
    "json-utf16": (_changed(lambda sound: sound.decode().encode("utf-16")), "checked"),
    "json-utf16-without-mark": (_changed(lambda sound: sound.decode().encode("utf-16-be")), "checked"),
    "json-utf32": (_changed(lambda sound: sound.decode().encode("utf-32")), "checked"),
    "json-bom": (_changed(lambda sound: b"\xef\xbb\xbf" + sound), "checked"),
    "jsonp": (_changed(lambda sound: b"f(" + sound + b");"), "not JSON"),
    "two-documents": (_changed(lambda sound: sound * 2), "not JSON"),
    "top-null": (_as(None), "has no '"),
    "top-list": (_as([1, 2]), "has no '"),
    "top-text": (_as("abc"), "has no '"),
    "top-number": (_as(b"1e999"), "has no '"),
}  # fmt: skip


def _pages(make: Callable[[int], Any]) -> Hostile:
    return lambda wire: _as(make(wire.number))(wire)


def _rows(page: int) -> list[Any]:
    return [one_stop(id=f"p{page}-{number}") for number in range(500)]


def _total(total: Any) -> tuple[Hostile, str]:
    return _as({"total": total} if not isinstance(total, bytes) else b'{"total":' + total + b"}"), "'total'"


def _record(**changes: Any) -> Hostile:
    return _as(one_stop_slice(one_stop(**changes)))


QUARANTINED = "quarantined"
# For the one-stop-shop. Name: (call, answer, how the run ends).
ONE_STOP: dict[str, tuple[str, Hostile, str]] = {
    "token-unicode": ("login", _as({"access_token": "đ\u2028"}), "is not a token"),
    "token-newline": ("login", _as({"access_token": "a\r\nX-Evil: 1"}), "is not a token"),
    "token-dict": ("login", _as({"access_token": {"a": 1}}), "is not a token"),
    "token-empty": ("login", _as({"access_token": ""}), "is not a token"),
    "token-1mb": ("login", _as({"access_token": "a" * 900_000}), "is not a token"),
    "list-endless": ("agencies", _pages(lambda n: {"content": [{"id": f"{n}-{i}", "code": "x"} for i in range(1000)], "last": False}),
                     "too many for max_list_records"),
    "count-inf": ("count", *_total(b"1e999")),
    "count-huge": ("count", *_total(10**30)),
    "count-of-10000-digits": ("count", *_total(b"9" * 10_000)),
    "count-negative": ("count", *_total(-5)),
    "count-float": ("count", *_total(1.9)),
    "count-bool": ("count", *_total(True)),
    "count-list": ("count", *_total([1])),
    "count-dict": ("count", *_total({"a": 1})),
    "count-null": ("count", *_total(None)),
    "count-superscript": ("count", *_total("²")),
    "count-over-the-limit": ("count", *_total(10**9)),
    "count-string": ("count", _as({"total": "1"}), "checked"),
    "endless-pages": ("list", _pages(lambda n: one_stop_slice(*_rows(n), last=False)), "too many for 1 declared"),
    "endless-empty-pages": ("list", _pages(lambda n: one_stop_slice(last=False)), "do not end; too many for 1 declared"),
    "page-of-500": ("list", _pages(lambda n: one_stop_slice(*_rows(n))), "too many for 1 declared"),
    "content-null": ("list", _as(one_stop_slice() | {"content": None}), "'content' is None, not a list"),
    "content-dict": ("list", _as(one_stop_slice() | {"content": {"a": 1}}), "'content' is an object, not a list"),
    "content-string": ("list", _as(one_stop_slice() | {"content": "abcdef"}), "'content' is a text, not a list"),
    "content-mixed": ("list", _as(one_stop_slice(None, 1, "x", [], {}, [[]], True, one_stop())), "RECONCILIATION"),
    "last-string-false": ("list", _as(one_stop_slice(one_stop(), last="false")), "'last' is a text, not true or false"),
    "id-10kb": ("list", _record(id="A" * 10_000, code="B" * 10_000), QUARANTINED),
    "id-900kb": ("list", _record(id="A" * 450_000, code="B" * 450_000), QUARANTINED),
    "id-nested": ("list", _as(json.dumps(one_stop_slice(one_stop(id=1))).encode().replace(b'"id": 1', b'"id":' + b"[ " * 1000 + b"] " * 1000)),
                  QUARANTINED),
    "id-dict": ("list", _record(id={"a": [1]}), "checked"),
    "id-list": ("list", _record(id=[1, 2]), "checked"),
    "id-bool": ("list", _record(id=True), "checked"),
    "id-nul-newline": ("list", _record(id="a\u0000b\nc\rd"), "checked"),
    "id-sql": ("list", _record(id="x'); drop table ledger.batch; --", code="'; drop schema shared cascade; --"), QUARANTINED),
    "id-traversal": ("list", _record(id="../../../pwned", code="../../x"), QUARANTINED),
    "string-900kb": ("list", _record(receiptCode="é" * 400_000), "checked"),
    "record-of-5000-tasks": ("list", _record(task=[{"id": str(i), "name": "x"} for i in range(5000)]), "checked"),
    "fields-50k": ("list", _record(**{f"f{i}": i for i in range(50_000)}), "checked"),
    "field-names-evil": ("list", _record(**{"'; drop table x; --": 1, 'a"b': 2, "<script>": 3, "../../x": 4, "=cmd|' /C calc'!A0": 5, "x" * 5000: 6}), "checked"),
    "dates-odd": ("list", _record(acceptedDate="9999-12-31T23:59:59.999+0000", dueDate="0000-00-00", completedDate="-4713-01-01T00:00:00Z", appliedDate=1e300), QUARANTINED),
    "fee-huge": ("list", _record(feeTotal=10**17, digitizedComponents=10**17, processingTime=1e300), "checked"),
}  # fmt: skip


def _envelope(**changes: Any) -> Hostile:
    return _changed(lambda sound: json.dumps({**json.loads(sound), **changes}).encode())


PORTAL: dict[str, tuple[str, Hostile, str]] = {
    "session-dict": ("login", _as({"error_code": "0", "session": {"a": 1}}), "is not a token"),
    "session-missing": ("login", _as({"error_code": "0"}), "has no 'session'"),
    "error-code-dict": ("list", _envelope(error_code={"a": 1}), "error_code"),
    "total-float": ("list", _envelope(tongso=1.5), "'tongso' is 1.5"),
    "total-huge": ("list", _envelope(tongso=10**30), "'tongso'"),
    "result-dict": ("list", _envelope(result={"a": 1}), "'result' is an object, not a list"),
    "endless-pages": ("list", _pages(lambda n: {"error_code": "0", "tongso": "1", "result": [{"MaHoSo": f"{n}-{i}"} for i in range(200)]}), "too many for 1 declared"),
    "catalogue-endless": ("procedures", _pages(lambda n: {"error_code": "0", "result": [{"MATTHC": f"{n}-{i}"} for i in range(200)]}), "too many for max_list_records"),
}  # fmt: skip


def _edxml(xml: str) -> Hostile:
    return _as({"success": True, "data": {"docId": "d1", "edxml": xml, "attachments": []}})


def _list(rows: list[Any], count: Any) -> Hostile:
    return _as({"success": True, "count": count, "data": rows})


DOCUMENTS: dict[str, tuple[str, Hostile, str]] = {
    "token-dict": ("login", _as({"data": {"token": {"a": 1}}}), "is not a token"),
    "list-row-null": ("list", _list([None], 1), "a listed message has no docId"),
    "list-row-without-id": ("list", _list([{"docId": ""}], 1), "a listed message has no docId"),
    "list-longer-than-declared": ("list", _list([{"docId": f"d{i}"} for i in range(200)], 1), "too many for 1 declared"),
    "list-count-bool": ("list", _list([], True), "'count' is True"),
    "list-dict": ("list", _as({"success": True, "count": 1, "data": {"a": 1}}), "'data' is an object, not a list"),
    "agencies-dict": ("agencies", _as({"data": {"a": 1}}), "'data' is an object, not a list"),
    "work-files-endless": ("work_files", _pages(lambda n: {"success": True, "total": 5, "data": [{"maHoSo": f"{n}-{i}"} for i in range(1000)]}), "too many for 5 declared"),
    "work-files-total-text": ("work_files", _as({"success": True, "total": "many", "data": []}), "'total' is a text"),
    "edxml-million-attributes": ("record", _edxml(XML.replace("<edXML>", "<edXML " + " ".join(f'a{i}="1"' for i in range(60_000)) + ">")), QUARANTINED),
    "edxml-50000-namespaces": ("record", _edxml(XML.replace("<edXML>", "<edXML " + " ".join(f'xmlns:a{i}="u"' for i in range(50_000)) + ">")), QUARANTINED),
    "edxml-deep": ("record", _edxml("<a>" * 50_000), QUARANTINED),
    "edxml-number": ("record", _as({"success": True, "data": {"edxml": 5}}), QUARANTINED),
    "edxml-nothing": ("record", _as({"success": True, "data": None}), QUARANTINED),
    "record-null": ("record", _as(None), QUARANTINED),
}  # fmt: skip
