"""Where the bytes of a record are: the landed answer, its place in the file, the request, and whether it is still what came."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from lgsp.errors import ContractError
from lgsp.land.archive import Batch
from lgsp.land.record_subset import place
from lgsp.settings import Settings
from lgsp.store.ledger import Connection

# What every manifest says; the rest are facts that whoever landed it left, such as its Dag run.
MANIFEST = ("batch_id", "source", "from", "to", "declared", "read", "gap", "calls", "calls_sha256")

CALL = """
select b.batch_id, b.landing_path, b.landed_at, c.number, c.list, c.request, c.status, c.bytes, c.sha256
from ledger.batch b
-- a batch that was made again of what was landed has no calls of its own
left join ledger.source_call c on c.number = %(number)s and c.batch_id in (
    select o.batch_id from ledger.batch o where o.landing_path = b.landing_path)
where b.batch_id = %(batch_id)s order by c.batch_id limit 1
"""


@dataclass(frozen=True)
class Page:
    """A landed answer that holds a record: the file and the zstd frame in it, the request, and its SHA-256 when it came."""

    batch_id: str
    file: str
    offset: int | None
    length: int | None
    number: int
    ordinal: int
    list: str | None
    request: str | None
    status: int | None
    landed_at: Any
    sha256: str | None
    state: str
    facts: dict[str, Any]


def of(settings: Settings, connection: Connection, raw_pointer: str) -> Page | None:
    """The page that a raw pointer speaks of, read again and proven; None when it speaks of none.

    `state` is `as landed`, or says that the landing folder is gone, or what is wrong with it.
    """
    if not re.search(r"#\d+:\d+$", raw_pointer):
        return None
    batch_id = raw_pointer.rpartition("#")[0]
    number, ordinal = place(raw_pointer)
    row = connection.execute(CALL, {"number": number, "batch_id": batch_id}).fetchone()
    if row is None:
        return None
    folder = settings.landing / row["landing_path"]
    offset, length, facts, state = _proven(folder, number, row["sha256"])
    return Page(
        batch_id, str(folder / "bodies.pack"), offset, length, number, ordinal, row["list"], row["request"], row["status"],
        row["landed_at"], row["sha256"], state, facts,
    )  # fmt: skip


def _proven(folder: Path, number: int, sha256: str | None) -> tuple[int | None, int | None, dict[str, Any], str]:
    """Where an answer is in its file, what else the manifest says, and whether its bytes are those that came."""
    if not folder.exists():
        return None, None, {}, "gone: its landing folder was removed"
    try:
        landed = Batch.open(folder)
        calls = [call for call in landed.calls() if call.number == number]
        facts = {name: value for name, value in landed.manifest.items() if name not in MANIFEST}
        if not calls:
            return None, None, facts, "not among the answers that count"
        for call, _ in landed.bodies(calls):
            same = call.sha256 == sha256 or sha256 is None
            state = "as landed" if same else f"NOT as the ledger says: its SHA-256 is {call.sha256}"
            return call.offset, call.length, facts, state
    except (ContractError, OSError, zstandard.ZstdError) as error:
        return None, None, {}, f"NOT as landed: {error}"
    return None, None, facts, "not among the answers that count"
