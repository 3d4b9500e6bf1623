"""Tests that the benchmarks compare like with like: every side reads the same records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from lgsp import land
from lgsp_province import World, serving
from tests.bench import throughput
from tests.integration.conftest import FIRST, MIDNIGHT, SOURCES, WHOLE, Installation


@pytest.fixture(scope="module")
def plain_province() -> Iterator[dict[str, dict[str, Any]]]:
    """The connections of a province without the defects that a plain loop cannot read."""
    world = World.generate(
        "tiny", 7, FIRST, date(2026, 8, 10),
        dossiers_count=300, documents_count=40, defects_chosen=throughput.PLAIN_DEFECTS,
    )  # fmt: skip
    with serving(world, as_of=MIDNIGHT) as connections:
        yield connections


def test_the_plain_loop_reads_as_many_records_as_landing(
    installation: Installation, plain_province: dict[str, dict[str, Any]]
) -> None:
    settings = installation.connected_to(plain_province).settings
    landed = [installation.batch(i) for source in SOURCES for i in land.run(settings, source, WHOLE)]
    floor = throughput.floor(settings, WHOLE)
    assert floor["records"] == sum(batch.counts["fetched_count"] for batch in landed)
    listed = {batch.source: batch.counts["fetched_count"] for batch in landed}
    copied = installation.query("select source, count(*) from public.floor group by source")
    assert {row["source"]: row["count"] for row in copied} == listed
