"""Apply the row rules of a contract to the rows of a batch: flag each row, then separate accepted and quarantined rows.

Each rule is evaluated once over all rows, as one boolean column. The rows include one canary for each rule: an
artificial row that breaks the rule. A rule that does not flag its canary does not work, and the batch is refused.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lgsp.check import canaries, personal_data
from lgsp.check.quarantine import Violation
from lgsp.errors import ContractError
from lgsp.schema import contract, records
from lgsp.schema.contract import Rule
from lgsp.sql import file_literal, one_row, parquet, quoted
from lgsp.vietnam.personal_data import mask_key, without_persons

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 5000
# The rules for rows of lists: id, what makes a row break it, its meaning.
LIST_RULES = (
    ("LIST_TOO_LONG", "too_long is not null", "No id, code or name is longer than the store accepts: too_long "),
    ("LIST_DAMAGED", "is_damaged", "Every character of a record is valid text"),
)
SHOWN_KEYS = 5
# The column that marks test records. They are counted as ignored and never published.
TEST_RECORD = "is_test"
ORGANISATION_COLUMNS = ("receiving_organisation_id", "issuing_organisation_id", "organisation_id")
SAME_VERSION = "d.source_key = coalesce(flag.source_key, '?') and d.raw_hash = flag.raw_hash"
# The columns with the day a row belongs to, by precedence. A day after the end of the window is ignored.
DAY_COLUMNS = (("received_on", "submitted_on"), ("issued_on",), ("opened_on",))


@dataclass(frozen=True)
class Decisions:
    """The decisions of operators about quarantined record versions."""

    accepted: Sequence[Violation] = ()
    discarded: Sequence[Violation] = ()


@dataclass
class FlaggedRows:
    """The rows of one kind of a batch after all rules were applied, with the counts of each outcome."""

    kind: records.Kind
    rules: tuple[Rule, ...]
    rows: int  # without canaries and repeated rows
    failed: dict[str, int]  # number of failed rows by rule id
    sample_keys: dict[str, list[str]]  # keys of a few failed rows by rule id
    quarantine: list[dict[str, Any]] = field(default_factory=list)  # rows of ledger.quarantine
    test_records: list[tuple[str, str]] = field(default_factory=list)  # (key, change time)
    missed_canaries: list[str] = field(default_factory=list)  # ids of rules that do not work
    sample: pd.DataFrame | None = None
    duplicates: int = 0
    quarantined: int = 0
    secret: int = 0  # part of `quarantined`
    accepted: int = 0
    personal: int = 0  # accepted rows with personal data; the batch is refused if there are any


def apply(
    con: duckdb.DuckDBPyConnection,
    kind: records.Kind,
    staged: Path,
    accepted: Path,
    end: datetime,
    decisions: Decisions,
) -> FlaggedRows:
    """Flag the staged rows of a kind, write the accepted rows to `accepted`, and list the quarantined rows with reasons.

    Decisions of operators are final: an accepted version passes the rule it was accepted for, a discarded one is
    quarantined. Raises ContractError when a rule cannot be compiled.
    """
    rules = contract.rules(kind.name)
    duplicates = _stage(con, kind, staged, end)
    columns = {row[0] for row in con.execute("describe staged").fetchall()}
    test_records = _remove_test_records(con) if TEST_RECORD in columns else []
    canaries.insert(con, "staged", kind.name, end)
    personal_data.mark_rows(con, "staged", kind)
    _flag(con, rules)
    accepted_ids = _load_decisions(con, kind, decisions, rules)
    quarantining = [rule for rule in rules if rule.is_blocking]
    _mark_quarantined(con, quarantining, accepted_ids)
    failures = _failures(con, rules, accepted_ids)
    flagged = FlaggedRows(kind, rules, *failures, test_records=test_records, duplicates=duplicates)
    flagged.missed_canaries = _missed_canaries(con, rules)
    flagged.quarantine = _quarantine_rows(con, kind, columns, quarantining)
    flagged.quarantined = count(con, "select count(*) from flag where is_quarantined and canary is null")
    secret_rules = [rule.id for rule in rules if rule.severity == "blocker"]
    if secret_rules:
        flagged.secret = count(con, f"select count(*) from flag where canary is null and {_breaks_any(secret_rules)}")
    _write_accepted(con, kind, rules, columns, accepted)
    flagged.accepted = count(con, "select count(*) from accepted_row")
    flagged.personal = count(
        con, "select count(*) from staged join accepted_row on staged.rowid = accepted_row.number where is_personal"
    )
    if any(rule.native for rule in rules) and flagged.accepted:
        not_deleted = " where not is_deleted" if "is_deleted" in columns else ""
        query = f"select * from {parquet(accepted)}{not_deleted} using sample {SAMPLE_ROWS} rows"
        flagged.sample = con.sql(query).to_arrow_table().to_pandas()
    return flagged


def copy_list(con: duckdb.DuckDBPyConnection, kind: records.Kind, staged: Path, accepted: Path) -> list[dict[str, Any]]:
    """Write the rows of a list to `accepted`, without those that the store does not accept: they are rows of ledger.quarantine.

    Rows of lists are not records of the window: no count of the batch contains them, and without a raw pointer they are not
    redriven one by one, because a list counts as a whole.
    """
    broken = " or ".join(f"coalesce({condition}, false)" for _, condition, _ in LIST_RULES)
    if not count(con, f"select count(*) from {parquet(staged)} where {broken}"):
        shutil.copy(staged, accepted)
        return []
    con.execute(
        f"copy (from {parquet(staged)} where not ({broken})) to {file_literal(accepted)} (format parquet, compression zstd)"
    )
    return [row for rule in LIST_RULES for row in _list_rows(con, kind, staged, *rule)]


def _list_rows(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, staged: Path, rule_id: str, condition: str, meaning: str
) -> list[dict[str, Any]]:
    """One row of `ledger.quarantine` for each row of a list that breaks a rule."""
    rows = con.execute(
        f"select source_key, source_updated_at::varchar, content_hash, coalesce(too_long, '') from {parquet(staged)} "
        f"where {condition} order by 1"
    ).fetchall()
    return [
        {"source_key": mask_key(key), "kind": kind.name, "rule_id": rule_id, "rule_version": "1.0.0", "record_hash": hash_,
         "source_updated_at": changed, "raw_pointer": "", "organisation_id": None, "occurred_on": None,
         "reason": f"{meaning}{too_long if meaning.endswith(' ') else ''}"}
        for key, changed, hash_, too_long in rows
    ]  # fmt: skip


def _stage(con: duckdb.DuckDBPyConnection, kind: records.Kind, staged: Path, end: datetime) -> int:
    """Make the table `staged`: the rows of a kind, each record version once; the number of repeated rows left out."""
    ((rows, keyed, keys),) = con.execute(
        f"select count(*), count(source_key), count(distinct source_key) from {parquet(staged)}"
    ).fetchall()
    first_of_version = (
        "qualify row_number() over (partition by source_key, source_updated_at, content_hash, case when source_key is null then raw_hash end "
        "order by raw_pointer) = 1"
    )
    con.execute(
        f"create or replace table staged as select *, timestamptz {quoted(end.isoformat())} as window_to, null::varchar as canary from {parquet(staged)} "
        f"{'' if rows == keyed == keys else first_of_version}"
    )
    return int(rows) - count(con, "select count(*) from staged")


def _remove_test_records(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Delete test records; their keys and change times. Without a key or change time they are checked like any record."""
    condition = f"{TEST_RECORD} and source_key is not null and source_updated_at is not null"
    rows = con.execute(f"select source_key, source_updated_at::varchar from staged where {condition}").fetchall()
    con.execute(f"delete from staged where {condition}")
    return [(mask_key(key), changed) for key, changed in rows]


def _flag(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> None:
    """Make the table `flag`: one boolean column for each rule, true if the row passes; `number` is the row id in `staged`."""
    flags = "".join(f', not coalesce({rule.bad}, false) as "{rule.id}"' for rule in rules)
    try:
        con.execute(
            f"create or replace table flag as select rowid as number, source_key, source_updated_at, canary, raw_hash{flags} from staged"
        )
    except duckdb.Error:
        _compile_each(con, rules)
        raise


def _compile_each(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> None:
    """Raise ContractError for the first rule that cannot be compiled."""
    for rule in rules:
        try:
            con.execute(f"select {rule.bad} from staged limit 0")
        except duckdb.Error as error:
            raise ContractError(f"rule {rule.id} of kind {rule.kind} cannot be compiled: {error}") from error


def _load_decisions(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, decisions: Decisions, rules: tuple[Rule, ...]
) -> set[str]:
    """Make the tables `accepted` and `discarded` from the decisions about records of a kind; the ids of the rules in `accepted`."""
    acceptable = {rule.id for rule in rules if rule.is_acceptable}
    for name, versions in (("accepted", decisions.accepted), ("discarded", decisions.discarded)):
        con.execute(f"create or replace table {name} (source_key varchar, raw_hash varchar, rule_id varchar)")
        rows = [version[1:] for version in versions if version[0] == kind.name]
        rows = [row for row in rows if name == "discarded" or row[2] in acceptable]
        if rows:
            con.executemany(f"insert into {name} values (?, ?, ?)", rows)
    return {rule_id for (rule_id,) in con.execute("select distinct rule_id from accepted").fetchall()}


def _mark_quarantined(con: duckdb.DuckDBPyConnection, quarantining: Iterable[Rule], accepted_ids: set[str]) -> None:
    """Add `is_quarantined` to `flag`: the row breaks a rule that sends rows to quarantine, or an operator discarded it."""
    conditions = [f'not "{rule.id}" and not {_is_accepted(rule, accepted_ids)}' for rule in quarantining]
    conditions.append(f"exists (select 1 from discarded d where {SAME_VERSION})")
    con.execute(f"create or replace table flag as select *, ({') or ('.join(conditions)}) as is_quarantined from flag")


def _is_accepted(rule: Rule, accepted_ids: set[str]) -> str:
    """DuckDB SQL: whether a row of `flag` was accepted although it breaks the rule."""
    if rule.id not in accepted_ids:
        return "false"
    return f"exists (select 1 from accepted d where d.rule_id = {quoted(rule.id)} and {SAME_VERSION})"


def _failures(
    con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], accepted_ids: set[str]
) -> tuple[int, dict[str, int], dict[str, list[str]]]:
    """The number of rows, the number of those that break each rule, and a few of their keys.

    An accepted row counts as passing: a person has already checked it.
    """
    rows = count(con, "select count(*) from flag where canary is null")
    breaking = {rule.id: f'not ("{rule.id}" or {_is_accepted(rule, accepted_ids)})' for rule in rules}
    failed = _counts(con, {rule_id: f"canary is null and {broken}" for rule_id, broken in breaking.items()})
    keys = {
        rule.id: [mask_key(str(key or "?")) for (key,) in con.execute(
            f'select source_key from flag where canary is null and not "{rule.id}" order by source_key limit {SHOWN_KEYS}'
        ).fetchall()]
        for rule in rules if failed[rule.id]
    }  # fmt: skip
    return rows, failed, keys


def _counts(con: duckdb.DuckDBPyConnection, conditions: dict[str, str]) -> dict[str, int]:
    """By name, the number of rows of `flag` that meet a condition, counted in one pass."""
    if not conditions:
        return {}
    columns = ", ".join(f"count(*) filter (where {condition})" for condition in conditions.values())
    return dict(zip(conditions, one_row(con.execute(f"select {columns} from flag")), strict=True))


def _missed_canaries(con: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...]) -> list[str]:
    """The ids of the rules whose canary was not flagged, or not quarantined where the rule quarantines rows."""
    found = _counts(con, {
        rule.id: f'canary = {quoted(rule.id)} and not "{rule.id}"{" and is_quarantined" if rule.is_blocking else ""}'
        for rule in rules
    })  # fmt: skip
    return [rule_id for rule_id, canaries_found in found.items() if canaries_found != 1]


def _quarantine_rows(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, columns: set[str], rules: list[Rule]
) -> list[dict[str, Any]]:
    """One row of `ledger.quarantine` for each record in quarantine and each rule it breaks."""
    numbers = _counts(con, {rule.id: f'canary is null and is_quarantined and not "{rule.id}"' for rule in rules})
    return [row for rule in rules if numbers[rule.id] for row in _rows_breaking(con, kind, columns, rule)]


def _rows_breaking(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, columns: set[str], rule: Rule
) -> list[dict[str, Any]]:
    """One row of `ledger.quarantine` for each record that breaks a rule; only the columns in `shows` are quoted."""
    organisation = next((column for column in ORGANISATION_COLUMNS if column in columns), "null::varchar")
    shown = " || ', ' || ".join(f"'{name} ' || coalesce({name}::varchar, 'missing')" for name in rule.shows)
    shown = "''" if rule.severity == "blocker" or not shown else shown
    remedy = f"; fix or extend {rule.fix}" if rule.fix else ""
    rows = con.execute(
        f"select coalesce(s.source_key, '?'), s.source_updated_at::varchar, s.raw_hash, raw_pointer, {organisation}, "
        f"{_occurred_on(columns)}::varchar, {shown} "
        f'from flag join staged s on s.rowid = flag.number where not "{rule.id}" and is_quarantined and flag.canary is null order by 1, 3'
    ).fetchall()
    return [
        {"source_key": mask_key(key), "kind": kind.name, "rule_id": rule.id, "rule_version": rule.version, "record_hash": record_hash,
         "source_updated_at": changed, "raw_pointer": pointer, "organisation_id": without_persons(organisation_id), "occurred_on": day and date.fromisoformat(day),
         "reason": f"{rule.meaning}{f': {without_persons(values)}' if values else ''}{remedy}"}
        for key, changed, record_hash, pointer, organisation_id, day, values in rows
    ]  # fmt: skip


def _occurred_on(columns: set[str]) -> str:
    """DuckDB SQL: the day a row of `staged` belongs to; without a usable day column, the day of its last change."""
    day_columns = next((names for names in DAY_COLUMNS if names[0] in columns), ())
    last_on = "((s.window_to - interval 1 microsecond) at time zone 'Asia/Ho_Chi_Minh')::date"
    candidates = "".join(f"case when s.{name} <= {last_on} then s.{name} end, " for name in day_columns)
    return f"coalesce({candidates}(s.source_updated_at at time zone 'Asia/Ho_Chi_Minh')::date)"


def _write_accepted(
    con: duckdb.DuckDBPyConnection, kind: records.Kind, rules: tuple[Rule, ...], columns: set[str], accepted: Path
) -> None:
    """Write the newest valid version of each record with its quality flags; `accepted_row` holds the row numbers."""
    # a relative rule depends on the other rows of the batch: its flag would make equal rows of two batches differ
    flagging = [rule for rule in rules if not rule.is_relative]
    broken = ", ".join(f"case when not \"{rule.id}\" then '{rule.id}' end" for rule in flagging)
    con.execute(
        f"create or replace table accepted_row as select number, list_filter([{broken}], lambda x: x is not null)::varchar[] as quality_flags "
        "from flag where canary is null and not is_quarantined "
        "qualify row_number() over (partition by source_key order by source_updated_at desc, raw_hash desc) = 1"
    )
    selected = ["a.quality_flags" if name == "quality_flags" else f"s.{name}" for name in kind.columns]
    tokens = [f"s.{name}" for name in records.TOKENS if name in columns]
    con.execute(
        f"copy (select {', '.join(selected + tokens)} from staged s join accepted_row a on s.rowid = a.number) to {file_literal(accepted)} "
        "(format parquet, compression zstd)"
    )


def _breaks_any(ids: list[str]) -> str:
    return "(" + " or ".join(f'not "{rule_id}"' for rule_id in ids) + ")"


def count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """The number in the only row and column of a query's result."""
    ((number,),) = con.execute(query).fetchall()
    return int(number)
