"""Register the macros, code lists and Python functions that the SQL of the sources uses in DuckDB."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import duckdb
from duckdb.func import SPECIAL

from lgsp import config, sql
from lgsp.schema import codelists
from lgsp.sql import quoted
from lgsp.vietnam import personal_data, phones, text, times_and_numbers, working_days

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@config.cached()
def calendar_sql() -> str:
    """The macro `is_day_off(day)`: weekends and holidays, without the weekend days that are worked in exchange."""
    exceptions = [day.day_on for day in working_days.calendar() if day.is_working_day is (day.day_on.isoweekday() > 5)]
    listed = ", ".join(quoted(day.isoformat()) for day in exceptions)
    return f"create macro is_day_off(day) as (isodow(day) > 5) <> list_contains([{listed}]::date[], day)"


def load(con: duckdb.DuckDBPyConnection, source: str, token_key: bytes) -> None:
    """Register all macros and functions in a connection, with the codes of one source.

    Code lists are variables: a list written out in a macro would be planned again wherever the macro is used.
    """
    for name in codelists.names():
        code_list = codelists.load(name)
        if name == "test_records":
            for kind, field_name in (
                ("procedure", "procedure_code"),
                ("service", "procedure_name"),
                ("agency", "agency_code"),
                ("applicant", "applicant_name"),
                ("email", "email"),
            ):
                forms = dict.fromkeys(normalize(form, p) for p in code_list[field_name] for form in ("NFC", "NFD"))
                pattern = "|".join(f"({form})" for form in forms)
                con.execute(f"create macro is_test_{kind}(x) as regexp_matches(x, {quoted(pattern)})")
        elif isinstance(code_list.get("any"), list):
            texts = ", ".join(quoted(str(item)) for item in code_list["any"])
            con.execute(f"set variable {name} = [{texts}]")
            con.execute(f"create macro is_{name}(x) as list_contains(getvariable('{name}'), x)")
        else:
            known = codelists.meanings(name, source)
            pairs = {normalize(form, code): meaning for form in ("NFD", "NFC") for code, meaning in known.items()}
            codes, meanings = ", ".join(map(quoted, pairs)), ", ".join(map(quoted, pairs.values()))
            con.execute(f"set variable {name} = map([{codes}]::varchar[], [{meanings}]::varchar[])")
            con.execute(f"create macro {name}(x) as getvariable('{name}')[x]")
    functions: dict[str, tuple[Callable[[str], str | float | None], str]] = {
        "clean": (text.clean, "VARCHAR"), "text_key": (text.key, "VARCHAR"), "without_persons": (personal_data.without_persons, "VARCHAR"),
        "token": (_tokeniser(token_key), "VARCHAR"), "phone_token": (_tokeniser(token_key, "phone:"), "VARCHAR"), "phone_number": (phones.to_e164, "VARCHAR"), "instant_us": (_instant_us, "BIGINT"), "instant_oddity": (times_and_numbers.instant_oddity, "VARCHAR"),
        "whole_number": (times_and_numbers.whole_number, "BIGINT"), "whole_amount": (times_and_numbers.whole_amount, "BIGINT"),
        "decimal_number": (times_and_numbers.decimal, "DOUBLE"),
        "json_whole_number": (times_and_numbers.from_json(times_and_numbers.whole_number), "BIGINT"),
        "json_whole_amount": (times_and_numbers.from_json(times_and_numbers.whole_amount), "BIGINT"),
        "json_decimal": (times_and_numbers.from_json(times_and_numbers.decimal), "DOUBLE"),
    }  # fmt: skip
    for name, (function, type_) in functions.items():
        con.create_function(name, _null_safe(function), ["VARCHAR"], type_, null_handling=SPECIAL)
    con.execute(calendar_sql())
    con.execute(sql.load("lgsp.harmonise", "code_key"))
    con.execute(sql.load("lgsp.harmonise", "macros"))
    con.execute(sql.load("lgsp.harmonise", "converters"))


def _null_safe(function: Callable[[str], str | float | None]) -> Callable[[str | None], str | float | None]:
    return lambda sent: None if sent is None else function(sent)


def _instant_us(sent: str) -> int | None:
    instant = times_and_numbers.instant(sent)
    return None if instant is None else (instant - _EPOCH) // timedelta(microseconds=1)


def token_key_id(key: bytes) -> str:
    """The id of a key of tokens, with which its tokens begin."""
    return hashlib.sha256(key).hexdigest()[:8]


def _tokeniser(key: bytes, purpose: str = "") -> Callable[[str], str]:
    """A function that gives the keyed HMAC-SHA-256 of a number, with the id of the key in front.

    `purpose` gives different kinds of number different tokens.
    """
    prefix = token_key_id(key)

    def token(number: str) -> str:
        digest = hmac.digest(key, (purpose + number).encode(), "sha256").hex()
        return f"{prefix}:{digest}"

    return token
