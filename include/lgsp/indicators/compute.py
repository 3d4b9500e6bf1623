"""Decide which indicators a publication must compute again, and stage what their SQL reads.

The row of an agency and a period depends on the movements up to the end of the period, on the period itself (how far the
data reach into it, whether the feeds cover it), on the versions of the agency, on its offerings and on the fields of its
procedures; on nothing else. When the definitions changed, everything is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lgsp import sql
from lgsp.errors import ContractError
from lgsp.indicators import definitions, document_flows, dossier_flows
from lgsp.indicators.definitions import ratios
from lgsp.schema import contract

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

# Measures of ratios in addition to the sums of movements: what is open at an agency, and what the agency offers.
BALANCE_AND_OFFERING_MEASURES = (
    "carried_over", "open", "overdue", "offered", "eligible", "eligible_used", "eligible_used_online", "eligible_integrated",
    "eligible_full", "paying", "paying_online",
)  # fmt: skip
MEASURES = (*dossier_flows.MEASURES, *BALANCE_AND_OFFERING_MEASURES)

# An index serves this condition.
_SAME_START = "s.period_start = any(array(select distinct period_start from affected))"
# The conditions under which `s`, a row of an indicator table, is computed again. A map has all territories, and the
# digest repeats the values of last week.
AFFECTED = f"(s.organisation_id, s.period, s.period_start) in (select organisation_id, period, period_start from affected) and {_SAME_START}"
AFFECTED_PERIOD = f"(s.period, s.period_start) in (select period, period_start from affected) and {_SAME_START}"
AFFECTED_WEEK = "s.period_start = any(array(select period_start + days from affected cross join (values (0), (7)) as d(days) where period = 'week'))"
SCOPES = {"institution_map": AFFECTED_PERIOD, "weekly_digest": AFFECTED_WEEK}


def ddl() -> Iterator[str]:
    """The statements that create the tables of sums; safe to repeat."""
    yield from dossier_flows.ddl()
    yield from document_flows.ddl()


def recompute_scope(table: str, is_every: bool) -> str:
    """The condition on `s`, a row of an indicator table, under which it is computed again."""
    return "true" if is_every else SCOPES.get(table, AFFECTED)


def update_sums(transaction: Transaction, snapshot_id: int, is_all: bool) -> bool:
    """Update the sums of movements to a publication; returns whether all indicators must be computed again.

    Leaves the temporary tables that the indicator queries read: `affected`, the agencies and periods to compute, and
    those of `stage_measures`. All indicators are computed again with `is_all`, when there are no sums yet, and when the
    definitions changed. Needs the temporary tables clock, period and quarantined_record.
    """
    is_all = is_all or is_outdated(transaction)
    is_all = is_all or (dossier_flows.is_empty(transaction) and document_flows.is_empty(transaction))
    if is_all:  # large sums need memory; the setting ends with the transaction
        transaction.do("set local work_mem = '256MB'")
    dossier_flows.refresh(transaction, snapshot_id, is_all)
    document_flows.refresh(transaction, snapshot_id, is_all)
    if is_all:
        transaction.do(sql.load("lgsp.indicators", "inputs/all_dossiers"))
    else:
        transaction.do(sql.load("lgsp.indicators", "inputs/affected_dossiers", snapshot_id=snapshot_id))
    document_flows.add_affected(transaction)
    transaction.do("create index on affected (organisation_id, period, period_start)")
    transaction.do("analyze affected")
    stage_measures(transaction)
    transaction.do("delete from record.indicator_period")
    transaction.do(
        "insert into record.indicator_period select period, period_start, period_end, as_of, is_covered, $1::text from period",
        defined_by(),
    )
    return is_all


def stage_periods(transaction: Transaction, batch_ids: Sequence[str] = ()) -> None:
    """Create the temporary tables `clock` and `period`: the periods with data once these batches are published."""
    transaction.do(sql.load("lgsp.indicators", "inputs/data_clock"), " ".join(batch_ids))
    transaction.do(sql.load("lgsp.indicators", "inputs/periods"))
    transaction.do("analyze period")


def stage_quarantined(transaction: Transaction) -> None:
    """Create the temporary table `quarantined_record`: dossier records in quarantine, with agency and day."""
    transaction.do(sql.load("lgsp.indicators", "inputs/quarantined_records"))


def stage_measures(transaction: Transaction) -> None:
    """Create the temporary tables with the measures of `affected`: period_span, period_movement and period_balance."""
    for table, name in (
        ("period_span", "changed_groups"),
        ("period_movement", "count_rows"),
        ("period_balance", "standing_at_period_end"),
    ):
        transaction.do(_load_sql(f"inputs/{name}"))
        transaction.do(f"analyze {table}")


def indicator_query(table: str) -> str:
    """The query that computes the affected rows of an indicator table, from the temporary tables of `update_sums`."""
    return _load_sql(f"tables/{table}")


@cache
def _load_sql(name: str) -> str:
    """The SQL of a file, its placeholders filled with column lists and subqueries."""
    parts: dict[str, Callable[[], str]] = {
        "movement_sums": lambda: ", ".join(
            f"sum({measure})::integer as {measure}" for measure in dossier_flows.MEASURES
        ),
        "measure_sums": lambda: ", ".join(f"sum({measure})::bigint as {measure}" for measure in MEASURES),
        "measures": lambda: ", ".join(f"coalesce({measure}, 0) as {measure}" for measure in MEASURES),
        "offerings": lambda: _load_sql("inputs/offerings"),
        "ratios": _ratio_rows,
    }
    needed = sql.placeholders("lgsp.indicators", name)
    return sql.load("lgsp.indicators", name, **{part: parts[part]() for part in needed})


def _ratio_rows() -> str:
    """The ratios as SQL rows of (kpi_id, numerator, denominator, excluded), over the measures of one agency or one unit.

    Raises ContractError when a ratio uses a measure that does not exist.
    """
    known = {*MEASURES, "0"}
    for ratio in ratios.ratios().values():
        if unknown := ratio.measures - known:
            raise ContractError(
                f"{ratios.FILE.name}: ratio of {ratio.kpi_id}: unknown measure {', '.join(sorted(unknown))}; "
                f"known are {', '.join(sorted(known))}"
            )
    rows = (f"({sql.quoted(r.kpi_id)}, {r.numerator}, {r.denominator}, {r.excluded})" for r in ratios.ratios().values())
    return "values " + ", ".join(rows)


def is_outdated(transaction: Transaction) -> bool:
    """Whether dossiers, documents or work files are missing from the sums, or the indicators have other definitions."""
    return document_flows.is_missing(transaction) or bool(
        transaction.one(
            "select exists (select 1 from record.indicator_period where derived_by <> $1::text) "
            "or exists (select 1 from shared.dossier) and not exists (select 1 from record.movement)",
            defined_by(),
        )
    )


def is_redefined(transaction: Transaction) -> bool:
    """Whether definitions, weights or thresholds differ from the published ones."""
    if transaction.one("select max(snapshot_id) from ledger.publication") is None:
        return False
    differences = []
    for name in definitions.NAMES:
        columns = ", ".join(contract.load(name).data_names)
        staged, published = (f"select {columns} from {schema}.{name}" for schema in ("record", "shared"))
        differences += [f"({staged} except {published})", f"({published} except {staged})"]
    return any(transaction.one(f"select exists {query}") for query in differences)


@cache
def defined_by() -> str:
    """A fingerprint of the SQL and the ratios that compute the indicators."""
    program = [sql.read("lgsp.indicators", f"sql/{name}.sql") for name in sql.names("lgsp.indicators")]
    program.append(repr(document_flows.COLUMNS))
    program.append(repr(ratios.ratios()))
    return hashlib.sha256(repr(program).encode()).hexdigest()[:16]
