"""Tests of what contracts and views declare of columns: descriptions, references, codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lgsp.errors import ContractError
from lgsp.schema import contract, views
from lgsp.store import constraints
from lgsp.store import views as sql_views

PERIODS = ("week", "month", "quarter", "half_year", "year")


def test_every_view_and_column_is_described_in_both_languages() -> None:
    assert {view.name for view in views.every()} == {
        "dossier_wide", "service_kpi_named", *(f"service_kpi_{period}" for period in PERIODS),
    }  # fmt: skip
    for view in views.every():
        assert view.description and view.meaning_vi and set(view.key) <= set(view.names)
        assert len(set(view.names)) == len(view.names)
        assert all(column.description and column.meaning_vi and column.type for column in view.columns)


def test_a_view_cannot_leave_out_an_unknown_column(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "views.yml"
    file.write_text("wide: {from: dossier, without: [nothing], key: [], description: a, vi: a}", encoding="utf-8")
    monkeypatch.setattr(views, "FILE", file)
    with pytest.raises(ContractError, match="dossier has no column nothing to leave out"):
        views.by_name.__wrapped__()


def test_a_view_that_loses_a_column_is_created_again() -> None:
    names = {view.name: view.names for view in views.every()}
    assert not any(statement.startswith("drop") for statement in sql_views.statements(names))
    lost = names | {"service_kpi_named": (*names["service_kpi_named"], "removed")}
    statements = list(sql_views.statements(lost))
    assert [statement.partition(" if ")[0] for statement in statements[: len(names)]] == ["drop view"] * len(names)
    assert not any("removed" in statement for statement in statements)


def test_an_existing_view_keeps_the_places_of_its_columns() -> None:
    (wide,) = (view for view in views.every() if view.name == "dossier_wide")
    existing = {"dossier_wide": tuple(reversed(wide.names[1:]))}
    statement = next(iter(sql_views.statements(existing)))
    assert f"select {', '.join((*existing['dossier_wide'], wide.names[0]))} from" in statement


def test_references_need_the_version_that_does_not_enforce_them() -> None:
    before, since = (list(constraints.declared(version)) for version in (150000, constraints.NOT_ENFORCED))
    assert before and all(each.is_check for each in before)
    references = [each for each in since if not each.is_check]
    assert len(references) > 20 and all(each.definition.endswith("not enforced") for each in references)


def test_a_reference_to_one_of_several_versions_is_not_declared() -> None:
    declared = {each.name for each in constraints.declared(constraints.NOT_ENFORCED)}
    unit = next(column for column in contract.load("dossier").columns if column.name == "admin_unit_code")
    assert unit.reference and unit.reference.table == "admin_unit" and "dossier_admin_unit_code_fkey" not in declared
    assert "dossier_admin_unit_code_now_fkey" in declared


def test_every_column_with_codes_has_a_check() -> None:
    checked = {(each.table, each.name) for each in constraints.declared(150000)}
    assert checked == {(t.storage, f"{t.name}_{c.name}_known") for t in contract.every() for c in t.columns if c.codes}


def test_every_indicator_states_whether_a_period_is_complete() -> None:
    indicators = [table for table in contract.every() if "period_start" in table.names]
    without = {table.name for table in indicators if "is_complete" not in table.names}
    assert len(indicators) > 7 and without == {"manual_indicator"}, "figures that agencies report have no feed"
    by_grain = [view for view in views.every() if view.period]
    assert [view.period for view in by_grain] == list(PERIODS)
    assert all("is_complete" in view.names and "is_total" not in view.names for view in by_grain)


def test_a_current_table_has_the_columns_of_its_versions() -> None:
    for name, versions in {"organisation_current": "organisation", "service_current": "service",
                           "admin_unit_current": "admin_unit", "indicator_current": "indicator_definition"}.items():  # fmt: skip
        current, table = contract.load(name), contract.load(versions)
        assert set(current.names) == {*table.names, *(("is_current",) if "name_sort" in table.names else ())}
        assert current.key == table.key[:1]
