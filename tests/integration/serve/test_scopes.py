"""An account reads what its scope has, and nothing else, in every kind of answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from lgsp import install
from lgsp.cli.main import main
from lgsp.serve import model
from lgsp.store import connect, readers
from lgsp.store.readers import Account
from tests.integration.reader_accounts import new_name
from tests.integration.serve.conftest import Api, add_account, token

FACTS = [name for name, each in model.sets().items() if each.is_fact]


@pytest.fixture(scope="module")
def visible(api: Api) -> Iterator[set[str]]:
    """The agencies that the account `district` may see: an agency, those below it and its predecessors."""
    newest: dict[str, Any] = {}
    for row in api.rows("organisation?$orderby=valid_from"):
        newest[row["organisation_id"]] = row
    received = {row["receiving_organisation_id"] for row in api.rows("dossier?$select=receiving_organisation_id")}
    parents = [row["parent_id"] for row in newest.values() if row["parent_id"] and row["organisation_id"] in received]
    top = max(sorted(set(parents)), key=lambda each: (parents.count(each) < 40, parents.count(each)))
    found, size = {top}, 0
    while len(found) > size:
        size = len(found)
        found |= {each for each, row in newest.items() if row["parent_id"] in found or row["successor_id"] in found}
    assert 1 < len(found) < len(newest)
    add_account(api.installation, "district", "all", [top])
    yield found


@pytest.mark.parametrize("name", FACTS)
def test_an_agency_sees_its_facts_and_nothing_else(api: Api, visible: set[str], name: str) -> None:
    named = model.sets()[name].contract.agency_columns
    agencies = {row["dossier_id"]: row["receiving_organisation_id"] for row in api.rows("dossier?$select=dossier_id,receiving_organisation_id")}  # fmt: skip

    def is_visible(row: dict[str, Any]) -> bool:
        found = [row[each] for each in named] or [agencies[row["dossier_id"]]]
        return bool(visible & set(found))

    every = api.rows(name, Prefer="odata.maxpagesize=10000")
    expected = [row for row in every if is_visible(row)]
    assert api.rows(name, "district", Prefer="odata.maxpagesize=37") == expected
    assert int(api.get(f"{name}/$count", "district").text) == len(expected)
    assert api.json(f"{name}?$count=true&$top=0", "district")["@odata.count"] == len(expected)
    streamed = api.get(f"{name}?$format=ndjson", "district").text.splitlines()
    assert [json.loads(line) for line in streamed] == expected
    hidden = [row for row in every if not is_visible(row)]
    before = api.rows(f"at/1-1/{name}", Prefer="odata.maxpagesize=10000")
    agencies_before = {row["dossier_id"]: row["receiving_organisation_id"] for row in api.rows("at/1-1/dossier?$select=dossier_id,receiving_organisation_id")}  # fmt: skip

    def was_visible(row: dict[str, Any]) -> bool:
        found = [row[each] for each in named] or [agencies_before[row["dossier_id"]]]
        return bool(visible & set(found))

    assert api.rows(f"at/1-1/{name}", "district") == [row for row in before if was_visible(row)]
    for rows, status in ((expected[:2], 200), (hidden[:2], 404)):
        for row in rows:
            assert api.get(_address(name, row), "district").status_code == status
    if not model.sets()[name].is_published:
        assert api.get(f"{name}?$deltatoken=1-1", "district").status_code == 501
        return
    changed = api.json(f"{name}?$deltatoken=1-1", "district", Prefer="odata.maxpagesize=10000")["value"]
    assert all(is_visible(row) for row in changed if "reason" not in row)
    hidden_ids = {_address(name, row) for row in before if not was_visible(row)}
    assert not hidden_ids & {row["id"] for row in changed if "reason" in row}, (
        "an id of another agency's row is not shown"
    )


def _address(name: str, row: dict[str, Any]) -> str:
    from lgsp.serve.paths import row_id

    return row_id(model.sets()[name], {column: row[column] for column in model.sets()[name].key})


def test_reference_and_indicators_stay_whole(api: Api, visible: set[str]) -> None:
    for name in ("organisation", "service_kpi", "snapshot", "form_06a"):
        assert api.get(f"{name}/$count", "district").text == api.get(f"{name}/$count").text
    assert api.get("at/1-1/manifest.json", "district").status_code == 403


def test_the_scope_indicators_has_no_facts(api: Api) -> None:
    for name in model.sets():
        expected = 403 if name in FACTS else 200
        assert api.get(f"{name}/$count", "figures").status_code == expected, name
        assert api.get(f"at/1-1/{name}?$top=1", "figures").status_code == expected, name
    assert not {each["name"] for each in api.json("", "figures")["value"]} & set(FACTS)
    assert api.get("dossier?$deltatoken=1-1", "figures").json()["error"]["code"] == "Forbidden"


def test_an_expired_account_is_refused(api: Api) -> None:
    add_account(api.installation, "expired", "all", [], "valid_until = now() - interval '1 second'")
    add_account(api.installation, "current", "all", [], "valid_until = now() + interval '1 hour'")
    answer = api.get("dossier", "expired")
    assert answer.status_code == api.get("dossier", "unknown").status_code == 401
    challenges = answer.headers.get_list("WWW-Authenticate")
    assert challenges == ['Basic realm="lgsp", charset="UTF-8"', 'Bearer realm="lgsp"'], "each in a line of its own"
    assert api.get("dossier/$count", "current").status_code == 200
    assert api.get("dossier/$count?access_token=token-of-whole", None).status_code == 401


def test_a_changed_scope_ends_older_copies(changing: Callable[..., Any]) -> None:
    with changing() as api, ExitStack() as stack:
        settings, name = api.installation.settings, new_name()
        install.init(settings)  # a copy of a database has the rights of a new one
        readers.add(settings, Account(name), "Lan", token(name))
        stack.callback(readers.remove, settings, name)
        link = api.json("dossier", name, Prefer="odata.maxpagesize=10")["@odata.nextLink"]
        assert api.get("dossier?$deltatoken=1-2", name).status_code == 200
        with connect(api.installation.settings) as connection:
            agency = connection.execute("select receiving_organisation_id as id from shared.dossier limit 1").fetchone()
            assert agency
        everything = int(api.get("dossier/$count", name).text)
        change = ["reader", "change", name, "--agency", agency["id"]]
        done = CliRunner().invoke(main, change, env=dict(settings.environment))
        assert done.exit_code == 0 and "sees other rows" in done.output, done.output
        assert not readers.change(settings, name, "all", (agency["id"],)), "changed already"
        address = readers.address(settings, name, token(name))
        with psycopg.connect(address) as session:
            seen = session.execute("select count(*) from shared.dossier").fetchone()
        assert seen == (int(api.get("dossier/$count", name).text),) and seen[0] < everything
        for path in (link, "dossier?$deltatoken=1-2", "at/1-1/dossier"):
            assert api.get(path, name).status_code == 410, path
        last = list(api.pages("at/1-2/dossier", name, Prefer="odata.track-changes"))[-1]
        assert api.json(last["@odata.deltaLink"], name)["value"] == [], "a copy read since then is continued from"
        readers.change(settings, name, "all", ())
        with psycopg.connect(address) as session:
            assert session.execute("select count(*) from shared.dossier").fetchone() == (everything,)
