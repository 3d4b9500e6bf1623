"""Tests the week to 17 June 2021 in Quảng Nam: 13 agencies without an online dossier, 24 communes without any."""

import pytest

from tests.scenarios.conftest import PublishedScenario

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]

WITHOUT_ONLINE = {
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
def published(publish) -> PublishedScenario:
    return publish("QN-2021-06")


def test_13_agencies_above_communes_received_no_online_dossier(published):
    rows = published.query(f"select name, state {WEEK} and channel = 'online' and level in ('province', 'district')")
    assert {row["name"] for row in rows if row["state"] == "zero"} == WITHOUT_ONLINE
    assert len(rows) == 42 and {row["state"] for row in rows} == {"zero", "ok"}


def test_24_of_241_communes_received_no_dossier(published):
    rows = published.query(
        f"select state, count(*) as n, min(dossier_count) as least {WEEK} and channel = 'any' and level = 'commune' group by 1"
    )
    assert {row["state"]: row["n"] for row in rows} == {"zero": 24, "ok": 216, "no_data": 1}
    assert {row["state"]: row["least"] for row in rows}["ok"] > 0


def test_the_communes_without_dossiers_are_in_the_mountains(published):
    rows = published.query(
        f"select p.name, count(*) as n from (select o.* {WEEK} and channel = 'any' and level = 'commune' and state = 'zero') o "
        "join shared.organisation p on p.organisation_id = o.parent_id and p.is_current group by 1"
    )
    by_district = {row["name"].removeprefix("UBND huyện "): row["n"] for row in rows}
    assert by_district == {"Đông Giang": 7, "Nam Giang": 8, "Tây Giang": 7, "Phước Sơn": 2}


def test_a_commune_with_broken_feeds_has_no_data(published):
    broken = published.organisation_id("UBND phường Minh An")
    rows = published.query(f"select channel, dossier_count, state {WEEK} and organisation_id = %s order by 1", broken)
    assert [tuple(row.values()) for row in rows] == [("any", 0, "no_data"), ("online", 0, "no_data")]
    (before,) = published.query(
        "select state, dossier_count from shared.zero_activity where organisation_id = %s and period = 'week' "
        "and period_start = '2021-06-03' and channel = 'any'",
        broken,
    )
    assert before == {"state": "ok", "dossier_count": 30}


def test_every_planted_dossier_is_published(published):
    (row,) = published.query("select count(*) as n from shared.dossier")
    view = published.world.view(2**61)
    assert row["n"] == int(((view.one_stop.visible > 0) | (view.portal.visible > 0)).sum())
