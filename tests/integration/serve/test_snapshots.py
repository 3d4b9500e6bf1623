"""An answer is of exactly one snapshot; changes bring a copy to the next one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from lgsp.maintain import rollback
from lgsp.serve import model
from lgsp.serve.paths import row_id
from lgsp.store import connect
from lgsp.store.embedded_postgres import Server
from tests.exhaustive import exhaustive
from tests.integration.conftest import WHOLE, Installation, installed
from tests.integration.serve.conftest import Api, add_account, serving

Key = tuple[Any, ...]


def _key(name: str, row: dict[str, Any]) -> Key:
    return tuple(row[column] for column in model.sets()[name].key)


class Copy:
    """A consumer's copy of a set, kept current by delta links alone."""

    def __init__(self, api: Api, name: str, query: str = "", account: str = "whole") -> None:
        self.api, self.name, self.account = api, name, account
        self.rows: dict[str, dict[str, Any]] = {}
        self.link = self._read(f"{name}{query}", Prefer="odata.track-changes,odata.maxpagesize=400")

    def follow(self, **headers: str) -> None:
        """Apply the changes since the last read."""
        self.link = self._read(self.link, **headers)

    def _read(self, path: str, **headers: str) -> str:
        link = ""
        for page in self.api.pages(path, self.account, **headers):
            for row in page["value"]:
                if "reason" in row:
                    self.rows.pop(row["id"], None)
                else:
                    assert row.get("@odata.id", self._id(row)) == self._id(row)
                    self.rows[self._id(row)] = {k: v for k, v in row.items() if k[0] != "@"}
            link = page.get("@odata.deltaLink", "")
        assert link, "the last page links to later changes"
        return link

    def _id(self, row: dict[str, Any]) -> str:
        """The address of a row, which is how changes name rows that are gone."""
        key = dict(zip(model.sets()[self.name].key, _key(self.name, row), strict=True))
        days = {column.name for column in model.sets()[self.name].contract.columns if column.type == "date"}
        return row_id(
            model.sets()[self.name],
            {name: date.fromisoformat(value) if name in days else value for name, value in key.items()},
        )


SETS = (
    "dossier",
    "dossier_event",
    "service_kpi",
    "weekly_digest",
    "organisation",
    "document_delivery",
    "reconciliation",
    "zero_activity",
)
FILTERS = {"dossier": "?$filter=status eq 'processing'", "service_kpi": "?$filter=period eq 'month' and value gt 0.5"}


@pytest.mark.parametrize("days", [6, *exhaustive(4)])
def test_delta_links_keep_a_copy_equal_to_the_store(
    server: Server, quiet_province: dict[str, dict[str, Any]], tmp_path: Any, days: int
) -> None:
    installation = installed(server, tmp_path, quiet_province)
    first, *later = WHOLE.split(days)
    installation.ingest_all(first)
    installation.publish()
    agency = installation.query("select receiving_organisation_id as id from shared.dossier group by 1 order by count(*) desc limit 1")[0]["id"]  # fmt: skip
    add_account(installation, "whole", "all", [])
    add_account(installation, "agency", "all", [agency])
    with serving(installation) as api:
        copies = [(Copy(api, name), name, "whole") for name in SETS]
        copies += [(Copy(api, name, query), f"{name}{query}", "whole") for name, query in FILTERS.items()]
        copies += [(Copy(api, name, account="agency"), name, "agency") for name in ("dossier", "dossier_event")]
        size_of_page = {"Prefer": "odata.maxpagesize=150"}
        for step in (*later, "rollback", "nothing"):
            if step == "rollback":
                rollback.roll_back(installation.settings, 1, "An", "a test")
            elif step != "nothing":
                installation.ingest_all(step)  # type: ignore[arg-type]
                assert installation.publish() is not None
            for copy, path, account in copies:
                copy.follow(**size_of_page)
                expected = api.rows(path, account, Prefer="odata.maxpagesize=10000")
                assert sorted(copy.rows.values(), key=str) == sorted(expected, key=str), (step, path, account)
        assert len(copies[0][0].rows) > 0


def test_next_links_keep_the_snapshot_of_the_first_page(changing: Callable[..., Any]) -> None:
    with changing() as api:
        before = api.rows("dossier", Prefer="odata.maxpagesize=10000")
        first = api.json("dossier", Prefer="odata.maxpagesize=40")
        rollback.roll_back(api.installation.settings, 1, "An", "a test")
        rest = api.rows(first["@odata.nextLink"])
        assert first["value"] + rest == before != api.rows("dossier", Prefer="odata.maxpagesize=10000")
        assert api.get(first["@odata.nextLink"]).headers["LGSP-Snapshot"] == "1-2"
        assert api.rows("at/1-2/dossier", Prefer="odata.maxpagesize=10000") == before, "a pinned answer never changes"
        assert api.get("dossier?$top=1").headers["LGSP-Snapshot"] == "1-3"


def test_an_older_snapshot_is_as_its_files_are(api: Api) -> None:
    manifest = api.get("at/1-1/manifest.json").json()
    for name in ("dossier", "service_kpi", "organisation", "document"):
        answer = api.get(f"at/1-1/{name}/$count")
        assert int(answer.text) == manifest["tables"][name]["rows"]
        assert answer.headers["LGSP-Table-Hash"] == manifest["tables"][name]["content_hash"]
        assert answer.headers["LGSP-Snapshot"] == "1-1"
    assert api.json("at/1-1/snapshot")["value"] == api.json("snapshot?$filter=snapshot_id eq 1")["value"]


def test_a_view_of_an_older_snapshot_has_its_rows(api: Api) -> None:
    names = {row["organisation_id"]: row["name"] for row in api.rows("at/1-1/organisation_current")}
    dossiers = api.rows("at/1-1/dossier", Prefer="odata.maxpagesize=10000")
    wide = api.rows("at/1-1/dossier_wide", Prefer="odata.maxpagesize=150")
    assert [{column: row[column] for column in dossiers[0]} for row in wide] == dossiers
    assert all(row["receiving_organisation_name"] == names.get(row["receiving_organisation_id"]) for row in wide)
    assert wide != api.rows("dossier_wide", Prefer="odata.maxpagesize=10000")
    months = api.rows("at/1-1/service_kpi?$filter=period eq 'month' and organisation_id ne 'ALL'")
    assert [row["numerator"] for row in sorted(months, key=lambda row: (row["kpi_id"], row["organisation_id"]))] == [
        row["numerator"] for row in api.rows("at/1-1/service_kpi_month")
    ]


def test_pages_of_a_view_keep_the_snapshot_of_the_first(changing: Callable[..., Any]) -> None:
    with changing() as api:
        before = api.rows("dossier_wide", Prefer="odata.maxpagesize=10000")
        first = api.json("dossier_wide", Prefer="odata.maxpagesize=40")
        rollback.roll_back(api.installation.settings, 1, "An", "a test")
        assert first["value"] + api.rows(first["@odata.nextLink"]) == before
        assert before != api.rows("dossier_wide", Prefer="odata.maxpagesize=10000")
        assert api.get("dossier_wide?$deltatoken=1-2").status_code == 501
        assert api.get("contracts/dossier_wide").status_code == 404


def test_a_snapshot_without_a_table_says_so(changing: Callable[..., Any]) -> None:
    with changing() as api:
        with connect(api.installation.settings) as connection:
            connection.execute("delete from ledger.publication_table where snapshot_id = 1 and table_name = 'service_current'")  # fmt: skip
        for name in ("service_current", "dossier_wide"):
            answer = api.get(f"at/1-1/{name}")
            assert answer.status_code == 404 and "published without service_current" in answer.text
            assert api.get(f"at/1-2/{name}?$top=1").status_code == 200
        assert api.get("at/1-1/dossier?$top=1").status_code == 200


def test_headers_state_the_snapshot(api: Api) -> None:
    answer = api.get("dossier?$top=1", X_Request_Id="abc-1")
    newest = api.json("snapshot?$orderby=snapshot_id desc&$top=1")["value"][0]
    expected = {
        "OData-Version": "4.0", "LGSP-Snapshot": "1-2", "LGSP-As-Of": newest["as_of"], "LGSP-Published-At": newest["published_at"],
        "Cache-Control": "private, no-cache", "X-Request-Id": "abc-1",
    }  # fmt: skip
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["RateLimit-Policy"] == '"account";q=600;w=60' and answer.headers["RateLimit"].startswith(
        '"account";r='
    )
    assert len(api.get("dossier?$top=1", X_Request_Id="with blanks").headers["X-Request-Id"]) == 16


def test_an_etag_changes_with_the_rows_only(changing: Callable[..., Any]) -> None:
    with changing() as api:
        paths = (
            "dossier?$top=3",
            "working_day",
            "dossier/$count",
            "dossier?$format=csv",
            "working_day(day_on=2026-08-03)",
        )
        tags = {path: api.get(path).headers["ETag"] for path in paths}
        for path, tag in tags.items():
            answer = api.get(path, If_None_Match=f'"other", {tag}')
            assert (answer.status_code, answer.content) == (304, b"") and answer.headers["LGSP-Snapshot"] == "1-2"
        assert tags["dossier?$top=3"].startswith('W/"') and len(set(tags.values())) >= 4
        rollback.roll_back(api.installation.settings, 1, "An", "a test")
        assert api.get("working_day", If_None_Match=tags["working_day"]).status_code == 304, "its rows did not change"
        assert api.get("dossier?$top=3", If_None_Match=tags["dossier?$top=3"]).status_code == 200


def test_changes_are_also_a_stream(api: Api) -> None:
    page = api.json("dossier?$deltatoken=1-1&$select=dossier_id,status", Prefer="odata.maxpagesize=10000")
    answer = api.get("dossier?$deltatoken=1-1&$select=dossier_id,status&$format=ndjson")
    assert [json.loads(line) for line in answer.text.splitlines()] == page["value"] != []
    assert answer.headers["LGSP-Snapshot"] == "1-2" and page["@odata.deltaLink"].endswith("$deltatoken=1-2")
    assert page["@odata.context"].endswith("$metadata#dossier(dossier_id,status)/$delta")
    assert api.json("dossier?$deltatoken=1-2")["value"] == []
    assert api.get("dossier?$deltatoken=1-1&$format=csv").status_code == 406


@pytest.mark.parametrize("option", ["$top=1", "$skip=1", "$orderby=status"])
def test_changes_have_no_order_and_no_part(api: Api, option: str) -> None:
    assert api.get(f"dossier?$deltatoken=1-1&{option}").status_code == 400
    page = list(api.pages(f"dossier?{option}", Prefer="odata.track-changes"))[-1]
    assert "@odata.deltaLink" not in page


def test_a_snapshot_that_cannot_be_read_says_why(changing: Callable[..., Any]) -> None:
    with changing() as api:
        for name in ("1-99", "2-1", "x", "1-1-1"):
            assert api.get(f"at/{name}/dossier").status_code == 404, name
        assert api.get("dossier?$deltatoken=1-99").status_code == 404
        assert api.get("dossier?$deltatoken=x").status_code == 400
        link = api.json("at/1-1/dossier", Prefer="odata.maxpagesize=10")["@odata.nextLink"]
        _retire(api.installation, 1)
        for path, location in (
            ("at/1-1/dossier?$filter=status eq 'x'&$select=status", "dossier?$filter=status%20eq%20'x'&$select=status"),
            ("dossier?$deltatoken=1-1&$select=status", "dossier?$select=status"),
            (link, "dossier"), ("at/1-1/dossier/$count", "dossier/$count"), ("at/1-1/", ""),
            ("at/1-1/manifest.json", "at/1-2/manifest.json"),
        ):  # fmt: skip
            answer = api.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (410, "SnapshotGone"), path
            assert answer.headers["Location"].replace("%27", "'") == f"{api.url}/v1/{location}", path
            assert {"code": "NewestSnapshot", "message": "1-2"} in answer.json()["error"]["details"]
            assert api.get(answer.headers["Location"]).status_code == 200


def test_a_new_epoch_ends_older_snapshots(changing: Callable[..., Any]) -> None:
    with changing() as api:
        with connect(api.installation.settings) as connection:
            connection.execute("insert into ledger.epoch (epoch, why, first_snapshot) values (2, 'a test', 2)")
        assert api.get("dossier?$top=1").headers["LGSP-Snapshot"] == "2-2"
        assert api.get("at/1-2/dossier").status_code == api.get("dossier?$deltatoken=1-9").status_code == 410
        assert api.get("at/2-9/dossier").status_code == api.get("at/3-1/dossier").status_code == 404


def test_nothing_published_is_503(empty_store: Installation) -> None:
    add_account(empty_store, "whole", "all", [])
    with serving(empty_store) as api:
        answer = api.get("dossier")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "NoSnapshot")
        assert api.get("/health", None).status_code == 503
        assert api.get("$metadata").status_code == 200


def _retire(installation: Installation, snapshot_id: int) -> None:
    with connect(installation.settings) as connection:
        connection.execute(
            "update ledger.publication set history_retired_at = now(), files_retired_at = now() where snapshot_id = %s",
            [snapshot_id],
        )
