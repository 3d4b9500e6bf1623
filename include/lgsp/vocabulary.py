"""The vocabulary that the SQL of the sources is written in: macros, code lists, text treatments."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from importlib.resources import files

import duckdb
import pyarrow as pa

from lgsp import codelist, territory, text
from lgsp.contract import quoted


def shared_sql(name: str) -> str:
    """One of the SQL files that all sources share."""
    return files("lgsp").joinpath("sql", f"{name}.sql").read_text()


def load(con: duckdb.DuckDBPyConnection, source: str, token_key: bytes) -> None:
    """Make the vocabulary known to a connection, with the codes of one source."""
    con.execute(shared_sql("macros"))
    for name in codelist.names():
        told = codelist.load(name)
        if name == "test_records":
            for what, field_name in (
                ("procedure", "procedure_code"),
                ("service", "procedure_name"),
                ("agency", "agency_code"),
                ("applicant", "applicant_name"),
                ("email", "email"),
            ):
                pattern = "|".join(f"({p})" for p in told[field_name])
                con.execute(f"create macro is_test_{what}(x) as regexp_matches(nfc_normalize(x), {quoted(pattern)})")
        elif isinstance(told.get("any"), list):
            con.execute(
                f"create macro is_{name.split('_')[1]}_{name.split('_')[0]}(x) as trim(x) in ({', '.join(map(quoted, told['any']))})"
            )
        else:
            pairs = codelist.meanings(name, source)
            keys, values = ", ".join(map(quoted, pairs)), ", ".join(map(quoted, pairs.values()))
            con.execute(f"create macro {name}(x) as (map([{keys}]::varchar[], [{values}]::varchar[]))[x]")
    treatments: dict[str, Callable[[str], str | None]] = {
        "clean": text.clean, "text_key": text.key, "without_persons": text.without_persons, "token": _tokeniser(token_key),
    }  # fmt: skip
    for name, treatment in treatments.items():
        con.create_function(name, treatment, ["VARCHAR"], "VARCHAR")
    codes = sorted({unit.code for unit in territory.units() if unit.level == "commune"})
    con.register("codes", pa.table({"code": codes}))
    con.execute("create table known_unit as select code from codes")
    con.unregister("codes")


def _tokeniser(key: bytes) -> Callable[[str], str]:
    """Keyed HMAC-SHA-256 of an identity number, with the id of the key in front."""
    key_id = hashlib.sha256(key).hexdigest()[:8]

    def token(number: str) -> str:
        return f"{key_id}:{hmac.new(key, number.strip().encode(), hashlib.sha256).hexdigest()}"

    return token
