"""Reference lists belong to a time: what is published of them is the same in whatever order their days are read."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from click.testing import CliRunner

from lgsp.cli.main import main
from lgsp.errors import BatchRefused
from lgsp.store.embedded_postgres import Server
from lgsp.window import Window
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation, installed, set_environment
from tests.integration.readings import FIRST, NAMES, PROCEDURES, A, B, C, Reading, dossier, named, read

TABLES = (
    "organisation", "organisation_alias", "service", "service_offering", "dossier", "dossier_event", "service_kpi", "zero_activity", "form_06a",
)  # fmt: skip


def _world(seed: int, days: int) -> list[Reading]:
    """Random lists of one-stop-shop and portal over some days, with dossiers that name agencies by code or by name."""
    rng = random.Random(seed)
    readings = []
    for day in range(days):
        listed = {code: name for code, name in NAMES.items() if rng.random() < 0.7} or {A: NAMES[A]}
        if rng.random() < 0.4 and B in listed:
            listed[B] = "UBND phường Sơn Phong"
        agencies = [named(code, name if rng.random() < 0.5 else None) for code, name in NAMES.items()]
        agencies += [named(None, name) for name in (*NAMES.values(), "UBND phường Sơn Phong")]
        dossiers = [dossier(day * 10 + n, day, rng.choice(agencies), coded=rng.choice(list(NAMES))) for n in range(4)]
        old = day * 10 - 10
        if day:
            dossiers.append(dossier(old, day - 1, rng.choice(agencies), changed=day))
        procedures = tuple(code for code in PROCEDURES if rng.random() < 0.8) or tuple(PROCEDURES)
        readings.append(Reading(day, listed, tuple(dossiers), procedures))
        readings.append(Reading(day, listed, (), procedures, "online_services"))
    return readings


def _published(server: Server, home: Path, readings: Iterable[Reading], publishes_each: bool) -> dict[str, str]:
    installation = installed(server, home, {})
    for reading in readings:
        read(installation, reading, publishes=publishes_each)
    installation.publish()
    hashes = installation.data_hashes()
    return {table: hashes[table] for table in TABLES}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("seed", "days"), [(8, 2), (3, 4), (8, 4), (21, 4)])
def test_lists_read_in_any_order_publish_the_same_rows(server: Server, tmp_path: Path, seed: int, days: int) -> None:
    readings = _world(seed, days)
    shuffled = [*readings, *random.Random(seed).sample(readings, 2)]
    random.Random(seed).shuffle(shuffled)
    forwards = _published(server, tmp_path, readings, publishes_each=True)
    if days > 2:
        assert _published(server, tmp_path, readings[::-1], publishes_each=True) == forwards
    assert _published(server, tmp_path, shuffled, publishes_each=False) == forwards


def _agencies_of(installation: Installation) -> list[str]:
    rows = installation.query("select receiving_organisation_id as agency from shared.dossier order by dossier_id")
    return [row["agency"] for row in rows]


def test_an_agency_that_is_listed_no_more_keeps_its_dossiers(installation: Installation) -> None:
    received = tuple(dossier(n, 0, named(B, NAMES[B]), coded=B) for n in range(8))
    read(installation, Reading(0, NAMES, received))
    remaining = {A: NAMES[A], C: NAMES[C]}
    read(installation, Reading(1, remaining))
    read(installation, Reading(0, remaining, received))
    assert _agencies_of(installation) == ["H47.20.26"] * 8
    (ended,) = installation.query(
        "select valid_to, is_current from shared.organisation where organisation_id = 'H47.20.26'"
    )
    assert ended == {"valid_to": FIRST + timedelta(days=1), "is_current": False}
    assert not installation.query("select from history.dossier")


def test_an_agency_of_another_source_is_known(installation: Installation) -> None:
    read(installation, Reading(0, {A: NAMES[A]}, (dossier(1, 0, named(C), coded=C),)))
    assert _agencies_of(installation) == ["UNKNOWN"]
    read(installation, Reading(0, NAMES, source="online_services"))
    assert _agencies_of(installation) == ["H47.20.27"]


def test_a_list_that_arrives_late_repairs_what_waited(installation: Installation) -> None:
    waiting = (
        dossier(1, 0, named(B, NAMES[B]), coded=B, procedure={"code": "1.001193.000.00.00.H47"}),
        dossier(2, 0, named(None, NAMES[C])),
    )
    read(installation, Reading(0, {A: NAMES[A]}, waiting, procedures=("2.000815",)))
    before = installation.query(
        "select receiving_organisation_id, service_code, quality_flags from shared.dossier order by dossier_id desc"
    )
    assert [row["receiving_organisation_id"] for row in before] == ["UNKNOWN", "UNKNOWN"]
    assert before[0]["service_code"] == "UNKNOWN" and before[0]["quality_flags"] == ["DOS_ORG_KNOWN", "DOS_PROC_KNOWN"]
    assert not installation.query("select from shared.organisation_alias where alias_key like '%%cẩm phô'")
    read(installation, Reading(1, NAMES))
    after = installation.query(
        "select receiving_organisation_id, service_code, quality_flags, snapshot_id from shared.dossier order by dossier_id desc"
    )
    assert [row["receiving_organisation_id"] for row in after] == ["H47.20.26", "H47.20.27"]
    assert after[0] == {
        "receiving_organisation_id": "H47.20.26",
        "service_code": "1.001193",
        "quality_flags": [],
        "snapshot_id": 2,
    }
    assert len(installation.query("select from history.dossier where snapshot_to = 2")) == 2
    assert len(installation.query("select from history.dossier_changes(1)")) >= 2
    (alias,) = installation.query(
        "select organisation_id, matched_by from shared.organisation_alias where alias_key like '%%cẩm phô'"
    )
    assert alias["organisation_id"] == "H47.20.27"


HANDED_OVER = (
    Reading(0, NAMES, (dossier(1, 0, named(A)),)),
    Reading(1, NAMES, (dossier(1, 0, named(B), changed=1),)),
    Reading(2, NAMES, (dossier(1, 0, named(A), changed=2),)),
    Reading(3, NAMES, (dossier(1, 0, named(C), changed=3),)),
)


@pytest.mark.parametrize("order", [(3, 0), *exhaustive(*((order,) for order in permutations(range(4))))], ids=str)
def test_the_receiving_agency_is_the_first_that_is_named(installation: Installation, order: Sequence[int]) -> None:
    for number in order:
        read(installation, HANDED_OVER[number])
    assert _agencies_of(installation) == ["H47.20.25"]


@pytest.mark.exhaustive
def test_the_first_named_agency_survives_a_rebuild(installation: Installation) -> None:
    for reading in HANDED_OVER:
        read(installation, reading)
    installation.rebuild("one_stop_shop", Window.of_days(FIRST, FIRST + timedelta(days=3)))
    installation.publish()
    assert _agencies_of(installation) == ["H47.20.25"]


def test_what_was_handed_over_stays_with_the_former_agency(installation: Installation) -> None:
    merger = (date(2025, 7, 1) - FIRST).days
    listed = {A: NAMES[A], "H47.113": "UBND phường Hội An Đông"}
    read(
        installation,
        Reading(merger + 1, listed, (dossier(1, merger - 20, named("H47.113"), coded=A, changed=merger + 1),)),
    )
    assert _agencies_of(installation) == ["H47.20.25"]


def test_a_name_means_no_agency_that_did_not_exist_yet(installation: Installation) -> None:
    merger = (date(2025, 7, 1) - FIRST).days
    listed = {"H47.113": "UBND phường Hội An Đông", A: NAMES[A], B: NAMES[B]}
    name = listed["H47.113"]
    received = (
        dossier(1, merger - 20, named("H47.20.27", name), coded=C, changed=merger + 1),
        dossier(2, merger - 20, named(None, name), coded=C, changed=merger + 1),
        dossier(3, merger - 20, named(None, name), coded="H47.113", changed=merger + 1),
        dossier(4, merger - 20, named(None, name), coded=A, changed=merger + 1),
        dossier(5, merger, named("H47.20.27", name), coded=C, changed=merger + 1),
    )
    read(installation, Reading(merger + 1, listed, received))
    agencies = "select source_key, receiving_organisation_id from record.dossier"
    found = {"d1": "UNKNOWN", "d2": "UNKNOWN", "d3": "H47.113", "d4": "H47.20.25", "d5": "H47.113"}
    assert {row["source_key"]: row["receiving_organisation_id"] for row in installation.query(agencies)} == found
    read(installation, Reading(merger - 30, {A: NAMES[A], C: NAMES[C]}))
    found |= {"d1": "H47.20.27", "d5": "H47.20.27"}
    assert {row["source_key"]: row["receiving_organisation_id"] for row in installation.query(agencies)} == found


@pytest.mark.parametrize("rest", [dict(list(NAMES.items())[:1]), *exhaustive({})], ids=len)
def test_a_list_that_lost_its_rows_is_refused(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, rest: dict[str, str]
) -> None:
    many = NAMES | {f"000.{n}.20.H47": f"UBND xã Số {n}" for n in range(30, 45)}
    read(installation, Reading(0, many))
    with pytest.raises(BatchRefused, match=r"LIST_SHRUNK.*organisation: of 19 rows"):
        read(installation, Reading(1, rest))
    assert installation.publish() is None
    assert (
        len(installation.query("select from shared.organisation where valid_to is null or valid_to = '2025-07-01'"))
        >= 19
    )
    set_environment(monkeypatch, installation.settings)
    (batch,) = installation.query("select batch_id from ledger.batch where state = 'refused'")
    accepted = CliRunner().invoke(
        main, ["batch", "accept", batch["batch_id"], "LIST_SHRUNK", "--by", "an", "--why", "reorganised"]
    )
    assert accepted.exit_code == 0, accepted.output
    installation.publish()
    ended = installation.query(
        "select distinct organisation_id from shared.organisation where valid_to = %s", FIRST + timedelta(days=1)
    )
    assert len(ended) == (17 if rest else 19)


def test_a_list_of_an_earlier_day_may_be_shorter(installation: Installation) -> None:
    many = NAMES | {f"000.{n}.20.H47": f"UBND xã Số {n}" for n in range(30, 45)}
    read(installation, Reading(3, many))
    read(installation, Reading(0, {A: NAMES[A]}))
    assert len(installation.query("select distinct organisation_id from shared.organisation")) == 19


def test_an_offering_has_the_level_of_each_time(installation: Installation) -> None:
    for day in (2, 0, 1):
        read(installation, Reading(day, NAMES, source="online_services", procedures=("2.000815",)))
    rows = installation.query(
        "select online_level, valid_from, valid_to from shared.service_offering where organisation_id = 'H47.20.25' order by valid_from"
    )
    days = [FIRST + timedelta(days=n) for n in (1, 2)]
    assert [(row["online_level"], row["valid_from"], row["valid_to"]) for row in rows][1:] == [
        (4, days[0], days[1]),
        (3, days[1], date(2025, 7, 1)),
    ]
    assert (rows[0]["online_level"], rows[0]["valid_to"]) == (3, days[0])


def test_a_list_is_that_of_all_days_of_its_window(installation: Installation) -> None:
    read(installation, Reading(0, {A: NAMES[A], B: NAMES[B]}))
    read(installation, Reading(1, {A: NAMES[A], C: NAMES[C]}, last=9))
    rows = installation.query("select organisation_id, valid_from, valid_to from shared.organisation")
    days = {row["organisation_id"]: (row["valid_from"], row["valid_to"]) for row in rows}
    assert days["H47.20.26"][1] == FIRST + timedelta(days=1)
    assert days["H47.20.27"][0] == FIRST + timedelta(days=1)
