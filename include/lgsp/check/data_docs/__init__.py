"""Data Docs: what was found about the newest batches of each source, for people who know no Great Expectations.

    data_docs/<source>/index.html              the newest batches, the newest first
    data_docs/<source>/<batch>/index.html      one batch: the verdict, what failed and whose it is, what is unusual
    data_docs/<source>/<batch>/<suite>.html    a suite as Great Expectations shows it
    data_docs/publication/…                    the same for the tables of each publication

Only the newest few are kept; older results are in `ledger.check_result`. The pages need no network.
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

if TYPE_CHECKING:
    from jinja2 import Environment

    from lgsp.check.gate import Judgement, Verdict
    from lgsp.store.ledger import Batch, Connection

log = logging.getLogger(__name__)

# A page of a batch with its suites is a few hundred kilobytes: ten of each source stay readable and small.
KEPT = 10
HELD = 20  # lines of rules and agencies with rows in quarantine
PUBLICATION, TITLE = "publication", "Bộ dữ liệu dùng chung"
OWNERS = {
    "agency": ("Đơn vị nhập dữ liệu", "the agency that entered it"),
    "source": ("Đơn vị vận hành hệ thống nguồn", "who runs the source system"),
    "platform": ("Đội vận hành LGSP", "the platform's own team"),
}
SEVERITIES = {
    "blocker": ("chặn", "nothing may be published"),
    "error": ("lỗi", "the row goes to quarantine"),
    "warning": ("cảnh báo", "published, and flagged"),
    "info": ("ghi nhận", "counted"),
}


def publish(
    folder: Path,
    connection: Connection,
    batch: Batch,
    judgements: Sequence[Judgement],
    quarantine: Sequence[dict[str, Any]],
) -> None:
    """Write the pages of a batch that was just checked, and the index of its source; the oldest go."""
    row = connection.execute("select * from ledger.batch where batch_id = %s", [batch.batch_id]).fetchone()
    assert row is not None
    found = Counter((one["rule_id"], one["organisation_id"]) for one in quarantine)
    held = [
        {"rule_id": rule, "organisation_id": agency, "records": count}
        for (rule, agency), count in found.most_common(HELD)
    ]
    title, mine = sources.load(batch.source).title, folder / batch.source
    told = {"batch": row, "held": held, "drift": drift.drift_of(connection, batch.batch_id)}
    rows = connection.execute(
        "select batch_id as name, state, why, fetched_count, accepted_count, quarantined_count from ledger.batch "
        "where source = %s and state in ('checked', 'refused', 'published') order by created_at desc, batch_id desc limit %s",
        [batch.source, 2 * KEPT],
    ).fetchall()  # fmt: skip
    with _forgiving(mine):
        _write_run(mine / batch.batch_id, title, str(batch.window), judgements, told)
        _write_index(mine, title, rows)


def publish_tables(folder: Path, snapshot_id: int, judgement: Judgement, why: str | None) -> None:
    """Write the page of a publication's table rules, and the index of publications."""
    mine = folder / PUBLICATION
    told = {"batch": {"state": "refused" if why else "published", "why": why}, "held": [], "drift": []}
    with _forgiving(mine):
        _write_run(mine / str(snapshot_id), TITLE, f"snapshot {snapshot_id}", [judgement], told)
        numbers = sorted((int(path.name) for path in mine.iterdir() if path.name.isdigit()), reverse=True)
        _write_index(mine, TITLE, [{"name": str(number)} for number in numbers])


@contextmanager
def _forgiving(folder: Path) -> Iterator[None]:
    """A page that cannot be written is told; no check and no publication fails of it."""
    try:
        yield
    except OSError:
        log.exception("the Data Docs in %s could not be written", folder)


def _write_run(folder: Path, title: str, window: str, judgements: Sequence[Judgement], told: dict[str, Any]) -> None:
    # two batches of one source may be checked at once: nobody sees a folder that is not whole
    building = folder.with_name(f".{folder.name}.{uuid4().hex}")
    building.mkdir(parents=True)
    suites = []
    for judgement in judgements:
        name = re.sub(r"[^a-z_]+", "-", judgement.suite.lower()) + ".html"
        (building / name).write_text(_offline(judgement.page))
        suites.append((judgement.suite, name))
    verdicts = [verdict for judgement in judgements for verdict in judgement.verdicts]
    (building / "index.html").write_text(_template("batch.html").render(
        title=title, window=window, suites=suites, owners=OWNERS, severities=SEVERITIES,
        blocking=[v for v in verdicts if v.blocks], broken=_broken(verdicts),
        held_up=[v for v in verdicts if v.is_passed and not v.failed and v.is_evaluated], **told,
    ))  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _broken(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The rules that something broke without stopping the batch, the gravest first."""
    order = list(SEVERITIES)
    found = [v for v in verdicts if not v.blocks and (v.failed or not v.is_passed)]
    return sorted(found, key=lambda v: (order.index(v.rule.severity), -v.failed))


def _write_index(folder: Path, title: str, runs: Sequence[Any]) -> None:
    """List the newest runs (of `runs`, the newest first) that have pages, and take the pages of the older ones away."""
    there = [run for run in runs if (folder / str(run["name"])).is_dir()]
    for run in there[KEPT:]:
        shutil.rmtree(folder / str(run["name"]), ignore_errors=True)
    files.replace(folder / "index.html", _template("runs.html").render(title=title, runs=there[:KEPT]).encode())


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader

    return Environment(
        loader=PackageLoader("lgsp.check", "data_docs"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


def _template(name: str) -> Any:
    return _environment().get_template(name)


def _offline(page: str) -> str:
    """A page of Great Expectations without what it loads from elsewhere."""
    page = re.sub(r"<(script|link|img)\b[^>]*\b(?:src|href)=[\"']https?:[^>]*>(?:\s*</script>)?", "", page)
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    style = _template("style.css").render()
    return page.replace(
        "</head>", f"<style>{style}footer,.navbar,.modal,button,script{{display:none}}</style></head>", 1
    )
