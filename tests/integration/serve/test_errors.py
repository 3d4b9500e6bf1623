"""Every refusal has one form, a stable code and a message in the reader's language; limits hold; failures cut streams."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lgsp.serve import database, limits, reads
from lgsp.serve.rows import Rows
from tests.integration.serve.conftest import Api, token

REFUSED = {
    "dosier": (404, "NotFound"), "dossier/x": (404, "NotFound"), "dossier('x')/status": (501, "NotImplemented"), "$batch": (501, "NotImplemented"),
    "dossier?$expand=x": (501, "NotImplemented"), "dossier?$apply=x": (501, "NotImplemented"), "dossier?filter=x": (400, "InvalidQuery"),
    "dossier?$select=x": (400, "UnknownColumn"), "dossier?$orderby=x": (400, "UnknownColumn"), "dossier?$top=x": (400, "InvalidQuery"),
    "dossier?$skip=10001": (400, "QueryTooLarge"), "dossier?$format=xlsx": (406, "NotAcceptable"), "dossier?$count=1": (400, "InvalidQuery"),
    "dossier?$top=1&$top=1": (400, "InvalidQuery"), "dossier/$count?$top=1": (400, "InvalidQuery"), "dossier(5)": (400, "WrongType"),
    "dossier?$filter=%FF": (400, "InvalidQuery"), "dossier?$filter=%00": (400, "InvalidQuery"), "dossier('%00')": (400, "WrongType"),
    "dossier?" + "x" * 8200: (414, "UrlTooLong"), "$metadata?$filter=x": (400, "InvalidQuery"), "snapshot?$deltatoken=1-1": (501, "NotImplemented"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), REFUSED.items(), ids=lambda value: str(value)[:30])
def test_a_refused_request_has_a_stable_code(api: Api, path: str, expected: tuple[int, str]) -> None:
    answer = api.get(path, X_Request_Id="r1")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == expected
    assert {"code": "RequestId", "message": "r1"} in error["details"] and answer.headers["X-Request-Id"] == "r1"
    vietnamese = api.get(path, Accept_Language="fr, vi;q=0.9, en;q=0.2").json()["error"]
    assert vietnamese["code"] == error["code"] and vietnamese["message"] != error["message"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(api: Api, method: str) -> None:
    answer = api.get("dossier", method=method)
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["Allow"]) == (
        405,
        "MethodNotAllowed",
        "GET, HEAD",
    )
    assert api.get("/", method="GET").json()["error"]["code"] == "NotFound"


def test_an_error_is_enveloped_on_request(api: Api) -> None:
    for answer in (
        api.get("dosier", Accept="application/vnd.lgsp.envelope+json"),
        api.get("dossier('x')?$format=lgsp"),
    ):
        document = answer.json()
        assert (answer.status_code, document["status"], document["code"], document["data"]) == (
            404,
            "error",
            "LGSP-404",
            None,
        )
        assert document["correlationId"] == answer.headers["X-Request-Id"] and document["message"]


def test_links_never_use_the_host_header(api: Api) -> None:
    page = api.json("dossier", Host="evil.example", Prefer="odata.maxpagesize=1")
    assert page["@odata.nextLink"].startswith(api.url) and page["@odata.context"].startswith(api.url)


def test_an_account_has_a_limit_of_requests(
    api: Api, changing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUESTS", 3)
    with changing() as limited:
        answers = [limited.get("service/$count") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[1].headers["RateLimit"].startswith('"account";r=1;t=')
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 60
        assert answers[3].json()["error"]["code"] == "TooManyRequests"
        assert limited.get("service/$count", "figures").status_code == 200, "each account has its own"


def test_an_address_has_a_limit_of_failed_logins(changing: Callable[..., Any]) -> None:
    with changing() as api:
        statuses = [api.get("service", "wrong").status_code for _ in range(limits.FAILED_LOGINS + 1)]
        assert statuses == [401] * limits.FAILED_LOGINS + [429]
        assert api.get("service/$count").status_code == 200, "a right token is never refused for others"


def test_an_account_has_a_limit_of_requests_at_once(
    changing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, begun = threading.Event(), threading.Semaphore(0)

    def slow(rows: Rows, connection: Any) -> int:
        begun.release()
        waiting.wait(20)
        return 0

    monkeypatch.setattr(Rows, "count", slow)
    with changing() as api:
        threads = [threading.Thread(target=api.get, args=("service/$count",)) for _ in range(limits.AT_ONCE)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert begun.acquire(timeout=20)
        assert api.get("service/$count").status_code == 429
        assert api.get("service?$top=1", "figures").status_code == 200
        waiting.set()
        for thread in threads:
            thread.join()
        assert api.get("service/$count").status_code == 200


def test_a_failing_stream_is_cut(changing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    original = Rows.stream

    def failing(rows: Rows, connection: Any) -> Any:
        yield next(iter(original(rows, connection)))
        raise RuntimeError("a broken row")

    monkeypatch.setattr(Rows, "stream", failing)
    with changing() as api:
        for chosen in ("csv", "ndjson", "arrow"):
            for encoding in ("gzip", "identity"):
                with pytest.raises(httpx.RemoteProtocolError):
                    api.get(f"dossier_event?$format={chosen}", Accept_Encoding=encoding)
        for _ in range(limits.AT_ONCE + 1):
            assert api.get("service/$count").status_code == 200, "the connection and the place were given back"


def test_a_slow_query_is_ended(changing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(rows: Rows, connection: Any) -> int:
        return int(connection.execute("select count(pg_sleep(30))").fetchone()[0])

    monkeypatch.setattr(Rows, "count", slow)
    monkeypatch.setattr(database.Database.reading.__wrapped__, "__defaults__", (1,))  # type: ignore[attr-defined]
    with changing() as api:
        answer = api.get("service/$count")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "QueryTooSlow")
        assert "Retry-After" in answer.headers


def test_a_failure_of_the_program_shows_no_details(
    changing: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> Any:
        raise RuntimeError("secret details")

    monkeypatch.setattr(reads.Reader, "answer", broken)
    with changing() as api:
        answer = api.get("service", X_Request_Id="r9")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "Internal")
        assert "secret" not in answer.text and answer.headers["X-Request-Id"] == "r9"


def test_pages_of_other_origins_are_a_setting(api: Api, changing: Callable[..., Any]) -> None:
    assert "Access-Control-Allow-Origin" not in api.get("service?$top=1", Origin="https://maps.example.vn").headers
    with changing(LGSP_SERVE_ORIGINS="https://maps.example.vn https://b.example.vn") as open_to:
        allowed = open_to.get("service?$top=1", Origin="https://maps.example.vn")
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://maps.example.vn"
        assert "Access-Control-Allow-Origin" not in open_to.get("service?$top=1", Origin="https://evil.example").headers


def test_the_service_cannot_write(api: Api) -> None:
    from lgsp.serve.service import Service

    service = Service(api.installation.settings, api.url)
    service.database.start()
    try:
        with service.database.reading() as connection:
            assert connection.execute("select current_user, current_setting('transaction_read_only')").fetchone() == (
                "lgsp_api",
                "on",
            )
            with pytest.raises(Exception, match="permission denied"):
                connection.execute("select * from restricted.applicant_token")
    finally:
        service.database.stop()
    assert token("whole") not in str(api.installation.query("select * from ledger.reader"))
