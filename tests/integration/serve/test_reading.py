"""Sets, pages, counts, rows and formats over a real socket."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import lxml.etree
import pytest

from lgsp.schema import contract
from lgsp.serve import model
from lgsp.vietnam.text import name_keys
from tests.integration.serve.conftest import Api, token


def _expected(api: Api, statement: str) -> list[dict[str, Any]]:
    """Rows of the store as JSON has them."""
    rows = api.installation.query(f"select to_jsonb(r) as row from ({statement}) r")
    return [row["row"] for row in rows]


@pytest.mark.parametrize("name", model.sets())
def test_every_set_has_the_rows_of_its_table(name: str, api: Api) -> None:
    rows = api.rows(f"{name}?$select={','.join(model.sets()[name].key)}", Prefer="odata.maxpagesize=700")
    key = ", ".join(model.sets()[name].key)
    order = ", ".join(f'{column} collate "C"' if model.sets()[name].columns[column].type == "text" else column for column in model.sets()[name].key)  # fmt: skip
    assert rows == _expected(api, f"select {key} from shared.{name} order by {order}")
    assert int(api.get(f"{name}/$count").text) == len(rows)


def test_a_dossier_has_the_documented_types(api: Api) -> None:
    row = api.json("dossier?$filter=fee_vnd ne null and due_at ne null&$top=1")["value"][0]
    assert list(row) == list(model.sets()["dossier"].names)
    assert row["received_at"].endswith("+07:00") and "." not in row["received_at"]
    assert (
        isinstance(row["fee_vnd"], int)
        and isinstance(row["quality_flags"], list)
        and isinstance(row["is_paused"], bool)
    )
    assert row["due_on"] == row["due_at"][:10]
    as_text = api.json("dossier?$filter=fee_vnd ne null&$top=1", Accept="application/json;IEEE754Compatible=true")[
        "value"
    ][0]
    assert isinstance(as_text["fee_vnd"], str) and isinstance(as_text["snapshot_id"], str)
    ratio = api.json("service_kpi?$filter=value gt 0 and value lt 1&$top=1")["value"][0]
    assert ratio["value"] == ratio["numerator"] / ratio["denominator"], "not rounded"


def test_pages_hold_all_rows_in_order(api: Api) -> None:
    path = "dossier?$orderby=due_on desc,channel&$select=dossier_id,due_on,channel&$count=true"
    pages = list(api.pages(path, Prefer="odata.maxpagesize=100"))
    rows = [row for page in pages for row in page["value"]]
    assert rows == _expected(
        api,
        "select dossier_id, due_on, channel from shared.dossier "
        'order by due_on desc nulls last, channel collate "C" nulls first, dossier_id collate "C"',
    )
    assert len(pages) > 3 and {len(page["value"]) for page in pages[:-1]} == {100}
    assert {page["@odata.count"] for page in pages} == {len(rows)}
    assert all(page["@odata.context"].endswith("$metadata#dossier(dossier_id,due_on,channel)") for page in pages)
    ascending = api.rows("dossier?$orderby=due_on&$select=dossier_id,due_on", Prefer="odata.maxpagesize=50")
    assert ascending[0]["due_on"] is None, "nulls first"
    assert [row["due_on"] or "" for row in ascending] == sorted(row["due_on"] or "" for row in ascending)


def test_top_and_skip_count_over_pages(api: Api) -> None:
    ids = [row["dossier_id"] for row in api.rows("dossier?$select=dossier_id")]
    found = api.rows("dossier?$select=dossier_id&$top=25&$skip=7", Prefer="odata.maxpagesize=10")
    assert [row["dossier_id"] for row in found] == ids[7:32]
    assert api.json("dossier?$top=0")["value"] == []
    streamed = api.get("dossier?$select=dossier_id&$top=25&$skip=7&$format=ndjson").text.splitlines()
    assert [json.loads(line)["dossier_id"] for line in streamed] == ids[7:32]


def test_a_skip_token_is_of_its_query_only(api: Api) -> None:
    link = api.json("dossier?$top=500", Prefer="odata.maxpagesize=10")["@odata.nextLink"]
    of_other = link.replace("dossier?", "document?")
    other_filter = link + "&$filter=fee_vnd eq 1"
    changed = link[:-4] + ("AAAA" if link[-4:] != "AAAA" else "BBBB")
    for refused in (of_other, other_filter, changed, "dossier?$skiptoken=x", "dossier?$skiptoken="):
        answer = api.get(refused)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidQuery"), refused
    assert api.get(link, account="figures").status_code == 403


def test_a_row_has_an_address_with_its_key(api: Api) -> None:
    document = api.json("document?$top=1")["value"][0]
    encoded = document["document_id"].replace("/", "%2F")
    found = api.json(f"document('{encoded}')")
    assert found.pop("@odata.context").endswith("$metadata#document/$entity")
    assert (
        found
        == document
        == {k: v for k, v in api.json(f"document('{document['document_id']}')").items() if k[0] != "@"}
    )
    event = api.json("dossier_event?$top=1")["value"][0]
    address = f"dossier_event(event_seq={event['event_seq']},dossier_id='{event['dossier_id']}')?$select=status"
    assert api.json(address)["status"] == event["status"]
    assert api.get("dossier('none')").status_code == api.get("dossier('it''s')").status_code == 404


def test_a_dossier_is_found_in_every_code_style(api: Api) -> None:
    ids = [row["dossier_id"] for row in api.rows("dossier?$select=dossier_id")]
    for number, code in enumerate(ids):
        if number % 20 == 0:
            for written in (code.lower(), f" {code}", code.replace("-", "\u2013"), _other_style(code)):
                assert api.json(f"dossier('{written}')?$select=dossier_id")["dossier_id"] == code, written


def _other_style(code: str) -> str:
    """The same code with the agency in the other form."""
    agency, _, rest = code.partition("-")
    parts = agency.split(".")
    if len(parts) == 4 and len(parts[0]) == 3:
        kept = [part for part in (parts[3], parts[2], parts[1], parts[0])]
        while kept[-1].strip("0") == "":
            kept.pop()
        return f"{'.'.join(kept)}-{rest}"
    if parts[0].startswith("H") and len(parts) in (2, 3) and {len(part) for part in parts[1:]} == {2}:
        return f"000.{parts[2] if len(parts) == 3 else '00'}.{parts[1]}.{parts[0]}-{rest}"
    return code


def test_answers_are_compressed_on_request(api: Api) -> None:
    for path in ("dossier?$top=50", "dossier?$format=csv"):
        answer = api.get(path, Accept_Encoding="gzip")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.content == api.get(path, Accept_Encoding="identity").content
    assert gzip.compress(b"")  # the client decompressed what it read


def test_names_are_in_vietnamese_order(api: Api) -> None:
    names = [row["name"] for row in api.rows("organisation_current?$orderby=name&$select=name", Prefer="odata.maxpagesize=40")]  # fmt: skip
    assert names == sorted(names, key=lambda name: (name_keys.of(name).name_sort, name)) != sorted(names)


def test_search_ignores_accents_and_case(api: Api) -> None:
    names = {row["name"] for row in api.rows("organisation?$select=name")}
    word = next(name for name in names if "Thanh" in name).split()[-1]
    found = {row["name"] for row in api.rows("organisation?$search=cam thanh&$select=name")}
    assert found == {name for name in names if {"cam", "thanh"} <= set(_plain(name).split())}
    assert {row["name"] for row in api.rows(f"organisation?$search={_plain(word)}&$select=name")} >= {
        n for n in names if n.endswith(word)
    }
    assert int(api.get("organisation/$count?$search=khongcogica").text) == 0
    assert api.get("dossier?$search=a").status_code == 501


def _plain(text: str) -> str:
    import unicodedata

    letters = unicodedata.normalize("NFD", text.lower()).replace("đ", "d")
    return "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))


def test_the_metadata_describe_every_set(api: Api) -> None:
    answer = api.get("$metadata")
    assert answer.headers["Content-Type"] == "application/xml" and answer.headers["OData-Version"] == "4.0"
    root = lxml.etree.fromstring(answer.content)
    edm = {"e": "http://docs.oasis-open.org/odata/ns/edm"}
    types = {each.get("Name"): each for each in root.iterfind(".//e:EntityType", edm)}
    listed = [each["name"] for each in api.json("")["value"]]
    assert types.keys() == set(listed) == set(model.sets())
    dossier = {each.get("Name"): each for each in types["dossier"].iterfind("e:Property", edm)}
    assert tuple(dossier) == model.sets()["dossier"].names
    assert dossier["received_at"].get("Type") == "Edm.DateTimeOffset" and dossier["received_at"].get("Precision") == "6"
    assert dossier["quality_flags"].get("Type") == "Collection(Edm.String)"
    assert dossier["dossier_id"].get("Nullable") == "false" and dossier["due_on"].get("Nullable") is None
    assert [each.get("Name") for each in types["dossier"].iterfind("e:Key/e:PropertyRef", edm)] == ["dossier_id"]


def test_basic_and_bearer_name_the_same_account(api: Api) -> None:
    def status(name: str, password: str) -> int:
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        return api.get("service/$count", None, Authorization=f"Basic {basic}").status_code

    assert status("whole", token("whole")) == 200
    assert status("figures", token("whole")) == status("whole", "wrong") == 401
    assert api.get("service/$count", None, Authorization="Basic ???").status_code == 401


def test_head_answers_headers_only(api: Api) -> None:
    for path in ("dossier", "dossier?$format=csv", "$metadata", "dossier/$count"):
        head = api.get(path, method="HEAD")
        assert head.status_code == 200 and head.content == b""
        assert head.headers["Content-Type"] == api.get(path).headers["Content-Type"]


def test_public_documents_need_no_account(api: Api) -> None:
    import rdflib

    turtle = api.get("catalog", None, Accept="text/turtle")
    graph = rdflib.Graph().parse(data=turtle.text, format="turtle")
    addresses = [str(each) for each in graph.objects(None, rdflib.DCAT.downloadURL)]
    assert addresses and all(each.startswith(f"{api.url}/v1/at/1-2/files/") for each in addresses)
    assert api.get(addresses[0]).status_code == 200
    assert api.get("contracts/dossier", None).text == (contract.FOLDER / "dossier.yml").read_text(encoding="utf-8")
    assert api.get("contracts/dossier?$format=json", None).json()["id"] == "lgsp.dossier"
    described = api.get("openapi.json", None).json()
    assert described["openapi"] == "3.1.0" and "/dossier/$count" in described["paths"]
    health = api.get("/health", None).json()
    assert health["status"] == "pass" and health["snapshot"] == "1-2" and health["age_seconds"] is not None
    assert api.get("service", None).status_code == 401


def test_signed_files_are_served_with_ranges(api: Api) -> None:
    manifest = api.get("at/1-1/manifest.json").json()
    listed = manifest["tables"]["dossier"]["files"][0]
    whole = api.get(f"at/1-1/files/{listed['path']}")
    assert len(whole.content) == listed["bytes"]
    part = api.get(f"at/1-1/files/{listed['path']}", Range="bytes=4-19")
    assert (part.status_code, part.content) == (206, whole.content[4:20])
    assert api.get(f"at/1-1/files/{listed['path']}", Range="bytes=999999999-").status_code == 416
    assert api.get(f"at/1-1/files/{listed['path']}", If_None_Match=whole.headers["ETag"]).status_code == 304
    assert api.get("at/1-1/manifest.json.sig").status_code == 200
    for outside in ("../../../serve.key", "..%2F..%2F..%2Fserve.key", "manifest.json", "dossier"):
        assert api.get(f"at/1-1/files/{outside}").status_code in (404,), outside
    assert api.get("at/1-1/manifest.json", "figures").status_code == 403
