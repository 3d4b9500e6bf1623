"""Reads the indicator configuration: versions of definitions, weights, thresholds and reported figures."""

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
    """The definitions in a folder, or the shipped ones where the folder has no such file, read as plain text."""

    indicators: dict[str, Any]
    weights: list[dict[str, str]]
    thresholds: list[dict[str, str]]
    reported: list[dict[str, str]]

    @classmethod
    def load(cls, folder: Path) -> Definitions:
        """Read a folder that replaces some of the shipped files."""

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
        return [name for name, entry in self.indicators.items() if entry["table"] == table]

    def version(self, kpi_id: str, day: date) -> str | None:
        """The version in force on a day; None before the first one."""
        valid = [v for v in self.indicators[kpi_id]["versions"] if v["from"] <= day]
        return str(max(valid, key=lambda v: v["from"])["version"]) if valid else None

    def excludes(self, kpi_id: str, day: date) -> bool:
        """Whether the version in force on a day excludes something."""
        version = self.version(kpi_id, day)
        return any("excluded" in v for v in self.indicators[kpi_id]["versions"] if str(v["version"]) == version)

    def threshold(self, name: str, scope: str, day: date) -> str | None:
        """A threshold on a day, as text; None if there is none."""
        rows = [row for row in self.thresholds if (row["threshold_id"], row["scope"]) == (name, scope)]
        return next((row["value"] for row in rows if _is_in_force(row, day)), None)

    def classes(self, day: date) -> list[tuple[Fraction, str, str]]:
        """Lower bound, name and colour of the classes in force on a day, the best first."""
        rows = [r for r in self.thresholds if r["threshold_id"] == "institution_class" and _is_in_force(r, day)]
        return sorted(((Fraction(r["value"]), r["scope"], r["colour"]) for r in rows), reverse=True)

    def components(self, day: date) -> Iterator[tuple[str, str, Fraction, Fraction]]:
        """Component, indicator, maximum of points and the ratio that reaches it, of the weights in force on a day."""
        for row in self.weights:
            if _is_in_force(row, day):
                yield row["component"], row["kpi_id"], Fraction(row["maximum"]), Fraction(row["full_at"])
