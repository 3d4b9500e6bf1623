"""A publication that a table rule refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lgsp.errors import LgspError

if TYPE_CHECKING:
    from lgsp.check.gate import SuiteResult


class PublicationRefused(LgspError):
    """The tables that would have been published break a rule; the last snapshot stays."""

    def __init__(self, message: str, snapshot_id: int, judgement: SuiteResult) -> None:
        super().__init__(message)
        self.snapshot_id = snapshot_id
        self.judgement = judgement
