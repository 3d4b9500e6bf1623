"""Which indicators a publication must compute again: of whose agency what has moved, and of which period what has turned.

An agency's row of a period depends on what moved up to the period's end, on the period itself (how far the data reach
into it, whether the feeds cover it), on the agency's versions, on what it offers and on the fields of its procedures; on
nothing else. Under other definitions everything is computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lgsp import contract, definitions, movements, paper_moves

if TYPE_CHECKING:
    from lgsp.transaction import Transaction

FOLDERS = ("indicators", "sql/indicators", "sql/movements", "sql/paper_moves")
BESIDE_FOLDERS = ("clock.sql", "period.sql", "held.sql")
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
    """The table of what the indicators were last computed for, safe to repeat."""
    yield (
        "create table if not exists record.indicator_period (period text not null, period_start date not null, period_end date not null, "
        "as_of timestamptz not null, is_covered boolean not null, derived_by text not null, primary key (period, period_start))"
    )
    yield "alter table record.indicator_period drop column if exists threshold"  # of stores that an older version made
    yield "comment on table record.indicator_period is 'The periods that indicators were last computed for, and by which version of their definitions'"
    yield from movements.statements()
    yield from paper_moves.statements()


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
    is_all = is_all or (movements.is_empty(transaction) and paper_moves.is_empty(transaction))
    if is_all:  # sums of everything are worth the memory of a laptop; the setting ends with the transaction
        transaction.do("set local work_mem = '256MB'")
    movements.refresh(transaction, snapshot_id, is_all)
    paper_moves.refresh(transaction, snapshot_id, is_all)
    transaction.do(_sql("every" if is_all else "affected").replace("$snapshot_id", str(snapshot_id)))
    paper_moves.affect(transaction)
    transaction.do("create index on affected (organisation_id, period, period_start)")
    transaction.do("analyze affected")
    prepare(transaction)
    transaction.do("delete from record.indicator_period")
    transaction.do(
        "insert into record.indicator_period select period, period_start, period_end, as_of, is_covered, $1::text from period",
        defined_by(),
    )
    return is_all


def prepare(transaction: Transaction) -> None:
    """Sum up what the indicators of `affected` are made of: `part`, `tally` and `standing`."""
    for made in ("part", "tally", "standing"):
        transaction.do(_sql(made))
        transaction.do(f"analyze {made} (period, period_start)")


def query(table: str) -> str:
    """The query that computes an indicator table's affected rows, from the temporary tables that `begin` leaves."""
    told = files("lgsp").joinpath("indicators", f"{table}.sql").read_text()
    for name in ("offered", "ratios"):
        told = told.replace(f"${name}", _sql(name))
    return _summed(told)


def _summed(told: str) -> str:
    """A query in which $sums are the sums of what moved, $filled those of everything that ratios are made of, $measures these."""
    everything = (*movements.MEASURES, *BESIDE)
    return (
        told.replace("$sums", ", ".join(f"sum({name})::integer as {name}" for name in movements.MEASURES))
        .replace("$filled", ", ".join(f"sum({name})::bigint as {name}" for name in everything))
        .replace("$measures", ", ".join(f"coalesce({name}, 0) as {name}" for name in everything))
    )


def is_outdated(transaction: Transaction) -> bool:
    """Whether there are dossiers whose moves were never summed up, or indicators of other definitions than today's."""
    return paper_moves.is_lost(transaction) or bool(
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
    found = sorted(
        (folder, each.name, each.read_text())
        for folder in FOLDERS
        for each in files("lgsp").joinpath(folder).iterdir()
        if each.name.endswith(".sql")
    )
    found += [("sql", name, files("lgsp").joinpath("sql", name).read_text()) for name in BESIDE_FOLDERS]
    found.append(("", "", repr(paper_moves.COLUMNS)))
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def _sql(name: str) -> str:
    return _summed(files("lgsp").joinpath("sql", "indicators", f"{name}.sql").read_text())
