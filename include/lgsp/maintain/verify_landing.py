"""Verify what was landed: every byte against its manifest, and every manifest and call against the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import psycopg

from lgsp import install, signing, store
from lgsp.check import results
from lgsp.errors import ContractError, PublicationFailed
from lgsp.land import archive
from lgsp.land.archive import Batch
from lgsp.settings import Settings
from lgsp.signing import SigningKey
from lgsp.store import decisions, epochs

log = logging.getLogger(__name__)

# A batch is verified once in so many nights.
NIGHTS = 30

_BATCHES = """
select batch_id, source, window_from, window_to, purpose, landing_path, manifest_sha256 from ledger.batch
where rebuilt_from is null and landed_at is not null order by right(batch_id, 6)
"""
_CALLS = "select number, list, request, status, is_whole, records, bytes, sha256 from ledger.source_call where batch_id = %s order by number"

_RESULTS = f"""
select batch_id, results_signature, public_key, results
from ledger.batch join ledger.signing_key on key_id = results_key left join ({results.SUMS} group by batch_id) r using (batch_id)
where results_signature is not null order by right(batch_id, 6)
"""


@dataclass
class LandingProof:
    """The numbers of batches, answers and bytes that were verified, and what is wrong: one line for each batch."""

    batches: int = 0
    answers: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


def verify_landing(settings: Settings, night: date | None = None) -> LandingProof:
    """Verify every landed batch, with `night` only those whose turn it is, and the decisions of people; changes nothing."""
    install.ensure(settings)
    proof = LandingProof()
    with store.connect(settings) as connection:
        rows = connection.execute(_BATCHES).fetchall()
        for row in rows:
            if _is_due(str(row["batch_id"]), night):
                proof.problems += _problems(settings, connection, row, proof)
        proof.problems += _result_problems(connection, night)
        proof.problems += decisions.problems(settings, connection)
    known = {settings.landing / str(row["landing_path"]) for row in rows}
    unknown = [
        folder
        for _, folder in epochs.landed_folders(settings.landing)
        if archive.is_sealed(folder) and folder not in known
    ]
    proof.problems += [f"{folder} is not in the ledger: run `lgsp adopt`" for folder in sorted(unknown)]
    return proof


def _is_due(batch_id: str, night: date | None) -> bool:
    """Whether a batch is verified in a night; without a night each is."""
    return night is None or int(batch_id[-6:]) % NIGHTS == night.toordinal() % NIGHTS


def _result_problems(connection: psycopg.Connection[Any], night: date | None) -> Iterator[str]:
    """The batches whose check results are not those that were signed."""
    for row in connection.execute(_RESULTS).fetchall():
        if _is_due(row["batch_id"], night):
            content, signature = results.signed_content(row["batch_id"], row["results"] or ""), bytes.fromhex(row["results_signature"])  # fmt: skip
            try:
                signing.verify(
                    row["public_key"].encode(), content, signature, f"the check results of {row['batch_id']}"
                )
            except PublicationFailed as error:
                yield f"{error}: rows of ledger.check_result were altered by hand"


def _problems(
    settings: Settings, connection: psycopg.Connection[Any], row: dict[str, Any], proof: LandingProof
) -> Iterator[str]:
    """What is wrong with one batch; counts what was verified."""
    folder = settings.landing / row["landing_path"]
    proof.batches += 1
    if (folder / archive.EXPIRED).exists():
        yield from _expiry_problems(settings, connection, folder)
        return
    try:
        landed = Batch.open(folder)
        answers = landed.prove()
    except (ContractError, OSError) as error:
        yield str(error)
        return
    proof.answers += len(answers)
    proof.bytes += sum(answer.bytes for answer in answers)
    if row["manifest_sha256"] not in (None, landed.manifest_sha256):
        yield f"{folder / archive.MANIFEST} was altered after landing: restore it from a backup"
    facts = (landed.manifest["batch_id"], landed.manifest["source"], *landed.window, landed.purpose)
    if facts != tuple(row[name] for name in ("batch_id", "source", "window_from", "window_to", "purpose")):
        yield f"{row['batch_id']}: the ledger has another source, window or purpose than {folder / archive.MANIFEST}"
    sent = [(a.number, a.list, a.request, a.status, a.is_whole, a.records, a.bytes, a.sha256) for a in answers]
    if sent != [tuple(call.values()) for call in connection.execute(_CALLS, [row["batch_id"]])]:
        yield f"{row['batch_id']}: the calls in the ledger are not those of {folder / 'calls.jsonl'}: rows were altered by hand"


def _expiry_problems(settings: Settings, connection: psycopg.Connection[Any], folder: Path) -> Iterator[str]:
    """Whether an expired batch was removed by somebody who may: its `expired.json` is signed with a key of this store.

    A store lists its key since its first publication.
    """
    path = folder / archive.EXPIRED
    try:
        content, signature = path.read_bytes(), path.with_name(f"{path.name}.sig").read_bytes()
        key_id = orjson.loads(content)["signing_key"]
        own = SigningKey.load(settings)
        keys = {row["key_id"]: row["public_key"].encode() for row in connection.execute("select key_id, public_key from ledger.signing_key")}  # fmt: skip
        if key := {own.id: own.public, **keys}.get(key_id):
            signing.verify(key, content, signature, str(path))
        else:
            yield f"{path} is signed with {key_id}, which is no key of this store"
    except (OSError, ValueError, KeyError, PublicationFailed) as error:
        yield f"{path}: {error}"
