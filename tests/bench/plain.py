"""Read the three sources in plain loops: no checks, no retries, nothing stored. The floor of `make bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from typing import Any

import requests

from lgsp.settings import Endpoint
from lgsp.window import LOCAL, Window

PAGES_PER_LOGIN = 200  # no token expires within them
# A record as a source lists it: its key, its time of change, and its fields.
Record = tuple[str, str, Mapping[str, Any]]


def utc_bounds(window: Window) -> dict[str, str]:
    """The parameters of a window for the one-stop-shop."""
    start, end = (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000") for moment in (window.start, window.end)
    )
    return {"modified-from": start, "modified-to": end}


def local_bounds(window: Window) -> dict[str, str]:
    """The parameters of a window for the portal."""
    start, end = (moment.astimezone(LOCAL).strftime("%Y%m%d%H%M%S") for moment in (window.start, window.end))
    return {"tungay": start, "denngay": end}


def day_bounds(window: Window) -> dict[str, str]:
    """The parameters of a window for the document system: whole days, both included."""
    days = window.days()
    return {"fromDate": days[0].strftime("%Y/%m/%d"), "toDate": days[-1].strftime("%Y/%m/%d")}


def document_login(endpoint: Endpoint) -> dict[str, Any]:
    """The body of a login to the document system."""
    return {
        "username": endpoint.login, "password": endpoint.password, "applicationCode": endpoint.extra["application_code"],
        "otp": None, "twoFactorProvider": None, "typeObjs": [0, 1],
    }  # fmt: skip


def _one_stop(endpoint: Endpoint, window: Window) -> Iterator[Record]:
    session, page, answer = requests.Session(), 0, {"last": False}
    form = {"grant_type": "client_credentials", "client_id": endpoint.login, "client_secret": endpoint.password}
    while not answer["last"]:
        if page % PAGES_PER_LOGIN == 0:
            token = session.post(f"{endpoint.base_url}/auth/realms/digo/protocol/openid-connect/token", data=form)
            session.headers["Authorization"] = f"Bearer {_parsed(token)['access_token']}"
        params = {**utc_bounds(window), "page": str(page), "size": "500", "spec": "slice"}
        answer = _parsed(session.get(f"{endpoint.base_url}/pa/dossier/search", params=params))
        yield from ((row["id"], row["modifiedDate"], row) for row in answer["content"])
        page += 1


def _online(endpoint: Endpoint, window: Window) -> Iterator[Record]:
    http, page, rows, session = requests.Session(), 0, [{}] * 200, ""
    http.headers["dstcode"] = endpoint.extra["dstcode"]
    login = {"username": endpoint.login, "password": endpoint.password}
    while len(rows) == 200:
        if page % PAGES_PER_LOGIN == 0:
            session = _parsed(http.post(f"{endpoint.base_url}/auth", json=login))["session"]
        page += 1
        body = {"session": session, "madonvi": endpoint.extra["madonvi"], "service": "LayDanhSachHoSo", "trang": str(page), "sodong": "200"}  # fmt: skip
        rows = _parsed(http.post(f"{endpoint.base_url}/share", json={**body, **local_bounds(window)}))["result"]
        yield from ((row["MaHoSo"], row["NgayCapNhat"], row) for row in rows)


def _documents(endpoint: Endpoint, window: Window) -> Iterator[Record]:
    http, url, extra = requests.Session(), f"{endpoint.base_url}/v1", endpoint.extra
    login = http.post(f"{url}/auth/login?allow_anonymous=true", json=document_login(endpoint))
    http.headers["Authorization"] = f"Bearer {_parsed(login)['data']['token']}"
    http.headers.update({"X-SystemId": extra["system_id"], "X-SecretKey": extra["secret_key"]})
    for kind in ("edoc", "status"):
        query = {"messageType": kind, **day_bounds(window)}
        for row in _parsed(http.get(f"{url}/syncReceivedEdocList", params=query))["data"]:
            message = http.get(f"{url}/getEdoc", params={"docId": row["docId"]})
            yield row["docId"], row["createdTime"], _parsed(message)
    page, files = 0, [{}]
    while files:
        page += 1
        query = {**day_bounds(window), "pageIndex": str(page), "pageSize": "200"}
        files = _parsed(http.get(f"{url}/workFiles", params=query))["data"]
        yield from ((file["maHoSo"], file["ngayCapNhat"], file) for file in files)


def _parsed(response: requests.Response) -> Any:
    # not response.json(): it would use simplejson, which is slower, where another package has installed it
    return json.loads(response.content)


READERS: Mapping[str, Callable[[Endpoint, Window], Iterator[Record]]] = {
    "one_stop_shop": _one_stop,
    "online_services": _online,
    "documents": _documents,
}
