"""Tests of the limits on requests to a source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lgsp.errors import ContractError
from lgsp.land import source_client
from lgsp.schema import sources


def test_the_description_of_a_source_changes_the_limits() -> None:
    source = replace(sources.load("documents"), manners={"attempts": 2, "idle_seconds": 0.5})
    limits = source_client.request_limits(source)
    assert (limits.attempts, limits.idle_seconds, limits.parallel) == (2, 0.5, 1)


def test_an_unknown_limit_is_an_error_that_names_the_file() -> None:
    source = replace(sources.load("documents"), manners={"atempts": 2})
    with pytest.raises(ContractError, match=r"sources/documents/source\.yml: manners: .*'atempts'"):
        source_client.request_limits(source)
