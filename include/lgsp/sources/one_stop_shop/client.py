"""The one-stop-shop on the wire: a Keycloak token, Spring slices, UTC times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from lgsp.errors import SourceRefused
from lgsp.land.http_client import Caller, Signature
from lgsp.land.reader import Keys, Reader, Reading, RepeatedPage, identity, promised, steadily
from lgsp.schema.sources import Source
from lgsp.window import Window

PAGE, KEYS = 500, 1000


class Client:
    """Reads dossiers, agencies and procedures of an iGate 2.0 style one-stop-shop."""

    def __init__(self, caller: Caller, source: Source) -> None:
        self._caller = caller
        caller.authorise = self._authorise

    def size(self, window: Window) -> int:
        """The source's own count of dossiers changed in a window."""
        answer = {"total": 0}

        def accept(given: Any) -> None:
            answer["total"] = int(promised(given.json("count"), "total", "count"))

        self._caller.ask("GET", "/pa/dossier/count", params=_bounds(window), accept=accept)
        return answer["total"]

    def read_lists(self, reader: Reader) -> None:
        """Every agency and every procedure."""
        self._slices(reader, "agencies", "/ba/agency", {}, Reading(), size=1000)
        self._slices(reader, "procedures", "/bd/procedure", {}, Reading(), size=1000)

    def read_window(self, reader: Reader, window: Window) -> Mapping[str, Reading]:
        """Every dossier whose latest change lies in the window."""
        reading = Reading()
        before = self._count(reader, window)
        self._slices(reader, "dossiers", "/pa/dossier/search", _bounds(window), reading, size=PAGE)
        reading.declared = self._count(reader, window)
        reading.has_moved |= before != reading.declared
        return {"dossiers": reading}

    def read_keys(self, reader: Reader, name: str, span: Window, held: Mapping[date, int] | None) -> Keys:
        """Every dossier that exists and was accepted in the span."""
        keys = Keys(spans=[span])
        bounds = {"accepted-from": _utc(span.start), "accepted-to": _utc(span.end)}

        def read() -> Mapping[str, Reading]:
            reading = Reading()
            self._slices(reader, "keys", "/pa/dossier/keys", bounds, reading, size=KEYS)
            reading.declared = reading.read  # nobody counts keys
            return {name: reading}

        for key, changed in steadily(reader, f"{name} {span}", read)[name].seen.items():
            keys.add(key, changed)
        return keys

    def look_up(self, reader: Reader, name: str, key: str) -> tuple[str | None, int]:
        """When a dossier changed last; None where the one-stop-shop has it no more."""

        def understand(answer: Any) -> str:
            return identity(answer, "id", "modifiedDate")[1]  # however damaged, it is there

        return reader.look_up("dossier", key, "GET", f"/pa/dossier/{quote(key, safe='')}", understand)

    def _count(self, reader: Reader, window: Window) -> int:
        def understand(answer: Any) -> tuple[int, int]:
            return int(promised(answer, "total", "count")), 0

        return reader.ask("count", "GET", "/pa/dossier/count", understand, params=_bounds(window))

    def _slices(
        self, reader: Reader, name: str, path: str, query: Mapping[str, str], reading: Reading, size: int
    ) -> None:
        loops, number, is_last = RepeatedPage(f"{name} page"), 0, False
        while not is_last:
            params = {**query, "page": str(number), "size": str(size), "spec": "slice"}

            def understand(answer: Any) -> tuple[tuple[bool, list[Any]], int]:
                content = promised(answer, "content", name)
                return (bool(promised(answer, "last", name)), content), len(content)

            is_last, content = reader.ask(name, "GET", path, understand, params=params, shown=f"{path} page {number}")
            records = [identity(row, "id", "modifiedDate") for row in content]
            loops.check([" ".join(record) for record in records])
            for record in records:
                reading.record(*record)
            number += 1

    def _authorise(self) -> Signature:
        endpoint = self._caller.endpoint
        realm = endpoint.extra.get("realm") or "digo"
        token: dict[str, Any] = {}
        form = {"grant_type": "client_credentials", "client_id": endpoint.login, "client_secret": endpoint.password}

        def accept(given: Any) -> None:
            token["value"] = promised(given.json("login"), "access_token", "login")

        path = f"/auth/realms/{realm}/protocol/openid-connect/token"
        self._caller.ask("POST", path, data=form, accept=accept, login=False)
        if not token["value"]:
            raise SourceRefused(f"{endpoint.source}: the login gave an empty token")
        return lambda request: {**request, "headers": {"Authorization": f"Bearer {token['value']}"}}


def _bounds(window: Window) -> dict[str, str]:
    return {"modified-from": _utc(window.start), "modified-to": _utc(window.end)}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"
