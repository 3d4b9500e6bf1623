"""The document system on the wire: a day's lists of messages, then each message's edXML by itself."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land.http_client import Answer, Caller, Signature
from lgsp.land.reader import Keys, Reader, Reading, RepeatedPage, promised, steadily
from lgsp.schema.sources import Source
from lgsp.window import Window

PAGE = 1000
MESSAGES = ("edoc", "status")


class Client:
    """Reads documents, their status messages and work files of a Qoffice (national-axis style)."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        caller.authorise = self._authorise

    def size(self, window: Window) -> int:
        """How many messages the source lists for a window (work files are few and not counted here)."""
        total = 0

        def accept(given: Answer) -> None:
            nonlocal total
            total += _listed(given.json("syncReceivedEdocList"))[1]

        for kind in MESSAGES:
            self._caller.ask("GET", "/v1/syncReceivedEdocList", params=_span(kind, window.days()), accept=accept)
        return total

    def read_lists(self, reader: Reader) -> None:
        """Every agency."""

        def understand(answer: Any) -> tuple[None, int]:
            rows = answer if isinstance(answer, list) else promised(answer, "data", "getAgenciesList")
            return None, len(rows)

        reader.ask("agencies", "GET", "/v1/getAgenciesList", understand)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Every message listed in the window's days with its edXML, and every work file changed in them."""
        messages, files = Reading(), Reading()
        wanted: dict[str, None] = {}
        for day in window.days():
            for kind in MESSAGES:
                for row in self._list(reader, kind, day, messages):
                    wanted.setdefault(str(row.get("docId")))
        self._fetch(reader, list(wanted))
        self._work_files(reader, window, files)
        return {"messages": messages, "work_files": files}

    def read_keys(self, reader: Reader, name: str, span: Window, held: Mapping[date, int] | None) -> Keys:
        """Every message listed in the span's days, or every work file that changed last in them."""
        keys, found = Keys(spans=[span]), list[tuple[str, str]]()

        def read() -> Mapping[str, Reading]:
            reading = Reading()
            if name == "work_files":
                self._work_files(reader, span, reading, "keys")
                found[:] = reading.seen.items()
            else:
                rows = [
                    row
                    for day in span.days()
                    for kind in MESSAGES
                    for row in self._list(reader, kind, day, reading, "keys")
                ]
                found[:] = [(str(row.get("docId")), str(row.get("createdTime"))) for row in rows]
            return {name: reading}

        if not (reading := steadily(reader, f"{name} {span}", read)[name]).is_steady:
            raise SourceFailed(f"{span}: {reading.read} {name} were listed where {reading.declared} were declared")
        for key, changed in found:
            keys.add(key, changed)
        return keys

    def look_up(self, reader: Reader, name: str, key: str) -> tuple[str | None, int]:
        """Never asked: what the list of a whole span does not have is gone."""
        raise SourceRefused(f"{name} of the document system cannot be looked up one by one")

    def _list(
        self, reader: Reader, kind: str, day: date, reading: Reading, name: str = "messages"
    ) -> list[dict[str, Any]]:
        rows, declared = reader.ask(
            name, "GET", "/v1/syncReceivedEdocList",
            lambda answer: (_listed(answer), len(_listed(answer)[0])),
            shown=f"syncReceivedEdocList {kind} {day}", params=_span(kind, [day]),
        )  # fmt: skip
        reading.declared += declared
        reading.read += len(rows)
        return rows

    def _fetch(self, reader: Reader, wanted: list[str]) -> None:
        """Fetch each message once, a bounded number at a time."""

        def understand(answer: Any) -> tuple[None, int]:
            promised(answer, "success", "getEdoc")
            return None, 1

        def fetch(doc_id: str) -> None:
            reader.ask("edocs", "GET", "/v1/getEdoc", understand,
                       shown=f"getEdoc {doc_id}", is_durable=False, params={"docId": doc_id})  # fmt: skip

        with ThreadPoolExecutor(self._caller.manners.parallel) as pool:
            for _ in pool.map(fetch, wanted):
                pass

    def _work_files(self, reader: Reader, window: Window, reading: Reading, name: str = "work_files") -> None:
        days, number, size = window.days(), 1, 0
        loops, totals = RepeatedPage("workFiles page"), set[int]()
        while True:
            params = {
                "fromDate": _day(days[0]),
                "toDate": _day(days[-1]),
                "pageIndex": str(number),
                "pageSize": str(PAGE),
            }

            def understand(answer: Any) -> tuple[dict[str, Any], int]:
                if not promised(answer, "success", "workFiles"):
                    raise SourceFailed(f"workFiles: {str(answer.get('message', ''))[:200]}")
                return answer, len(promised(answer, "data", "workFiles"))

            answer = reader.ask(name, "GET", "/v1/workFiles", understand, shown=f"workFiles {number}", params=params)
            rows = answer["data"]
            loops.check([f"{row.get('maHoSo')} {row.get('ngayCapNhat')}" for row in rows])
            for row in rows:
                reading.record(str(row.get("maHoSo")), str(row.get("ngayCapNhat")))
            totals.add(int(promised(answer, "total", "workFiles")))
            is_all = len(rows) < PAGE and int(answer["total"]) == reading.read
            if not rows or len(rows) < size or is_all:
                break
            number, size = number + 1, size or len(rows)
        reading.has_moved |= len(totals) > 1
        reading.declared = totals.pop()

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        token: list[str] = []
        body = {
            "username": endpoint.login, "password": endpoint.password,
            "applicationCode": endpoint.extra.get("application_code", ""),
            "otp": None, "twoFactorProvider": None, "typeObjs": [0, 1],
        }  # fmt: skip

        def accept(given: Answer) -> None:
            told = promised(given.json("login"), "data", "login")
            token[:] = [str(promised(told, "token", "login"))]

        self._caller.ask(
            "POST", "/v1/auth/login", params={"allow_anonymous": "true"}, json=body, accept=accept, login=False
        )
        headers = {
            "Authorization": f"Bearer {token[0]}",
            "X-SystemId": str(endpoint.extra.get("system_id", "")),
            "X-SecretKey": str(endpoint.extra.get("secret_key", "")),
        }
        return lambda request: {**request, "headers": headers}


def _listed(answer: Any) -> tuple[list[dict[str, Any]], int]:
    if not promised(answer, "success", "syncReceivedEdocList"):
        raise SourceFailed(f"syncReceivedEdocList: {str(answer.get('message', ''))[:200]}")
    rows = promised(answer, "data", "syncReceivedEdocList") or []
    return rows, int(promised(answer, "count", "syncReceivedEdocList"))


def _span(kind: str, days: list[date]) -> dict[str, str]:
    return {"messageType": kind, "fromDate": _day(days[0]), "toDate": _day(days[-1])}


def _day(day: date) -> str:
    return day.strftime("%Y/%m/%d")
