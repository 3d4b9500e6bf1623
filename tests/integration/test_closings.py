"""A dossier that was closed without a reported day ended with the first change that showed it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from lgsp.window import LOCAL, Window
from tests.exhaustive import exhaustive
from tests.integration.conftest import Installation
from tests.integration.readings import FIRST, NAMES, A, Reading, dossier, named, read

WITHDRAWN = {"id": 7}
OPEN = Reading(0, NAMES, (dossier(1, 0, named(A), completedDate=None, dossierStatus={"id": 2}),))


def _closed(day: int, changed: int) -> Reading:
    """The dossier as a window read it that shows it withdrawn, without a day of it."""
    sent = dossier(1, 0, named(A), changed=changed, dossierStatus=WITHDRAWN, completedDate=None)
    return Reading(day, NAMES, (sent,))


def _closed_at(installation: Installation) -> Any:
    (row,) = installation.query("select status, closed_at from shared.dossier")
    assert row["status"] == "withdrawn"
    return row["closed_at"]


VERSIONS = (OPEN, _closed(1, 1), _closed(2, 2))
FIRST_SEEN = datetime(FIRST.year, FIRST.month, FIRST.day, 11, tzinfo=LOCAL) + timedelta(days=1)


@pytest.mark.parametrize(
    "order",
    [(0, 2, 1), *exhaustive(*((order,) for order in permutations(range(3))))],
    ids=str,
)
def test_the_first_change_that_shows_it_closes_a_dossier(installation: Installation, order: Sequence[int]) -> None:
    for number in order:
        read(installation, VERSIONS[number])
    assert _closed_at(installation) == FIRST_SEEN


@pytest.mark.exhaustive
def test_the_first_change_survives_a_rebuild(installation: Installation) -> None:
    for reading in VERSIONS:
        read(installation, reading)
    installation.rebuild("one_stop_shop", Window.of_days(FIRST, FIRST + timedelta(days=2)))
    installation.publish()
    assert _closed_at(installation) == FIRST_SEEN


def test_versions_of_one_publication_are_dated_by_the_first(installation: Installation) -> None:
    for reading in VERSIONS:
        read(installation, reading, publishes=False)
    installation.publish()
    assert _closed_at(installation) == FIRST_SEEN
