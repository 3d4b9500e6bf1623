"""The online public-service portal on the wire: a session in every body, an envelope round every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land.http_client import Answer, Caller, Expired, Signature
from lgsp.land.reader import Keys, Reader, Reading, RepeatedPage, identity, promised, steadily
from lgsp.schema.sources import Source
from lgsp.window import LOCAL, Window

PAGE = 200
SUCCESS = ("0", "00", 0)


class Client:
    """Reads dossiers, the catalogue and the agencies of the portal (national-adapter style)."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        self._agency = str(caller.endpoint.extra.get("madonvi", ""))
        caller.authorise = self._authorise

    def size(self, window: Window) -> int:
        """The source's own count of dossiers changed in a window."""
        told: dict[str, Any] = {}

        def accept(given: Answer) -> None:
            told.update(_opened(given.json("LayDanhSachHoSo"), "LayDanhSachHoSo"))

        body = self._body("LayDanhSachHoSo", {**_bounds(window), "trang": "1", "sodong": "1"})
        self._caller.ask("POST", "/share", json=body, accept=accept)
        return int(promised(told, "tongso", "LayDanhSachHoSo"))

    def read_lists(self, reader: Reader) -> None:
        """Every agency and every catalogue row."""
        self._page(reader, "agencies", "LayDanhMucCoQuan", {})
        self._pages(reader, "procedures", "LayDanhSachTTHC", {}, Reading())

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Every dossier whose latest change lies in the window."""
        reading = Reading()
        self._pages(reader, "dossiers", "LayDanhSachHoSo", _bounds(window), reading)
        return {"dossiers": reading}

    def read_keys(self, reader: Reader, name: str, span: Window, held: Mapping[date, int] | None) -> Keys:
        """The dossiers changed on those days of the span on which the portal has more or fewer than we know."""
        keys = Keys()
        for day in span.days():
            window = Window.of_days(day, day)
            count = self._count(reader, window)
            if held is not None and held.get(day, 0) == count:
                keys.same += count
                continue
            keys.spans.append(window)
            for key, changed in self._read_day(reader, name, window).seen.items():
                keys.add(key, changed)
        return keys

    def _read_day(self, reader: Reader, name: str, window: Window) -> Reading:
        def read() -> Mapping[str, Reading]:
            reading = Reading()
            self._pages(reader, "keys", "LayDanhSachHoSo", _bounds(window), reading)
            return {name: reading}

        reading = steadily(reader, f"{name} {window}", read)[name]
        if not reading.is_steady:
            raise SourceFailed(f"{window}: {reading.read} dossiers were listed where {reading.declared} were declared")
        return reading

    def look_up(self, reader: Reader, name: str, key: str) -> tuple[str | None, int]:
        """When a dossier changed last; None where the portal has it no more."""

        def understand(answer: Any) -> str | None:
            found = promised(_opened(answer, "TraCuuHoSo"), "result", "TraCuuHoSo")
            return None if found == "" else identity(found, "MaHoSo", "NgayCapNhat")[1]  # however damaged, it is there

        return reader.look_up(
            "TraCuuHoSo", key, "POST", "/share", understand, json=self._body("TraCuuHoSo", {"mahoso": key})
        )

    def _count(self, reader: Reader, window: Window) -> int:
        def understand(answer: Any) -> tuple[int, int]:
            return int(promised(_opened(answer, "LayDanhSachHoSo"), "tongso", "LayDanhSachHoSo")), 0

        body = self._body("LayDanhSachHoSo", {**_bounds(window), "trang": "1", "sodong": "1"})
        return reader.ask("count", "POST", "/share", understand, shown=f"LayDanhSachHoSo {window}", json=body)

    def _pages(self, reader: Reader, name: str, service: str, query: Mapping[str, str], reading: Reading) -> None:
        """Follow the pages until one is empty or shorter than the first; a short first page that is all is the last."""
        loops, number, size, totals = RepeatedPage(f"{service} page"), 1, 0, set[int]()
        while True:
            envelope = self._page(reader, name, service, {**query, "trang": str(number), "sodong": str(PAGE)})
            rows = envelope["result"]
            records = [identity(row, "MaHoSo", "NgayCapNhat") for row in rows]
            loops.check([" ".join(record) for record in records])
            for record in records:
                reading.record(*record)
            if "tongso" in envelope:
                totals.add(int(envelope["tongso"]))
            is_all = len(rows) < PAGE and int(envelope.get("tongso", -1)) == reading.read
            if not rows or len(rows) < size or is_all:
                break
            number, size = number + 1, size or len(rows)
        reading.has_moved |= len(totals) > 1
        reading.declared = totals.pop() if totals else reading.read

    def _page(self, reader: Reader, name: str, service: str, query: Mapping[str, str]) -> dict[str, Any]:
        def understand(answer: Any) -> tuple[dict[str, Any], int]:
            envelope = _opened(answer, service)
            rows = promised(envelope, "result", service) or []
            if not isinstance(rows, list):
                raise SourceFailed(f"{service}: the result is no list")
            return {**envelope, "result": rows}, len(rows)

        shown = f"{service} {query.get('trang', '')}".strip()
        return reader.ask(name, "POST", "/share", understand, shown=shown, json=self._body(service, query))

    def _body(self, service: str, query: Mapping[str, str]) -> dict[str, str]:
        return {"madonvi": self._agency, "service": service, **query}

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        told: dict[str, Any] = {}

        def accept(given: Answer) -> None:
            told.update(given.json("login"))

        body = {"username": endpoint.login, "password": endpoint.password}
        self._caller.ask("POST", "/auth", json=body, accept=accept, login=False)
        if told.get("error_code") not in SUCCESS or not told.get("session"):
            raise SourceRefused(
                f"{endpoint.source} does not let us in: check login and password of the connection {endpoint.source}"
            )
        headers = {"dstcode": str(endpoint.extra.get("dstcode", ""))}
        session = {"session": told["session"]}
        return lambda request: {**request, "headers": headers, "json": {**session, **request["json"]}}


def _opened(answer: Any, service: str) -> dict[str, Any]:
    code = promised(answer, "error_code", service)
    if str(code) == "401":
        raise Expired
    if code not in SUCCESS:
        raise SourceFailed(f"{service}: error_code {code!r}: {str(answer.get('message', ''))[:200]}")
    assert isinstance(answer, dict)
    return answer


def _bounds(window: Window) -> dict[str, str]:
    return {"tungay": _compact(window.start), "denngay": _compact(window.end)}


def _compact(moment: datetime) -> str:
    return moment.astimezone(LOCAL).strftime("%Y%m%d%H%M%S")
