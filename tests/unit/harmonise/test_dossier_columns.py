"""A column of the shared dossier is declared once; a source fills it, or an error names the file."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pytest

from lgsp.errors import ContractError
from lgsp.harmonise import dossier_columns
from lgsp.schema import contract, sources
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract

NEW = Column("applicant_age_group", "text", "Age group", "Nhóm tuổi", False, False, False, origin="lead")


@pytest.fixture
def wider(monkeypatch: pytest.MonkeyPatch) -> Contract:
    """The contract of dossiers with one more column."""
    load = contract.load
    shared = load("dossier")
    shared = replace(shared, columns=(*shared.columns, NEW))
    monkeypatch.setattr(contract, "load", lambda name: shared if name == "dossier" else load(name))
    return shared


def test_every_column_of_the_shipped_contract_is_filled() -> None:
    dossier_columns.check_filled()


@pytest.mark.usefixtures("wider")
def test_a_column_no_source_fills_is_an_error_naming_the_file() -> None:
    with pytest.raises(
        ContractError, match=r"contracts/dossier\.yml: no source fills applicant_age_group; select it in sources/"
    ):
        dossier_columns.read_query(sources.load("one_stop_shop"))


@pytest.mark.usefixtures("wider")
def test_a_column_of_one_source_is_null_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = sources.Source.sql

    def with_column(self: sources.Source, name: str, **parts: object) -> str:
        text = genuine(self, name, **parts)
        is_first = self.name == "one_stop_shop" and name == "dossiers"
        return text.replace("\nselect\n", "\nselect 'adult' as applicant_age_group,\n", 1) if is_first else text

    monkeypatch.setattr(sources.Source, "sql", with_column)
    assert "applicant_age_group" not in dossier_columns.read_query(sources.load("one_stop_shop")).split(" from (")[0]
    assert "null::varchar as applicant_age_group" in dossier_columns.read_query(sources.load("online_services"))
    assert "applicant_age_group" in dossier_columns.record_query(None)


def test_the_record_query_is_valid_sql() -> None:
    assert duckdb.extract_statements(dossier_columns.record_query(None))
