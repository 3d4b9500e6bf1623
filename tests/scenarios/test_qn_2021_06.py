"""The week to 17 June 2021 in Quảng Nam: 13 agencies without an online dossier, 24 communes without any."""

import pytest

from tests.scenarios.conftest import Told

pytestmark = pytest.mark.slow

THIRTEEN = {
    "Ban Quản lý Khu kinh tế mở Chu Lai",
    "Sở Khoa học và Công nghệ",
    "Sở Ngoại vụ",
    "Sở Nội vụ",
    "Trung tâm Hành chính công tỉnh Quảng Nam",
    "Ban Dân tộc",
    "UBND huyện Nam Giang",
    "UBND huyện Hiệp Đức",
    "UBND huyện Nông Sơn",
    "UBND huyện Phước Sơn",
    "UBND huyện Tây Giang",
    "UBND huyện Đông Giang",
    "UBND huyện Đại Lộc",
}
WEEK = (
    "from shared.zero_activity z join (select distinct organisation_id, name, level, parent_id from shared.organisation) o "
    "using (organisation_id) where period = 'week' and period_start = '2021-06-10'"
)


@pytest.fixture(scope="module")
def told(publish) -> Told:
    return publish("QN-2021-06")


def test_thirteen_agencies_of_province_and_districts_received_nothing_online(told):
    rows = told.query(f"select name, state {WEEK} and channel = 'online' and level in ('province', 'district')")
    assert {row["name"] for row in rows if row["state"] == "zero"} == THIRTEEN
    assert len(rows) == 42 and {row["state"] for row in rows} == {"zero", "ok"}


def test_twenty_four_of_241_communes_received_nothing_at_all(told):
    rows = told.query(
        f"select state, count(*) as n, min(dossier_count) as least {WEEK} and channel = 'any' and level = 'commune' group by 1"
    )
    assert {row["state"]: row["n"] for row in rows} == {"zero": 24, "ok": 216, "no_data": 1}
    assert {row["state"]: row["least"] for row in rows}["ok"] > 0


def test_the_silent_communes_are_those_of_the_mountains(told):
    rows = told.query(
        f"select p.name, count(*) as n from (select o.* {WEEK} and channel = 'any' and level = 'commune' and state = 'zero') o "
        "join shared.organisation p on p.organisation_id = o.parent_id and p.is_current group by 1"
    )
    by_district = {row["name"].removeprefix("UBND huyện "): row["n"] for row in rows}
    assert by_district == {"Đông Giang": 7, "Nam Giang": 8, "Tây Giang": 7, "Phước Sơn": 2}


def test_a_commune_whose_feeds_broke_is_not_called_silent(told):
    broken = told.organisation("UBND phường Minh An")
    rows = told.query(f"select channel, dossier_count, state {WEEK} and organisation_id = %s order by 1", broken)
    assert [tuple(row.values()) for row in rows] == [("any", 0, "no_data"), ("online", 0, "no_data")]
    (before,) = told.query(
        "select state, dossier_count from shared.zero_activity where organisation_id = %s and period = 'week' "
        "and period_start = '2021-06-03' and channel = 'any'",
        broken,
    )
    assert before == {"state": "ok", "dossier_count": 30}


def test_no_planted_dossier_is_lost(told):
    (row,) = told.query("select count(*) as n from shared.dossier")
    view = told.world.view(2**61)
    assert row["n"] == int(((view.one_stop.visible > 0) | (view.portal.visible > 0)).sum())
