"""Flagging: every row rule of a contract, evaluated once over the rows of a batch, as one boolean column for each rule.

In between the rows of every batch stands one canary for each rule: a made-up row that breaks it. A rule that lets its
canary pass is dead, and a batch judged by a dead rule proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lgsp.check import canaries, personal_data
from lgsp.check.quarantine import Version
from lgsp.errors import ContractError
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.sql import quoted
from lgsp.vietnam.personal_data import mask_key, without_persons

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = 5000
SHOWN_KEYS = 5
# What says of a row, besides its rules, that it is not asked: trial records are nobody's.
TRIAL = "is_test"
WHOSE = ("receiving_organisation_id", "issuing_organisation_id", "organisation_id")
SAME_ROW = "d.source_key = coalesce(flag.source_key, '?') and d.raw_hash = flag.raw_hash"
# The days a row names as its own, in the order in which they are believed; a day after the window's end is not.
WHEN = (("received_on", "submitted_on"), ("issued_on",), ("opened_on",))


@dataclass(frozen=True)
class Decided:
    """What people decided about single rows, as (kind, source key, hash of the record, rule)."""

    accepted: Sequence[Version] = ()
    discarded: Sequence[Version] = ()


@dataclass
class Flagged:
    """The rows of one kind of a batch after every rule was asked, and where each of them went."""

    kind: records.Kind
    rules: tuple[Rule, ...]
    flags: pd.DataFrame
    failed: dict[str, int]
    sample_keys: dict[str, list[str]]
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    trials: list[tuple[str, str]] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    sample: pd.DataFrame | None = None
    duplicates: int = 0
    quarantined: int = 0
    stopped: int = 0
    kept: int = 0
    personal: int = 0


def judge(
    con: duckdb.DuckDBPyConnection,
    kind: records.Kind,
    staged: Path,
    accepted: Path,
    end: datetime,
    decided: Decided,
) -> Flagged:
    """Flag the staged rows of a kind, write those that may go on, and tell why the others may not.

    What somebody decided about a row holds: one that was accepted goes on, one that was discarded never does.
    Raises ContractError when a rule cannot be compiled.
    """
    rules = contract.rules(kind.name)
    duplicates = _stage(con, kind, staged, end)
    columns = {row[0] for row in con.execute("describe staged").fetchall()}
    trials = _trials(con) if TRIAL in columns else []
    canaries.canaries(con, "staged", kind.name, end)
    personal_data.mark(con, "staged", kind)
    _flag(con, rules)
    _decide(con, kind, decided, rules)
    holding = [rule for rule in rules if rule.quarantines]
    _split(con, holding)
    flagged = Flagged(kind, rules, *_counted(con, rules), trials=trials, duplicates=duplicates)
    flagged.dead = _dead(con, rules)
    flagged.quarantine = [row for rule in holding for row in _reasons(con, kind, columns, rule)]
    flagged.quarantined = count(con, "select count(*) from flag where is_held and canary is null")
    secret = [rule.id for rule in rules if rule.severity == "blocker"]
    if secret:
        flagged.stopped = count(con, f"select count(*) from flag where canary is null and {_any_broken(secret)}")
    _keep(con, kind, rules, columns, accepted)
    flagged.kept = count(con, "select count(*) from kept")
    flagged.personal = count(
        con, "select count(*) from staged join kept on staged.rowid = kept.number where is_personal"
    )
    if any(rule.native for rule in rules) and flagged.kept:
        living = " where not is_deleted" if "is_deleted" in columns else ""
        flagged.sample = (
            con.sql(f"select * from '{accepted}'{living} using sample {SAMPLE} rows").to_arrow_table().to_pandas()
        )
    return flagged


def _stage(con: duckdb.DuckDBPyConnection, kind: records.Kind, staged: Path, end: datetime) -> int:
    """`staged`: the rows of a kind, each version of a record once; how many came again."""
    ((there, keyed, keys),) = con.execute(
        f"select count(*), count(source_key), count(distinct source_key) from '{staged}'"
    ).fetchall()
    once = (
        "qualify row_number() over (partition by source_key, source_updated_at, content_hash, case when source_key is null then raw_hash end "
        "order by raw_pointer) = 1"
    )
    con.execute(
        f"create or replace table staged as select *, timestamptz {quoted(end.isoformat())} as window_to, null::varchar as canary from '{staged}' "
        f"{'' if there == keyed == keys else once}"
    )
    return int(there) - count(con, "select count(*) from staged")


def _trials(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Take trial records out; their keys and change times. One without either is judged like any other record."""
    trial = f"{TRIAL} and source_key is not null and source_updated_at is not null"
    rows = con.execute(f"select source_key, source_updated_at::varchar from staged where {trial}").fetchall()
    con.execute(f"delete from staged where {trial}")
    return [(mask_key(key), changed) for key, changed in rows]


def _flag(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> None:
    """`flag`: one boolean column for each rule, true for a row that keeps it; rows are tied to `staged` by number."""
    for rule in rules:
        try:
            con.execute(f"select {rule.bad} from staged limit 0")
        except duckdb.Error as error:
            raise ContractError(f"rule {rule.id} of kind {rule.kind} cannot be compiled: {error}") from error
    flags = "".join(f', not coalesce({rule.bad}, false) as "{rule.id}"' for rule in rules)
    con.execute(
        f"create or replace table flag as select rowid as number, source_key, source_updated_at, canary, raw_hash{flags} from staged"
    )


def _decide(con: duckdb.DuckDBPyConnection, kind: records.Kind, decided: Decided, rules: tuple[Rule, ...]) -> None:
    """`accepted` and `discarded`: which rules hold which rows no longer, and which rows are held whatever they keep."""
    acceptable = {rule.id for rule in rules if rule.is_acceptable}
    for name, versions in (("accepted", decided.accepted), ("discarded", decided.discarded)):
        con.execute(f"create or replace table {name} (source_key varchar, raw_hash varchar, rule_id varchar)")
        rows = [version[1:] for version in versions if version[0] == kind.name]
        rows = [row for row in rows if name == "discarded" or row[2] in acceptable]
        if rows:
            con.executemany(f"insert into {name} values (?, ?, ?)", rows)


def _split(con: duckdb.DuckDBPyConnection, holding: Iterable[Rule]) -> None:
    """Add `is_held` to `flag`: whether a rule that sends to quarantine holds the row, or somebody discarded it."""
    held = [f'not "{rule.id}" and not {_is_accepted(con, rule)}' for rule in holding]
    held.append(f"exists (select 1 from discarded d where {SAME_ROW})")
    con.execute(f"create or replace table flag as select *, ({') or ('.join(held)}) as is_held from flag")


def _is_accepted(con: duckdb.DuckDBPyConnection, rule: Rule) -> str:
    """Whether a row of `flag` was accepted although it breaks a rule, in DuckDB's SQL."""
    if not count(con, f"select count(*) from accepted where rule_id = {quoted(rule.id)}"):
        return "false"
    return f"exists (select 1 from accepted d where d.rule_id = {quoted(rule.id)} and {SAME_ROW})"


def _counted(
    con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]
) -> tuple[pd.DataFrame, dict[str, int], dict[str, list[str]]]:
    """The flags of all rows for the gate, how many rows break each rule, and the keys of a few of them.

    A row that somebody accepted counts as one that keeps the rule: it was asked about already.
    """
    chosen = ", ".join(f'"{rule.id}" or {_is_accepted(con, rule)} as "{rule.id}"' for rule in rules)
    flags = con.execute(f"select {chosen} from flag where canary is null").fetch_df()
    failed = {rule.id: int((~flags[rule.id]).sum()) for rule in rules}
    keys = {
        rule.id: [mask_key(str(key or "?")) for (key,) in con.execute(
            f'select source_key from flag where canary is null and not "{rule.id}" order by source_key limit {SHOWN_KEYS}'
        ).fetchall()]
        for rule in rules if failed[rule.id]
    }  # fmt: skip
    return flags, failed, keys


def _dead(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> list[str]:
    """The rules whose canary came through: unflagged, or flagged and yet not held where the rule holds rows."""
    dead = []
    for rule in rules:
        held = " and is_held" if rule.quarantines else ""
        caught = count(con, f'select count(*) from flag where canary = {quoted(rule.id)} and not "{rule.id}"{held}')
        if caught != 1:
            dead.append(rule.id)
    return dead


def _reasons(con: duckdb.DuckDBPyConnection, kind: records.Kind, columns: set[str], rule: Rule) -> list[dict[str, Any]]:
    """One row for each record that a rule holds; only what the rule shows is told."""
    organisation = next((column for column in WHOSE if column in columns), "null::varchar")
    shown = " || ', ' || ".join(f"'{name} ' || coalesce({name}::varchar, 'missing')" for name in rule.shows)
    shown = "''" if rule.severity == "blocker" or not shown else shown
    mend = f"; mend or extend {rule.mend}" if rule.mend else ""
    rows = con.execute(
        f"select coalesce(s.source_key, '?'), s.source_updated_at::varchar, s.raw_hash, raw_pointer, {organisation}, "
        f"{_occurred_on(columns)}::varchar, {shown} "
        f'from flag join staged s on s.rowid = flag.number where not "{rule.id}" and is_held and flag.canary is null order by 1, 3'
    ).fetchall()
    return [
        {"source_key": mask_key(key), "kind": kind.name, "rule_id": rule.id, "rule_version": rule.version, "record_hash": record_hash,
         "source_updated_at": changed, "raw_pointer": pointer, "organisation_id": without_persons(organisation_id), "occurred_on": on and date.fromisoformat(on),
         "reason": f"{rule.meaning}{f': {without_persons(values)}' if values else ''}{mend}"}
        for key, changed, record_hash, pointer, organisation_id, on, values in rows
    ]  # fmt: skip


def _occurred_on(columns: set[str]) -> str:
    """The day a row of `staged` belongs to, in DuckDB's SQL: one it names as its own, else that of its last change."""
    named = next((names for names in WHEN if names[0] in columns), ())
    last_on = "((s.window_to - interval 1 microsecond) at time zone 'Asia/Ho_Chi_Minh')::date"
    believed = "".join(f"case when s.{name} <= {last_on} then s.{name} end, " for name in named)
    return f"coalesce({believed}(s.source_updated_at at time zone 'Asia/Ho_Chi_Minh')::date)"


def _keep(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, rules: tuple[Rule, ...], columns: set[str], accepted: Path
) -> None:
    """Write the newest good version of each record, with the rules that warned about it; `kept` holds their numbers."""
    told_of = [rule for rule in rules if not rule.is_relative]  # else a row would differ by the batch it came in
    warned = ", ".join(f"case when not \"{rule.id}\" then '{rule.id}' end" for rule in told_of)
    con.execute(
        f"create or replace table kept as select number, list_filter([{warned}], lambda x: x is not null)::varchar[] as quality_flags "
        "from flag where canary is null and not is_held "
        "qualify row_number() over (partition by source_key order by source_updated_at desc, raw_hash desc) = 1"
    )
    told = ["k.quality_flags" if name == "quality_flags" else f"s.{name}" for name in kind.columns]
    tokens = [f"s.{name}" for name in records.TOKENS if name in columns]
    con.execute(
        f"copy (select {', '.join(told + tokens)} from staged s join kept k on s.rowid = k.number) to '{accepted}' "
        "(format parquet, compression zstd)"
    )


def _any_broken(ids: list[str]) -> str:
    return "(" + " or ".join(f'not "{rule_id}"' for rule_id in ids) + ")"


def count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """The single number a query gives; the connection is free again afterwards."""
    ((number,),) = con.execute(query).fetchall()
    return int(number)
