"""An account reads what its scope has, and nothing else, in every kind of answer."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pytest
from click.testing import CliRunner

from lgsp import install
from lgsp.cli.main import main
from lgsp.maintain import rollback
from lgsp.serve import model
from lgsp.serve.errors import ApiError
from lgsp.serve.filter_parser import Parser
from lgsp.serve.filter_sql import plain
from lgsp.store import connect, readers
from lgsp.store.readers import Account
from tests.integration.reader_accounts import new_name
from tests.integration.serve.conftest import Api, add_account, token
from tests.integration.serve.test_formats import of_arrow, of_csv
from tests.unit.serve.mutated_filters import mutated

# Filters that every row passes, some of them so that a condition joined to them without parentheses would fall away.
EVERYTHING = ("true", "true or false", "not ({name} eq null) or true", "{name} ne 'x' or {name} eq 'x'")
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
    streamed = api.get(f"{name}?$format=ndjson&$count=true", "district")
    assert [json.loads(line) for line in streamed.text.splitlines()] == expected
    assert streamed.headers["LGSP-Count"] == str(len(expected))
    assert of_csv(api.get(f"{name}?$format=csv", "district").content, name) == expected
    arrow = api.get(f"{name}?$format=arrow", "district").content
    assert of_arrow(pa.ipc.open_stream(arrow).read_all(), name) == expected
    for condition in EVERYTHING:
        found = api.rows(f"{name}?$filter={condition.format(name=named[0] if named else 'dossier_id')}", "district")
        assert found == expected, condition
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


def test_no_filter_shows_rows_of_another_agency(api: Api, visible: set[str]) -> None:
    receiving = {row["dossier_id"]: row["receiving_organisation_id"] for row in api.rows("dossier?$select=dossier_id,receiving_organisation_id")}  # fmt: skip
    valid, telling = filter(_is_filter, mutated(20_000, 3)), 0
    for text in itertools.islice(valid, 60):
        path = f"dossier?$select=dossier_id&$filter={quote(text)}"
        whole = [row["dossier_id"] for row in api.rows(path)]
        expected = [each for each in whole if receiving[each] in visible]
        assert [row["dossier_id"] for row in api.rows(path, "district")] == expected, text
        telling += 0 < len(expected) < len(whole)
    assert telling > 8


def _is_filter(text: str) -> bool:
    try:
        return bool(Parser(model.sets()["dossier"], text, "$filter", {}).filter()) and "\0" not in text
    except ApiError:
        return False


def test_search_finds_subjects_of_the_agency_only(api: Api) -> None:
    documents = api.rows("document", Prefer="odata.maxpagesize=10000")
    parents = {row["parent_id"] for row in api.rows("organisation_current?$select=parent_id")}
    issuers = Counter(row["issuing_organisation_id"] for row in documents).most_common()
    agency = next(each for each, _ in issuers if each not in parents)
    add_account(api.installation, "issuer", "all", [agency])
    own = {row["document_id"] for row in api.rows("document", "issuer", Prefer="odata.maxpagesize=10000")}
    words = [{*plain(row["subject"] or "").split()} for row in documents if row["document_id"] in own]
    ((word, _),) = Counter(itertools.chain.from_iterable(words)).most_common(1)
    found = {row["document_id"] for row in api.rows(f"document?$search={word}")}
    seen = {row["document_id"] for row in api.rows(f"document?$search={word}", "issuer")}
    assert seen == found & own and 0 < len(seen) < len(found)
    assert api.get(f"document/$count?$search={word}", "issuer").text == str(len(seen))


def _address(name: str, row: dict[str, Any]) -> str:
    from lgsp.serve.paths import row_id

    return row_id(model.sets()[name], {column: row[column] for column in model.sets()[name].key})


def test_reference_and_indicators_stay_whole(api: Api, visible: set[str]) -> None:
    for name in ("organisation", "service_kpi", "snapshot", "form_06a"):
        assert api.get(f"{name}/$count", "district").text == api.get(f"{name}/$count").text
    manifest = api.get("at/1-1/manifest.json").json()
    paths = [each["path"] for table in manifest["tables"].values() for each in table["files"][:1]]
    for path in ("manifest.json", "manifest.json.sig", *(f"files/{each}" for each in paths)):
        for account in ("district", "figures"):
            assert api.get(f"at/1-1/{path}", account).status_code == 403, path


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


SLOW_COMMIT = """
create function ledger.wait_for_the_test() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock(47); return null; end';
create constraint trigger slow_commit after update on ledger.reader deferrable initially deferred
    for each row execute function ledger.wait_for_the_test();
"""


def test_a_snapshot_published_during_a_change_is_before_it(changing: Callable[..., Any]) -> None:
    with changing() as api, ExitStack() as stack:
        settings, name = api.installation.settings, new_name()
        install.init(settings)
        readers.add(settings, Account(name), "Lan", token(name))
        stack.callback(readers.remove, settings, name)
        with psycopg.connect(str(settings.database_url)) as session:
            session.execute(SLOW_COMMIT)  # type: ignore[arg-type]
            session.execute("select pg_advisory_lock(47)")
            session.commit()
            change = Thread(target=readers.change, args=(settings, name, readers.INDICATORS, ()))
            change.start()
            waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            deadline = time.monotonic() + 30
            while not api.installation.query(waits)[0]["count"]:
                assert time.monotonic() < deadline, "the change does not reach its commit"
                time.sleep(0.05)
            rollback.roll_back(settings, 1, "An", "a test")
            old = list(api.pages("working_day", name, Prefer="odata.track-changes"))[-1]["@odata.deltaLink"]
            assert old.endswith("1-3") and api.get("dossier", name).status_code == 200, "the change is not committed"
            session.execute("select pg_advisory_unlock(47)")
        change.join(30)
        assert api.get("dossier", name).status_code == 403
        assert api.get(old, name).status_code == 410, "a copy of the old scope is not continued"
        new = list(api.pages("working_day", name, Prefer="odata.track-changes"))[-1]["@odata.deltaLink"]
        assert api.json(new, name)["value"] == []


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
