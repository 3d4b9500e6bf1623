"""Answers with values that cannot be stored are parsed, and only those values are replaced."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgsp.land import json_sanitiser

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"a":"x\\u0000y","b":1e999}', {"a": "x\ufffdy", "b": None}),
        (b'{"a":1e400,"b":NaN,"c":-Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a":' + b"9" * 400 + b"}", {"a": "9" * 400}),
        (b'{"a":"x","b":' + b"[" * 5000 + b"]" * 5000 + b',"c":"]"}', None),
    ],
)  # fmt: skip
def test_one_unstorable_value_does_not_affect_the_rest(sent: bytes, kept: dict[str, object] | None) -> None:
    parsed = json_sanitiser.loads(sent)
    if kept is None:
        assert (parsed["a"], parsed["c"]) == ("x", "]")
    else:
        assert parsed == kept


@pytest.mark.parametrize("sent", [b'{"content":[{"a":1},{"a":', b"<html>502</html>", b"", b'{"a":1}}', b"[1,2"])
def test_an_incomplete_or_empty_answer_is_refused(sent: bytes) -> None:
    with pytest.raises(ValueError):
        json_sanitiser.loads(sent)


def test_nul_is_replaced() -> None:
    assert b"\\u0000" not in json_sanitiser.sanitise(b'{"a":"x\\u0000y"}')
    assert orjson.loads(json_sanitiser.sanitise(b'{"a":"x\\u0000y"}')) == {"a": "x\ufffdy"}


def test_an_emoji_is_unchanged() -> None:
    assert json_sanitiser.loads(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@given(json_values)
def test_storable_values_are_unchanged(value: object) -> None:
    body = json.dumps(value).encode()
    if (
        b"\\u0000" not in body
        and "e+" not in body.decode().lower()
        and all(len(number) < 18 for number in body.decode().split())
    ):
        assert json_sanitiser.loads(body) == json.loads(body)


@given(st.binary())
def test_any_bytes_are_parsed_or_raise_value_error(body: bytes) -> None:
    try:
        json_sanitiser.loads(body)
    except ValueError:
        pass


def test_values_next_to_a_replaced_value_keep_their_bytes() -> None:
    body = b'{"content":[{"a":1.50,"b":-0,"c":1E2},{"x":"\\u0000"}]}'
    assert b'{"a":1.50,"b":-0,"c":1E2}' in json_sanitiser.sanitise(body)
