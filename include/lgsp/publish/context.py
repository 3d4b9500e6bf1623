"""Data that the steps of one publication share."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lgsp.check.gate import SuiteResult
from lgsp.publish.control_totals import ControlTotals
from lgsp.publish.merge import Outcomes
from lgsp.publish.publication import SnapshotMetadata
from lgsp.publish.table_rules import NO_OVERRIDE, RuleOverride
from lgsp.settings import Settings
from lgsp.snapshots.changes import Changes
from lgsp.store.transaction import Transaction

if TYPE_CHECKING:
    from lgsp.publish.withdrawal import Withdrawal


@dataclass(frozen=True)
class CheckedBatch:
    """A checked batch that waits to be published; `accepted` is the number of its accepted records."""

    batch_id: str
    source: str
    accepted: int
    purpose: str = "window"


@dataclass
class PublishRun:
    """One publication in progress: the input of its steps, and their results for later steps."""

    settings: Settings
    transaction: Transaction
    snapshot_id: int
    batches: tuple[CheckedBatch, ...]
    override: RuleOverride = NO_OVERRIDE
    derives_all: bool = False  # all shared rows are derived again, not only those of changed records
    rewrites_all_files: bool = False  # the files of the newest snapshot are lost
    is_first: bool = False  # of its epoch
    only: Mapping[str, frozenset[tuple[str, str]]] | None = None  # by batch: the only records to merge, as (kind, key)
    withdrawal: Withdrawal | None = None  # the landed batch that this publication takes back

    outcomes: Outcomes = field(default_factory=Outcomes)
    changes: Changes = field(default_factory=Changes)
    seconds: dict[str, float] = field(default_factory=dict)  # by step
    control_totals: ControlTotals = field(init=False)  # set by count_records
    judgement: SuiteResult = field(init=False)  # set by judge_tables
    metadata: SnapshotMetadata = field(init=False)  # set by write_snapshot

    @property
    def batch_ids(self) -> list[str]:
        """The ids of the batches that are published."""
        return [batch.batch_id for batch in self.batches]

    @property
    def is_unchanged(self) -> bool:
        """Whether no shared row and no file changes; the first snapshot of an epoch is always written."""
        return not self.is_first and not any(self.changes.parts.values())

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the duration of the block to a step's seconds."""
        started = time.monotonic()
        yield
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - started, 3)
