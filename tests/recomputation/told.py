"""What is told as data of indicators: versions of definitions, weights, thresholds and reported figures."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from lgsp.indicators import definitions


def _until(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _is_in_force(row: dict[str, str], day: date) -> bool:
    end = _until(row["valid_to"])
    return date.fromisoformat(row["valid_from"]) <= day and (end is None or day < end)


@dataclass(frozen=True)
class Definitions:
    """The definitions in a folder, else those that are shipped, read as plain text."""

    indicators: dict[str, Any]
    weights: list[dict[str, str]]
    thresholds: list[dict[str, str]]
    reported: list[dict[str, str]]

    @classmethod
    def of(cls, folder: Path) -> Definitions:
        """Read a folder that replaces some of the files."""

        def text(name: str) -> str:
            own = folder / name
            return (own if own.exists() else definitions.FOLDER / name).read_text(encoding="utf-8")

        def rows(name: str) -> list[dict[str, str]]:
            return list(csv.DictReader(text(f"{name}.csv").splitlines()))

        return cls(
            yaml.safe_load(text("indicator_definition.yml")), rows("index_766_weight"), rows("indicator_threshold"),
            rows("manual_indicator"),
        )  # fmt: skip

    def kpis(self, table: str) -> list[str]:
        """The indicators of a table."""
        return [name for name, told in self.indicators.items() if told["table"] == table]

    def version(self, kpi_id: str, day: date) -> str | None:
        """The version in force on a day; None before there was one."""
        begun = [v for v in self.indicators[kpi_id]["versions"] if v["from"] <= day]
        return str(max(begun, key=lambda v: v["from"])["version"]) if begun else None

    def excludes(self, kpi_id: str, day: date) -> bool:
        """Whether the version of a day leaves something out on purpose."""
        version = self.version(kpi_id, day)
        return any("excluded" in v for v in self.indicators[kpi_id]["versions"] if str(v["version"]) == version)

    def threshold(self, name: str, scope: str, day: date) -> str | None:
        """A threshold on a day as it is written; None where there is none."""
        found = [row for row in self.thresholds if (row["threshold_id"], row["scope"]) == (name, scope)]
        return next((row["value"] for row in found if _is_in_force(row, day)), None)

    def classes(self, day: date) -> list[tuple[Fraction, str, str]]:
        """Lower bound, name and colour of the classes of a day, the best first."""
        found = [r for r in self.thresholds if r["threshold_id"] == "institution_class" and _is_in_force(r, day)]
        return sorted(((Fraction(r["value"]), r["scope"], r["colour"]) for r in found), reverse=True)

    def components(self, day: date) -> Iterator[tuple[str, str, Fraction, Fraction]]:
        """Component, indicator, points at most and where these begin, on a day."""
        for row in self.weights:
            if _is_in_force(row, day):
                yield row["component"], row["kpi_id"], Fraction(row["maximum"]), Fraction(row["full_at"])
