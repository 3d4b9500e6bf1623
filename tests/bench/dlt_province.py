"""Describe the three sources for dlt: its `rest_api` source with the login and the paging of each.

The same description serves both forms. In the default form dlt gets dictionaries, infers the types and unpacks nested
lists into tables of their own. In the Arrow form it gets one Arrow table for each page, in which nested values are JSON
text, so that nothing is inferred row by row.

All columns of the Arrow form are text. The sources send dates in several formats and some numbers as Vietnamese text, and a
declared type would refuse the first such page. The edXML of a message stays text too, in both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dlt
import orjson
import pyarrow as pa
from dlt.common.configuration import configspec
from dlt.common.jsonpath import compile_path
from dlt.sources import DltResource
from dlt.sources.helpers.requests import Client
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator, SinglePagePaginator
from dlt.sources.rest_api import RESTAPIConfig, rest_api_resources
from requests import PreparedRequest, Request, Response, Session

from lgsp.settings import Endpoint, Settings
from lgsp.window import Window
from tests.bench import plain

MESSAGES_AT_ONCE = 200  # messages in one Arrow table
TOKEN_SECONDS = 1200  # the portal and the document system do not declare how long theirs lives: half an hour


@dataclass(frozen=True)
class Key:
    """The columns that identify a record of a table, and that order its versions."""

    key: tuple[str, ...]
    changed: str | None = None


# One record of each table is kept by its key; lists have no time of change.
TABLES: Mapping[str, Key] = {
    "one_stop_dossier": Key(("id",), "modifiedDate"),
    "one_stop_agency": Key(("id",)),
    "one_stop_procedure": Key(("id",)),
    "portal_dossier": Key(("MaHoSo",), "NgayCapNhat"),
    "portal_agency": Key(("MADONVI",)),
    "portal_procedure": Key(("MATTHC", "MADONVI")),
    "received_edoc": Key(("docId",), "createdTime"),
    "received_status": Key(("docId",), "createdTime"),
    "edoc": Key(("docId",)),
    "status": Key(("docId",)),
    "work_file": Key(("maHoSo",), "ngayCapNhat"),
    "document_agency": Key(("orgCode",)),
}
# The tables whose rows the sources count as records.
RECORDS = ("one_stop_dossier", "portal_dossier", "received_edoc", "received_status", "work_file")
MESSAGES = {"received_edoc": "edoc", "received_status": "status"}


@configspec
class PortalSession(OAuth2ClientCredentials):
    """Puts the session of the portal into the body of each request."""

    default_token_expiration: int = TOKEN_SECONDS

    def build_access_token_request(self) -> dict[str, Any]:
        return {"json": {"username": self.client_id, "password": self.client_secret}}

    def parse_access_token(self, response_json: Any) -> str:
        return str(response_json["session"])

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self.access_token is None or self.is_token_expired():
            self.obtain_token()
        request.prepare_body(None, None, json={**orjson.loads(request.body), "session": self.access_token})
        return request


@configspec
class DocumentToken(OAuth2ClientCredentials):
    """The token of the document system; `access_token_request_data` is the body of its login."""

    default_token_expiration: int = TOKEN_SECONDS

    def build_access_token_request(self) -> dict[str, Any]:
        return {"json": self.access_token_request_data}

    def parse_access_token(self, response_json: Any) -> str:
        return str(response_json["data"]["token"])


class TextPageNumber(PageNumberPaginator):
    """Pages of the portal: the number is text in the body."""

    def __init__(self) -> None:
        super().__init__(base_page=1, total_path=None, page_body_path="trang")

    def update_request(self, request: Request) -> None:
        request.json = {**request.json, "trang": str(self.current_value)}


def one_stop_shop(endpoint: Endpoint, window: Window) -> RESTAPIConfig:
    """Dossiers of a window, agencies and procedures of the one-stop-shop."""
    auth = OAuth2ClientCredentials(
        access_token_url=f"{endpoint.base_url}/auth/realms/digo/protocol/openid-connect/token",
        client_id=endpoint.login, client_secret=endpoint.password,
    )  # fmt: skip

    def listed(name: str, path: str, **query: str) -> dict[str, Any]:
        return {"name": name, "endpoint": {"path": path, "params": {**query, "spec": "slice"}, "data_selector": "content"}}  # fmt: skip

    return {
        # slices declare no total, and `last` is the opposite of dlt's `has_more_path`: it reads until a page is empty
        "client": {"base_url": endpoint.base_url, "auth": auth, "paginator": PageNumberPaginator(total_path=None)},
        "resources": [
            listed("one_stop_dossier", "/pa/dossier/search", **plain.utc_bounds(window), size="500"),
            listed("one_stop_agency", "/ba/agency", size="1000"),
            listed("one_stop_procedure", "/bd/procedure", size="1000"),
        ],
    }


def online_services(endpoint: Endpoint, window: Window) -> RESTAPIConfig:
    """Dossiers of a window, agencies and procedures of the portal."""
    auth = PortalSession(
        access_token_url=f"{endpoint.base_url}/auth", client_id=endpoint.login, client_secret=endpoint.password
    )

    def listed(name: str, service: str, paginator: Any, **query: str) -> dict[str, Any]:
        body = {"madonvi": endpoint.extra["madonvi"], "service": service, **query}
        return {"name": name, "endpoint": {"path": "/share", "method": "POST", "json": body, "data_selector": "result", "paginator": paginator}}  # fmt: skip

    return {
        "client": {
            "base_url": endpoint.base_url,
            "auth": auth,
            "headers": {"dstcode": endpoint.extra["dstcode"]},
        },
        "resources": [
            listed("portal_dossier", "LayDanhSachHoSo", TextPageNumber(), sodong="200", **plain.local_bounds(window)),
            listed("portal_procedure", "LayDanhSachTTHC", TextPageNumber(), sodong="200"),
            listed("portal_agency", "LayDanhMucCoQuan", SinglePagePaginator()),
        ],
    }


def documents(endpoint: Endpoint, window: Window) -> RESTAPIConfig:
    """Messages listed in a window with their edXML, work files and agencies of the document system."""
    days, extra = plain.day_bounds(window), endpoint.extra
    auth = DocumentToken(
        access_token_url=f"{endpoint.base_url}/v1/auth/login?allow_anonymous=true",
        client_id=endpoint.login, client_secret=endpoint.password,
        access_token_request_data=plain.document_login(endpoint),
    )  # fmt: skip

    def listed(name: str, path: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "endpoint": {"path": path, "paginator": SinglePagePaginator(), "data_selector": "data", **more}}  # fmt: skip

    pages = PageNumberPaginator(base_page=1, page_param="pageIndex", total_path=None)  # `total` counts files, not pages
    agencies = {"name": "document_agency", "endpoint": {"path": "/getAgenciesList", "paginator": SinglePagePaginator()}}
    return {
        "client": {
            "base_url": f"{endpoint.base_url}/v1",
            "auth": auth,
            "headers": {"X-SystemId": extra["system_id"], "X-SecretKey": extra["secret_key"]},
        },
        "resources": [
            *(listed(name, "/syncReceivedEdocList", params={"messageType": kind, **days}) for name, kind in MESSAGES.items()),
            *(listed(kind, "/getEdoc", params={"docId": f"{{resources.{name}.docId}}"}) for name, kind in MESSAGES.items()),
            listed("work_file", "/workFiles", params={**days, "pageSize": "200"}, paginator=pages),
            agencies,
        ],
    }  # fmt: skip


SOURCES = {"one_stop_shop": one_stop_shop, "online_services": online_services, "documents": documents}


def dictionaries(settings: Settings, window: Window) -> list[DltResource]:
    """The resources of dlt's default form: dictionaries of every record."""
    configurations = (describe(settings.endpoint(source), window) for source, describe in SOURCES.items())
    return [resource for configuration in configurations for resource in rest_api_resources(configuration)]


def arrow_tables(settings: Settings, window: Window) -> list[DltResource]:
    """The resources of the Arrow form: an Arrow table of text columns for each page, or for so many messages."""
    resources = []
    for source, describe in SOURCES.items():
        configuration = describe(settings.endpoint(source), window)
        configuration["client"]["session"] = _session()
        configuration["resources"] = [
            _without_repeated_work(resource) for resource in configuration["resources"] if resource["name"] not in MESSAGES.values()
        ]  # fmt: skip
        for pages in rest_api_resources(configuration):
            resources.append(_transformer(_table_of_page, pages, pages.name))
            if pages.name in MESSAGES:
                resources.append(_transformer(_fetcher(configuration["client"]), pages, MESSAGES[pages.name]))
    return resources


def table(rows: list[Mapping[str, Any]]) -> pa.Table:
    """An Arrow table of text columns; a value that is no text is JSON."""
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names})


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _table_of_page(page: list[Mapping[str, Any]]) -> Iterator[pa.Table]:
    if page:
        yield table(page)


def _fetcher(client: Mapping[str, Any]) -> Callable[[list[Mapping[str, Any]]], Iterator[pa.Table]]:
    """A function that fetches the messages of a list, each once."""
    rest = RESTClient(**client)

    def fetch(rows: list[Mapping[str, Any]]) -> Iterator[pa.Table]:
        doc_ids = list(dict.fromkeys(row["docId"] for row in rows))
        for start in range(0, len(doc_ids), MESSAGES_AT_ONCE):
            answers = [
                rest.get("/getEdoc", params={"docId": doc_id}) for doc_id in doc_ids[start : start + MESSAGES_AT_ONCE]
            ]
            yield table([_without_nul(orjson.loads(answer.content)["data"]) for answer in answers])

    return fetch


def _without_nul(message: dict[str, Any]) -> dict[str, Any]:
    # PostgreSQL refuses NUL: one hostile message would end the load. Where dlt writes INSERT statements it removes them
    return {**message, "edxml": message["edxml"].replace("\0", "")}


def _session() -> Session:
    """dlt's session with its retries, which does not look for a proxy in the environment before each request."""
    session = Client(raise_for_status=False).session
    session.trust_env = False
    return session  # type: ignore[no-any-return]


def _transformer(work: Any, pages: DltResource, name: str) -> DltResource:
    # no key: nothing merges files, and dlt would log for each page that the Arrow schema does not have it
    return dlt.transformer(work, data_from=pages, name=f"{name}_table", table_name=name, parallelized=True)  # type: ignore[no-any-return]


def _without_repeated_work(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource whose answers are parsed by orjson, and whose selector is compiled once, not for every page."""
    endpoint = resource["endpoint"]
    if "data_selector" in endpoint:
        endpoint = {**endpoint, "data_selector": compile_path(endpoint["data_selector"])}
    return {**resource, "endpoint": {**endpoint, "response_actions": [_parse_with_orjson]}}


def _parse_with_orjson(response: Response, *arguments: Any, **options: Any) -> Response:
    response.json = lambda **_: orjson.loads(response.content)  # type: ignore[method-assign]
    return response
