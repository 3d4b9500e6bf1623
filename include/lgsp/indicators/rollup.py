"""Sums of moves over each day and each month: a table that follows the change, of which indicators are made.

A move is what one version of one fact adds on one day; a publication subtracts those of the versions that it replaced and
adds those of the new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lgsp.sql import quoted

if TYPE_CHECKING:
    from lgsp.store.transaction import Transaction

SPANS = ("day", "month")


@dataclass(frozen=True)
class Sums:
    """A table `record.<name>`: what is summed (`measures`, with their meaning), by span, first day and `by`."""

    name: str
    meaning: str
    by: tuple[str, ...]
    measures: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """The key of the table."""
        return ("span", "since_on", *self.by)

    def listed(self, alias: str = "") -> str:
        """The measures as a list of columns."""
        return ", ".join(f"{alias}{name}" for name in self.measures)

    @property
    def zeros(self) -> str:
        """A row in which nothing moved."""
        return ", ".join("0" for _ in self.measures)

    def statements(self) -> Iterator[str]:
        """The table, safe to repeat; of other measures it is made anew, and the next publication fills it."""
        columns = ["text", "date", *("text" for _ in self.by), *("integer" for _ in self.measures)]
        names = [*self.key, *self.measures]
        yield (
            "do $$ begin if (select array_agg(attname::text order by attnum) from pg_attribute "
            f"where attrelid = to_regclass('record.{self.name}') and attnum > 0 and not attisdropped) "
            f"<> array[{', '.join(map(quoted, names))}] then drop table record.{self.name}; end if; end $$"
        )
        told = ", ".join(f"{name} {type_} not null" for name, type_ in zip(names, columns, strict=True))
        yield f"create table if not exists record.{self.name} ({told}, primary key ({', '.join(self.key)}))"
        yield f"comment on table record.{self.name} is {quoted(self.meaning)}"
        for name, meaning in self.measures.items():
            yield f"comment on column record.{self.name}.{name} is {quoted(meaning)}"

    def add(self, transaction: Transaction, moved: str) -> None:
        """Add the moves in a temporary table with `by`, day_on and the measures; what comes to nothing is taken away."""
        added = ", ".join(f"{name} = {self.name}.{name} + excluded.{name}" for name in self.measures)
        same = " and ".join(f"m.{name} = d.{name}" for name in self.by)
        for span in SPANS:
            transaction.do(
                f"insert into record.{self.name} ({', '.join(self.key)}, {self.listed()}) {self.summed(moved, span)} "
                f"on conflict ({', '.join(self.key)}) do update set {added}"
            )
            transaction.do(
                f"delete from record.{self.name} m using (select distinct {', '.join(self.by)}, date_trunc('{span}', day_on)::date as since_on from {moved}) d "
                f"where m.span = '{span}' and m.since_on = d.since_on and {same} and ({self.listed('m.')}) = ({self.zeros})"
            )

    def summed(self, moved: str, span: str) -> str:
        """The sums of a table of moves over each day or month, as a query."""
        sums = ", ".join(f"sum({name})::integer as {name}" for name in self.measures)
        by = ", ".join(self.by)
        return f"select '{span}' as span, date_trunc('{span}', day_on)::date as since_on, {by}, {sums} from {moved} group by 1, 2, {by}"
