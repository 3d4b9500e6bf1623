"""A filter finds the rows that plain Python finds, nulls included; and no text of a filter breaks the service."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL

from lgsp.serve import model
from lgsp.serve.filter_parser import Parser
from lgsp.serve.filter_sql import Compiler
from lgsp.store import connect
from tests.integration.serve.conftest import Api, Rows
from tests.unit.serve.mutated_filters import mutated

COLUMNS = {
    "string": ["status", "channel", "online_mode", "applicant_kind", "submitted_via"],
    "number": ["fee_vnd", "satisfaction", "online_level", "extension_count"],
    "date": ["due_on", "finished_on"],
    "instant": ["due_at", "finished_at", "received_at"],
    "boolean": ["is_on_time", "is_paused", "has_digital_result"],
}
ORDER = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}


@dataclass(frozen=True)
class Term:
    """A part of a filter: its text, and its value for a row, as OData defines it. None is null."""

    text: str
    value: Callable[[dict[str, Any]], Any]


def _parsed(value: Any, kind: str) -> Any:
    if value is None or kind not in ("date", "instant"):
        return value
    return date.fromisoformat(value) if kind == "date" else datetime.fromisoformat(value)


def _column(kind: str) -> st.SearchStrategy[Term]:
    return st.sampled_from(COLUMNS[kind]).map(lambda name: Term(name, lambda row: _parsed(row[name], kind)))


def _literal(value: Any, kind: str) -> Term:
    text = str(value).lower() if kind == "boolean" else str(value)
    if value is None:
        text = "null"
    elif kind == "string":
        text = "'" + value.replace("'", "''") + "'"
    return Term(text, lambda _: _parsed(value, kind) if kind == "instant" else value)


def _literals(kind: str) -> st.SearchStrategy[Term]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "string": st.sampled_from(
            ["online", "counter", "finished", "processing", "full", "citizen", "national", "on", "", "O'N", "đ%_\\"]
        ),
        "number": st.sampled_from([0, 1, 3, 4, 5, -7, 20000, 30000.5, 3_000_000_000]),
        "date": st.dates(date(2026, 7, 25), date(2026, 9, 30)),
        "instant": st.sampled_from(
            ["2026-08-05T00:00:00+07:00", "2026-08-04T17:00:00Z", "2026-08-03T09:15:00.5-03:30"]
        ),
        "boolean": st.booleans(),
    }
    return st.one_of(values[kind].map(lambda value: _literal(value, kind)), st.just(_literal(None, kind)))


def _called(name: str, argument: Term, value: Callable[[Any], Any]) -> Term:
    return Term(
        f"{name}({argument.text})", lambda row: None if argument.value(row) is None else value(argument.value(row))
    )


def _operands(kind: str) -> st.SearchStrategy[Term]:
    plain = st.one_of(_column(kind), _literals(kind))
    if kind == "string":
        cased = st.tuples(st.sampled_from(["tolower", "toupper"]), plain)
        return st.one_of(plain, cased.map(lambda t: _called(t[0], t[1], str.lower if t[0] == "tolower" else str.upper)))
    if kind == "number":
        parts = st.tuples(st.sampled_from(["year", "month", "day"]), st.one_of(_column("date"), _column("instant")))
        return st.one_of(plain, parts.map(lambda t: _called(t[0], t[1], operator.attrgetter(t[0]))))
    if kind == "date":
        return st.one_of(plain, _column("instant").map(lambda t: _called("date", t, lambda value: value.date())))
    return plain


def _compared(operation: str, left: Term, right: Term) -> Term:
    def value(row: dict[str, Any]) -> bool:
        a, b = left.value(row), right.value(row)
        if operation in ("eq", "ne"):
            return bool((a == b) == (operation == "eq"))
        return a is not None and b is not None and bool(ORDER[operation](a, b))

    return Term(f"{left.text} {operation} {right.text}", value)


def _in(left: Term, values: list[Term]) -> Term:
    return Term(
        f"{left.text} in ({','.join(value.text for value in values)})",
        lambda row: any(left.value(row) == value.value(row) for value in values),
    )


def _text_function(name: str, left: Term, right: Term) -> Term:
    test: Callable[[str, str], bool] = {"contains": lambda a, b: b in a, "startswith": str.startswith, "endswith": str.endswith}[name]  # fmt: skip

    def value(row: dict[str, Any]) -> bool | None:
        a, b = left.value(row), right.value(row)
        return None if a is None or b is None else test(a, b)

    return Term(f"{name}({left.text},{right.text})", value)


def _any(values: list[str], is_list: bool) -> Term:
    text = f"in ({','.join(repr(value) for value in values)})" if is_list else f"eq {values[0]!r}"
    wanted = set(values if is_list else values[:1])
    return Term(f"quality_flags/any(f: f {text})", lambda row: bool(wanted & set(row["quality_flags"])))


def _conditions() -> st.SearchStrategy[Term]:
    kinds = st.sampled_from(sorted(COLUMNS))
    compared = kinds.flatmap(lambda kind: st.builds(_compared, st.sampled_from(["eq", "ne", *ORDER]), _operands(kind), _operands(kind)))  # fmt: skip
    listed = kinds.flatmap(
        lambda kind: st.builds(_in, _operands(kind), st.lists(_literals(kind), min_size=1, max_size=3))
    )
    functions = st.builds(_text_function, st.sampled_from(["contains", "startswith", "endswith"]), _operands("string"), _operands("string"))  # fmt: skip
    flags = st.builds(_any, st.lists(st.sampled_from(["DOS_HUB_CODE", "DOS_AGENCY_KNOWN", "DOS_CONFLICT", "x"]), min_size=1, max_size=3), st.booleans())  # fmt: skip
    return st.recursive(st.one_of(compared, listed, functions, flags, _column("boolean")), _joined, max_leaves=6)


def _joined(parts: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    def negated(term: Term) -> Term:
        return Term(f"not ({term.text})", lambda row: None if term.value(row) is None else not term.value(row))

    def both(operation: str, left: Term, right: Term) -> Term:
        decisive = operation == "or"

        def value(row: dict[str, Any]) -> bool | None:
            values = (left.value(row), right.value(row))
            return decisive if decisive in values else None if None in values else not decisive

        return Term(f"({left.text}) {operation} ({right.text})", value)

    is_true = st.builds(lambda o, term: _compared(o, Term(f"({term.text})", term.value), _literal(True, "boolean")), st.sampled_from(["eq", "ne"]), parts)  # fmt: skip
    return st.one_of(parts.map(negated), st.builds(both, st.sampled_from(["and", "or"]), parts, parts), is_true)


@pytest.fixture(scope="module")
def dossiers(api: Api) -> Rows:
    """All dossiers, with nulls in most of the columns that filters use."""
    rows = api.rows("dossier", Prefer="odata.maxpagesize=10000")
    nullable = [name for names in COLUMNS.values() for name in names if any(row[name] is None for row in rows)]
    assert len(nullable) >= 7, nullable
    return rows


@given(condition=_conditions())
@settings(deadline=None)
def test_a_filter_finds_what_plain_python_finds(api: Api, dossiers: Rows, condition: Term) -> None:
    expected = [row["dossier_id"] for row in dossiers if condition.value(row) is True]
    assert _filtered(api, condition.text) == expected, condition.text


def _filtered(api: Api, text: str) -> list[str]:
    rows = api.rows(f"dossier?$select=dossier_id&$filter={quote(text)}", Prefer="odata.maxpagesize=10000")
    return [row["dossier_id"] for row in rows]


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("status ne 'x'", lambda row: True),
        ("online_mode ne 'full'", lambda row: row["online_mode"] != "full"),
        ("due_on lt 2026-08-20", lambda row: row["due_on"] is not None and row["due_on"] < "2026-08-20"),
        ("not (due_on lt 2026-08-20)", lambda row: row["due_on"] is None or row["due_on"] >= "2026-08-20"),
        ("due_on eq null", lambda row: row["due_on"] is None),
        ("not (online_mode in ('full',null))", lambda row: row["online_mode"] not in ("full", None)),
        ("not is_on_time", lambda row: row["is_on_time"] is False),
        ("fee_vnd eq NaN or fee_vnd lt INF", lambda row: row["fee_vnd"] is not None),
        ("quality_flags/any()", lambda row: bool(row["quality_flags"])),
        ("not quality_flags/any()", lambda row: not row["quality_flags"]),
    ],
)
def test_nulls_follow_odata(api: Api, dossiers: Rows, text: str, python: Callable[[dict[str, Any]], bool]) -> None:
    assert _filtered(api, text) == [row["dossier_id"] for row in dossiers if python(row)]


def test_aliases_and_encoded_signs_are_read(api: Api, dossiers: Rows) -> None:
    expected = [row["dossier_id"] for row in dossiers if row["channel"] == "online"]
    for query in (
        "$filter=channel+eq+@c&@c='online'",
        "$filter=channel in @c&@c=('online','o%26')",
        "%24filter=channel%20eq%20%27online%27",
    ):
        assert [row["dossier_id"] for row in api.rows(f"dossier?{query}&$select=dossier_id")] == expected
    late = "$filter=due_at gt 2026-08-05T00:00:00%2B07:00"
    assert api.rows(f"dossier?{late}&$select=dossier_id") == api.rows(
        "dossier?$filter=due_at gt 2026-08-04T17:00:00Z&$select=dossier_id"
    )


REFUSED = {
    "statsu eq 1": (400, "UnknownColumn"), "status eq 1": (400, "WrongType"), "due_on lt 2026-02-30": (400, "WrongType"),
    "due_on lt 2026-02-01T00:00:00Z": (400, "WrongType"), "quality_flags eq 'x'": (400, "WrongType"), "status eq 'x": (400, "InvalidQuery"),
    "": (400, "InvalidQuery"), "status": (400, "WrongType"), "not status eq 'x'": (400, "WrongType"), "length(status) eq 3": (501, "NotImplemented"),
    "fee_vnd add 1 eq 2": (501, "NotImplemented"), "quality_flags/all(f: f eq 'x')": (501, "NotImplemented"), "frobnicate(status)": (400, "InvalidQuery"),
    "(" * 40 + "is_paused" + ")" * 40: (400, "QueryTooLarge"), f"fee_vnd in ({','.join(['1'] * 201)})": (400, "QueryTooLarge"),
    "is_paused" + " or is_paused" * 310: (400, "QueryTooLarge"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=lambda value: str(value)[:30])
def test_a_wrong_filter_has_a_stable_code(api: Api, text: str, expected: tuple[int, str]) -> None:
    answer = api.get(f"dossier?$filter={text}")
    error = answer.json()["error"]
    assert ((answer.status_code, error["code"]), error["target"]) == (expected, "$filter")


def _check_mutated(api: Api, count: int, seed: int) -> None:
    statuses = set()
    for text in mutated(count, seed):
        answer = api.get(f"dossier/$count?$filter={quote(text)}")
        assert answer.status_code in (200, 400, 501), (text, answer.text)
        statuses.add(answer.status_code)
    assert statuses == {200, 400, 501}


def test_no_mutated_filter_breaks_the_service(api: Api) -> None:
    _check_mutated(api, 300, 1)


@pytest.mark.exhaustive
def test_no_filter_of_ten_thousand_breaks_it(api: Api) -> None:
    _check_mutated(api, 10_000, 2)


@pytest.mark.parametrize(
    "text",
    [
        "dossier_id eq 'x'", "not (dossier_id ne 'x')", "dossier_id in ('x','y',null)", "dossier_id gt 'x' and status ne 'y'",
        "not (dossier_id lt 'x' or is_on_time)", "opened_on ge 2026-08-01", "not (opened_on lt 2026-08-01)",
    ],
)  # fmt: skip
def test_a_condition_uses_the_index_of_its_column(api: Api, text: str) -> None:
    compiler = Compiler()
    condition = compiler.condition(Parser(model.sets()["dossier"], text, "$filter", {}).filter())
    with connect(api.installation.settings) as connection:
        connection.execute("set local enable_seqscan = off")
        plan = connection.execute(
            SQL("explain select * from shared.dossier r where ") + condition, compiler.values
        ).fetchall()
    assert "Index Cond" in str(plan), plan
