"""The exceptions of this package. Only `SourceFailed` can be solved by a retry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


class LgspError(Exception):
    """The base class. The message names the subject, the problem and the place to fix it."""


class SettingError(LgspError):
    """An environment variable or another setting is missing or invalid."""


class ConfigInvalid(SettingError):
    """The files in LGSP_CONFIG cannot be used; `mistakes` has one line for each mistake."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class UnlikelyWindow(SettingError):
    """A window that is probably mistyped; nothing was read. It is read when a person confirms it."""


class SourceFailed(LgspError):
    """A source did not answer as its interface promises; a later retry may succeed."""


class SourcePaused(SourceFailed):
    """A source must not be called before `until`: it asked for a wait, or these are its quiet hours."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class SourceRefused(LgspError):
    """A source refuses our requests (credentials, redirect, broken contract); a retry will not help."""


class BatchRefused(LgspError):
    """A rule refused a batch; nothing of it is published until the cause is fixed or a person accepts the batch."""


class ContractError(LgspError):
    """A contract, a code list or a source description is invalid."""


class PublicationFailed(LgspError):
    """A snapshot could not be published, or SQL and files could not be proven equal."""


class StoreRefused(PublicationFailed):
    """The store refused a value of a publication: a constraint or a size limit. `error` is its message, in one line."""

    def __init__(self, error: str) -> None:
        super().__init__(f"nothing was published, the last snapshot stays: {error}")
        self.error = error


class PublishLockHeld(PublicationFailed):
    """Another publisher has the publish lock for too long; the message names its session."""


class NothingPublished(PublicationFailed):
    """There is no snapshot yet."""


class StorageFailed(LgspError):
    """A disk is full, read-only or broken; the message names the folder and what to do."""


class CommitFailed(LgspError):
    """The commit failed or its answer was lost: whether it took place must be read from the database."""
