"""The expectation that one rule of a suite becomes. Importing this module imports Great Expectations, which takes seconds."""

from __future__ import annotations

from typing import Any

import great_expectations.expectations as gxe
from great_expectations.compatibility.pydantic import PrivateAttr


class ExpectFailuresToBeAllowed(gxe.ExpectColumnMaxToBeBetween):  # type: ignore[misc]
    """The largest number of failures in the column of a rule is at most `max_value`.

    Great Expectations asks an expectation for its configuration about fifty times while it validates it, and builds it
    anew each time. These expectations never change, so it is built once: half of the time of a suite.
    """

    _built: Any = PrivateAttr(None)

    @property
    def configuration(self) -> Any:
        """The configuration of this expectation."""
        if self._built is None:
            self._built = super().configuration
        return self._built
