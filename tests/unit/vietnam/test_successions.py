"""The recorded successions are complete rows that say what they rest on."""

from __future__ import annotations

import pytest

from lgsp.errors import ContractError
from lgsp.vietnam import successions, territory_files


def test_a_succession_names_its_legal_basis_or_is_an_assumption() -> None:
    rows = successions.load()
    assert {row.is_verified for row in rows} == {True, False}
    assert all(row.legal_basis and row.source for row in rows if row.is_verified)


def test_successions_are_in_order_of_time() -> None:
    days = [row.effective_on for row in successions.load()]
    assert days == sorted(days) and len(days) > 90


def test_a_split_hands_over_only_a_part() -> None:
    assert {row.is_whole for row in successions.load() if row.kind == "split"} == {False}
    assert {row.is_whole for row in successions.load() if row.kind != "split"} == {True}


def test_an_agency_has_one_successor_unless_it_was_split() -> None:
    pairs = [(row.predecessor_name, row.effective_on) for row in successions.load() if row.is_whole]
    assert len(pairs) == len(set(pairs))


def test_no_two_rows_have_the_same_key() -> None:
    assert len(successions.load()) == len(territory_files.shipped_rows(successions.FILE))


def test_a_row_of_an_unknown_kind_is_refused() -> None:
    (row, *_) = territory_files.shipped_rows(successions.FILE)
    with pytest.raises(ContractError, match="line 2: kind 'sold' must be merged, renamed, split"):
        successions.parse({**row, "kind": "sold"}, "agency_successions.csv line 2")
