"""Every hostile answer ends: its run is checked, or its batch is closed with one line that names source and call."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lgsp import store
from lgsp.check import gate
from lgsp.cli.main import main
from lgsp.schema import sources
from tests.integration.conftest import Installation, set_environment
from tests.integration.hostile import contents, transfers, wire
from tests.integration.hostile.wire import Hostile, Source

SOURCES = wire.sources()
# A run may take `total_seconds` for each attempt of a call; this is several times as long, for a busy machine.
GUARD_SECONDS = 120
LIMITS = {"attempts": 2, "total_seconds": 1.5, "idle_seconds": 1, "connect_seconds": 1, "backoff_seconds": 0.01, "max_megabytes": 1,
          "max_list_records": 3000, "retry_after_cap_seconds": 5}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code, standard error, state and reason of its batch, and the rules of quarantined records."""

    code: int
    stderr: str
    state: str
    why: str
    rules: set[str]


@pytest.fixture
def run(empty_store: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[[Source, str, Hostile], Ended]:
    """Runs `lgsp run` against a source of which one call is answered by a hostile answer."""

    def run(source: Source, call: str, hostile: Hostile) -> Ended:
        for name, value in LIMITS.items():
            monkeypatch.setitem(sources.load(source.name).manners, name, value)
        with wire.serving(source, call, hostile) as server:
            set_environment(monkeypatch, empty_store.connected_to({source.name: server.connection}).settings)
            result = _invoke("run", source.name, "--from", "2026-08-03", "--to", "2026-08-04")
        assert server.strayed == [], "nothing is sent to another server"
        return _ended(empty_store, result)

    with store.connect(empty_store.settings) as connection:
        connection.execute("truncate ledger.request_pause, ledger.request_budget, ledger.quarantine")
    return run


def _invoke(*arguments: str) -> Result:
    """Run a command in a thread that ends; logs go nowhere, as without --verbose."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(CliRunner().invoke(main, arguments)), daemon=True)
    logging.disable(logging.ERROR)
    try:
        thread.start()
        thread.join(GUARD_SECONDS)
    finally:
        logging.disable(logging.NOTSET)
    assert results, "the run did not end"
    return results[0]


def _ended(installation: Installation, result: Result) -> Ended:
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    (batch,) = installation.query("select * from ledger.batch order by created_at desc, batch_id desc limit 1")
    rows = installation.query("select rule_id from ledger.quarantine where batch_id = %s", batch["batch_id"])
    return Ended(
        result.exit_code, result.stderr.strip(), batch["state"], batch["why"] or "", {row["rule_id"] for row in rows}
    )


def _check(ended: Ended, source: str, expected: str) -> None:
    """Check the end of a run: `checked`, `quarantined`, or an error with this pattern."""
    if expected in ("checked", contents.QUARANTINED):
        assert (ended.code, ended.state) == (0, "checked"), ended
        assert bool(ended.rules) == (expected == contents.QUARANTINED), ended
        return
    is_refused = ended.state == "refused"
    assert ended.code == (3 if is_refused else 4) and ended.state in ("failed", "refused"), ended
    assert re.search(expected, ended.stderr) and len(ended.stderr.splitlines()) == 1, ended
    assert ended.why and ended.why in ended.stderr, "the batch is closed with the same reason"
    assert is_refused or ended.stderr.startswith(f"lgsp: {source} "), "the error names source and call"
    assert ended.stderr.isprintable() and "PASSWORD" not in ended.stderr and "TOKEN" not in ended.stderr


Run = Callable[[Source, str, Hostile], Ended]
OTHERS = ("online_services", "documents")
# Each answer of this list takes another way through a connector; the others are variants, and are tried exhaustively.
TYPICAL = {
    "redirect", "chunked-endless", "chunk-ext-tiny", "gzip-bomb", "gzip-cut", "slow-headers", "slow-body", "continue-endless", "headers-10000",
    "content-length-word", "content-length-short", "retry-after-9999", "status-206", "status-204", "reset", "html-login-page",
    "json-truncated", "json-depth-100k", "json-nan", "json-duplicate-keys", "json-utf16", "json-bom", "jsonp", "top-null",
    "token-newline", "list-endless", "count-huge", "count-float", "count-null", "endless-pages", "page-of-500", "content-dict", "id-900kb",
    "id-dict", "id-nul-newline", "string-900kb", "fields-50k", "dates-odd", "session-dict", "total-huge", "catalogue-endless",
    "list-row-null", "list-longer-than-declared", "work-files-endless", "edxml-50000-namespaces", "edxml-deep", "record-null",
}  # fmt: skip
# The parts of a connector that differ by source are few: these answers reach all of them.
FOR_EACH_SOURCE = {"redirect", "slow-headers", "gzip-cut", "html-login-page", "retry-after-9999"}


def _rare(names: Iterable[str], typical: Collection[str] = TYPICAL) -> list[Any]:
    """Parameters, of which those that are not typical run only exhaustively."""
    return [name if name in typical else pytest.param(name, marks=pytest.mark.exhaustive) for name in names]


@pytest.mark.parametrize("name", _rare(transfers.TRANSFERS))
def test_a_hostile_transfer_ends(name: str, run: Run) -> None:
    _check(run(SOURCES["one_stop_shop"], "list", transfers.TRANSFERS[name][0]), "one_stop_shop", transfers.TRANSFERS[name][1])  # fmt: skip


@pytest.mark.parametrize("name", _rare(transfers.TRANSFERS, FOR_EACH_SOURCE))
@pytest.mark.parametrize("source", OTHERS)
def test_a_hostile_transfer_ends_for_each_source(name: str, source: str, run: Run) -> None:
    _check(run(SOURCES[source], "list", transfers.TRANSFERS[name][0]), source, transfers.TRANSFERS[name][1])


@pytest.mark.parametrize("call", ["login", "agencies"])
@pytest.mark.parametrize(
    "name",
    _rare(["slow-headers", "continue-endless", "chunk-ext-tiny", "body-10gb", "gzip-cut", "top-null"], FOR_EACH_SOURCE),
)
def test_every_call_ends(name: str, call: str, run: Run) -> None:
    hostile, expected = (transfers.TRANSFERS | contents.CONTENTS)[name]
    _check(run(SOURCES["one_stop_shop"], call, hostile), "one_stop_shop", expected)


@pytest.mark.parametrize("name", _rare(contents.CONTENTS))
def test_hostile_json_is_read_rightly_or_refused(name: str, run: Run) -> None:
    _check(run(SOURCES["one_stop_shop"], "list", contents.CONTENTS[name][0]), "one_stop_shop", contents.CONTENTS[name][1])  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", contents.CONTENTS)
@pytest.mark.parametrize("source", OTHERS)
def test_each_source_reads_hostile_json_rightly(name: str, source: str, run: Run) -> None:
    _check(run(SOURCES[source], "list", contents.CONTENTS[name][0]), source, contents.CONTENTS[name][1])


SPECIFIC = [
    pytest.param(source, *answer, id=f"{source}-{name}", marks=() if name in TYPICAL else pytest.mark.exhaustive)
    for source, answers in (("one_stop_shop", contents.ONE_STOP), ("online_services", contents.PORTAL), ("documents", contents.DOCUMENTS))
    for name, answer in answers.items()
]  # fmt: skip


@pytest.mark.parametrize(("source", "call", "hostile", "expected"), SPECIFIC)
def test_a_hostile_value_is_never_guessed(source: str, call: str, hostile: Hostile, expected: str, run: Run) -> None:
    _check(run(SOURCES[source], call, hostile), source, expected)


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_characters_cost_only_their_records(
    source: str, run: Run, empty_store: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MAX_QUARANTINED_SHARE", 1)
    ended = run(*contents.damaged_source(source))
    assert (ended.code, ended.state) == (0, "checked"), ended
    rows = empty_store.query(
        "select source_key from ledger.quarantine where rule_id like '%%DAMAGED' and kind <> 'organisation' and source = %s",
        source,
    )
    assert len(rows) == len(contents.DAMAGES), "each damage costs its record"
    (batch,) = empty_store.query(
        "select accepted_count from ledger.batch where source = %s order by created_at desc limit 1", source
    )
    assert batch["accepted_count"] == 1, "the record between them is accepted"


def test_a_damaged_listing_costs_its_message(run: Run) -> None:
    damage = contents.damaged(contents.DAMAGES["invalid-utf8"])
    ended = run(SOURCES["documents"], "list", damage)
    assert (ended.code, ended.state, ended.rules) == (0, "checked", {"DOC_DAMAGED"}), ended


def test_a_damaged_agency_costs_its_row(run: Run) -> None:
    ended = run(
        SOURCES["one_stop_shop"], "agencies", lambda wire: wire.whole(wire.sound.replace(b"UBND x", b"UBND\xff x"))
    )
    assert (ended.code, ended.rules) == (0, {"LIST_DAMAGED"}), ended


def test_a_wait_that_a_source_asks_for_is_stored(run: Run, empty_store: Installation) -> None:
    def answer(page: wire.Wire) -> None:
        if page.number:
            page.whole(page.sound)
        else:
            page.head("429 X", 0, more="Retry-After: 2\r\n")

    assert run(SOURCES["one_stop_shop"], "list", answer).code == 0
    (pause,) = empty_store.query("select source, paused_until - requested_at as wait from ledger.request_pause")
    assert pause["source"] == "one_stop_shop" and round(pause["wait"].total_seconds()) == 2


def test_a_run_in_quiet_hours_makes_no_call(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = replace(sources.load("one_stop_shop"), quiet_hours=("00:00-12:00", "12:00-24:00"))
    monkeypatch.setattr(sources, "load", lambda name: quiet)
    ended = run(SOURCES["one_stop_shop"], "login", lambda page: pytest.fail("a call was made"))
    assert (ended.code, ended.state) == (4, "failed") and "quiet hours (00:00-12:00, 12:00-00:00" in ended.stderr
