"""Merge reference lists: keep every content of every row, and the days on which the list was read without it.

The result is a function of the set of readings. A list is that of the local days of its window, whatever the clock says;
two lists of one day count as one that has the rows of both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import sql
from lgsp.publish import list_timeline, merge
from lgsp.publish.list_timeline import Days, Run
from lgsp.schema import records
from lgsp.store.transaction import Transaction, values

DATED = (records.ORGANISATION, records.SERVICE, records.SERVICE_OFFERING)
RUN_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("kind", "source", "source_key", "content_hash")]
    + [(name, pa.date32()) for name in ("run_from", "run_to")]
)


def merge_list(
    transaction: Transaction, kind: records.Kind, files: Mapping[str, Path],
    only: Mapping[str, frozenset[tuple[str, str]]] | None = None,
) -> bool:  # fmt: skip
    """Merge the rows of a list from some batches; whether the content of a row, or its time, changed.

    `files` has the accepted rows of each batch; of the batches in `only`, only these (kind, key) are merged.
    """
    read = [batch_id for batch_id in files if not _is_sweep(transaction, batch_id)]
    if not read:
        return False
    incoming = f"incoming_{kind.name}"
    transaction.temporary(incoming, f"record.{kind.name}")
    for batch_id in read:
        rows = pq.read_table(files[batch_id], columns=kind.names).select(kind.names)
        transaction.load(incoming, rows if only is None else merge.chosen(rows, kind, only))
    for name in ("read_day", "new_content", "seen", "reading", "absence"):
        transaction.do(f"drop table if exists pg_temp.{name}")
    transaction.do(
        "create temporary table read_day on commit drop as select batch_id, source, daterange((window_from at time zone 'Asia/Ho_Chi_Minh')::date, "
        "(window_to at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date, '[]') as days "
        "from ledger.batch where batch_id = any(string_to_array($1, ' '))",
        values(read),
    )
    for name in ("new_content", "seen", "reading", "absence"):
        query = sql.load("lgsp.publish", f"lists/{name}", kind=kind.name)
        transaction.do(f"create temporary table {name} on commit drop as {query}")
    inserted = transaction.changed(
        f"insert into record.{kind.name} select distinct on (source, source_key, content_hash) i.* from {incoming} i "
        "join new_content using (source, source_key, content_hash) order by source, source_key, content_hash, batch_id"
    )
    merge.analyze_changed(transaction, f"record.{kind.name}", inserted, kind.key)
    return _store(transaction, kind)


def forget_days(transaction: Transaction, kind: records.Kind, source: str, days: str) -> None:
    """Forget what a list had on some days, a range as PostgreSQL writes it; contents that it had on no other day are removed.

    Merge the lists of all batches of these days again afterwards, and then call `store_runs`.
    """
    transaction.do(
        "update record.list_reading set days = days - $3::text::daterange::datemultirange where kind = $1::text and source = $2::text",
        kind.name, source, days,
    )  # fmt: skip
    transaction.do("delete from record.list_reading where isempty(days)")
    transaction.do(
        "update record.list_absence set days = days - $3::text::daterange::datemultirange where kind = $1::text and source = $2::text",
        kind.name, source, days,
    )  # fmt: skip
    transaction.do("delete from record.list_absence where isempty(days)")
    transaction.do(
        f"delete from record.{kind.name} k where k.source = $2::text and not exists (select from record.list_reading r "
        "left join record.list_absence a on (a.kind, a.source, a.source_key, a.content_hash) = (r.kind, r.source, k.source_key, k.content_hash) "
        "where r.kind = $1::text and r.source = k.source and not isempty(r.days - coalesce(a.days, '{}')))",
        kind.name, source,
    )  # fmt: skip
    transaction.do(
        "delete from record.list_absence a where a.kind = $1::text and a.source = $2::text "
        f"and not exists (select from record.{kind.name} k where (k.source, k.source_key, k.content_hash) = (a.source, a.source_key, a.content_hash))",
        kind.name, source,
    )  # fmt: skip


def _is_sweep(transaction: Transaction, batch_id: str) -> bool:
    """Whether a batch reads no lists."""
    return bool(transaction.one("select purpose = 'sweep' from ledger.batch where batch_id = $1::text", batch_id))


def _store(transaction: Transaction, kind: records.Kind) -> bool:
    """Store the readings and absences in the temporary tables `reading` and `absence`; whether a content or run changed."""
    is_new = bool(transaction.one("select exists (select from new_content)"))
    transaction.do(
        "insert into record.list_reading select $1::text, source, days from reading "
        "on conflict (kind, source) do update set days = excluded.days",
        kind.name,
    )
    transaction.do(
        "delete from record.list_absence a using absence n "
        "where a.kind = $1::text and (a.source, a.source_key, a.content_hash) = (n.source, n.source_key, n.content_hash)",
        kind.name,
    )
    transaction.do(
        "insert into record.list_absence select $1::text, source, source_key, content_hash, days from absence where not isempty(days)",
        kind.name,
    )
    if not (
        is_new
        or transaction.one(
            "select exists (select from reading where not isempty(new_days)) or exists (select from absence)"
        )
    ):
        return False
    return store_runs(transaction, kind) or is_new


def store_runs(transaction: Transaction, kind: records.Kind) -> bool:
    """Store the runs of the rows that changed or were absent at some reading; whether they differ from those stored before."""
    readings: dict[str, list[date]] = defaultdict(list)
    for source, first, end in transaction.rows(
        "select source, lower(d), upper(d) from record.list_reading, unnest(days) as d where kind = $1::text order by 1, 2",
        kind.name,
    ):
        readings[source] += [date.fromordinal(day) for day in range(first.toordinal(), end.toordinal())]
    rows = transaction.rows(sql.load("lgsp.publish", "lists/contents", kind=kind.name))
    found = [
        (*key, run) for key, group in groupby(rows, key=lambda row: (row[0], row[1]))
        for run in list_timeline.runs(readings[key[0]], _absences(list(group)))
    ]  # fmt: skip
    transaction.temporary("new_run", "record.list_run")
    transaction.load("new_run", _as_arrow(kind, found))
    stored = f"select * from record.list_run where kind = {sql.quoted(kind.name)}"
    if not transaction.one(
        f"select exists ((table new_run except all {stored}) union all ({stored} except all table new_run))"
    ):
        return False
    transaction.do("delete from record.list_run where kind = $1::text", kind.name)
    transaction.do("insert into record.list_run select * from new_run")
    return True


def _absences(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Days]]:
    """The absences of each content of one row of a list."""
    absences: dict[str, list[Days]] = defaultdict(list)
    for _, _, content, start, end in rows:
        absences[content] += [Days(start, end)] if start is not None else []
    return absences


def _as_arrow(kind: records.Kind, found: Sequence[tuple[str, str, Run]]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"kind": kind.name, "source": source, "source_key": key, "content_hash": run.content, "run_from": run.start, "run_to": run.end}
            for source, key, run in found
        ],
        schema=RUN_SCHEMA,
    )  # fmt: skip
