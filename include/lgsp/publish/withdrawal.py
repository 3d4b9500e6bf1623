"""Take back what a landed batch brought: its records leave the store, and what other batches have of them is merged again.

The publication that does it merges, in the same transaction, the other landed batches of the source, harmonised again: the
records are then what they would be if the batch had never come (docs/decisions/0017-a-batch-is-taken-back.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lgsp import sql
from lgsp.check import completeness
from lgsp.errors import LgspError
from lgsp.publish import link_documents, link_dossiers, lists, merge
from lgsp.schema import records
from lgsp.store import decisions
from lgsp.store.index_lookups import by_key
from lgsp.store.transaction import Transaction

# Of every kind: the records of the batch, and of a dossier also what is stored of its earlier versions.
STORED: dict[str, tuple[str, ...]] = {
    kind.name: (f"record.{kind.name}",) for kind in (*records.FACTS, records.ORGANISATION_ALIAS)
}
STORED["dossier"] += (
    "record.dossier_naming",
    "record.dossier_closing",
    *(f"restricted.{name}" for name in records.TOKENS),
)


@dataclass(frozen=True)
class Withdrawal:
    """A landed batch that is taken back, with all that were made of its bytes, and who decided it.

    `keys` has, by kind, the keys of all its records; `others` the folders with the rows, harmonised again, of the other
    batches of the source. `decided_at` is set when the decision was recorded before.
    """

    source: str
    batch_id: str
    landing_path: str
    decided_by: str
    why: str
    keys: Mapping[str, list[str]] = field(default_factory=dict)
    others: tuple[Path, ...] = ()
    decided_at: str | None = None


def remove(transaction: Transaction, withdrawal: Withdrawal, outcomes: merge.Outcomes) -> None:
    """Remove what a batch brought, and record who took it back.

    Call it before the other batches of the source are merged. Reads: ledger.batch. Writes: schema `record`, schema
    `restricted`, ledger.batch, ledger.quarantine, ledger.ignored_record, the review of spellings, ledger.decision. Leaves the
    removed records to the link steps, and changes `outcomes` by their number.
    """
    _stage_keys(transaction, withdrawal)
    _close(transaction, withdrawal)
    _remove_records(transaction, withdrawal, outcomes)
    for kind in lists.DATED:
        lists.forget_days(transaction, kind, withdrawal.source, _list_days(transaction, withdrawal))
    _stage_versions(transaction, withdrawal)
    for name in ("quarantine", "reopened", "trials", "spellings", "reviews"):
        transaction.do(sql.load("lgsp.publish", f"withdrawal/{name}"))


def _stage_keys(transaction: Transaction, withdrawal: Withdrawal) -> None:
    """Create `withdrawn_batch`, all batches made of the landed bytes, and `withdrawn_key`, the records in them."""
    transaction.do(
        "create temporary table withdrawn_batch on commit drop as select batch_id from ledger.batch where landing_path = $1::text",
        withdrawal.landing_path,
    )
    transaction.do("create temporary table withdrawn_key (source text, kind text, source_key text) on commit drop")
    for kind, keys in withdrawal.keys.items():
        count = len(keys)
        transaction.load(
            "withdrawn_key",
            pa.table({"source": [withdrawal.source] * count, "kind": [kind] * count, "source_key": pa.array(keys, pa.string())}),
        )  # fmt: skip
    transaction.do("create index on withdrawn_key (source, source_key)")
    transaction.do("analyze withdrawn_key")


def _close(transaction: Transaction, withdrawal: Withdrawal) -> None:
    """Set the batches to `withdrawn`. Raises LgspError when they were taken back before."""
    closed = transaction.changed(
        "update ledger.batch set state = 'withdrawn', withdrawn_by = $1::text, why = $2::text, "
        "withdrawn_at = coalesce($3::text::timestamptz, now()) where landing_path = $4::text and state <> 'withdrawn'",
        withdrawal.decided_by, withdrawal.why, withdrawal.decided_at, withdrawal.landing_path,
    )  # fmt: skip
    if not closed:
        raise LgspError(f"{withdrawal.landing_path} was taken back meanwhile")
    if withdrawal.decided_at is None:
        transaction.do(decisions.RECORD)


def _remove_records(transaction: Transaction, withdrawal: Withdrawal, outcomes: merge.Outcomes) -> None:
    """Remove the stored records with the keys of the batch; the link groups of all of them are linked again."""
    for kind in records.FACTS:
        transaction.temporary(f"incoming_{kind.name}", f"record.{kind.name}")
        transaction.temporary(f"before_{kind.name}", f"record.{kind.name}")
    for kind in records.FACTS:
        keys = f"(select source, source_key from withdrawn_key where kind = '{kind.name}')"
        with by_key(transaction):
            transaction.do(
                f"insert into before_{kind.name} select r.* from record.{kind.name} r join {keys} k using (source, source_key)"
            )
        exists = "not coalesce(is_deleted, false)" if "is_deleted" in kind.columns else "true"
        ((removed, existed),) = transaction.rows(
            f"select count(*), count(*) filter (where {exists}) from before_{kind.name}"
        )
        outcomes.removed += removed
        outcomes.existing[kind.name] -= existed
    for kind_name, tables in STORED.items():
        for table in tables if withdrawal.keys.get(kind_name) else ():
            with by_key(transaction):
                transaction.do(
                    f"delete from {table} r using withdrawn_key k where k.kind = '{kind_name}' "
                    "and (r.source, r.source_key) = (k.source, k.source_key)"
                )
    completeness.collect_changes(transaction)
    link_dossiers.add_changed_records(transaction)
    link_documents.add_changed_records(transaction)


def _list_days(transaction: Transaction, withdrawal: Withdrawal) -> str:
    """The local days of which the batch brought lists, as a range; empty when it brought none."""
    return str(
        transaction.one(
            "select coalesce((select daterange((window_from at time zone 'Asia/Ho_Chi_Minh')::date, "
            "(window_to at time zone 'Asia/Ho_Chi_Minh' - interval '1 microsecond')::date, '[]') from ledger.batch "
            "where landing_path = $1::text and purpose <> 'sweep' and published_at is not null limit 1), 'empty')::text",
            withdrawal.landing_path,
        )
    )


def _stage_versions(transaction: Transaction, withdrawal: Withdrawal) -> None:
    """Create `other_version`: the versions of the records of the batch that other batches have, with where they are landed."""
    transaction.do(
        "create temporary table other_version (source text, source_key text, raw_hash text, raw_pointer text, "
        "source_updated_at timestamptz, batch_id text, kind text) on commit drop"
    )
    for folder in withdrawal.others:
        for kind in records.FACTS:
            path = folder / f"{kind.name}.parquet"
            keys = withdrawal.keys.get(kind.name)
            if not keys or not path.exists():
                continue
            names = ["source", "source_key", "raw_hash", "raw_pointer", "source_updated_at", "batch_id"]
            rows = pq.read_table(path, columns=names, filters=[("source_key", "in", keys)]).select(names)
            transaction.load(
                "other_version", rows.append_column("kind", pa.array([kind.name] * len(rows), pa.string()))
            )
    transaction.do("create index on other_version (source, source_key)")
    transaction.do("analyze other_version")
