"""Compute fingerprints of the file format of a table, and of the program that derives rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from lgsp.schema.contract import Contract


def format_fingerprint(table: Contract) -> str:
    """The fingerprint of the format of a table's files; when it changes, the files must be written again.

    A patch version of the contract changes texts only, so it does not count.
    """
    version = f"{table.version.rpartition('.')[0]}.0"
    columns = [f"{column.name} {column.type}" for column in table.columns]
    partition = table.partition.name if table.partition else ""
    return fingerprint([version, partition, *table.key, *columns])


def fingerprint(parts: Sequence[str]) -> str:
    """The first 16 hex digits of the SHA-256 of the joined texts."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
