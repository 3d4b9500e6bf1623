"""Simulates the one-stop-shop (iGate): Keycloak tokens, Spring slices, times in UTC."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from numpy.typing import NDArray

from lgsp_province.systems import one_stop_shop_records
from lgsp_province.systems.clock import Clock, Tokens
from lgsp_province.systems.http_server import Request, Response, System
from lgsp_province.world import wording
from lgsp_province.world.lifecycles import ACCEPTED
from lgsp_province.world.services import Catalogue
from lgsp_province.world.view import SystemView, View

CLIENT_ID, CLIENT_SECRET, REALM = "lgsp-demo", "not-a-secret", "digo"
TOKEN_LIFETIME = 300.0
LARGEST_PAGE, LARGEST_LIST = 500, 1000

_TOKEN_PATH = f"/auth/realms/{REALM}/protocol/openid-connect/token"
_DOSSIER = "/pa/dossier/"
_LISTS = ("search", "count", "keys")


def _page(request: Request, largest: int) -> tuple[int, int]:
    page, size = int(request.query.get("page", 0)), int(request.query.get("size", 200))
    if page < 0 or size < 1:
        raise ValueError("page must be at least 0, size at least 1")
    return page, min(size, largest)


def _slice(content: list[Any], page: int, size: int, is_last: bool) -> dict[str, Any]:
    return {
        "content": content,
        "first": page == 0,
        "last": is_last,
        "number": page,
        "size": size,
        "numberOfElements": len(content),
        "empty": not content,
        "sort": {"sorted": True},
    }


def _list_response(items: list[dict[str, Any]], request: Request) -> Response:
    page, size = _page(request, LARGEST_LIST)
    content = items[page * size : (page + 1) * size]
    return Response.json(_slice(content, page, size, (page + 1) * size >= len(items)))


def change_one_stop(view: View, row: int, instant: int) -> View:
    """The same view after a dossier of the one-stop-shop changed at `instant`."""
    return replace(view, one_stop=view.one_stop.with_change(row, instant))


def change_instant(view: View, end: int, value: Any) -> int:
    """The instant of a planned change between two pages: `value`, or one second before the end of the window or before now."""
    return wording.from_iso(str(value)) if value else min(end, view.as_of) - 1


class OneStopShop(System):
    """Responds like iGate 2.0."""

    name = "one_stop_shop"

    def __init__(
        self, clock: Clock, catalogue: Catalogue, html_rate: float = 0.0, token_lifetime: float = TOKEN_LIFETIME
    ) -> None:
        super().__init__(clock, html_rate)
        self._catalogue = catalogue
        self._tokens = Tokens("one-stop", token_lifetime)
        self._renderer = one_stop_shop_records.Renderer()
        self._accepted: tuple[SystemView, NDArray[np.int64], NDArray[np.int64]] | None = None
        self._visible_view: tuple[View, frozenset[str], View] | None = None

    def is_record_call(self, request: Request) -> bool:
        return request.path.startswith(_DOSSIER) and request.path.removeprefix(_DOSSIER) not in _LISTS

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def unauthorised(self) -> Response:
        return Response.json({"error": "invalid_token", "error_description": "Token is not active"}, 401)

    def answer(self, request: Request) -> Response:
        if request.path == _TOKEN_PATH and request.method == "POST":
            return self._login(request)
        if request.method != "GET" or not request.path.startswith(("/pa/dossier/", "/ba/agency", "/bd/procedure")):
            return Response.json({"status": 404, "error": "Not Found", "path": request.path}, 404)
        if not self._tokens.is_valid_bearer(request.headers.get("Authorization")):
            return self.unauthorised()
        routes = {
            "/pa/dossier/search": self._search,
            "/pa/dossier/count": self._count,
            "/pa/dossier/keys": self._keys,
        }
        if request.path in routes:
            return routes[request.path](request)
        today = self.today()
        if request.path == "/ba/agency":
            return _list_response([one_stop_shop_records.agency_entry(a.index) for a in self.agencies()], request)
        if request.path == "/bd/procedure":
            return _list_response(
                [one_stop_shop_records.procedure_entry(s, today) for s in self._catalogue.listed(today)], request
            )
        return self._dossier(request.path.removeprefix(_DOSSIER))

    def _view(self, is_by_change: bool = True) -> View:
        """The current view without hidden records, and `is_by_change` without those that have no true change time.

        Cached per view and set of keys.
        """
        view, hidden = self.clock.view(), self.hidden | (self.change_times.keys() if is_by_change else set())
        if not hidden:
            return view
        if self._visible_view is None or self._visible_view[0] is not view or self._visible_view[1] != hidden:
            hidden_rows = [row for key in hidden if (row := one_stop_shop_records.dossier_row(key)) is not None]
            rows = np.array([row for row in hidden_rows if row < len(view.dossiers)], np.int64)
            self._visible_view = (view, hidden, replace(view, one_stop=view.one_stop.without_rows(rows)))
        return self._visible_view[2]

    def _login(self, request: Request) -> Response:
        form = {key: values[0] for key, values in parse_qs(request.body.decode()).items()}
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return Response.json({"error": "unauthorized_client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return Response.json({"error": "unsupported_grant_type"}, 400)
        return Response.json(
            {
                "access_token": self._tokens.issue(),
                "expires_in": round(self._tokens.lifetime),
                "token_type": "Bearer",
            }
        )

    def _search(self, request: Request) -> Response:
        page, size = _page(request, LARGEST_PAGE)
        view = self._view()
        start, end = (
            wording.from_iso(request.query["modified-from"]),
            wording.from_iso(request.query["modified-to"]),
        )
        rows = view.one_stop.listing.window(start, end)
        page_rows = rows[page * size : (page + 1) * size]
        content = [self._renderer.dossier(state) for state in view.dossier_states(view.one_stop, page_rows)]
        if (fault := request.fault("shift-pages")) and len(rows):
            instant = change_instant(view, end, fault.value)
            self.clock.change_view(lambda current: change_one_stop(current, int(rows[0]), instant))
        return Response.json(_slice(content, page, size, (page + 1) * size >= len(rows)))

    def _count(self, request: Request) -> Response:
        start, end = (
            wording.from_iso(request.query["modified-from"]),
            wording.from_iso(request.query["modified-to"]),
        )
        total = len(self._view().one_stop.listing.window(start, end))
        fault = request.fault("count-off")
        return Response.json({"total": total + (int(fault.value or 1) if fault else 0)})

    def _by_acceptance(self, view: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and acceptance times of the accepted dossiers, sorted by time; deleted ones excluded, cached per view."""
        if self._accepted is None or self._accepted[0] is not view.one_stop:
            lifecycles, system = view.dossiers.lifecycles, view.one_stop
            is_accepted = (system.visible >= 2) & (lifecycles.statuses[:, 1] == ACCEPTED) & ~system.is_deleted
            rows = np.flatnonzero(is_accepted)
            rows = rows[np.argsort(lifecycles.times[rows, 1], kind="stable")]
            self._accepted = (system, rows, lifecycles.times[rows, 1])
        return self._accepted[1], self._accepted[2]

    def _keys(self, request: Request) -> Response:
        page, size = _page(request, LARGEST_LIST)
        view = self._view(is_by_change=False)
        rows, accepted = self._by_acceptance(view)
        bounds = [wording.from_iso(request.query[f"accepted-{side}"]) for side in ("from", "to")]
        first, last = np.searchsorted(accepted, bounds)
        page_rows = rows[first:last][page * size : (page + 1) * size]
        content = []
        for state in view.dossier_states(view.one_stop, page_rows):
            key = one_stop_shop_records.dossier_id(state.row, state.submitted)
            changed = self.change_times.get(key, wording.iso(state.modified))
            content.append({"id": key, "code": state.code, "modifiedDate": changed})
        return Response.json(_slice(content, page, size, (page + 1) * size >= int(last - first)))

    def _dossier(self, wire_id: str) -> Response:
        view = self._view(is_by_change=False)
        row = one_stop_shop_records.dossier_row(wire_id)
        if row is not None and row < len(view.dossiers) and view.one_stop.visible[row]:
            state = view.dossier_states(view.one_stop, [row])[0]
            if one_stop_shop_records.dossier_id(row, state.submitted) == wire_id and not view.one_stop.is_deleted[row]:
                record = self._renderer.dossier(state)
                if wire_id in self.change_times:
                    record["modifiedDate"] = self.change_times[wire_id]
                return Response.json(record)
        return Response.json({"status": 404, "error": "Not Found"}, 404)
