"""Write the Data Docs: HTML pages with the check results of the newest batches of each source and of publications.

    data_docs/<source>/index.html              the newest batches, newest first
    data_docs/<source>/<batch>/index.html      one batch: passed or refused, the failed rules with their owners, drift
    data_docs/<source>/<batch>/<suite>.html    one suite as rendered by Great Expectations
    data_docs/publication/…                    the same for the tables of each publication

Only the newest pages are kept; older results are in `ledger.check_result`. The pages load nothing from the network.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lgsp import files
from lgsp.check import drift
from lgsp.schema import sources
from lgsp.sql import one_row

if TYPE_CHECKING:
    from jinja2 import Environment

    from lgsp.check.gate import RuleResult, SuiteResult
    from lgsp.store.ledger import Batch, Connection

log = logging.getLogger(__name__)

# The pages of a batch are a few hundred kilobytes, so the last ten checks of each source stay small.
MAX_CHECKS = 10
MAX_QUARANTINE_LINES = 20  # one line for each rule and agency
PUBLICATION, TITLE = "publication", "Bộ dữ liệu dùng chung"
OWNERS = {
    "agency": ("Đơn vị nhập dữ liệu", "the agency that entered it"),
    "source": ("Đơn vị vận hành hệ thống nguồn", "the operator of the source system"),
    "platform": ("Đội vận hành LGSP", "the platform team"),
}
SEVERITIES = {
    "blocker": ("chặn", "the batch is not published"),
    "error": ("lỗi", "the row goes to quarantine"),
    "warning": ("cảnh báo", "the row is published with a quality flag"),
    "info": ("ghi nhận", "the row is counted"),
}


def publish(
    folder: Path,
    connection: Connection,
    batch: Batch,
    suites: Sequence[SuiteResult],
    quarantine: Sequence[dict[str, Any]],
) -> None:
    """Write the pages of a checked batch and the index of its source, and delete the oldest pages."""
    row = one_row(connection.execute("select * from ledger.batch where batch_id = %s", [batch.batch_id]))
    counts = Counter((item["rule_id"], item["organisation_id"]) for item in quarantine)
    quarantined = [
        {"rule_id": rule, "organisation_id": agency, "records": count}
        for (rule, agency), count in counts.most_common(MAX_QUARANTINE_LINES)
    ]
    title, source_folder = sources.load(batch.source).title, folder / batch.source
    context = {"batch": row, "quarantined": quarantined, "drift": drift.find_drift(connection, batch.batch_id)}
    rows = connection.execute(
        "select batch_id as name, state, why, fetched_count, accepted_count, quarantined_count from ledger.batch "
        "where source = %s and state in ('checked', 'refused', 'published') order by created_at desc, batch_id desc limit %s",
        [batch.source, 2 * MAX_CHECKS],
    ).fetchall()  # fmt: skip
    with _log_write_errors(source_folder):
        _write_check(source_folder / batch.batch_id, title, str(batch.window), suites, context)
        _write_index(source_folder, title, rows)


def publish_tables(folder: Path, snapshot_id: int, suite: SuiteResult, why: str | None) -> None:
    """Write the page with the table rules of a publication and the index of publications; `why` it was refused, or None."""
    publications = folder / PUBLICATION
    context = {"batch": {"state": "refused" if why else "published", "why": why}, "quarantined": [], "drift": []}
    with _log_write_errors(publications):
        _write_check(publications / str(snapshot_id), TITLE, f"snapshot {snapshot_id}", [suite], context)
        numbers = sorted((int(path.name) for path in publications.iterdir() if path.name.isdigit()), reverse=True)
        _write_index(publications, TITLE, [{"name": str(number)} for number in numbers])


@contextmanager
def _log_write_errors(folder: Path) -> Iterator[None]:
    """Log an OSError: a page that cannot be written must not fail the check or the publication."""
    try:
        yield
    except OSError as error:
        log.error("the Data Docs in %s could not be written: %s", folder, error)


def _write_check(folder: Path, title: str, window: str, suites: Sequence[SuiteResult], context: dict[str, Any]) -> None:
    # two batches of one source may be checked at the same time: readers must never see a partly written folder
    building = folder.with_name(f".{folder.name}.{uuid4().hex}")
    building.mkdir(parents=True)
    pages = []
    for suite in suites:
        name = re.sub(r"[^a-z_]+", "-", suite.suite.lower()) + ".html"
        (building / name).write_text(_offline(suite.page), encoding="utf-8")
        pages.append((suite.suite, name))
    results = [result for suite in suites for result in suite.results]
    (building / "index.html").write_text(_template("batch.html").render(
        title=title, window=window, pages=pages, owners=OWNERS, severities=SEVERITIES,
        blocking=[result for result in results if result.blocks], broken=_broken(results),
        clean=[result for result in results if result.is_passed and not result.failed and result.is_evaluated],
        **context,
    ), encoding="utf-8")  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _broken(results: Iterable[RuleResult]) -> list[RuleResult]:
    """The rules with failed rows that do not refuse the batch, most severe first."""
    order = list(SEVERITIES)
    broken = [result for result in results if not result.blocks and (result.failed or not result.is_passed)]
    return sorted(broken, key=lambda result: (order.index(result.rule.severity), -result.failed))


def _write_index(folder: Path, title: str, checks: Sequence[Any]) -> None:
    """List the newest checks that have pages (`checks` is sorted newest first) and delete the pages of older ones."""
    with_pages = [check for check in checks if (folder / str(check["name"])).is_dir()]
    for check in with_pages[MAX_CHECKS:]:
        shutil.rmtree(folder / str(check["name"]), ignore_errors=True)
    page = _template("runs.html").render(title=title, checks=with_pages[:MAX_CHECKS])
    files.replace(folder / "index.html", page.encode())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("lgsp.check", "data_docs"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = _vietnamese_number
    return environment


def _vietnamese_number(value: int) -> str:
    """A whole number with the Vietnamese thousands separator: 1.885."""
    return f"{value:,}".replace(",", ".")


def _template(name: str) -> Any:
    return _environment().get_template(name)


def _offline(page: str) -> str:
    """A Great Expectations page without scripts and without references to other hosts."""
    page = re.sub(r"<(script|link|img)\b[^>]*\b(?:src|href)=[\"']https?:[^>]*>(?:\s*</script>)?", "", page)
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    style = _template("style.css").render()
    return page.replace(
        "</head>", f"<style>{style}footer,.navbar,.modal,button,script{{display:none}}</style></head>", 1
    )
