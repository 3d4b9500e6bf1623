"""Reads the online public-service portal over HTTP: a session in every request body, an envelope around every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land.answer import Answer, LoginExpired, printable
from lgsp.land.http_client import Caller, Signature
from lgsp.land.paging import Pages, required_count, required_field, required_list, required_token
from lgsp.land.reader import LOOK_UPS, Keys, Reader, Reading, key_and_change_time, read_until_stable
from lgsp.schema.sources import Source
from lgsp.window import LOCAL, Window

PAGE = 200
SUCCESS = ("0", "00", 0)


class Client:
    """Reads dossiers, the catalogue and the agencies of the portal (interface of the national adapter)."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        self._agency = str(caller.endpoint.extra.get("madonvi", ""))
        caller.authorise = self._authorise

    def count_records(self, window: Window) -> int:
        """The source's own count of the dossiers that changed in a window."""
        counted = {"total": 0}

        def accept(answer: Answer) -> None:
            counted["total"] = self._total(_open_envelope(answer.json("LayDanhSachHoSo"), "LayDanhSachHoSo"))

        body = self._body("LayDanhSachHoSo", {**_bounds(window), "trang": "1", "sodong": "1"})
        self._caller.ask("POST", "/share", json=body, accept=accept)
        return counted["total"]

    def read_lists(self, reader: Reader) -> None:
        """Read every agency and every row of the procedure catalogue."""
        self._read_page(reader, "agencies", "LayDanhMucCoQuan", {})
        self._read_pages(reader, "procedures", "LayDanhSachTTHC", {}, Reading())

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Read every dossier whose latest change is in the window."""
        reading = Reading()
        self._read_pages(reader, "dossiers", "LayDanhSachHoSo", _bounds(window), reading)
        return {"dossiers": reading}

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        """The keys of the dossiers that changed on the days of the span on which the portal's count differs from ours."""
        keys = Keys()
        for day in span.days():
            window = Window.of_days(day, day)
            count = self._count(reader, window)
            if known_counts is not None and known_counts.get(day, 0) == count:
                keys.skipped += count
                continue
            keys.spans.append(window)
            for key, changed in self._read_day(reader, name, window).seen.items():
                keys.add(key, changed)
        return keys

    def _read_day(self, reader: Reader, name: str, window: Window) -> Reading:
        def read() -> Mapping[str, Reading]:
            reading = Reading()
            self._read_pages(reader, "keys", "LayDanhSachHoSo", _bounds(window), reading)
            return {name: reading}

        reading = read_until_stable(reader, f"{name} {window}", read)[name]
        if not reading.is_stable:
            raise SourceFailed(f"{window}: {reading.read} dossiers were listed, but {reading.declared} were declared")
        return reading

    def look_up(self, reader: Reader, name: str, key: str, landed_as: str = LOOK_UPS) -> tuple[str | None, int]:
        """The latest change time of a dossier; None when the portal has deleted it."""

        def parse(answer: Any) -> str | None:
            record = required_field(_open_envelope(answer, "TraCuuHoSo"), "result", "TraCuuHoSo")
            if record == "":
                return None
            return key_and_change_time(record, "MaHoSo", "NgayCapNhat")[1]  # a damaged record exists too

        return reader.look_up(
            "TraCuuHoSo", key, "POST", "/share", parse, landed_as, json=self._body("TraCuuHoSo", {"mahoso": key})
        )

    def _count(self, reader: Reader, window: Window) -> int:
        def parse(answer: Any) -> tuple[int, int]:
            return self._total(_open_envelope(answer, "LayDanhSachHoSo")), 0

        body = self._body("LayDanhSachHoSo", {**_bounds(window), "trang": "1", "sodong": "1"})
        return reader.ask("count", "POST", "/share", parse, label=f"LayDanhSachHoSo {window}", json=body)

    def _read_pages(self, reader: Reader, name: str, service: str, query: Mapping[str, str], reading: Reading) -> None:
        """Read pages until one is empty, is shorter than the first, or completes the declared total with less than a full page."""
        pages = Pages(f"{self._caller.endpoint.source} {service}", self._caller.manners, PAGE)
        number, size, totals = 1, 0, set[int]()
        while True:
            envelope = self._read_page(reader, name, service, {**query, "trang": str(number), "sodong": str(PAGE)})
            rows = envelope["result"]
            records = [key_and_change_time(row, "MaHoSo", "NgayCapNhat") for row in rows]
            if envelope["tongso"] is not None:
                totals.add(envelope["tongso"])
                pages.declared = max(totals)
            pages.add([" ".join(record) for record in records])
            for record in records:
                reading.record(*record)
            is_complete = len(rows) < PAGE and envelope["tongso"] == reading.read
            if not rows or len(rows) < size or is_complete:
                break
            number, size = number + 1, size or len(rows)
        reading.has_changed |= len(totals) > 1
        reading.declared = totals.pop() if totals else reading.read

    def _read_page(self, reader: Reader, name: str, service: str, query: Mapping[str, str]) -> dict[str, Any]:
        def parse(answer: Any) -> tuple[dict[str, Any], int]:
            envelope = _open_envelope(answer, service)
            rows = required_list(envelope, "result", service, empty=(None, ""))
            total = self._total(envelope) if envelope.get("tongso") not in (None, "") else None
            return {"tongso": total, "result": rows}, len(rows)

        label = f"{service} {query.get('trang', '')}".strip()
        return reader.ask(name, "POST", "/share", parse, label=label, json=self._body(service, query))

    def _total(self, envelope: dict[str, Any]) -> int:
        return required_count(envelope, "tongso", "LayDanhSachHoSo", self._caller.manners)

    def _body(self, service: str, query: Mapping[str, str]) -> dict[str, str]:
        return {"madonvi": self._agency, "service": service, **query}

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        login: dict[str, Any] = {}

        def accept(answer: Answer) -> None:
            login["error_code"] = required_field(answer.json("login"), "error_code", "login")
            if login["error_code"] in SUCCESS:
                login["session"] = required_token(answer.json("login"), "session", "login")

        body = {"username": endpoint.login, "password": endpoint.password}
        self._caller.ask("POST", "/auth", json=body, accept=accept, login=False)
        if "session" not in login:
            raise SourceRefused(
                f"{endpoint.source} refuses our login: check login and password of the connection {endpoint.source}"
            )
        headers = {"dstcode": str(endpoint.extra.get("dstcode", ""))}
        session = {"session": login["session"]}
        return lambda request: {**request, "headers": headers, "json": {**session, **request["json"]}}


def _open_envelope(answer: Any, service: str) -> dict[str, Any]:
    """The envelope of a successful answer. Raises LoginExpired or SourceFailed for an error code."""
    code = required_field(answer, "error_code", service)
    if str(code) == "401":
        raise LoginExpired
    if code not in SUCCESS:
        message = f"{printable(str(code))}: {printable(str(answer.get('message', '')))}".rstrip(": ")
        raise SourceFailed(f"{service}: error_code {message}")
    assert isinstance(answer, dict)
    return answer


def _bounds(window: Window) -> dict[str, str]:
    return {"tungay": _compact(window.start), "denngay": _compact(window.end)}


def _compact(moment: datetime) -> str:
    return moment.astimezone(LOCAL).strftime("%Y%m%d%H%M%S")
