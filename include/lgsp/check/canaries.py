"""Make canaries: for each rule an artificial row that breaks it, so that a rule that never fails is detected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import duckdb

from lgsp.errors import ContractError
from lgsp.schema import contract
from lgsp.schema.contract import Rule
from lgsp.sql import quoted

Side = Literal["fails", "keeps"]

# The column that marks artificial rows; it holds the id of the rule that the row tests.
CANARY = "canary"


def insert(con: duckdb.DuckDBPyConnection, table: str, kind: str, window_end: datetime) -> None:
    """Insert into a table of staged rows, for each rule of their kind, one row that breaks it; `canary` is the rule's id.

    The table has the columns of the staged rows, `window_to` and `canary`. Raises ContractError when a rule has no
    proof, or when a sample or a proof names a column that the table does not have.
    """
    proofs = {rule.id: _changes(rule, "fails") for rule in contract.rules(kind)}
    _insert(con, table, kind, proofs, window_end)


def create_table(
    con: duckdb.DuckDBPyConnection, kind: str, columns: Mapping[str, str], window_end: datetime, side: Side = "fails"
) -> None:
    """Create the table `proof` with the given columns (name to DuckDB type) and `canary`, for tests of the rules.

    It contains the sample row, whose `canary` is null, and for each rule a row that breaks it (`fails`) or only just
    keeps it (`keeps`). Further ways to break a rule (`or` in its proof) have rows of their own: `RULE:2` and so on.
    `kind` may also be the name of a shared table.
    """
    listed = ", ".join(f'"{name}" {type_}' for name, type_ in {**columns, CANARY: "varchar"}.items())
    con.execute(f"create or replace table proof ({listed})")
    proofs: dict[str | None, dict[str, Any]] = {None: {}}
    for rule in rules_of(kind):
        proofs[rule.id] = _changes(rule, side)
        others = (rule.proof or {}).get("or", ()) if side == "fails" else ()
        proofs |= {f"{rule.id}:{number}": dict(other) for number, other in enumerate(others, 2)}
    _insert(con, "proof", kind, proofs, window_end)


def rules_of(kind: str) -> tuple[Rule, ...]:
    """The rules of a kind of record, of `batch`, or of a shared table."""
    return contract.rules(kind) or tuple(rule for rule in contract.rules("table") if rule.table == kind)


def _changes(rule: Rule, side: Side) -> dict[str, Any]:
    if not rule.proof or side not in rule.proof:
        raise ContractError(
            f"rule {rule.id} of kind {rule.kind} has no proof {side!r}; add it to the custom properties of the rule"
        )
    return dict(rule.proof[side])


def _insert(
    con: duckdb.DuckDBPyConnection, table: str, kind: str, proofs: Mapping[Any, dict[str, Any]], window_end: datetime
) -> None:
    """Insert one row per proof: the sample row of the kind with the changes of the proof."""
    types = {str(name): str(type_) for name, type_, *_ in con.execute(f"describe {table}").fetchall() if name != CANARY}
    sample = contract.sample(kind)
    for name, place in [(name, "the sample") for name in sample] + [
        (name, f"the proof of rule {rule_id}") for rule_id, changes in proofs.items() for name in changes
    ]:
        if name not in types:
            raise ContractError(f"records of kind {kind} have no column {name!r}, which {place} uses")
    base = [
        "window_to" if name == "window_to" else f'{_cast(sample.get(name), type_)} as "{name}"'
        for name, type_ in types.items()
    ]
    changed = [f'{_value(name, type_, proofs)} as "{name}"' for name, type_ in types.items()]
    ids = ", ".join("null" if rule_id is None else quoted(rule_id) for rule_id in proofs)
    try:
        con.execute(
            f"insert into {table} by name with given as (select timestamptz {quoted(window_end.isoformat())} as window_to), "
            f"sample as (select {', '.join(base) or '1'} from given) "
            f"select {', '.join(changed)}, {CANARY} from sample, (select unnest([{ids}]::varchar[]) as {CANARY})"
        )
    except duckdb.Error as error:
        raise ContractError(f"the proofs of kind {kind} cannot be compiled: {error}") from error


def _value(name: str, type_: str, proofs: Mapping[Any, dict[str, Any]]) -> str:
    """DuckDB SQL: the value of a column in the row of each proof, as one expression over the sample row."""
    if name == "raw_pointer":
        return quoted(CANARY)
    if name == "raw_hash":
        return f"'{CANARY}:' || {CANARY}"
    changed = {rule_id: changes[name] for rule_id, changes in proofs.items() if name in changes}
    if not changed:
        return f'"{name}"'
    cases = " ".join(f"when {quoted(rule_id)} then {_cast(value, type_)}" for rule_id, value in changed.items())
    return f'case {CANARY} {cases} else "{name}" end'


def _cast(value: Any, type_: str) -> str:
    return f"cast({_sql(value)} as {type_})"


def _sql(value: Any) -> str:
    """A YAML value as a DuckDB literal; a text that starts with `=` is a DuckDB expression."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_sql, value))}]"
    if isinstance(value, str) and value.startswith("="):
        return f"({value[1:]})"
    if isinstance(value, str | date):
        return quoted(str(value))
    raise ContractError(f"{value!r} is not a valid column value in a sample or proof")
