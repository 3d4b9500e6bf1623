"""Reads the document system over HTTP: the message lists of each day, then the edXML of each message."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land.answer import Answer, NotFound, TooLarge, printable
from lgsp.land.http_client import AttemptsExhausted, Caller, Signature
from lgsp.land.paging import Pages, required_count, required_field, required_list, required_token
from lgsp.land.reader import LOOK_UPS, Keys, Reader, Reading, key_and_change_time, read_until_stable
from lgsp.schema.sources import Source
from lgsp.window import Window

PAGE = 1000
MESSAGES = ("edoc", "status")
# More undelivered messages than this number and this share of a window mean that the gateway has failed.
MOST_UNDELIVERED, MOST_UNDELIVERED_SHARE = 5, 0.05

log = logging.getLogger(__name__)


class Client:
    """Reads documents, their status messages and work files from a Qoffice (interface of the national axis)."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        caller.authorise = self._authorise

    def count_records(self, window: Window) -> int:
        """The number of messages that the source lists for a window. Work files are few and not counted."""
        total = 0

        def accept(answer: Answer) -> None:
            nonlocal total
            total += self._list_rows(answer.json("syncReceivedEdocList"))[1]

        for kind in MESSAGES:
            self._caller.ask("GET", "/v1/syncReceivedEdocList", params=_span(kind, window.days()), accept=accept)
        return total

    def read_lists(self, reader: Reader) -> None:
        """Read every agency."""

        def parse(answer: Any) -> tuple[None, int]:
            return None, len(answer if isinstance(answer, list) else required_list(answer, "data", "getAgenciesList"))

        reader.ask("agencies", "GET", "/v1/getAgenciesList", parse)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Read every message listed on the window's days with its edXML, and every work file that changed on these days."""
        messages, files = Reading(), Reading()
        wanted: dict[str, None] = {}
        for day in window.days():
            for kind in MESSAGES:
                for row in self._read_list(reader, kind, day, messages):
                    wanted.setdefault(str(row["docId"]))
        self._fetch_messages(reader, list(wanted))
        self._read_work_files(reader, window, files)
        return {"messages": messages, "work_files": files}

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        """The keys of the messages listed on the span's days, or of the work files whose latest change is on these days."""
        keys, listed = Keys(spans=[span]), list[tuple[str, str]]()

        def read() -> Mapping[str, Reading]:
            reading = Reading()
            if name == "work_files":
                self._read_work_files(reader, span, reading, "keys")
                listed[:] = reading.seen.items()
            else:
                rows = [
                    row
                    for day in span.days()
                    for kind in MESSAGES
                    for row in self._read_list(reader, kind, day, reading, "keys")
                ]
                listed[:] = [(str(row["docId"]), str(row.get("createdTime"))) for row in rows]
            return {name: reading}

        if not (reading := read_until_stable(reader, f"{name} {span}", read)[name]).is_stable:
            raise SourceFailed(f"{span}: {reading.read} {name} were listed, but {reading.declared} were declared")
        for key, changed in listed:
            keys.add(key, changed)
        return keys

    def look_up(self, reader: Reader, name: str, key: str, landed_as: str = LOOK_UPS) -> tuple[str | None, int]:
        """Not supported: a record that is missing from the list of a span was deleted. Raises SourceRefused."""
        raise SourceRefused(f"{name} of the document system cannot be requested individually")

    def _read_list(
        self, reader: Reader, kind: str, day: date, reading: Reading, name: str = "messages"
    ) -> list[dict[str, Any]]:
        rows, declared = reader.ask(
            name, "GET", "/v1/syncReceivedEdocList",
            lambda answer: (rows := self._list_rows(answer), len(rows[0])),
            label=f"syncReceivedEdocList {kind} {day}", params=_span(kind, [day]),
        )  # fmt: skip
        reading.declared += declared
        reading.read += len(rows)
        return rows

    def _list_rows(self, answer: Any) -> tuple[list[dict[str, Any]], int]:
        """The listed messages, and their number as declared. Raises SourceFailed when they do not fit together."""
        name, limits = "syncReceivedEdocList", self._caller.manners
        _check_success(answer, name)
        rows, declared = (
            required_list(answer, "data", name, empty=(None,)),
            required_count(answer, "count", name, limits),
        )
        if any(not isinstance(row, dict) or not isinstance(row.get("docId") or None, str | int) for row in rows):
            raise SourceFailed(f"{name}: a listed message has no docId")
        Pages(name, limits, max(1, len(rows)), declared).add([str(row["docId"]) for row in rows])
        return rows, declared

    def _fetch_messages(self, reader: Reader, wanted: list[str]) -> None:
        """Fetch each message, at most `parallel` at the same time.

        A message that the gateway lists and does not deliver is stored as a failure: it is one record in quarantine. Raises
        SourceFailed when these are so many that the gateway has failed.
        """

        def parse(answer: Any) -> tuple[None, int]:
            required_field(answer, "success", "getEdoc")
            return None, 1

        failures: list[Exception] = []

        def fetch(doc_id: str) -> None:
            label = f"getEdoc {doc_id}"
            try:
                reader.ask(
                    "edocs",
                    "GET",
                    "/v1/getEdoc",
                    parse,
                    label=label,
                    is_durable=False,
                    is_record=True,
                    params={"docId": doc_id},
                )
            except (NotFound, AttemptsExhausted, TooLarge) as error:
                failures.append(error)
                if len(failures) > max(MOST_UNDELIVERED, len(wanted) * MOST_UNDELIVERED_SHARE):
                    raise SourceFailed(
                        f"{len(failures)} of {len(wanted)} listed messages are not delivered; {error}"
                    ) from error
                log.warning("%s is listed and not delivered, it goes to quarantine: %s", label, error)
                reader.keep_failure("edocs", label, error)

        with ThreadPoolExecutor(self._caller.manners.parallel) as pool:
            for _ in pool.map(fetch, wanted):
                pass

    def _read_work_files(self, reader: Reader, window: Window, reading: Reading, name: str = "work_files") -> None:
        days, number, size = window.days(), 1, 0
        pages, totals = (
            Pages(f"{self._caller.endpoint.source} workFiles", self._caller.manners, PAGE, declared=0),
            set[int](),
        )
        while True:
            params = {
                "fromDate": _day(days[0]),
                "toDate": _day(days[-1]),
                "pageIndex": str(number),
                "pageSize": str(PAGE),
            }

            def parse(answer: Any) -> tuple[tuple[list[Any], int], int]:
                _check_success(answer, "workFiles")
                rows = required_list(answer, "data", "workFiles", empty=(None,))
                return (rows, required_count(answer, "total", "workFiles", self._caller.manners)), len(rows)

            rows, total = reader.ask(name, "GET", "/v1/workFiles", parse, label=f"workFiles {number}", params=params)
            totals.add(total)
            pages.declared = max(totals)
            records = [key_and_change_time(row, "maHoSo", "ngayCapNhat") for row in rows]
            pages.add([" ".join(record) for record in records])
            for record in records:
                reading.record(*record)
            is_complete = len(rows) < PAGE and total == reading.read
            if not rows or len(rows) < size or is_complete:
                break
            number, size = number + 1, size or len(rows)
        reading.has_changed |= len(totals) > 1
        reading.declared = totals.pop()

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        token: list[str] = []
        body = {
            "username": endpoint.login, "password": endpoint.password,
            "applicationCode": endpoint.extra.get("application_code", ""),
            "otp": None, "twoFactorProvider": None, "typeObjs": [0, 1],
        }  # fmt: skip

        def accept(answer: Answer) -> None:
            data = required_field(answer.json("login"), "data", "login")
            token[:] = [required_token(data, "token", "login")]

        self._caller.ask(
            "POST", "/v1/auth/login", params={"allow_anonymous": "true"}, json=body, accept=accept, login=False
        )
        headers = {
            "Authorization": f"Bearer {token[0]}",
            "X-SystemId": str(endpoint.extra.get("system_id", "")),
            "X-SecretKey": str(endpoint.extra.get("secret_key", "")),
        }
        return lambda request: {**request, "headers": headers}


def _check_success(answer: Any, request_name: str) -> None:
    """Raise SourceFailed, with the message of the source, when an answer is not a success."""
    if not required_field(answer, "success", request_name):
        raise SourceFailed(f"{request_name}: {printable(str(answer.get('message', '')))}")


def _span(kind: str, days: list[date]) -> dict[str, str]:
    return {"messageType": kind, "fromDate": _day(days[0]), "toDate": _day(days[-1])}


def _day(day: date) -> str:
    return day.strftime("%Y/%m/%d")
