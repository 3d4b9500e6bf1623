"""Tests of sweeps: they find missed and deleted records, stop at mass deletions, and a second one changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from lgsp import check, land
from lgsp.cli.sweep import sweep as command
from lgsp.errors import BatchRefused, SourceFailed
from lgsp.maintain import sweep
from lgsp.settings import Settings
from lgsp_province import World, serving
from lgsp_province.systems.one_stop_shop_records import dossier_id
from lgsp_province.world.calendar import instant
from tests.exhaustive import exhaustive
from tests.integration.conftest import FIRST, MIDNIGHT, WHOLE, Installation, set_environment, with_short_catalogue

Connections = dict[str, dict[str, Any]]
NOTHING = (0, 0, 0)


@pytest.fixture(scope="module")
def small() -> World:
    """A world of 280 dossiers and 40 documents."""
    return with_short_catalogue(
        World.generate("tiny", 11, FIRST, date(2026, 8, 10), dossiers_count=280, documents_count=40)
    )


@pytest.fixture(scope="module")
def sound(small: World) -> dict[str, list[str]]:
    """The keys of dossiers without defects that only one system has, by system."""
    view = small.view(instant(MIDNIGHT))
    one_stop, portal = view.one_stop, view.portal
    keys: dict[str, list[str]] = {}
    for source, system, other in (("one_stop_shop", one_stop, portal), ("online_services", portal, one_stop)):
        is_sound = (system.visible >= 2) & ~system.is_deleted & (view.marks.bits == 0)
        rows = [int(row) for row in is_sound.nonzero()[0] if source == "online_services" or not other.visible[row]]
        states = view.dossier_states(system, rows)
        keys[source] = [s.portal_code if system is portal else dossier_id(s.row, s.submitted) for s in states]
    return keys


@pytest.fixture
def connections(small: World) -> Iterator[Connections]:
    """The connections of the three sources, which serve the small world."""
    with serving(small, as_of=MIDNIGHT) as connections:
        yield connections


def hide(connections: Connections, source: str, *keys: str) -> None:
    """Hide the records with these keys in a source, and show those that were hidden before."""
    assert post(connections, source, "hide", {"keys": keys}) == {"hidden": len(keys)}


def post(connections: Connections, source: str, command: str, body: dict[str, Any]) -> Any:
    """Send a command to a simulated source; its answer."""
    connection = connections[source]
    url = f"http://{connection['host']}:{connection['port']}/_province/{command}"
    return requests.post(url, json=body, timeout=10).json()


def sweep_and_publish(installation: Installation, source: str) -> dict[str, tuple[int, int, int]]:
    """Sweep a source and publish; the numbers of missing, changed and deleted records of each list."""
    results = sweep.sweep_window(installation.settings, source, WHOLE)
    installation.publish()
    return {result.name: (result.missing, result.changed, result.deleted) for result in results}


def shown(installation: Installation, *keys: str, schema: str = "shared") -> set[str]:
    """Those of the source keys whose dossier is in a schema, by default in the published tables."""
    query = f"select source_key from {schema}.dossier_source join {schema}.dossier using (dossier_id) where source_key = any(%s)"
    return {row["source_key"] for row in installation.query(query, list(keys))}


UNDATED: list[str | None] = [None, "", "chưa sửa", "2199-01-01T00:00:00.000+0000"]


@pytest.mark.exhaustive
def test_a_sweep_finds_records_that_no_window_reaches(
    install: Callable[..., Installation], connections: Connections, sound: dict[str, list[str]]
) -> None:
    source, installation = "one_stop_shop", install(connections)
    keys = sound[source][: len(UNDATED) + 1]
    served = dict(zip(keys, [*UNDATED, None], strict=True))
    post(connections, source, "change-times", {"keys": served})
    hide(connections, source, keys[-1])
    installation.ingest(source)
    installation.publish()
    assert shown(installation, *keys) == set()
    missing, changed, deleted = sweep_and_publish(installation, source)["dossiers"]
    assert (missing - undelivered(installation), changed, deleted) == NOTHING
    assert shown(installation, *keys) == set(keys[:-1])
    rows = installation.query(
        "select r.source_updated_at, d.quality_flags, greatest(d.submitted_at, d.received_at, d.finished_at, d.returned_at, d.closed_at) as newest "
        "from record.dossier r join shared.dossier_source s using (source, source_key) join shared.dossier d using (dossier_id) where source_key = any(%s)",
        keys,
    )
    assert all(row["source_updated_at"] == row["newest"] for row in rows)
    assert all("DOS_CHANGE_TIME" in row["quality_flags"] for row in rows)
    (batch,) = installation.query("select * from ledger.batch where purpose = 'sweep'")
    assert (batch["declared_count"], batch["published_count"]) == (len(UNDATED), len(UNDATED))

    hashes = installation.data_hashes()
    assert sweep_and_publish(installation, source) == {"dossiers": NOTHING}
    assert installation.data_hashes() == hashes, "a second sweep changes nothing"
    hide(connections, source, keys[0])
    sweep_and_publish(installation, source)
    assert shown(installation, *keys) == set(keys[1:]), "one was deleted, one came back"
    hide(connections, source)
    sweep_and_publish(installation, source)
    assert shown(installation, *keys) == set(keys), "the deleted one came back, without a change time"


def test_a_sweep_finds_late_deleted_and_restored_records(
    install: Callable[..., Installation], connections: Connections, sound: dict[str, list[str]]
) -> None:
    late, gone = sound["one_stop_shop"][:2]
    source, installation = "one_stop_shop", install(connections)
    hide(connections, source, late)
    installation.ingest(source)
    installation.publish()
    assert shown(installation, late, gone) == {gone}
    content = "select status, received_at, due_at, events.n from shared.dossier join shared.dossier_source using (dossier_id), lateral (select count(*) as n from shared.dossier_event e where e.dossier_id = dossier.dossier_id) events where source_key = %s"  # fmt: skip
    before = installation.query(content, gone)

    hide(connections, source, gone)
    missing, changed, deleted = sweep_and_publish(installation, source)["dossiers"]
    assert (missing - undelivered(installation), changed, deleted) == (1, 0, 1)
    assert shown(installation, late, gone) == {late}
    assert shown(installation, gone, schema="history") == {gone}, "its history is retained"
    (batch,) = installation.query("select * from ledger.batch where purpose = 'sweep'")
    assert (batch["state"], batch["declared_count"], batch["published_count"]) == ("published", 1, 1)
    hashes = installation.data_hashes()
    assert sweep_and_publish(installation, source) == {"dossiers": NOTHING}, "a second sweep finds no difference"
    assert installation.data_hashes() == hashes

    hide(connections, source)
    assert sweep_and_publish(installation, source) == {"dossiers": (0, 1, 0)}
    assert shown(installation, late, gone) == {late, gone}
    assert installation.query(content, gone) == before, "the restored record is unchanged"
    assert sweep_and_publish(installation, source) == {"dossiers": NOTHING}

    hashes = installation.data_hashes()
    hide(connections, source, late, gone)  # a request to the source would now give another result
    installation.process(list(reversed(land.open_rebuild_batches(installation.settings, source, WHOLE))))
    installation.publish()
    assert installation.data_hashes() == hashes, "landed windows and sweeps give the same dataset in any order"


def undelivered(installation: Installation) -> int:
    """The number of received records without a readable key: a sweep reports their keys as missing."""
    return int(installation.query("select count(distinct raw_pointer) as n from ledger.quarantine where source_key = '?'")[0]["n"])  # fmt: skip


def test_mass_deletions_stop_a_sweep_until_they_are_accepted(
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
    set_environment(monkeypatch, installation.settings)
    arguments = [source, "--from", str(FIRST), "--to", str(MIDNIGHT.date())]
    refused = CliRunner().invoke(command, arguments)
    assert refused.exit_code == 3
    assert "the list may be broken; nothing was deleted" in refused.output and "--accept-deletions" in refused.output
    assert installation.publish() is None or installation.data_hashes() == hashes
    assert shown(installation, *lost)
    (row,) = installation.query("select * from ledger.sweep")
    assert row["state"] == "stopped" and row["deleted_count"] > len(known) // 2

    accepted = CliRunner().invoke(command, [*arguments, "--accept-deletions", "--by", "chị Hoa", "--json"])
    assert accepted.exit_code == 0, accepted.output
    installation.publish()
    assert not shown(installation, *[key for key in lost if key in sound[source]])
    assert installation.query("select decided_by from ledger.override") == [{"decided_by": "chị Hoa"}]


def test_a_failed_sweep_records_the_batches_that_it_landed(
    install: Callable[..., Installation],
    connections: Connections,
    sound: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, installation = "one_stop_shop", install(connections)
    late, gone = sound[source][:2]
    hide(connections, source, late)
    installation.ingest(source)
    installation.publish()
    hide(connections, source, gone)
    check_run = check.run

    def refuse_windows(settings: Settings, batch_ids: list[str]) -> list[str]:
        if installation.batch(batch_ids[0]).purpose == "window":
            raise BatchRefused("refused")
        return check_run(settings, batch_ids)

    monkeypatch.setattr(check, "run", refuse_windows)
    with pytest.raises(BatchRefused):
        sweep.sweep_window(installation.settings, source, WHOLE)
    (row,) = installation.query("select state, why, batch_ids from ledger.sweep")
    assert (row["state"], row["why"]) == ("failed", "refused")
    assert [installation.batch(batch_id).purpose for batch_id in row["batch_ids"]][:2] == ["sweep", "window"]
    landed = installation.query("select batch_id from ledger.batch where state <> 'published' order by 1")
    assert sorted(row["batch_ids"]) == [batch["batch_id"] for batch in landed]


@pytest.mark.exhaustive
def test_a_sweep_of_portal_and_documents_repairs_each_list(
    install: Callable[..., Installation], connections: Connections, sound: dict[str, list[str]], small: World
) -> None:
    # of different days: the portal's days with the number of records that we know are not compared
    late, gone, installation = sound["online_services"][0], sound["online_services"][-1], install(connections)
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
    assert sweep_and_publish(installation, "online_services") == {"dossiers": (1, 0, 1)}
    assert sweep_and_publish(installation, "documents") == {"messages": (1, 0, 0), "work_files": (0, 0, 1)}
    assert shown(installation, late, gone) == {late}
    assert installation.query("select 1 from shared.work_file where work_file_id = %s", file["id"]) == []
    assert installation.query("select count(*) as n from record.document where source_key = %s", document) == [{"n": 1}]
    (messages_row,) = installation.query("select why from ledger.sweep where list = 'messages'")
    assert messages_row["why"].startswith("1 stored records are not listed any more"), "a missing message is reported"

    assert sweep_and_publish(installation, "online_services") == {"dossiers": NOTHING}
    hide(connections, "documents")
    assert sweep_and_publish(installation, "documents") == {"messages": NOTHING, "work_files": (0, 1, 0)}
    assert len(installation.query("select 1 from shared.work_file where work_file_id = %s", file["id"])) == 1


@pytest.mark.parametrize("fault", ["404", *exhaustive("500", "html-200")])
def test_a_document_that_is_not_delivered_is_requested_again(
    fault: str, install: Callable[..., Installation], connections: Connections
) -> None:
    installation, connection = install(connections), connections["documents"]
    reference = install(connections)
    reference.ingest("documents")
    reference.publish()
    keys = "select source_key from record.document order by 1"
    expected = [row["source_key"] for row in reference.query(keys)]
    url = f"http://{connection['host']}:{connection['port']}/_province/faults"
    requests.post(
        url, json={"plan": [{"fault": fault, "path": expected[3], "times": 1000}]}, timeout=10
    ).raise_for_status()
    (batch_id,) = installation.ingest("documents")
    installation.publish()
    held = "select source_key, reason, state from ledger.quarantine where reason like '%%does not deliver it%%'"
    assert [(row["source_key"], row["state"]) for row in installation.query(held)] == [(expected[3], "open")]
    assert installation.batch(batch_id).state == "published", "the others are published"
    requests.post(url, json={"plan": []}, timeout=10).raise_for_status()
    sweep_and_publish(installation, "documents")
    assert [row["source_key"] for row in installation.query(keys)] == expected
    assert [row["state"] for row in installation.query(held)] == ["corrected"]


def test_a_gateway_that_delivers_no_document_has_failed(
    install: Callable[..., Installation], connections: Connections
) -> None:
    connection = connections["documents"]
    url = f"http://{connection['host']}:{connection['port']}/_province/faults"
    requests.post(
        url, json={"plan": [{"fault": "404", "path": "getEdoc", "times": 1000}]}, timeout=10
    ).raise_for_status()
    installation = install(connections)
    with pytest.raises(SourceFailed, match=r"\d+ of \d+ listed messages are not delivered; documents GET /v1/getEdoc"):
        installation.ingest("documents")
    assert installation.query("select state from ledger.batch") == [{"state": "failed"}]
