"""What clients learn of deprecated columns, and how decimals are answered: with columns that no contract has yet."""

from __future__ import annotations

import csv
import io
import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import lxml.etree
import pyarrow as pa
import pytest

from lgsp.schema.column import Column, Deprecation
from lgsp.serve import metadata, model
from lgsp.store import connect
from tests.integration.serve.conftest import Api

EDM = {"e": "http://docs.oasis-open.org/odata/ns/edm"}
DEPRECATION = Deprecation("1.2.0", date(2026, 12, 1), "2.0.0", date(2027, 12, 1), "is_working")
HEADERS = {"Deprecation": "@1796058000", "Sunset": "Tue, 30 Nov 2027 17:00:00 GMT"}


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Column], None]]:
    """A function that replaces a column of a set, as a patched contract would."""

    def replaced(name: str, column: Column) -> None:
        each = model.sets()[name]
        columns = tuple(column if old.name == column.name else old for old in each.contract.columns)
        patched = replace(each, contract=replace(each.contract, columns=columns))
        monkeypatch.setitem(model.sets(), name, patched)
        metadata.csdl.cache_clear()

    yield replaced
    metadata.csdl.cache_clear()


def _column(set_name: str, name: str) -> Column:
    return model.sets()[set_name].columns[name]


def _property(api: Api, set_name: str, name: str) -> Any:
    root = lxml.etree.fromstring(api.get("$metadata").content)
    (found,) = root.xpath(f"//e:EntityType[@Name='{set_name}']/e:Property[@Name='{name}']", namespaces=EDM)
    return found


def test_answers_with_a_deprecated_column_say_so(api: Api, described: Callable[[str, Column], None]) -> None:
    described("working_day", replace(_column("working_day", "name"), deprecation=DEPRECATION))
    (kind,) = _property(api, "working_day", "name").xpath(".//e:PropertyValue[@Property='Kind']", namespaces=EDM)
    assert kind.get("EnumMember") == "Core.RevisionKind/Deprecated"
    assert kind.getparent().getparent().getparent().get("Term") == "Core.Revisions"
    assert api.get("openapi.json").json()["components"]["schemas"]["working_day"]["properties"]["name"]["deprecated"]
    link = f'<{api.url}/v1/contracts/working_day>; rel="deprecation"; type="application/yaml"'
    day = api.json("working_day?$top=1")["value"][0]["day_on"]
    for path in (
        "working_day", "working_day?$select=day_on,name", f"working_day(day_on={day})", "working_day?$format=csv",
        "working_day?$deltatoken=1-1", "at/1-1/working_day?$format=arrow",
    ):  # fmt: skip
        answer = api.get(path)
        assert {name: answer.headers.get(name) for name in (*HEADERS, "Link")} == {**HEADERS, "Link": link}, path
        known = api.get(path, If_None_Match=answer.headers["ETag"])
        assert (known.status_code, known.headers["Sunset"]) == (304, HEADERS["Sunset"])
    for path in ("working_day?$select=day_on", "working_day/$count", "service", "$metadata"):
        assert not {"Deprecation", "Sunset", "Link"} & {*map(str.title, api.get(path).headers)}, path
    assert api.get(link[1 : link.index(">")], None).status_code == 200


DECIMALS = """
drop function history.indicator_threshold_as_of cascade;
drop function history.indicator_threshold_changes cascade;
alter table shared.indicator_threshold alter column value type numeric(30,20);
update shared.indicator_threshold t set value = n.number / 10::numeric ^ 20
from (select threshold_id, row_number() over (order by threshold_id) as number from shared.indicator_threshold) n
where n.threshold_id = t.threshold_id
"""


def test_a_decimal_is_answered_with_all_its_digits(
    changing: Callable[..., Any], described: Callable[[str, Column], None]
) -> None:
    described("indicator_threshold", replace(_column("indicator_threshold", "value"), type="numeric(30,20)"))
    path = "indicator_threshold?$orderby=value desc"
    with changing() as api:
        with connect(api.installation.settings) as connection:
            connection.execute(DECIMALS)  # type: ignore[arg-type]
        found = api.installation.query("select value from shared.indicator_threshold order by value desc, threshold_id")
        expected = [row["value"] for row in found]
        assert len(expected) > 2 and all(value.as_tuple().exponent == -20 for value in expected)
        described_as = _property(api, "indicator_threshold", "value")
        assert [described_as.get(name) for name in ("Type", "Precision", "Scale")] == ["Edm.Decimal", "30", "20"]
        paged = [page.text for page in _pages(api, path)]
        rows = [row for page in paged for row in json.loads(page, parse_float=Decimal)["value"]]
        assert [row["value"] for row in rows] == expected
        texts = api.json(f"{path}&$format=application/json;IEEE754Compatible=true")["value"]
        assert [row["value"] for row in texts] == [f"{value:f}" for value in expected]
        read = csv.DictReader(io.StringIO(api.get(f"{path}&$format=csv").text))
        assert [row["value"] for row in read] == [f"{value:f}" for value in expected]
        table = pa.ipc.open_stream(api.get(f"{path}&$format=arrow").content).read_all()
        assert table["value"].type == pa.decimal128(30, 20) and table["value"].to_pylist() == expected
        middle = expected[1]
        for operation, compared in (("eq", operator.eq), ("gt", operator.gt), ("le", operator.le)):
            count = sum(compared(value, middle) for value in expected)
            assert api.get(f"indicator_threshold/$count?$filter=value {operation} {middle:f}").text == str(count)


def _pages(api: Api, path: str) -> Iterator[Any]:
    """The answers of all pages of two rows."""
    while path:
        yield (answer := api.get(path, Prefer="odata.maxpagesize=2"))
        path = answer.json().get("@odata.nextLink", "")
