"""Determine when a row of a reference list had which content, from the days on which the list was read.

The result is a function of the set of readings: their order, repetition and grouping do not matter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby, pairwise


@dataclass(frozen=True)
class Days:
    """Consecutive local days, half open."""

    start: date
    end: date


@dataclass(frozen=True)
class Run:
    """A span of time in which a row had one content.

    `start` is None when the first reading of the list already had it, `end` when the last reading still has it.
    """

    content: str
    start: date | None
    end: date | None


def runs(readings: Sequence[date], absences: Mapping[str, Iterable[Days]]) -> list[Run]:
    """The runs of one row, in order of time.

    `readings` are the days on which the list was read, ascending; `absences` has, for each content that the row ever
    had, the reading days on which no list had it. When two lists of one day differ, the row has the content that the
    nearest unambiguous day has, before it or else after it: reading an old day again with the list of another day
    changes nothing.
    """
    cuts, present = _presence(readings, absences)
    chosen = _unambiguous([frozenset(content for content in present if present[content][at]) for at in cuts[:-1]])
    spans = zip(pairwise(cuts), chosen, strict=True)
    found = []
    for content, group in groupby(spans, key=lambda span: span[1]):
        bounds = [span[0] for span in group]
        first, last = bounds[0][0], bounds[-1][1]
        if content is not None:
            start, end = readings[first] if first else None, readings[last] if last < len(readings) else None
            found.append(Run(content, start, end))
    return found


def _presence(
    readings: Sequence[date], absences: Mapping[str, Iterable[Days]]
) -> tuple[list[int], dict[str, dict[int, bool]]]:
    """The positions in `readings` at which a content begins or ceases to be listed, and for each of them what is listed."""
    absent = {
        content: [(bisect_left(readings, span.start), bisect_left(readings, span.end)) for span in spans]
        for content, spans in absences.items()
    }
    edges = {edge for spans in absent.values() for span in spans for edge in span}
    cuts = sorted(edges | {0, len(readings)})
    present = {
        content: {at: not any(first <= at < last for first, last in spans) for at in cuts[:-1]}
        for content, spans in absent.items()
    }
    return cuts, present


def _unambiguous(listed: Sequence[frozenset[str]]) -> list[str | None]:
    """One content for each span, or None where the row is not listed."""
    return [_nearest(listed, position) for position in range(len(listed))]


def _nearest(listed: Sequence[frozenset[str]], position: int) -> str | None:
    candidates = listed[position]
    if len(candidates) < 2:
        return next(iter(candidates), None)
    before, after = reversed(listed[:position]), listed[position + 1 :]
    for others in (before, after):
        nearest = next((one for one in others if len(one) == 1), frozenset[str]())
        if nearest & candidates:
            return min(nearest)
    return min(candidates)
