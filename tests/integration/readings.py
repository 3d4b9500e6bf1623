"""Lands what a source would have answered for some days: its lists, and dossiers given by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import orjson

from lgsp import store
from lgsp.land.archive import Pack
from lgsp.store import ledger
from lgsp.window import Window
from tests.integration.conftest import Installation
from tests.samples import one_stop

FIRST = date(2022, 6, 1)
DISTRICT, A, B, C = "000.00.20.H47", "000.25.20.H47", "000.26.20.H47", "000.27.20.H47"
NAMES = {A: "UBND xã Cẩm Thanh", B: "UBND phường Minh An", C: "UBND phường Cẩm Phô"}
PROCEDURES = {"2.000815": "Chứng thực", "1.001193": "Đăng ký khai sinh"}


@dataclass(frozen=True)
class Reading:
    """What a source answers for one day: its agencies (code to name), procedures (code to name) and dossiers."""

    day: int
    agencies: dict[str, str]
    dossiers: tuple[dict[str, Any], ...] = ()
    procedures: tuple[str, ...] = tuple(PROCEDURES)
    source: str = "one_stop_shop"
    last: int | None = None  # the last day of its window, where it has several


def _agencies(reading: Reading) -> dict[str, Any]:
    listed = {DISTRICT: "UBND thành phố Hội An", **reading.agencies} if reading.agencies else {}
    if reading.source == "online_services":
        rows = [
            {
                "MADONVI": code,
                "TENDONVI": name,
                "CAPDONVI": "HUYEN" if code == DISTRICT else "XA",
                "MADONVICHA": DISTRICT,
            }
            for code, name in listed.items()
        ]
        return {"error_code": "0", "result": rows}
    return {"content": [
        {"id": code, "code": code, "name": [{"languageId": 228, "name": name}], "level": {"code": "HUYEN" if code == DISTRICT else "XAPHUONG"}, "parent": {"id": DISTRICT}}
        for code, name in listed.items()
    ]}  # fmt: skip


def _procedures(reading: Reading) -> dict[str, Any]:
    if reading.source == "online_services":
        level = str(3 + reading.day % 2)
        return {"error_code": "0", "result": [
            {"MATTHC": code, "TENTTHC": PROCEDURES[code], "MUCDO": level, "MADONVI": agency, "NGAYHIEULUC": "20200101000000"}
            for code in reading.procedures for agency in (A, B)
        ]}  # fmt: skip
    return {"content": [
        {"code": f"{code}.000.00.00.H47", "translate": [{"languageId": 228, "name": PROCEDURES[code]}], "procedureLevel": {"id": 4},
         "agencyLevel": {"code": "XAPHUONG"}, "processingTime": 1, "processingTimeUnit": "d"} for code in reading.procedures
    ]}  # fmt: skip


def read(installation: Installation, reading: Reading, publishes: bool = True) -> list[str]:
    """Land, harmonise and check a reading as if the source had answered so; publish it by default."""
    first, last = (FIRST + timedelta(days=n) for n in (reading.day, reading.last or reading.day))
    found = (
        {"content": list(reading.dossiers)}
        if reading.source == "one_stop_shop"
        else {"error_code": "0", "result": list(reading.dossiers)}
    )
    answers = {"agencies": _agencies(reading), "procedures": _procedures(reading), "dossiers": found}
    return read_answers(
        installation, reading.source, Window.of_days(first, last),
        [(name, name, answer) for name, answer in answers.items()], len(reading.dossiers), publishes,
    )  # fmt: skip


def read_answers(
    installation: Installation, source: str, window: Window, answers: Iterable[tuple[str, str, Any]], count: int, publishes: bool,
) -> list[str]:  # fmt: skip
    """Land answers (list, request, content) with `count` records, harmonise, check and, if asked, publish them; the batch."""
    with store.connect(installation.settings) as connection:
        batch = ledger.open_batch(connection, source, window)
    pack = Pack(installation.settings.landing / batch.landing_path)
    for name, request, content in answers:
        pack.annotate(pack.append(name, request, 200, orjson.dumps(content), 0.0, True), is_whole=True)
    pack.seal({"declared": count, "read": count, "gap": 0})
    with store.connect(installation.settings) as connection:
        ledger.advance(connection, batch.batch_id, "landed")
    batch_ids = installation.process([batch.batch_id])
    if publishes:
        installation.publish()
    return batch_ids


def dossier(
    number: int, day: int, agency: dict[str, Any], coded: str = A, changed: int | None = None, **more: Any
) -> dict[str, Any]:
    """A dossier received on a day at an agency, last changed on the day `changed`."""
    received, modified = FIRST + timedelta(days=day), FIRST + timedelta(days=day if changed is None else changed)
    sent = {
        "id": f"d{number}", "code": f"{coded}-{received:%y%m%d}-{number:04d}", "receiptCode": f"BN-{number}", "agency": agency,
        "appliedDate": f"{received}T01:00:00.000+0000", "acceptedDate": f"{received}T01:20:00.000+0000",
        "appointmentDate": f"{received}T10:00:00.000+0000", "completedDate": f"{received}T03:00:00.000+0000",
        "modifiedDate": f"{modified}T04:00:00.000+0000",
    }  # fmt: skip
    return one_stop(**{**sent, **more})


def named(code: str | None, name: str | None = None) -> dict[str, Any]:
    """An agency as a dossier names it."""
    return {"code": code} | ({"name": [{"languageId": 228, "name": name}]} if name else {})
