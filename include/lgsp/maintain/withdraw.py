"""Takes back a batch that should not have come: a new snapshot has the dataset as it would be without it.

The landed bytes stay, and nothing harmonises them again. A withdrawal concerns the landed batch and all batches that were
made of its bytes. It is done in two steps:

1. The batch is harmonised again, to know the keys of all its records. The other published batches of its source are
   harmonised and checked again from landing, because any of them may have a version of these records. When the batch had
   no records and named no agency, only the batches with lists of the same days are. Nothing is changed yet.
2. One publication removes the records with these keys, with what earlier versions left of them, forgets the days of its
   lists, sets its batches to `withdrawn`, merges the other batches, and derives every row again. It records the decision.

After an error in step 1, or a crash, the command can be repeated.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow.parquet as pq

from lgsp import check, harmonise, install, land, store
from lgsp.errors import LgspError
from lgsp.publish import stage
from lgsp.publish.withdrawal import Withdrawal
from lgsp.schema import records
from lgsp.settings import Settings
from lgsp.store import activity, decisions, ledger
from lgsp.store.ledger import Batch, Connection

log = logging.getLogger(__name__)

# The landed batches of the source whose records or lists may take the place of those of the batch.
OTHERS = """
select distinct landing_path from ledger.batch
where source = %(source)s and state = 'published' and landing_path <> %(landing_path)s
    and (%(has_records)s or purpose <> 'sweep' and window_from < %(until)s and window_to > %(from)s)
"""
# The decisions of a store that was restored from a copy made before them.
TO_REPEAT = """
select b.batch_id, d.decided_by, d.why, d.decided_at::text as decided_at from ledger.batch b
join (select distinct on (subject) * from ledger.decision where what = 'withdrawal' order by subject, decision_id desc) d
    on b.landing_path = d.subject ->> 'landing_path'
where b.rebuilt_from is null and b.state <> 'withdrawn' order by d.decision_id
"""


@dataclass(frozen=True)
class Withdrawn:
    """What was taken back: the ids of the batches, the new snapshot (None when no row changed), and how many records left."""

    batch_ids: list[str]
    snapshot_id: int | None
    records: int


def withdraw(settings: Settings, batch_id: str, decided_by: str, why: str, decided_at: str | None = None) -> Withdrawn:
    """Take a checked or published batch back, with all batches made of the same landed bytes.

    `decided_at` is set for a decision that was recorded before. Raises LgspError when the batch cannot be taken back,
    BatchRefused when another batch of the source does not pass its checks any more, and as a publication does. Then nothing
    was taken back.
    """
    if not why.strip():
        raise LgspError("a withdrawal needs a reason")
    install.ensure(settings)
    with store.connect(settings) as connection:
        chosen = ledger.batch(connection, batch_id)
        family = ledger.of_landing(connection, chosen.landing_path)
        _check_can_be_withdrawn(connection, chosen, family)
    root, is_published = family[0], any(batch.state == "published" for batch in family)
    made: list[str] = []
    with _closed_on_error(settings, made):
        keys = _keys(settings, root, made) if is_published else {}
        others = _others(settings, root, keys, made) if is_published else []
        folders = tuple(settings.staging / other / "harmonised" for other in others)
        withdrawal = Withdrawal(
            root.source, root.batch_id, root.landing_path, decided_by, why.strip(), keys, folders, decided_at
        )
        published = stage.take_back(settings, withdrawal, others)
    with store.connect(settings) as connection:
        decisions.write_journal(settings, connection)
        withdrawn = [batch.batch_id for batch in ledger.of_landing(connection, root.landing_path)]
    for batch in withdrawn:
        shutil.rmtree(settings.staging / batch, ignore_errors=True)
    return Withdrawn(
        withdrawn, published.snapshot_id if published else None, sum(len(keys.get(k.name, ())) for k in records.FACTS)
    )


def apply_decisions(settings: Settings) -> list[Withdrawn]:
    """Take back what was decided before, and a restored database has as published or checked; safe to repeat."""
    with store.connect(settings) as connection:
        repeated = connection.execute(TO_REPEAT).fetchall()
    return [
        withdraw(settings, str(row["batch_id"]), str(row["decided_by"]), str(row["why"]), str(row["decided_at"]))
        for row in repeated
    ]


def _check_can_be_withdrawn(connection: Connection, chosen: Batch, family: list[Batch]) -> None:
    if chosen.state == "withdrawn":
        raise LgspError(f"{chosen.batch_id} was taken back before: {chosen.why}")
    if not any(batch.state in ("checked", "published") for batch in family):
        raise LgspError(f"{chosen.batch_id} is {chosen.state}: only a checked or published batch can be taken back")
    ids = {batch.batch_id for batch in family}
    if working := [work for work in activity.running(connection) if work.subject in ids]:
        raise LgspError(f"{chosen.batch_id} is being processed ({working[0]}): try again when it has ended")


def _keys(settings: Settings, root: Batch, made: list[str]) -> dict[str, list[str]]:
    """The keys of all records of a landed batch, by kind, from its bytes; and those of the spellings in it."""
    with store.connect(settings) as connection:
        made.append(land.open_rebuild(connection, root))
    harmonise.run(settings, made[-1:])
    folder, keys = settings.staging / made[-1] / "harmonised", {}
    for kind in (*records.FACTS, records.ORGANISATION_ALIAS):
        if (path := folder / f"{kind.name}.parquet").exists():
            keys[kind.name] = pq.read_table(path, columns=["source_key"])["source_key"].unique().to_pylist()
    return {kind: found for kind, found in keys.items() if found}


def _others(settings: Settings, root: Batch, keys: dict[str, list[str]], made: list[str]) -> list[str]:
    """The ids of new batches over the other landed batches of the source, checked, and kept from other publications."""
    with store.connect(settings) as connection:
        rows = connection.execute(
            OTHERS,
            {"source": root.source, "landing_path": root.landing_path, "has_records": bool(keys), "from": root.window.start,
             "until": root.window.end},
        ).fetchall()  # fmt: skip
        roots = [ledger.of_landing(connection, str(row["landing_path"]))[0] for row in rows]
        others = [
            land.open_rebuild(connection, before) for before in sorted(roots, key=lambda each: each.batch_id[-6:])
        ]
        made += others
    for number, other in enumerate(others, start=1):
        log.info(
            "%s: %d of %d batches of %s are read again from landing", root.batch_id, number, len(others), root.source
        )
        check.run(settings, harmonise.run(settings, [other]))
        with store.connect(settings) as connection:  # `take_back` publishes it
            ledger.advance(connection, other, "harmonised")
    return others


@contextmanager
def _closed_on_error(settings: Settings, made: list[str]) -> Iterator[None]:
    """Close the batches that were made for a withdrawal that did not take place."""
    try:
        yield
    except BaseException:
        with store.connect(settings) as connection:
            for batch_id in made:
                if ledger.batch(connection, batch_id).state not in ("refused", "failed"):
                    ledger.advance(connection, batch_id, "failed", why="made for a withdrawal that did not take place")
        raise
