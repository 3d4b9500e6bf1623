"""The error that a table rule raises to refuse a publication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgsp.errors import LgspError

if TYPE_CHECKING:
    from lgsp.check.gate import SuiteResult


class PublicationRefused(LgspError):
    """The tables to be published break a rule; nothing was published."""

    def __init__(self, message: str, snapshot_id: int, judgement: SuiteResult) -> None:
        super().__init__(message)
        self.snapshot_id = snapshot_id
        self.judgement = judgement
