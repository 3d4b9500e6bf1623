"""A sweep finds what no window saw and what was deleted without a word; it believes no accident, and repeats nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from lgsp import check, harmonise, land
from lgsp.cli.sweep import sweep as command
from lgsp.errors import BatchRefused
from lgsp.maintain import sweep
from lgsp.settings import Settings
from lgsp_province import World, serving
from lgsp_province.systems.one_stop_shop_records import dossier_id
from lgsp_province.world.calendar import instant
from tests.integration.conftest import FIRST, MIDNIGHT, WHOLE, Installation

Connections = dict[str, dict[str, Any]]
NOTHING = (0, 0, 0)


@pytest.fixture(scope="module")
def small() -> World:
    return World.generate("tiny", 11, FIRST, date(2026, 8, 10), dossiers_count=200, documents_count=40)


@pytest.fixture(scope="module")
def sound(small: World) -> dict[str, list[str]]:
    """The keys of dossiers that only one system has and in which nothing is odd, by system."""
    view = small.view(instant(MIDNIGHT))
    told: dict[str, list[str]] = {}
    for source, mine, other in (("one_stop_shop", view.one_stop, view.portal), ("online_services", view.portal, view.one_stop)):  # fmt: skip
        there = (mine.visible >= 2) & ~mine.is_deleted & (view.marks.bits == 0)
        rows = [int(row) for row in there.nonzero()[0] if source == "online_services" or not other.visible[row]]
        seen = view.dossier_states(mine, rows)
        told[source] = [one.portal_code if mine is view.portal else dossier_id(one.row, one.submitted) for one in seen]
    return told


@pytest.fixture
def connections(small: World) -> Iterator[Connections]:
    with serving(small, as_of=MIDNIGHT) as told:
        yield told


def hide(connections: Connections, source: str, *keys: str) -> None:
    """Let a source have no records of these keys, and again those hidden before."""
    told = connections[source]
    answer = requests.post(f"http://{told['host']}:{told['port']}/_province/hide", json={"keys": keys}, timeout=10)
    assert answer.json() == {"hidden": len(keys)}


def swept(installation: Installation, source: str) -> dict[str, tuple[int, int, int]]:
    """What a sweep found missing, changed and deleted in each list; then everything is published."""
    lists = sweep.sweep_window(installation.settings, source, WHOLE)
    installation.publish()
    return {one.name: (one.missing, one.changed, one.deleted) for one in lists}


def shown(installation: Installation, *keys: str, schema: str = "shared") -> set[str]:
    """Those of some source keys whose dossier a reader sees."""
    query = f"select source_key from {schema}.dossier_source join {schema}.dossier using (dossier_id) where source_key = any(%s)"
    return {row["source_key"] for row in installation.query(query, list(keys))}


def test_a_late_record_is_found_and_one_deleted_without_a_word_leaves_until_it_is_back(
    install: Callable[..., Installation], connections: Connections, sound: dict[str, list[str]]
) -> None:
    late, gone = sound["one_stop_shop"][:2]
    source, installation = "one_stop_shop", install(connections)
    hide(connections, source, late)
    installation.ingest(source)
    installation.publish()
    assert shown(installation, late, gone) == {gone}
    said = "select status, received_at, due_at, events.n from shared.dossier join shared.dossier_source using (dossier_id), lateral (select count(*) as n from shared.dossier_event e where e.dossier_id = dossier.dossier_id) events where source_key = %s"  # fmt: skip
    before = installation.query(said, gone)

    hide(connections, source, gone)
    missing, changed, deleted = swept(installation, source)["dossiers"]
    assert (missing - undelivered(installation), changed, deleted) == (1, 0, 1)
    assert shown(installation, late, gone) == {late}
    assert shown(installation, gone, schema="history") == {gone}, "its history stays"
    (batch,) = installation.query("select * from ledger.batch where purpose = 'sweep'")
    assert (batch["state"], batch["declared_count"], batch["published_count"]) == ("published", 1, 1)
    hashes = installation.data_hashes()
    assert swept(installation, source) == {"dossiers": NOTHING}, "a second sweep finds nothing further"
    assert installation.data_hashes() == hashes

    hide(connections, source)
    assert swept(installation, source) == {"dossiers": (0, 1, 0)}
    assert shown(installation, late, gone) == {late, gone}
    assert installation.query(said, gone) == before, "it says what it said"
    assert swept(installation, source) == {"dossiers": NOTHING}

    hashes = installation.data_hashes()
    hide(connections, source, late, gone)  # whoever asks the source would hear something else
    again = list(reversed(land.open_rebuild_batches(installation.settings, source, WHOLE)))
    check.run(installation.settings, harmonise.run(installation.settings, again))
    installation.publish()
    assert installation.data_hashes() == hashes, "landed windows and sweeps give the same, in any order"


def undelivered(installation: Installation) -> int:
    """Records that came without a readable key: the source lists their keys, and nobody can tell which they are."""
    return int(installation.query("select count(distinct raw_pointer) as n from ledger.quarantine where source_key = '?'")[0]["n"])  # fmt: skip


def test_a_source_that_lost_most_of_its_records_is_not_believed_unless_somebody_says_so(
    install: Callable[..., Installation],
    connections: Connections,
    sound: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, installation = "one_stop_shop", install(connections)
    installation.ingest(source)
    installation.publish()
    hashes = installation.data_hashes()
    known = [row["source_key"] for row in installation.query("select source_key from record.dossier")]
    lost = known[: len(known) * 6 // 10]
    hide(connections, source, *lost)
    monkeypatch.setattr(Settings, "from_env", lambda: installation.settings)
    order = [source, "--from", str(FIRST), "--to", str(MIDNIGHT.date())]
    refused = CliRunner().invoke(command, order)
    assert refused.exit_code == 3
    assert "the list may be broken; nothing was deleted" in refused.output and "--accept-deletions" in refused.output
    assert installation.publish() is None or installation.data_hashes() == hashes
    assert shown(installation, *lost)
    (row,) = installation.query("select * from ledger.sweep")
    assert row["state"] == "stopped" and row["deleted_count"] > len(known) // 2

    accepted = CliRunner().invoke(command, [*order, "--accept-deletions", "--by", "chị Hoa", "--json"])
    assert accepted.exit_code == 0, accepted.output
    installation.publish()
    assert not shown(installation, *[key for key in lost if key in sound[source]])
    assert installation.query("select decided_by from ledger.override") == [{"decided_by": "chị Hoa"}]


def test_what_was_read_again_is_named_though_it_was_refused(
    install: Callable[..., Installation], monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = install({})

    def differing(done: sweep.Sweep) -> None:
        done.lists[0].difference.missing["a"] = WHOLE.start
        done.lists[0].batch_ids.append("tombstones")

    def refusing(*_: object) -> list[str]:
        raise BatchRefused("refused")

    monkeypatch.setattr(sweep, "_compare", differing)
    monkeypatch.setattr(land, "run", lambda *_: ["again"])
    monkeypatch.setattr(harmonise, "run", lambda _, batch_ids: batch_ids)
    monkeypatch.setattr(check, "run", refusing)
    with pytest.raises(BatchRefused):
        sweep.sweep_window(installation.settings, "one_stop_shop", WHOLE)
    (row,) = installation.query("select state, why, batch_ids from ledger.sweep")
    assert row == {"state": "failed", "why": "refused", "batch_ids": ["tombstones", "again"]}


def test_the_portal_and_the_document_system_are_swept_by_what_each_can_tell(
    install: Callable[..., Installation], connections: Connections, sound: dict[str, list[str]], small: World
) -> None:
    late, gone, installation = *sound["online_services"][:2], install(connections)
    messages = [m for m in small.document_data.messages if m.status is None and m.created_at < instant(MIDNIGHT)]
    document, status = messages[3].doc_id, next(m for m in small.document_data.messages if m.status is not None).doc_id
    hide(connections, "online_services", late)
    hide(connections, "documents", document)
    for source in ("online_services", "documents"):
        installation.ingest(source)
    installation.publish()
    (file,) = installation.query("select work_file_id as id from shared.work_file order by 1 limit 1")

    hide(connections, "online_services", gone)
    hide(connections, "documents", file["id"], status)
    assert swept(installation, "online_services") == {"dossiers": (1, 0, 1)}
    assert swept(installation, "documents") == {"messages": (1, 0, 0), "work_files": (0, 0, 1)}
    assert shown(installation, late, gone) == {late}
    assert installation.query("select 1 from shared.work_file where work_file_id = %s", file["id"]) == []
    assert installation.query("select count(*) as n from record.document where source_key = %s", document) == [{"n": 1}]
    (told,) = installation.query("select why from ledger.sweep where list = 'messages'")
    assert told["why"].startswith("1 stored records are not listed any more"), "a message that is gone is only told"

    assert swept(installation, "online_services") == {"dossiers": NOTHING}
    hide(connections, "documents")
    assert swept(installation, "documents") == {"messages": NOTHING, "work_files": (0, 1, 0)}
    assert len(installation.query("select 1 from shared.work_file where work_file_id = %s", file["id"])) == 1
