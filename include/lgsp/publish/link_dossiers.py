"""Linking: which source records are one dossier, and what the dossier then says.

Two records are one dossier when their code sets meet; failing that, when a one-stop record and a portal
record, both unlinked, share a receipt number with procedure, agency and received day. Nothing fuzzier.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from lgsp import sql
from lgsp.harmonise.context import duck
from lgsp.publish import merge
from lgsp.schema import contract
from lgsp.settings import Settings
from lgsp.snapshots import changes
from lgsp.store import index_lookups
from lgsp.store.transaction import Transaction
from lgsp.vietnam import working_days, working_time

DOSSIER_TABLES = ("dossier", "dossier_event", "dossier_source", "reconciliation")
PAPER_TABLES = ("document", "document_delivery")

VOCABULARY = """
create macro local_day(t) as (t at time zone 'Asia/Ho_Chi_Minh')::date;
create macro iso(t) as strftime(t, '%Y-%m-%dT%H:%M:%SZ');
create macro step_rank(s) as list_position(['submitted', 'accepted', 'not_accepted', 'processing', 'supplement_requested',
    'payment_requested', 'suspended', 'finished', 'returned', 'withdrawn'], s);
create macro delivery_rank(s) as list_position(['arrived', 'accepted', 'assigned', 'processing', 'completed', 'rejected',
    'recall_requested', 'recall_refused', 'recall_accepted'], s);
create macro make_timestamptz(us) as make_timestamp(us) at time zone 'UTC';
"""


# Changed records are linked in groups of about this many, so memory does not grow with what waits.
RECORDS_AT_ONCE = 100_000

EDGE = "source, source_key, source_code, other_code, receipt_key"

# What replaces, beyond its first, a document in scope. Each id is looked up by itself: a search for all of them at once
# compares every replacement with every id.
REPLACING = """
select r.source, r.source_key from (select document_id as id from scope_document union select told_id from scope_told) s
cross join lateral (
    select source, source_key from record.document where also_replaces <> '{}' and also_replaces @> array[s.id] offset 0
) r
"""


def begin(transaction: Transaction) -> None:
    """Temporary tables that gather what the batches of a publication changed."""
    transaction.do(f"create temporary table pending on commit drop as select {EDGE} from record.dossier where false")
    transaction.do("create temporary table scope_document (document_id text primary key) on commit drop")


def gather(transaction: Transaction) -> None:
    """Remember the records that were just merged, as they are and as they were."""
    for table in ("incoming_dossier", "before_dossier"):
        transaction.do(f"insert into pending select {EDGE} from {table}")
    for table in ("incoming_document", "before_document"):
        _add_to_scope(
            transaction,
            f"select document_id from {table} union select refers_to_document_id from {table} "
            f"union select unnest(also_replaces) from {table}",
        )
        # a reference by a UUID means the message that bore it, whichever of the two comes first
        with index_lookups.by_key(transaction):
            _add_to_scope(
                transaction,
                f"select r.document_id from record.document r join {table} t on t.refers_to_told = r.told_id "
                f"union select r.document_id from record.document r join (select unnest(also_replaces) as told_id from {table}) t using (told_id)",
            )
    for table in ("incoming_document_status", "before_document_status"):
        _add_to_scope(transaction, f"select distinct document_id from {table}")


def _add_to_scope(transaction: Transaction, query: str) -> None:
    transaction.do(
        f"insert into scope_document select document_id from ({query}) q where document_id is not null on conflict do nothing"
    )


def dossiers(settings: Settings, transaction: Transaction, snapshot_id: int, touched: changes.Touched) -> None:
    """Link again every group that a changed record belongs to, or belonged to, and merge what comes of it."""
    transaction.do("create index on pending (source_code)")
    transaction.do("create index on pending (source, source_key)")
    for table, columns in (("reached", "source text, source_key text, primary key (source, source_key)"),
                           ("reached_code", "code text primary key"), ("reached_receipt", "receipt_key text primary key"),
                           ("scope_dossier", "dossier_id text primary key")):  # fmt: skip
        transaction.do(f"create temporary table {table} ({columns}) on commit drop")
    transaction.do("create temporary table edge on commit drop as select * from pending where false")
    # by code, so that the two sides of a dossier come together
    while transaction.changed(f"insert into edge select * from pending order by source_code limit {RECORDS_AT_ONCE}"):
        _reach(transaction)
        _link(settings, transaction, snapshot_id, touched)
        transaction.do(
            "delete from pending p using reached r where r.source = p.source and r.source_key = p.source_key"
        )
        for table in ("reached", "reached_code", "reached_receipt", "scope_dossier"):
            transaction.do(f"truncate {table}")


def _reach(transaction: Transaction) -> None:
    """`reached`: every record connected with the records of `edge`: by a code, a receipt or the dossier they were in.

    A changed record is connected as it is and as it was: both of its edges wait in `pending`.
    """
    while True:
        transaction.do(
            "insert into edge select p.* from pending p "
            "where (p.source, p.source_key) in (select source, source_key from edge)"
        )
        for code in ("source_code", "other_code"):
            transaction.do(
                f"insert into reached_code select distinct {code} from edge where {code} is not null on conflict do nothing"
            )
        transaction.do(
            "insert into reached_receipt select distinct receipt_key from edge where receipt_key is not null on conflict do nothing"
        )
        transaction.do("insert into reached select distinct source, source_key from edge on conflict do nothing")
        for table in ("reached_code", "reached_receipt", "reached"):
            transaction.do(f"analyze {table}")
        transaction.do("truncate edge")
        with index_lookups.by_key(transaction):
            found = transaction.changed("""
                insert into edge
                select source, source_key, d.source_code, d.other_code, d.receipt_key from (
                    select d.source, d.source_key from record.dossier d join reached_code c on c.code = d.source_code
                    union select d.source, d.source_key from record.dossier d join reached_code c on c.code = d.other_code
                    union select d.source, d.source_key from record.dossier d join reached_receipt c on c.receipt_key = d.receipt_key
                    union select other.source, other.source_key from shared.dossier_source other join shared.dossier_source mine using (dossier_id)
                        join reached k on k.source = mine.source and k.source_key = mine.source_key
                    except select source, source_key from reached
                ) r join record.dossier d using (source, source_key)
                """)  # fmt: skip
        if not found:
            return


def _link(settings: Settings, transaction: Transaction, snapshot_id: int, touched: changes.Touched) -> None:
    with index_lookups.by_key(transaction):
        transaction.do(
            "insert into scope_dossier select distinct dossier_id from shared.dossier_source join reached using (source, source_key)"
        )
        rows = transaction.arrow(
            "select r.* from record.dossier r join reached using (source, source_key) where not r.is_deleted"
        )
    with duck(settings) as con:
        con.execute(VOCABULARY)
        days = working_days.calendar()
        con.register(
            "working_day",
            pa.table({"day_on": [day.day_on for day in days], "is_working_day": [day.is_working_day for day in days]}),
        )
        con.execute(working_time.vocabulary())
        con.register("living", rows)
        label(con)
        con.execute(sql.load("lgsp.publish", "dossier"))
        for name in DOSSIER_TABLES:
            merge.stage(transaction, contract.load(name), con.sql(f"select * from {name}").to_arrow_table())
    transaction.do("insert into scope_dossier select dossier_id from new_dossier on conflict do nothing")
    transaction.do("analyze scope_dossier")
    in_scope = "s.dossier_id in (select dossier_id from scope_dossier)"
    reached = "(s.source, s.source_key) in (select source, source_key from reached)"
    for name in DOSSIER_TABLES:
        merge.table(
            transaction, contract.load(name), reached if name == "dossier_source" else in_scope, snapshot_id, touched
        )


def label(con: duckdb.DuckDBPyConnection) -> None:
    """`member`: the records of `living`, each with the label of its link group and the rule that ties it.

    Labels are spread along shared codes until nothing changes; groups are pairs or little more.
    """
    con.execute("create table node as select row_number() over (order by source, source_key) as node, * from living")
    con.execute(
        "create table tie as select node, unnest(list_distinct([source_code, coalesce(other_code, source_code)])) as code from node"
    )
    con.execute("create table lab as select node, node as label from node")
    while True:
        con.execute("""
            create or replace table spread as
            select t.node, min(c.label) as label from tie t
            join (select code, min(label) as label from tie join lab using (node) group by code) c using (code) group by t.node
            """)  # fmt: skip
        row = con.execute("select count(*) from spread join lab using (node) where spread.label < lab.label").fetchone()
        con.execute("create or replace table lab as select * from spread")
        if row is None or row[0] == 0:
            break
    con.execute("""
        create table grouped as select n.*, lab.label from node n join lab using (node);
        create table lonely as
            select label, min(source) as source, min(receipt_key) as receipt_key from grouped
            group by label having count(distinct source) = 1 and count(distinct receipt_key) = 1;
        create table receipt as
            select min(label) filter (source = 'one_stop_shop') as to_label, min(label) filter (source <> 'one_stop_shop') as from_label
            from lonely group by receipt_key
            having count(*) filter (source = 'one_stop_shop') = 1 and count(*) filter (source <> 'one_stop_shop') = 1;
        create table member as
            select g.* exclude (label, node), coalesce(r.to_label, g.label) as label,
                case when r.to_label is not null or a.from_label is not null then 'receipt' else 'code' end as match_rule
            from grouped g left join receipt r on r.from_label = g.label left join receipt a on a.to_label = g.label
        """)  # fmt: skip


def papers(settings: Settings, transaction: Transaction, snapshot_id: int, touched: changes.Touched) -> None:
    """Derive again every document a changed message speaks of, with its deliveries, and merge what comes of it."""
    if not transaction.one("select count(*) from scope_document"):
        return
    transaction.do("analyze scope_document")
    scope = "in (select document_id from scope_document)"
    # one more bearer of an id may change what the id means, so a reference may leave another bearer or come to it
    with index_lookups.by_key(transaction):
        _add_to_scope(
            transaction,
            "select document_id from record.document "
            f"where told_id in (select told_id from record.document where document_id {scope})",
        )
        transaction.do("drop table if exists pg_temp.scope_told")
        transaction.do(
            "create temporary table scope_told on commit drop as "
            f"select distinct told_id from record.document where told_id is not null and document_id {scope}"
        )
        transaction.do("analyze scope_told")
        told = "in (select told_id from scope_told)"
        same = "select source, source_key from record.document where"
        messages = transaction.arrow(
            f"select m.* from record.document m join ({same} document_id {scope} union {same} refers_to_document_id {scope} "
            f"union {same} refers_to_told {told} union {REPLACING}) k using (source, source_key)"
        )
        # what was sent as a document is meant before what only changes one
        bearers = transaction.arrow(
            "select told_id, (array_agg(document_id order by business_type in ('1', '2'), document_id collate \"C\"))[1] as document_id "
            f"from record.document where document_id is not null and told_id {told} group by told_id"
        )
        states = transaction.arrow(f"select * from record.document_status where document_id {scope}")
    with duck(settings) as con:
        con.execute(VOCABULARY)
        con.register("message", messages)
        con.register("bearer", bearers)
        con.register("state", states)
        con.execute(sql.load("lgsp.publish", "document"))
        for name in PAPER_TABLES:
            merge.stage(transaction, contract.load(name), con.sql(f"select * from {name}").to_arrow_table())
    for name in PAPER_TABLES:
        transaction.do(f"delete from new_{name} where document_id not {scope}")
        merge.table(transaction, contract.load(name), f"s.document_id {scope}", snapshot_id, touched)
