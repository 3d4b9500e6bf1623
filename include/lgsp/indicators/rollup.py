"""Tables of sums of movements by day and by month, updated by each publication; the indicators are computed from them.

A movement is what one version of a row adds to the counts of one day. A publication subtracts the movements of the row
versions that it replaced and adds those of the new ones.
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
    """A table `record.<name>` of sums by span (day or month), first day and `dimensions`.

    `measures` maps the columns with sums to their descriptions.
    """

    name: str
    description: str
    dimensions: tuple[str, ...]
    measures: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        """The key columns of the table."""
        return ("span", "since_on", *self.dimensions)

    def measure_list(self, alias: str = "") -> str:
        """The measures as a list of columns."""
        return ", ".join(f"{alias}{name}" for name in self.measures)

    @property
    def zeros(self) -> str:
        """A list of zeros, one for each measure."""
        return ", ".join("0" for _ in self.measures)

    def ddl(self) -> Iterator[str]:
        """The statements that create the table; safe to repeat.

        A table with other columns is dropped and created again; the next publication fills it.
        """
        columns = ["text", "date", *("text" for _ in self.dimensions), *("integer" for _ in self.measures)]
        names = [*self.key, *self.measures]
        yield (
            "do $$ begin if (select array_agg(attname::text order by attnum) from pg_attribute "
            f"where attrelid = to_regclass('record.{self.name}') and attnum > 0 and not attisdropped) "
            f"<> array[{', '.join(map(quoted, names))}] then drop table record.{self.name}; end if; end $$"
        )
        definitions = ", ".join(f"{name} {type_} not null" for name, type_ in zip(names, columns, strict=True))
        yield f"create table if not exists record.{self.name} ({definitions}, primary key ({', '.join(self.key)}))"
        yield f"comment on table record.{self.name} is {quoted(self.description)}"
        for name, description in self.measures.items():
            yield f"comment on column record.{self.name}.{name} is {quoted(description)}"

    def add(self, transaction: Transaction, change: str) -> None:
        """Add the movements of the temporary table `change` (dimensions, day_on, measures); delete sums that become zero."""
        added = ", ".join(f"{name} = {self.name}.{name} + excluded.{name}" for name in self.measures)
        same = " and ".join(f"m.{name} = d.{name}" for name in self.dimensions)
        for span in SPANS:
            transaction.do(
                f"insert into record.{self.name} ({', '.join(self.key)}, {self.measure_list()}) {self.sum_query(change, span)} "
                f"on conflict ({', '.join(self.key)}) do update set {added}"
            )
            transaction.do(
                f"delete from record.{self.name} m using (select distinct {', '.join(self.dimensions)}, date_trunc('{span}', day_on)::date as since_on from {change}) d "
                f"where m.span = '{span}' and m.since_on = d.since_on and {same} and ({self.measure_list('m.')}) = ({self.zeros})"
            )

    def sum_query(self, movements: str, span: str) -> str:
        """The query that sums a table of movements by day or by month."""
        sums = ", ".join(f"sum({name})::integer as {name}" for name in self.measures)
        dimensions = ", ".join(self.dimensions)
        return f"select '{span}' as span, date_trunc('{span}', day_on)::date as since_on, {dimensions}, {sums} from {movements} group by 1, 2, {dimensions}"
