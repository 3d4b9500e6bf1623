"""The contracts are valid for their standard, and what is derived from them agrees with them."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest

from lgsp.errors import ContractError
from lgsp.schema import codelists, contract, dictionary, expectation_suite, json_schema, odcs, yaml_file
from lgsp.schema.column import Column, Deprecation
from lgsp.schema.contract import Contract
from lgsp.schema.installation import Installation
from lgsp.settings import Settings

pytestmark = pytest.mark.slow

PLACE = Installation.of(
    Settings(Path("."), environment={"LGSP_CONTACT": "lgsp@example.gov.vn", "LGSP_KEEP_DAILY_DAYS": "60"}),
    "postgresql://owner:secret@db.example.gov.vn:5433/province",
)


@cache
def standard() -> Any:
    """The validator of the Open Data Contract Standard, as the pinned package ships it."""
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def _published(name: str) -> dict[str, Any]:
    return yaml_file.loads(odcs.text(contract.load(name), PLACE))


def _properties(name: str) -> dict[str, Any]:
    return {item["name"]: item for item in _published(name)["schema"][0]["properties"]}


@pytest.mark.parametrize("path", [*contract.FOLDER.glob("*.yml"), *contract.RULES.glob("batch.yml")], ids=str)
def test_a_contract_is_valid_for_the_standard(path: Path) -> None:
    document = yaml_file.read(path)
    assert [f"{list(e.absolute_path)}: {e.message}" for e in standard().iter_errors(document)] == []
    document["schema"][0]["quality"] = [{"type": "custom", "dimension": "validity"}]
    assert list(standard().iter_errors(document)), "the standard knows no such dimension"


@pytest.mark.parametrize("name", contract.names())
def test_a_published_contract_is_valid_for_the_standard(name: str) -> None:
    errors = standard().iter_errors(_published(name))
    assert [f"{list(e.absolute_path)}: {e.message}" for e in errors] == []


@pytest.mark.parametrize("table", contract.every(), ids=lambda table: table.name)
def test_every_rule_that_a_contract_implies_can_be_executed(table: Contract) -> None:
    (schema,) = _published(table.name)["schema"]
    metrics = {
        (item["name"], rule["metric"]) for item in schema["properties"] for rule in item.get("quality", [])
    }  # fmt: skip
    assert metrics == {
        *((c.name, "nullValues") for c in table.columns if not c.is_nullable),
        *((c.name, "invalidValues") for c in table.columns if c.codes),
    }
    keys = [rule["arguments"]["properties"] for rule in schema["quality"] if rule.get("metric") == "duplicateValues"]
    assert keys == [list(table.key)]
    own = {rule["id"] for rule in schema["quality"] if rule["type"] == "custom"}
    assert own == {rule.id for rule in table.rules}, "the rules of the platform stay in the contract"


@pytest.mark.parametrize("table", contract.every(), ids=lambda table: table.name)
def test_the_sql_of_a_published_rule_runs_without_other_tables(table: Contract) -> None:
    (schema,) = _published(table.name)["schema"]
    queries = [rule["query"] for rule in schema["quality"] if rule["type"] == "sql"]
    assert len(queries) == len(list(odcs.executable_rules(table)))
    with duckdb.connect() as connection:
        connection.register(table.name, table.arrow_schema().empty_table())
        counts = [connection.execute(query.replace("${table}", table.name)).fetchall() for query in queries]
    assert counts == [[(0,)]] * len(queries)


def test_rules_that_read_the_ledger_are_not_for_readers() -> None:
    assert [rule.id for rule in odcs.executable_rules(contract.load("service_kpi"))] == ["KPI_RATIO"]
    assert list(odcs.executable_rules(contract.load("zero_activity"))) == []


def test_every_relationship_is_to_a_key_column_of_a_contract() -> None:
    references = {(t.name, c.name): c.reference for t in contract.every() for c in t.columns if c.reference}
    assert [key for key, to in references.items() if to.column not in contract.load(to.table).key] == []
    expected = {
        ("dossier", "service_code"): "service_current", ("dossier", "receiving_organisation_id"): "organisation_current",
        ("dossier_event", "dossier_id"): "dossier", ("document_delivery", "document_id"): "document",
        ("service_kpi", "organisation_id"): "organisation_current", ("document_kpi", "kpi_id"): "indicator_current",
    }  # fmt: skip
    assert {key: references[key].table for key in expected} == expected
    assert references["service_kpi", "organisation_id"].exceptions == ("ALL",)
    (published,) = _properties("dossier")["service_code"]["relationships"]
    assert published["to"] == "service_current.odcs.yaml#/schema/service_current/properties/service_code"


def test_the_codes_of_a_column_come_from_its_code_list() -> None:
    status = next(column for column in contract.load("dossier").columns if column.name == "status")
    assert set(status.codes) == set(codelists.all_meanings("dossier_status"))
    (rule,) = [rule for rule in _properties("dossier")["channel"]["quality"] if rule["metric"] == "invalidValues"]
    assert rule["arguments"]["validValues"] == ["online", "counter", "postal", "unknown"]


def test_a_published_contract_has_the_places_of_the_installation() -> None:
    published = _published("dossier")
    sql, parquet = published["servers"]
    assert (sql["host"], sql["port"], sql["database"], sql["schema"]) == (
        "db.example.gov.vn",
        5433,
        "province",
        "shared",
    )
    assert parquet["path"] == "./dossier/**/*.parquet"
    assert "secret" not in odcs.text(contract.load("dossier"), PLACE)
    assert published["support"][0]["url"] == "mailto:lgsp@example.gov.vn"
    assert [role["role"] for role in published["roles"]] == ["lgsp_reader"]
    levels = [(level["property"], level["value"], level.get("unit")) for level in published["slaProperties"]]
    assert levels == [
        ("freshness", 36, "h"), ("frequency", 1, "d"), ("retention", 2, "d"), ("retention", 60, "d"), ("retention", 24, "mo"),
        ("retention", "unlimited", None),
    ]  # fmt: skip


@pytest.mark.parametrize("table", contract.every(), ids=lambda table: table.name)
def test_the_json_schema_accepts_rows_and_refuses_others(table: Contract) -> None:
    schema = json.loads(json_schema.encode(table))
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    row = {column.name: None if column.is_nullable else _value(column) for column in table.columns}
    assert [error.message for error in validator.iter_errors(row)] == []
    assert list(validator.iter_errors({**row, table.key[0]: None}))
    assert list(validator.iter_errors({name: value for name, value in row.items() if name != table.names[-1]}))
    for column in table.columns:
        if column.codes:
            assert list(validator.iter_errors({**row, column.name: "no such code"}))


def _value(column: Column) -> Any:
    if column.codes:
        return column.codes[0]
    return {"text": "x", "date": "2026-08-01", "timestamptz": "2026-08-01T00:00:00+07:00", "boolean": True}.get(
        column.type, 1
    )


def test_a_suite_names_key_required_columns_and_codes() -> None:
    table = contract.load("service_kpi")
    suite = json.loads(expectation_suite.encode(table))
    by_type: dict[str, list[dict[str, Any]]] = {}
    for item in suite["expectations"]:
        by_type.setdefault(item["type"], []).append(item["kwargs"])
    assert by_type["expect_compound_columns_to_be_unique"] == [{"column_list": list(table.key)}]
    required = {item["column"] for item in by_type["expect_column_values_to_not_be_null"]}
    assert required == {column.name for column in table.columns if not column.is_nullable}
    assert {item["column"] for item in by_type["expect_column_values_to_be_in_set"]} == {"level", "period"}


def _column(**properties: Any) -> Column:
    from open_data_contract_standard.model import CustomProperty, SchemaProperty

    custom = [CustomProperty(property=name, value=value) for name, value in properties.items()]
    item = SchemaProperty(
        name="old_id", physicalType="text", description="Old id", businessName="Mã cũ", customProperties=custom
    )
    return Column.parse(item, "dossier.yml")


DEPRECATED = {"since": "1.2.0", "since_on": date(2026, 12, 1), "removal": "2.0.0", "removal_on": date(2027, 12, 1)}


def test_a_deprecated_column_is_marked_wherever_it_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    column = _column(deprecated={**DEPRECATED, "replacement": "dossier_id"})
    assert column.deprecation == Deprecation("1.2.0", date(2026, 12, 1), "2.0.0", date(2027, 12, 1), "dossier_id")
    table = Contract("dossier", "1.2.0", "Dossier", "Hồ sơ", (*contract.load("dossier").columns, column), ())
    note = "Deprecated since 1.2.0 (2026-12-01), removed in 2.0.0 (not before 2027-12-01); use dossier_id"
    assert note in table.ddl("shared.dossier")
    assert table.arrow_schema().field("old_id").metadata[b"description"].decode() == f"Old id. {note}"
    assert json.loads(json_schema.encode(table))["properties"]["old_id"]["deprecated"] is True
    monkeypatch.setattr(contract, "every", lambda: [table])
    assert note in dictionary.markdown() and "Ngừng khuyến nghị sử dụng từ phiên bản 1.2.0" in dictionary.published()


def test_a_deprecation_without_its_end_is_refused() -> None:
    with pytest.raises(ContractError, match="column old_id: deprecated must have since and removal"):
        _column(deprecated={"since": "1.2.0"})
    with pytest.raises(ContractError, match="removal_on must be after since_on"):
        _column(deprecated={**DEPRECATED, "removal_on": date(2026, 12, 1)})
    with pytest.raises(ContractError, match="Invalid isoformat"):
        _column(deprecated={**DEPRECATED, "since_on": "next year"})
