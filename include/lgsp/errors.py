"""The failures this package raises: those worth asking again, and those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


class LgspError(Exception):
    """Something an operator can act on; the message says who, what and where to mend it."""


class SettingError(LgspError):
    """An environment variable or a setting is missing or makes no sense."""


class SourceFailed(LgspError):
    """A source did not give what it promises; asking again later may help."""


class SourceRefused(LgspError):
    """A source refuses us (credentials, redirect, broken contract); asking again will not help."""


class BatchRefused(LgspError):
    """A batch broke a batch rule; nothing of it is published until its cause is mended."""


class ContractError(LgspError):
    """A contract, a code list or a source description cannot be used as it is written."""


class PublicationFailed(LgspError):
    """A snapshot could not be proven equal on both sides; nothing was published."""


class NothingPublished(PublicationFailed):
    """There is no snapshot yet."""


class CommitFailed(LgspError):
    """The commit was refused or its answer was lost: only the store can say whether it took place."""
