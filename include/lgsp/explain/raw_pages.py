"""Find the landed bytes of a record: the file, the place in it, the request, and whether the bytes are unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from lgsp.errors import ContractError
from lgsp.land.archive import Batch
from lgsp.land.record_subset import parse_pointer
from lgsp.settings import Settings
from lgsp.store.ledger import Connection

# The keys of every manifest; all others are facts from the run that landed it, such as its Dag run.
MANIFEST = ("batch_id", "source", "from", "to", "declared", "read", "gap", "calls", "calls_sha256")

CALL = """
select b.batch_id, b.landing_path, b.landed_at, c.number, c.list, c.request, c.status, c.bytes, c.sha256
from ledger.batch b
-- a batch that was rebuilt from landed data has no calls of its own
left join ledger.source_call c on c.number = %(number)s and c.batch_id in (
    select o.batch_id from ledger.batch o where o.landing_path = b.landing_path)
where b.batch_id = %(batch_id)s order by c.batch_id limit 1
"""


@dataclass(frozen=True)
class Page:
    """The landed response with a record: file, zstd frame in it, request, and the SHA-256 of the body when it was landed."""

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


def read_page(settings: Settings, connection: Connection, raw_pointer: str) -> Page | None:
    """The page that a raw pointer refers to, read again and compared with its SHA-256; None when there is no page.

    `state` is `as landed`, or describes what is wrong: the landing folder is gone, or the bytes have changed.
    """
    if not re.search(r"#\d+:\d+$", raw_pointer):
        return None
    batch_id = raw_pointer.rpartition("#")[0]
    number, ordinal = parse_pointer(raw_pointer)
    row = connection.execute(CALL, {"number": number, "batch_id": batch_id}).fetchone()
    if row is None:
        return None
    folder = settings.landing / row["landing_path"]
    offset, length, facts, state = _verified(folder, number, row["sha256"])
    return Page(
        batch_id, str(folder / "bodies.pack"), offset, length, number, ordinal, row["list"], row["request"], row["status"],
        row["landed_at"], row["sha256"], state, facts,
    )  # fmt: skip


def _verified(folder: Path, number: int, sha256: str | None) -> tuple[int | None, int | None, dict[str, Any], str]:
    """Offset and length of a response in its file, the other facts of the manifest, and the state of the bytes."""
    if not folder.exists():
        return None, None, {}, "gone: its landing folder was removed"
    try:
        landed = Batch.open(folder)
        calls = [call for call in landed.calls() if call.number == number]
        facts = {name: value for name, value in landed.manifest.items() if name not in MANIFEST}
        if not calls:
            return None, None, facts, "not among the complete responses"
        for call, _ in landed.bodies(calls):
            is_same = call.sha256 == sha256 or sha256 is None
            state = "as landed" if is_same else f"NOT as in the ledger: its SHA-256 is {call.sha256}"
            return call.offset, call.length, facts, state
    except (ContractError, OSError, zstandard.ZstdError) as error:
        return None, None, {}, f"NOT as landed: {error}"
    return None, None, facts, "not among the complete responses"
