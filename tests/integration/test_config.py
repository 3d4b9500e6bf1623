"""A province changes codes, calendar and territories with files in LGSP_CONFIG: no restart, no image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from lgsp import config, store
from lgsp.cli.main import main
from lgsp.config.copies import Copies
from lgsp.harmonise.organisations import matcher
from lgsp.schema import codelists
from lgsp.settings import Settings
from lgsp.vietnam import holiday_overrides, territory_files, working_days
from lgsp.window import Window
from tests.integration.conftest import Installation
from tests.integration.readings import FIRST, NAMES, A, Reading, dossier, named, read, read_answers

STATUS = "codelists/dossier_status.yml"


@pytest.fixture
def own(installation: Installation, tmp_path: Path) -> Iterator[Installation]:
    """An installation with an empty folder of its own; the process uses the program alone afterwards."""
    folder = tmp_path / "own"
    folder.mkdir()
    yield Installation(Settings.from_env({**installation.settings.environment, "LGSP_CONFIG": str(folder)}))
    config.use(config.SHIPPED)


@pytest.fixture
def lgsp(own: Installation, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command in this process; its output."""
    for name, value in own.settings.environment.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == exit_code, result.output + str(result.exception)
        return result.output

    return call


def _write(installation: Installation, name: str, text: str) -> None:
    assert installation.settings.config is not None
    path = installation.settings.config / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _dossiers(*statuses: int) -> tuple[dict[str, Any], ...]:
    return tuple(dossier(n, 0, named(A), dossierStatus={"id": status}) for n, status in enumerate(statuses, 1))


def _statuses(installation: Installation) -> list[str]:
    return [row["status"] for row in installation.query("select status from shared.dossier order by dossier_id")]


def _hashes(installation: Installation) -> list[str]:
    return [row["config_hash"] for row in installation.query("select config_hash from ledger.batch order by created_at, batch_id")]  # fmt: skip


def test_a_new_code_is_one_line_and_a_redrive(own: Installation, lgsp: Callable[..., str]) -> None:
    read(own, Reading(0, NAMES, _dossiers(4, 77, 77)))
    assert _statuses(own) == ["finished"] and _hashes(own) == ["shipped"]
    assert lgsp("config", "diff") == "nothing differs from the program\n"

    _write(own, STATUS, 'one_stop_shop:\n  "77": returned\n')
    assert lgsp("config", "check") == "files without mistakes: 1\n"
    changed, batches = lgsp("config", "diff").splitlines()
    assert changed == f"{STATUS}:2  one_stop_shop 77 = returned"
    command = "lgsp quarantine redrive --source one_stop_shop --rule DOS_STATUS_MAPPED"
    assert batches.startswith("one_stop_shop: 1 batches of 2022-06-01") and f"run `{command}`" in batches
    assert "2 passed" in lgsp(*command.split()[1:])
    own.publish()
    assert _statuses(own) == ["finished", "returned", "returned"]
    assert len(lgsp("config", "diff").splitlines()) == 1, "nothing is left to derive again"

    hash_ = config.active().hash
    assert _hashes(own) == ["shipped", hash_]
    (published,) = own.query("select config_hash from ledger.publication order by snapshot_id desc limit 1")
    manifest = orjson.loads((own.settings.shared / "current" / "manifest.json").read_bytes())
    assert published["config_hash"] == manifest["config"] == hash_
    assert Copies(own.settings.home).path(hash_).joinpath(STATUS).exists(), "what it was made with is kept"


@pytest.mark.exhaustive
def test_another_meaning_names_the_window_to_rebuild(own: Installation, lgsp: Callable[..., str]) -> None:
    read(own, Reading(0, NAMES, _dossiers(4, 8)))
    _write(own, STATUS, 'one_stop_shop:\n  "8": withdrawn\n')
    changed, batches = lgsp("config", "diff").splitlines()
    assert changed == f"{STATUS}:2  one_stop_shop 8 = withdrawn  (shipped: suspended)"
    assert "lgsp rebuild one_stop_shop --from 2022-06-01T00:00:00+07:00 --to 2022-06-02T00:00:00+07:00" in batches
    own.rebuild("one_stop_shop", Window.of_days(FIRST, FIRST))
    own.publish()
    assert _statuses(own) == ["finished", "withdrawn"]
    assert lgsp("config", "diff").splitlines() == [changed]


@pytest.mark.exhaustive
def test_a_broken_folder_is_shown_and_the_good_copy_used(own: Installation, lgsp: Callable[..., str]) -> None:
    _write(own, STATUS, 'one_stop_shop:\n  "77": returned\n')
    read(own, Reading(0, NAMES, _dossiers(4, 77)))
    _write(own, STATUS, 'one_stop_shop:\n  "77: returned\n')
    read(own, Reading(1, NAMES, tuple(dossier(9, 1, named(A), dossierStatus={"id": 77}) for _ in range(1))))
    assert _statuses(own) == ["finished", "returned", "returned"] and len({*_hashes(own)}) == 1
    shown = lgsp("status")
    assert f"an older copy ({config.active().hash}) is in use" in shown and f"{STATUS} line 3:" in shown
    assert json.loads(lgsp("status", "--json"))["config_mistakes"]
    assert "line 3" in lgsp("config", "check", exit_code=1)


@pytest.mark.exhaustive
def test_a_new_calendar_is_in_the_next_snapshot(own: Installation) -> None:
    read(own, Reading(0, NAMES, _dossiers(4)))
    day = date(2027, 2, 3)
    assert working_days.is_working(day)
    found = own.query("select source, is_working_day from shared.working_day where day_on = %s", day)
    assert found == [{"source": "forecast", "is_working_day": True}]
    _write(own, holiday_overrides.OWN, (
        "day_on,is_working_day,name,legal_basis\n2027-02-03,false,Nghỉ Tết,TB 1\n2027-02-20,true,Làm bù,TB 1\n2027-12-31,confirmed_until,Lịch 2027,TB 1\n"
    ))  # fmt: skip
    assert own.publish() is not None and own.publish() is None
    rows = own.query("select source, is_working_day from shared.working_day where day_on = any(%s) order by day_on", [day, date(2027, 2, 20), date(2027, 3, 1)])  # fmt: skip
    assert rows == [
        {"source": "override", "is_working_day": False}, {"source": "override", "is_working_day": True}, {"source": "library", "is_working_day": True},
    ]  # fmt: skip
    (last,) = own.query("select max(day_on) as day from shared.working_day")
    assert last["day"] == date(2028, 12, 31)
    config.use(config.SHIPPED)
    assert working_days.is_working(day)


@pytest.mark.exhaustive
def test_an_alias_explains_what_was_published_without_it(own: Installation, lgsp: Callable[..., str]) -> None:
    read(own, Reading(0, NAMES, (dossier(1, 0, named(None, "Phường Sông Hoài")),)))
    query = "select receiving_organisation_id as id from shared.dossier"
    assert own.query(query) == [{"id": "UNKNOWN"}]
    _write(own, "codelists/organisation_alias.yml", "any:\n  Phường Sông Hoài: UBND xã Cẩm Thanh\n")
    assert "no batch" not in lgsp("config", "diff") and "run `" not in lgsp("config", "diff")
    assert own.publish() is not None, "no batch is needed"
    assert own.query(query) == [{"id": "H47.20.25"}]


def _of_province(installation: Installation, day: date, agencies: dict[str, str], *dossiers: dict[str, Any]) -> None:
    listed = [{"id": code, "code": code, "name": [{"languageId": 228, "name": name}], "level": {"code": "XAPHUONG"}, "parent": None} for code, name in agencies.items()]  # fmt: skip
    procedure = {"code": "2.000815.000.00.00.H55", "translate": [{"languageId": 228, "name": "Chứng thực"}], "procedureLevel": {"id": 4},
                 "agencyLevel": {"code": "XAPHUONG"}, "processingTime": 1, "processingTimeUnit": "d"}  # fmt: skip
    answers = {"agencies": {"content": listed}, "procedures": {"content": [procedure]}, "dossiers": {"content": list(dossiers)}}  # fmt: skip
    read_answers(installation, "one_stop_shop", Window.of_days(day, day), [(name, name, answer) for name, answer in answers.items()], len(dossiers), True)  # fmt: skip


def test_thai_nguyen_harmonises_with_its_communes(own: Installation) -> None:
    thai_nguyen = Installation(Settings.from_env({**own.settings.environment, "LGSP_PROVINCE": "19"}))
    day, code = date(2026, 8, 3), "H55.101"
    applicant = {"data": {"identityNumber": "049094000000", "applicantType": 1, "village": {"label": "Phường Quan Triều", "value": "05482"}}}  # fmt: skip
    number = (day - FIRST) // timedelta(days=1)
    sent = dossier(
        1, number, named(code), coded=code, procedure={"code": "2.000815.000.00.00.H55"}, applicant=applicant
    )
    _of_province(thai_nguyen, day, {code: "UBND phường Quan Triều", "H55.02": "Văn phòng UBND tỉnh Thái Nguyên"}, sent)
    (row,) = thai_nguyen.query("select admin_unit_code, applicant_admin_unit_code, receiving_organisation_id from shared.dossier")  # fmt: skip
    assert row == {"admin_unit_code": "05482", "applicant_admin_unit_code": "05482", "receiving_organisation_id": code}
    meant = {name for _, name in matcher.known_aliases(None)}
    assert "văn phòng ủy ban nhân dân tỉnh thái nguyên" in meant
    assert "văn phòng ủy ban nhân dân tỉnh quảng nam" not in meant


@pytest.mark.exhaustive
def test_another_province_is_loaded_from_files(own: Installation) -> None:
    tables = territory_files.TABLES
    _write(own, "territories/provinces.csv", ",".join(tables["provinces"].columns) + "\n92,Thành phố Cần Thơ,H13,92,,NQ 1668/NQ-UBTVQH15\n")  # fmt: skip
    _write(own, "territories/crosswalk_2025.csv", ",".join(tables["crosswalk_2025"].columns) + (
        "\n92,Thành phố Cần Thơ,916,Quận Ninh Kiều,31117,Phường Cái Khế,92,Thành phố Cần Thơ,31120,Phường Cái Khế\n"
        "92,Thành phố Cần Thơ,916,Quận Ninh Kiều,31120,Phường An Hòa,92,Thành phố Cần Thơ,31120,Phường Cái Khế\n"
    ))  # fmt: skip
    can_tho = Installation(Settings.from_env({**own.settings.environment, "LGSP_PROVINCE": "92"}))
    day, code = date(2026, 8, 3), "H13.101"
    sent = dossier(1, (day - FIRST).days, named(code), coded=code, procedure={"code": "2.000815.000.00.00.H13"})
    _of_province(can_tho, day, {code: "UBND phường Cái Khế"}, sent)
    (row,) = can_tho.query("select admin_unit_code from shared.dossier")
    assert row == {"admin_unit_code": "31120"}
    units = can_tho.query("select admin_unit_code, valid_from, level from shared.admin_unit where parent_code in ('92', '916') order by 1, 2")  # fmt: skip
    assert [(u["admin_unit_code"], u["level"]) for u in units] == [("31117", "commune"), ("31120", "commune"), ("31120", "commune"), ("916", "district")]  # fmt: skip
    lines = can_tho.query("select from_code, to_code, relation from shared.admin_unit_crosswalk where from_code like '311%%' order by 1")  # fmt: skip
    assert [tuple(line.values()) for line in lines] == [("31117", "31120", "merged"), ("31120", "31120", "merged")]


@pytest.mark.exhaustive
def test_new_processes_use_what_was_changed(own: Installation) -> None:
    read(own, Reading(0, NAMES, _dossiers(4, 77)))
    _write(own, STATUS, 'one_stop_shop:\n  "77": returned\n')
    environment = {**os.environ, **own.settings.environment}
    for arguments in (["quarantine", "redrive", "--rule", "DOS_STATUS_MAPPED"], ["publish"]):
        subprocess.run([sys.executable, "-m", "lgsp.cli", *arguments], env=environment, check=True)
    assert _statuses(own) == ["finished", "returned"]
    with store.connect(own.settings) as connection:
        rows = connection.execute("select distinct config_hash from ledger.batch order by 1").fetchall()
    assert len(rows) == 2 and codelists.meanings("dossier_status", "one_stop_shop").get("77") is None
