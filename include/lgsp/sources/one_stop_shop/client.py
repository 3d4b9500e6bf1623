"""Reads the one-stop-shop over HTTP: a Keycloak token, Spring slices, UTC times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from lgsp.land.answer import Answer
from lgsp.land.http_client import Caller, Signature
from lgsp.land.paging import Pages, required_count, required_flag, required_list, required_token
from lgsp.land.reader import LOOK_UPS, Keys, Reader, Reading, key_and_change_time, read_until_stable
from lgsp.schema.sources import Source
from lgsp.window import Window

PAGE, KEYS = 500, 1000


class Client:
    """Reads dossiers, agencies and procedures of an iGate 2.0 style one-stop-shop."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        caller.authorise = self._authorise

    def count_records(self, window: Window) -> int:
        """The source's own count of the dossiers that changed in a window."""
        counted = {"total": 0}

        def accept(answer: Answer) -> None:
            counted["total"] = required_count(answer.json("count"), "total", "count", self._caller.manners)

        self._caller.ask("GET", "/pa/dossier/count", params=_bounds(window), accept=accept)
        return counted["total"]

    def read_lists(self, reader: Reader) -> None:
        """Read every agency and every procedure."""
        self._read_slices(reader, "agencies", "/ba/agency", {}, Reading(), size=1000)
        self._read_slices(reader, "procedures", "/bd/procedure", {}, Reading(), size=1000)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Read every dossier whose latest change is in the window."""
        reading = Reading()
        before = self._count(reader, window)
        self._read_slices(
            reader, "dossiers", "/pa/dossier/search", _bounds(window), reading, size=PAGE, declared=before
        )
        reading.declared = self._count(reader, window)
        reading.has_changed |= before != reading.declared
        return {"dossiers": reading}

    def read_keys(self, reader: Reader, name: str, span: Window, known_counts: Mapping[date, int] | None) -> Keys:
        """The keys of all dossiers that exist and were accepted in the span."""
        keys = Keys(spans=[span])
        bounds = {"accepted-from": _utc(span.start), "accepted-to": _utc(span.end)}

        def read() -> Mapping[str, Reading]:
            reading = Reading()
            most = self._caller.manners.max_records  # the source declares no count of keys
            self._read_slices(reader, "keys", "/pa/dossier/keys", bounds, reading, size=KEYS, declared=most)
            reading.declared = reading.read
            return {name: reading}

        for key, changed in read_until_stable(reader, f"{name} {span}", read)[name].seen.items():
            keys.add(key, changed)
        return keys

    def look_up(self, reader: Reader, name: str, key: str, landed_as: str = LOOK_UPS) -> tuple[str | None, int]:
        """The latest change time of a dossier; None when the one-stop-shop has deleted it."""

        def parse(answer: Any) -> str:
            return key_and_change_time(answer, "id", "modifiedDate")[1]  # a damaged record exists too

        return reader.look_up("dossier", key, "GET", f"/pa/dossier/{quote(key, safe='')}", parse, landed_as)

    def _count(self, reader: Reader, window: Window) -> int:
        def parse(answer: Any) -> tuple[int, int]:
            return required_count(answer, "total", "count", self._caller.manners), 0

        return reader.ask("count", "GET", "/pa/dossier/count", parse, params=_bounds(window))

    def _read_slices(
        self,
        reader: Reader,
        name: str,
        path: str,
        query: Mapping[str, str],
        reading: Reading,
        size: int,
        declared: int | None = None,
    ) -> None:
        pages, number, is_last = (
            Pages(f"{self._caller.endpoint.source} {path}", self._caller.manners, size, declared),
            0,
            False,
        )
        while not is_last:
            params = {**query, "page": str(number), "size": str(size), "spec": "slice"}

            def parse(answer: Any) -> tuple[tuple[bool, list[Any]], int]:
                content = required_list(answer, "content", name)
                return (required_flag(answer, "last", name), content), len(content)

            is_last, content = reader.ask(name, "GET", path, parse, params=params, label=f"{path} page {number}")
            records = [key_and_change_time(row, "id", "modifiedDate") for row in content]
            pages.add([" ".join(record) for record in records])
            for record in records:
                reading.record(*record)
            number += 1

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        realm = endpoint.extra.get("realm") or "digo"
        token: dict[str, Any] = {}
        form = {"grant_type": "client_credentials", "client_id": endpoint.login, "client_secret": endpoint.password}

        def accept(answer: Answer) -> None:
            token["value"] = required_token(answer.json("login"), "access_token", "login")

        path = f"/auth/realms/{realm}/protocol/openid-connect/token"
        self._caller.ask("POST", path, data=form, accept=accept, login=False)
        return lambda request: {**request, "headers": {"Authorization": f"Bearer {token['value']}"}}


def _bounds(window: Window) -> dict[str, str]:
    return {"modified-from": _utc(window.start), "modified-to": _utc(window.end)}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
