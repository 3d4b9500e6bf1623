"""Codes in other styles mean the same record, and mixed texts are certain to be repaired or flagged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.sources.documents.edxml import document_id
from lgsp.vietnam import text
from lgsp_province.defects import code_styles, mixed_text
from tests.unit.vietnam.test_repair import OFFICIAL

NAMES = [name for name in OFFICIAL if "{" not in name]
BITS = st.integers(0, 2**20)


@pytest.mark.parametrize("kind", range(6))
@pytest.mark.parametrize("agency", ["H47", "H47.20", "H47.20.25", "000.00.00.H47", "000.00.20.H47", "000.25.20.H47"])
def test_a_document_id_in_another_style_is_the_same_document(agency: str, kind: int) -> None:
    sent = f"{agency},2022/06/01,5/UBND-VP"
    assert code_styles.restyled(sent, kind) != sent or (kind == 0 and agency == "H47")
    assert document_id(code_styles.restyled(sent, kind), None, None, None) == document_id(sent, None, None, None)


@pytest.mark.parametrize("kind", range(4))
def test_a_document_number_in_another_style_is_the_same_document(kind: int) -> None:
    written = code_styles.renumbered("5/UBND-VP", kind)
    assert written != "5/UBND-VP"
    assert document_id(None, "H47.20", "2022/06/01", written) == "H47.20,2022/06/01,5/UBND-VP"


@given(st.sampled_from(NAMES), BITS)
def test_a_mixed_text_is_repaired_or_flagged(name: str, bits: int) -> None:
    repaired = text.repair(mixed_text.damaged(name, bits))
    assert (repaired.text or "").lower() == name.lower() or repaired.is_garbled


@given(st.sampled_from(NAMES), BITS)
def test_lost_letters_are_always_flagged(name: str, bits: int) -> None:
    sent = mixed_text.lost(name, bits)
    assert sent == name or text.repair(sent).is_garbled


@given(st.text(st.sampled_from([" ", "\u00a0", "\t", ".", "Đ", "ấ", "a"]), max_size=12), BITS)
def test_a_text_with_any_blanks_can_be_damaged(name: str, bits: int) -> None:
    assert isinstance(mixed_text.damaged(name, bits), str)
    assert isinstance(mixed_text.lost(name, bits), str)
