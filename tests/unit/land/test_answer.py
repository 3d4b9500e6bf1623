"""What the headers and the values of an answer mean: read as they are meant, or an error; never an exception of Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.errors import SourceFailed, SourceRefused
from lgsp.land.answer import FOREVER_SECONDS, Answer, LoginExpired, LoginPage, NotFound, Throttled, retry_after
from lgsp.land.http_client import Manners
from lgsp.land.paging import Pages, required_count, required_token

ADDRESS = "https://gateway.example.gov.vn/lgsp"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7), ("0", 0), (" 30 ", 30), ("1.5", 1.5), ("9" * 400, FOREVER_SECONDS), ("Fri, 31 Dec 9999 23:59:59 -2359", FOREVER_SECONDS),
        ("²", None), ("inf", None), ("nan", None), ("-5", None), ("1e9", None), ("", None), (None, None), ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    ],
)  # fmt: skip
def test_a_wait_is_read_as_it_is_meant(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_a_date_without_a_zone_is_in_gmt() -> None:
    later = datetime.now(UTC) + timedelta(seconds=600)
    without_zone = format_datetime(later, usegmt=True).removesuffix(" GMT")
    assert 590 < (retry_after(without_zone) or 0) <= 600


@given(st.text() | st.from_regex(r"\A[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [-+]\d+\Z"))
def test_any_wait_is_a_number_or_nothing(header: str) -> None:
    seconds = retry_after(header)
    assert seconds is None or 0 <= seconds <= 1e12


def _check(status: int, location: str | None = None, body: bytes = b"", **which: bool) -> None:
    answer = Answer(status, body, "text/html", None, location)
    answer.check_status("documents GET /x", ADDRESS, **{"is_record": False, "is_login": False, **which})


@pytest.mark.parametrize("status", [403, 404, 408, 425, 429, 500, 502, 503])
def test_a_temporary_status_of_a_list_is_asked_again(status: int) -> None:
    with pytest.raises(Throttled, match=f"status {status}"):
        _check(status)


def test_a_record_that_is_not_found_was_deleted() -> None:
    with pytest.raises(NotFound):
        _check(404, is_record=True)


def test_a_403_of_a_login_is_a_refusal_unless_it_is_a_page() -> None:
    with pytest.raises(LoginExpired):
        _check(403, is_login=True, body=b'{"error":"forbidden"}')
    with pytest.raises(Throttled):
        _check(403, is_login=True, body=b"<!DOCTYPE html><html>rate rule</html>")


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("/bao-tri.html", Throttled),
        ("https://gateway.example.gov.vn/bao-tri.html", Throttled),
        ("http://gateway.example.gov.vn:80/bao-tri.html", Throttled),
        ("", Throttled),
        (None, Throttled),
        ("/login?next=/x", LoginPage),
        ("/cas/login", LoginPage),
        ("https://sso.example.gov.vn/login", SourceRefused),
        ("//elsewhere.example/x", SourceRefused),
        ("https://gateway.example.gov.vn:8443/x", SourceRefused),
        ("https://gateway.example.gov.vn.evil.example/x", SourceRefused),
        ("https://gateway.example.gov.vn@evil.example/x", SourceRefused),
        ("http://[::1", SourceRefused),
        ("javascript:alert(1)", SourceRefused),
    ],
)
def test_a_redirect_is_never_followed(location: str | None, error: type[Exception]) -> None:
    with pytest.raises(error, match="redirects are never followed"):
        _check(302, location)


@given(st.text())
def test_any_redirect_is_an_error_of_ours(location: str) -> None:
    with pytest.raises((SourceFailed, SourceRefused)):
        _check(301, location)


@pytest.mark.parametrize(
    "count", [True, 1.0, -1, "", "1,234", "١٢", "²", None, [1], {"a": 1}, 10**30, "9" * 5000, 2_000_000]
)
def test_a_count_is_never_guessed(count: object) -> None:
    with pytest.raises(SourceFailed, match="count: 'total'"):
        required_count({"total": count}, "total", "count", Manners())


@pytest.mark.parametrize("count", [12, "12", " 12 "])
def test_a_count_is_a_number_or_its_digits(count: object) -> None:
    assert required_count({"total": count}, "total", "count", Manners()) == 12


@pytest.mark.parametrize("token", ["", "đ", "a\r\nX: 1", "a b", 5, None, {"a": 1}, "a" * 20_000])
def test_a_token_that_fits_no_header_is_refused_unshown(token: object) -> None:
    with pytest.raises(SourceFailed, match=r"login: 'token' is not a token: it must be [^đ]+$"):
        required_token({"token": token}, "token", "login")


@given(st.integers(0, 3000), st.integers(1, 500))
def test_pages_as_declared_are_read_to_their_end(declared: int, size: int) -> None:
    pages = Pages("list", Manners(), page_size=500, declared=declared)
    for start in range(0, declared, size):
        pages.add([str(number) for number in range(start, min(start + size, declared))])
    pages.add([])


@given(st.integers(0, 3000), st.integers(0, 500))
def test_pages_without_end_are_an_error(declared: int, size: int) -> None:
    pages = Pages("list", Manners(), page_size=500, declared=declared)
    with pytest.raises(SourceFailed, match="declared records"):
        for page in range(declared * 2 + 1000):
            pages.add([f"{page}-{number}" for number in range(size)])
