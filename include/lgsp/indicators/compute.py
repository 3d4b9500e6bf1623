"""Which indicators a publication must compute again: of whose agency what has moved, and of which period what has turned.

An agency's row of a period depends on what moved up to the period's end, on the period itself (how far the data reach
into it, whether the feeds cover it), on the agency's versions, on what it offers and on the fields of its procedures; on
nothing else. Under other definitions everything is computed again.
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

_NEAR = "s.period_start = any(array(select distinct period_start from affected))"  # an index serves this one
# What ratios are made of beside the sums of moves: what stands at an agency, and what it offers.
BESIDE = (
    "carried_over", "open", "overdue", "offered", "eligible", "eligible_used", "eligible_used_online", "eligible_integrated",
    "eligible_full", "paying", "paying_online",
)  # fmt: skip
# The condition on `s`, a row of an indicator table, that it is computed again. A map is of all territories, and the
# digest tells last week's values too.
AFFECTED = f"(s.organisation_id, s.period, s.period_start) in (select organisation_id, period, period_start from affected) and {_NEAR}"
AFFECTED_PERIOD = f"(s.period, s.period_start) in (select period, period_start from affected) and {_NEAR}"
AFFECTED_WEEK = "s.period_start = any(array(select period_start + days from affected cross join (values (0), (7)) as d(days) where period = 'week'))"
SCOPES = {"institution_map": AFFECTED_PERIOD, "weekly_digest": AFFECTED_WEEK}


def statements() -> Iterator[str]:
    """The DDL of the tables of sums; safe to repeat."""
    yield from dossier_flows.statements()
    yield from document_flows.statements()


def scope(table: str, is_every: bool) -> str:
    """The condition on the row `s` of an indicator table under which it is computed again."""
    return "true" if is_every else SCOPES.get(table, AFFECTED)


def begin(transaction: Transaction, snapshot_id: int, is_all: bool) -> bool:
    """Bring the moves up to a publication; whether every indicator is computed again, or the affected ones only.

    `affected` is then who is affected in which period, and `part`, `tally` and `standing` are what their indicators are
    made of. Everything is computed again with `is_all`, where nothing was summed up yet, and under other definitions
    than those before. Needs the temporary tables clock, period and held.
    """
    is_all = is_all or is_outdated(transaction)
    is_all = is_all or (dossier_flows.is_empty(transaction) and document_flows.is_empty(transaction))
    if is_all:  # sums of everything are worth the memory of a laptop; the setting ends with the transaction
        transaction.do("set local work_mem = '256MB'")
    dossier_flows.refresh(transaction, snapshot_id, is_all)
    document_flows.refresh(transaction, snapshot_id, is_all)
    if is_all:
        transaction.do(sql.load("lgsp.indicators", "inputs/all_dossiers"))
    else:
        transaction.do(sql.load("lgsp.indicators", "inputs/affected_dossiers", snapshot_id=snapshot_id))
    document_flows.affect(transaction)
    transaction.do("create index on affected (organisation_id, period, period_start)")
    transaction.do("analyze affected")
    prepare(transaction)
    transaction.do("delete from record.indicator_period")
    transaction.do(
        "insert into record.indicator_period select period, period_start, period_end, as_of, is_covered, $1::text from period",
        defined_by(),
    )
    return is_all


def stage_periods(transaction: Transaction, batch_ids: Sequence[str] = ()) -> None:
    """Make the temporary tables `clock` and `period`: which periods the data reach once these batches are published."""
    transaction.do(sql.load("lgsp.indicators", "inputs/data_clock"), " ".join(batch_ids))
    transaction.do(sql.load("lgsp.indicators", "inputs/periods"))


def stage_quarantined(transaction: Transaction) -> None:
    """Make the temporary table `held`: dossier records in quarantine, by agency and day."""
    transaction.do(sql.load("lgsp.indicators", "inputs/quarantined_records"))


def prepare(transaction: Transaction) -> None:
    """Sum up what the indicators of `affected` are made of: `part`, `tally` and `standing`."""
    for table, name in (("part", "changed_groups"), ("tally", "count_rows"), ("standing", "standing_at_period_end")):
        transaction.do(_filled(f"inputs/{name}"))
        transaction.do(f"analyze {table} (period, period_start)")


def query(table: str) -> str:
    """The query that computes an indicator table's affected rows, from the temporary tables that `begin` leaves."""
    return _filled(f"tables/{table}")


@cache
def _filled(name: str) -> str:
    """The SQL of a file with the column lists and subqueries that its placeholders name."""
    everything = (*dossier_flows.MEASURES, *BESIDE)
    parts: dict[str, Callable[[], str]] = {
        "sums": lambda: ", ".join(f"sum({measure})::integer as {measure}" for measure in dossier_flows.MEASURES),
        "filled": lambda: ", ".join(f"sum({measure})::bigint as {measure}" for measure in everything),
        "measures": lambda: ", ".join(f"coalesce({measure}, 0) as {measure}" for measure in everything),
        "offered": lambda: _filled("inputs/offerings"),
        "ratios": _ratios,
    }
    wanted = sql.placeholders("lgsp.indicators", name)
    return sql.load("lgsp.indicators", name, **{part: parts[part]() for part in wanted})


def _ratios() -> str:
    """The ratios as SQL rows of (kpi_id, numerator, denominator, excluded), over the measures of one agency or one unit.

    Raises ContractError when a ratio uses a measure that does not exist.
    """
    known = {*dossier_flows.MEASURES, *BESIDE, "0"}
    for ratio in ratios.ratios().values():
        if unknown := ratio.measures - known:
            raise ContractError(
                f"{ratios.FILE.name}: ratio of {ratio.kpi_id}: unknown measure {', '.join(sorted(unknown))}; "
                f"known are {', '.join(sorted(known))}"
            )
    rows = (f"({sql.quoted(r.kpi_id)}, {r.numerator}, {r.denominator}, {r.excluded})" for r in ratios.ratios().values())
    return "values " + ", ".join(rows)


def is_outdated(transaction: Transaction) -> bool:
    """Whether there are dossiers whose moves were never summed up, or indicators of other definitions than today's."""
    return document_flows.is_lost(transaction) or bool(
        transaction.one(
            "select exists (select 1 from record.indicator_period where derived_by <> $1::text) "
            "or exists (select 1 from shared.dossier) and not exists (select 1 from record.movement)",
            defined_by(),
        )
    )


def is_redefined(transaction: Transaction) -> bool:
    """Whether definitions, weights or thresholds are no more those that were published."""
    if transaction.one("select max(snapshot_id) from ledger.publication") is None:
        return False
    differing = []
    for name in definitions.NAMES:
        columns = ", ".join(contract.load(name).data_names)
        staged, published = (f"select {columns} from {schema}.{name}" for schema in ("record", "shared"))
        differing += [f"({staged} except {published})", f"({published} except {staged})"]
    return any(transaction.one(f"select exists {query}") for query in differing)


@cache
def defined_by() -> str:
    """A mark of what makes indicators of dossiers."""
    found = [sql.read("lgsp.indicators", f"sql/{name}.sql") for name in sql.names("lgsp.indicators")]
    found.append(repr(document_flows.COLUMNS))
    found.append(repr(ratios.ratios()))
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]
