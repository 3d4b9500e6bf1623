"""Simulates the portal: a session at `/auth`, and one POST to `/share` for every service."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lgsp_province.systems import online_services_records
from lgsp_province.systems.clock import Clock, Tokens
from lgsp_province.systems.http_server import Request, Response, System
from lgsp_province.systems.one_stop_shop_server import change_instant
from lgsp_province.world import wording
from lgsp_province.world.services import Catalogue
from lgsp_province.world.view import View

USERNAME, PASSWORD = "lgsp-demo", "not-a-secret"
DESTINATION, UNIT = "VN:GOV:000.00.00.H47:dvc-demo", "000.00.00.H47"
SESSION_LIFETIME = 1800.0
LARGEST_PAGE = 200


def _success(result: Any, **fields: str) -> Response:
    return Response.json({"error_code": "0", "message": "Thành công", "result": result, **fields})


def _failure(code: str, message: str) -> Response:
    return Response.json({"error_code": code, "message": message, "result": ""})


class OnlineServices(System):
    """Responds like the national adapter."""

    name = "online_services"

    def __init__(
        self, clock: Clock, catalogue: Catalogue, html_rate: float = 0.0, token_lifetime: float = SESSION_LIFETIME
    ) -> None:
        super().__init__(clock, html_rate)
        self._catalogue = catalogue
        self._offered: tuple[date, list[dict[str, str]]] | None = None
        self._sessions = Tokens("session", token_lifetime)
        self._by_code: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        self._visible_view: tuple[View, frozenset[str], View] | None = None

    def is_record_call(self, request: Request) -> bool:
        return self.target(request).endswith(" TraCuuHoSo")

    def expire_tokens(self) -> None:
        self._sessions.clear()

    def unauthorised(self) -> Response:
        return _failure("401", "Phiên làm việc đã hết hạn")

    def target(self, request: Request) -> str:
        if request.path != "/share":
            return request.path
        try:
            return f"{request.path} {request.json().get('service', '')}"
        except ValueError:
            return request.path

    def answer(self, request: Request) -> Response:
        if request.method != "POST" or request.path not in ("/auth", "/share"):
            return Response.json({"message": "not found"}, 404)
        body = request.json()
        if request.path == "/auth":
            return self._login(body)
        if not self._sessions.is_valid(str(body.get("session"))):
            return self.unauthorised()
        if request.headers.get("dstcode") != DESTINATION or body.get("madonvi") != UNIT:
            return _failure("-1", "Mã đích hoặc mã đơn vị không hợp lệ")
        routes = {
            "LayDanhSachHoSo": self._dossiers,
            "TraCuuHoSo": self._dossier,
            "LayDanhSachTTHC": self._offerings,
            "LayDanhMucCoQuan": self._agencies,
        }
        route = routes.get(str(body.get("service")))
        if route is None:
            return _failure("-1", "Dịch vụ không tồn tại")
        try:
            return route(request, body)
        except (KeyError, ValueError):
            return _failure("-1", "Tham số không hợp lệ")

    def _login(self, body: dict[str, Any]) -> Response:
        if (body.get("username"), body.get("password")) != (USERNAME, PASSWORD):
            return Response.json({"session": "", "error_code": "1", "message": "Sai tên đăng nhập hoặc mật khẩu"})
        return Response.json({"session": self._sessions.issue(), "error_code": "0", "message": "Thành công"})

    def _dossiers(self, request: Request, body: dict[str, Any]) -> Response:
        page, size = _page(body)
        view = self._view()
        start, end = wording.from_compact(body["tungay"]), wording.from_compact(body["denngay"])
        rows = view.portal.listing.window(start, end)
        page_rows = rows[(page - 1) * size : page * size]
        result = [online_services_records.dossier(state) for state in view.dossier_states(view.portal, page_rows)]
        if (fault := request.fault("shift-pages")) and len(rows):
            instant = change_instant(view, end, fault.value)
            self.clock.change_view(lambda current: _change_portal(current, int(rows[0]), instant))
        return _success(result, tongso=_total(request, len(rows)), trang=str(page))

    def _offerings(self, request: Request, body: dict[str, Any]) -> Response:
        page, size = _page(body)
        today = self.today()
        if self._offered is None or self._offered[0] != today:
            listed = {agency.index for agency in self.agencies()}
            self._offered = (
                today,
                [
                    online_services_records.offering(*pair, self._catalogue.offered_from(*pair), today)
                    for pair in self._catalogue.offered(today)
                    if pair[1].index in listed
                ],
            )
        catalogue = self._offered[1]
        result = catalogue[(page - 1) * size : page * size]
        return _success(result, tongso=_total(request, len(catalogue)), trang=str(page))

    def _agencies(self, request: Request, body: dict[str, Any]) -> Response:
        return _success([online_services_records.agency_entry(a.index) for a in self.agencies()])

    def _dossier(self, request: Request, body: dict[str, Any]) -> Response:
        view = self._view()
        row = self._row(view, str(body["mahoso"]))
        if row is None or not view.portal.visible[row]:
            return _success("")
        return _success(online_services_records.dossier(view.dossier_states(view.portal, [row])[0]))

    def _view(self) -> View:
        """The current view without hidden records; cached per view and set of hidden keys."""
        view, hidden = self.clock.view(), self.hidden
        if not hidden:
            return view
        if self._visible_view is None or self._visible_view[0] is not view or self._visible_view[1] != hidden:
            rows = np.array([row for key in hidden if (row := self._row(view, key)) is not None], np.int64)
            self._visible_view = (view, hidden, replace(view, portal=view.portal.without_rows(rows)))
        return self._visible_view[2]

    def _row(self, view: View, code: str) -> int | None:
        """The row of a dossier code; None if no dossier has it."""
        keys = view.portal.tie_break
        if self._by_code is None:
            order = np.argsort(keys, kind="stable")
            self._by_code = (order, keys[order])
        order, sorted_keys = self._by_code
        key = view.portal_key(code)
        if key is None:
            return None
        position = int(np.searchsorted(sorted_keys, key))
        is_found = position < len(order) and sorted_keys[position] == key
        return int(order[position]) if is_found else None


def _change_portal(view: View, row: int, instant: int) -> View:
    return replace(view, portal=view.portal.with_change(row, instant))


def _page(body: dict[str, Any]) -> tuple[int, int]:
    page, size = int(body.get("trang", "1")), int(body.get("sodong", str(LARGEST_PAGE)))
    if page < 1 or size < 1:
        raise ValueError("trang and sodong must be at least 1")
    return page, min(size, LARGEST_PAGE)


def _total(request: Request, count: int) -> str:
    fault = request.fault("count-off")
    return str(count + (int(fault.value or 1) if fault else 0))
