"""Tests of the reports in a browser without a network: on a desktop and a phone, in both languages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lgsp import report
from tests.integration.conftest import FIRST, Installation

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
WEEKLY = ("headline", "trend", "levels", "attention", "no_online", "no_data", "silent", "late", "moved", "weeks", "map")
INDEX = ("headline", "components", "ranking")
ANNEX = ("definitions", "statements")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.mark.parametrize("language", report.LANGUAGES)
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", ["weekly", "index"])
def test_a_report_is_shown_without_other_files(
    published: Installation, tmp_path: Path, browser: Any, kind: str, width: int, language: str
) -> None:
    if kind == "weekly":
        written = report.weekly(published.settings, FIRST, language, out=tmp_path)
    else:
        written = report.index(published.settings, "month", date(2026, 8, 1), language, out=tmp_path)
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.set_offline(True)
    page, messages, requests = context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(written.paths[0].as_uri())
    assert messages == [] and [url for url in requests if not url.startswith("data:")] == [written.paths[0].as_uri()]
    for section in (*(WEEKLY if kind == "weekly" else INDEX), *ANNEX):
        assert page.locator(f"#{section}").count() == 1, section
        assert page.locator(f"#{section} :is(h2, h3)").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == width, "the page does not scroll horizontally"
    shown = "narrow" if width == 390 else "wide"
    assert page.locator(f"svg.chart.{shown}:visible").count() == page.locator("svg.chart:visible").count() > 0
    small_texts = "[...document.querySelectorAll('main :is(td, th, li, p, dd)')].filter(e => e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < 10).length"
    assert page.evaluate(small_texts) == 0, "no visible text is smaller than 10 pixels"
    context.close()


def test_a_number_links_to_its_sql_statement(published: Installation, tmp_path: Path, browser: Any) -> None:
    written = report.weekly(published.settings, FIRST, out=tmp_path)
    page = browser.new_page()
    page.goto(written.paths[0].as_uri())
    page.click("#headline >> text=truy vấn SQL")
    page.click("#sql-headline summary")
    assert "history.weekly_digest_as_of(1)" in page.inner_text("#sql-headline code")
    page.close()
