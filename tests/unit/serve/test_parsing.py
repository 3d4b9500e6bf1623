"""Filters, paths, options and formats are read without a database."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.serve import errors, formats, literals, model, paths, query
from lgsp.serve.errors import ApiError
from lgsp.serve.filter_parser import MOST_LEVELS, MOST_VALUES, Parser
from lgsp.serve.filter_sql import Compiler, plain
from lgsp.serve.formats import Format
from lgsp.serve.limits import AT_ONCE, FAILED_LOGINS, Limits
from tests.unit.serve.mutated_filters import mutated

DOSSIER = model.sets()["dossier"]


def _sql(text: str, **aliases: str) -> str:
    parser = Parser(DOSSIER, text, "$filter", {f"@{name}": value for name, value in aliases.items()})
    return Compiler().condition(parser.filter()).as_string(None).replace('"r".', "").replace('"', "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status eq 'x'", "status = %(p0)s::text"),
        ("due_on lt 2026-08-01", "due_on < %(p0)s::date"),
        ("not (due_on lt 2026-08-01)", "(due_on >= %(p0)s::date or due_on is null)"),
        ("not (is_paused and is_on_time)", "(not (is_paused) or not (is_on_time))"),
        ("online_mode ne 'x'", "(online_mode <> %(p0)s::text or online_mode is null)"),
        ("quality_flags/any(f: f eq 'x')", "quality_flags && %(p0)s::text[]"),
        ("fee_vnd in (1,2)", "(fee_vnd in (%(p0)s, %(p1)s))"),
    ],
)
def test_a_condition_leaves_its_column_to_the_index(text: str, expected: str) -> None:
    assert _sql(text) == expected


@given(st.text(alphabet="'(),:/ @$-+.0123456789eNaINFqandortuslk_\u0111\u0661", max_size=60))
def test_any_text_is_a_filter_or_an_error_of_the_api(text: str) -> None:
    try:
        assert _sql(text)
    except ApiError as error:
        assert error.status in (400, 501)


def test_ten_thousand_mutated_filters_are_sql_or_refused() -> None:
    statuses: Counter[int] = Counter()
    for text in mutated(10_000, 1):
        try:
            assert _sql(text)
            statuses[200] += 1
        except ApiError as error:
            statuses[error.status] += 1
    assert statuses.keys() == {200, 400, 501} and min(statuses.values()) > 100, statuses


def test_a_value_never_becomes_part_of_the_statement() -> None:
    hostile = "x'' or 1=1; drop table shared.dossier --"
    assert "drop" not in _sql(f"status eq '{hostile}' and contains(channel,@p)", p=f"'{hostile}'")


@pytest.mark.parametrize("levels", [MOST_LEVELS, MOST_LEVELS + 1])
def test_a_filter_has_thirty_levels(levels: int) -> None:
    for text in (
        "(" * levels + "is_paused" + ")" * levels,
        "not " * levels + "is_paused",
        "is_paused" + " eq true" * levels,
    ):
        if levels == MOST_LEVELS:
            assert _sql(text)
        else:
            with pytest.raises(ApiError, match=f"more than {MOST_LEVELS} levels"):
                _sql(text)


def test_values_in_aliases_count_too() -> None:
    listed = ",".join(["1"] * MOST_VALUES)
    assert _sql("fee_vnd in @p", p=f"({listed})")
    with pytest.raises(ApiError, match=f"more than {MOST_VALUES} values"):
        _sql("fee_vnd eq 1 or fee_vnd in @p", p=f"({listed})")
    with pytest.raises(ApiError, match="an alias in an alias"):
        _sql("fee_vnd eq @p", p="@p")


@given(st.text())
def test_a_row_is_found_by_its_own_address(text: str) -> None:
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        return
    key = {"document_id": text}
    address = paths.row_id(model.sets()["document"], key)
    assert paths.parse(f"/v1/{address}".encode()).keys == (key,)


def test_both_code_styles_are_one_dossier() -> None:
    old, new = "000.25.20.H47-220601-0007", "H47.20.25-220601-0007"
    assert old in paths.dossier_codes(" h47.20.25\u2013220601-0007 ") and new in paths.dossier_codes(old.lower())
    assert "000.00.20.H47-220601-0007" in paths.dossier_codes("H47.20-220601-0007")
    assert "H47.20-220601-0007" in paths.dossier_codes("000.00.20.H47-220601-0007")
    assert paths.dossier_codes("HS-2022-1") == ["HS-2022-1"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""), ("", '""'), ("a", "a"), ("a,b", '"a,b"'), ('a"b', '"a""b"'), (" a", '" a"'), ("a\nb", '"a\nb"'), (True, "true"),
        (1.5, "1.5"), (12, "12"), (["a", "b"], '"[""a"",""b""]"'), ([], "[]"),
    ],
)  # fmt: skip
def test_a_cell_of_csv_keeps_null_and_empty_apart(value: Any, expected: str) -> None:
    assert formats.cell(value) == expected


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        (None, "json"), ("*/*", "json"), ("text/csv", "csv"), ("text/*", "csv"), ("application/json;q=0.1, text/csv", "csv"),
        ("application/json;odata.metadata=full", None), ("image/png", None), ("application/json;q=0", None),
        ("application/json;odata.metadata=minimal;q=1.0,application/json;odata=verbose;q=0.9,application/atom+xml", "json"),
    ],
)  # fmt: skip
def test_the_format_is_the_preferred_one(accept: str | None, name: str | None) -> None:
    if name is None:
        with pytest.raises(ApiError):
            formats.choose(accept, None, formats.OF_ROWS)
    else:
        assert formats.choose(accept, None, formats.OF_ROWS).name == name
    assert formats.choose("image/png", "arrow", formats.OF_ROWS) == Format("arrow")


def test_messages_are_in_the_preferred_language() -> None:
    accepted = (None, "", "fr", "vi", "vi-VN,en;q=0.8", "en;q=0.5,vi;q=0.4", "vi;q=x")
    assert [errors.language(each) for each in accepted] == ["en", "en", "en", "vi", "vi", "en", "en"]


def test_search_words_have_no_accents() -> None:
    given = query.options('$search=Cẩm+THANH "Đà  Nẵng" AND xã'.encode(), query.OF_ROWS)
    assert query.parse(model.sets()["organisation"], given).words == ("cam", "thanh", "da nang", "xa")
    assert plain("UBND xã Ch'ơm (cũ)") == "ubnd xa ch om cu"


@pytest.mark.parametrize("text", ["2026-08-05T00:00:00.1234567Z", "2026-08-05T24:30:00Z"])
def test_a_time_that_would_be_cut_is_refused(text: str) -> None:
    with pytest.raises(ApiError):
        literals.literal("instant", text, "$filter")
    assert literals.literal("instant", "2026-08-05T00:00:00.1230000000Z", "x").value.microsecond == 123000  # type: ignore[union-attr]


def test_limits_begin_again_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgsp.serve.limits.REQUESTS", 600)  # tests of the service raise it
    now = [0.0]
    limits = Limits(lambda: now[0])
    for _ in range(AT_ONCE):
        limits.enter("a")
    with pytest.raises(ApiError, match="at once"):
        limits.enter("a")
    for _ in range(AT_ONCE):
        limits.leave("a")
    for _ in range(FAILED_LOGINS):
        limits.failed("10.0.0.1")
    with pytest.raises(ApiError) as refused:
        limits.failed("10.0.0.1")
    assert refused.value.headers["Retry-After"] == "60"
    limits.failed("10.0.0.2")
    now[0] = 60.5
    limits.failed("10.0.0.1")
    assert limits.enter("a")["RateLimit"] == '"account";r=599;t=60'


@pytest.mark.parametrize(
    "text", ["is_paused{}", "not (is_on_time and is_paused{})", "(is_on_time or (is_paused{})) in (true,null)"]
)
@pytest.mark.parametrize("link", [" eq true", " ne is_on_time", " lt true", " in (true,null)"])
def test_the_statement_grows_with_the_filter_only(text: str, link: str) -> None:
    assert len(_sql(text.format(link * 24))) < 6000
    nested = "is_on_time"
    for _ in range(9):
        nested = f"(not ({nested}{link}) or is_on_time)"
    assert len(_sql(nested)) < 6000
