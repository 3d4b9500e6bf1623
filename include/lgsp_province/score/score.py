"""How right the shared dataset is: a simulated world through the real pipeline, compared with its truth."""

import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lgsp import publish
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp_province.score import links, privacy, rows, rules
from lgsp_province.score.dataset import read, texts
from lgsp_province.score.defects import TEXTS, Judge, Line, lines
from lgsp_province.score.feeds import Told, parts, told
from lgsp_province.score.feeds import read as read_feed
from lgsp_province.score.links import Measure
from lgsp_province.score.privacy import Found
from lgsp_province.score.rows import Table
from lgsp_province.score.rules import RuleScore
from lgsp_province.score.unmarked import unmarked
from lgsp_province.score.world import know
from lgsp_province.systems.serving import serving
from lgsp_province.world.calendar import LOCAL
from lgsp_province.world.world import World

_NO_LIMIT = "6000000"


@dataclass(frozen=True)
class Expectation:
    """What the report must reach, and what it reached."""

    name: str
    wanted: str
    observed: str
    is_met: bool


@dataclass(frozen=True)
class Report:
    """All that was compared."""

    as_of: datetime
    defects: dict[str, Line]
    links: list[Measure]
    organisations: list[Measure]
    waiting: int
    tables: dict[str, Table]
    rules: list[RuleScore]
    untouched_wrong: dict[str, str]
    persons: list[Found]
    feeds: Told | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def expectations(self) -> list[Expectation]:
        """Every expectation, met or missed."""
        whole, by_name = self.links[0], {measure.name: measure for measure in self.organisations}
        unnamed = by_name[links.WITHOUT_CODE]
        settled = [
            _at_least(f"{name} settled", 0.99, self.defects[name].share_of(("repaired",))) for name in sorted(TEXTS)
        ]
        stopped = [
            _at_least(f"{name} {outcome}", 1.0, line.share_of((outcome,)))
            for name, line in self.defects.items()
            for outcome in ("quarantined", "ignored")
            if line.planted[outcome]
        ]
        touched = sum(line.touched for line in self.defects.values()) + len(self.untouched_wrong)
        return [
            _at_least("linking precision", 1.0, whole.precision),
            _at_least("linking recall", 0.995, whole.recall),
            _at_least("organisation precision", 1.0, min(measure.precision for measure in self.organisations)),
            _at_least("organisation recall (D21)", 0.98, unnamed.recall),
            *settled,
            *stopped,
            *(_at_least(name, 1.0, share) for holds in (True, False) for name, share in rules.worst(self.rules, holds)),
            _none("caught by rules that nothing breaks", rules.unfounded(self.rules)),
            _none("wrongly touched", touched),
            _none(
                "rows that differ from the truth",
                sum(table.missing + table.extra + table.differing for table in self.tables.values()),
            ),
            _none("personal data", sum(found.count for found in self.persons)),
            *self._feeds(),
        ]

    def _feeds(self) -> list[Expectation]:
        if self.feeds is None:
            return []
        return [
            _at_least("broken feeds told", 1.0, self.feeds.share_told),
            _none("lost days called silence", self.feeds.called_zero),
            _none("silence called a broken feed", self.feeds.alarms),
        ]

    @property
    def missed(self) -> list[Expectation]:
        """The expectations that were not met."""
        return [one for one in self.expectations if not one.is_met]

    def as_json(self) -> str:
        """The whole report for programs."""
        measures = {
            name: [{**asdict(m), "precision": m.precision, "recall": m.recall} for m in found]
            for name, found in (("links", self.links), ("organisations", self.organisations))
        }
        told = {
            "as_of": self.as_of.isoformat(),
            "defects": [_line(line) for line in self.defects.values()],
            **measures,
            "waiting_in_review": self.waiting,
            "tables": [_table(table) for table in self.tables.values()],
            "rules": [{**asdict(one), "recall": one.recall, "precision": one.precision} for one in self.rules],
            "wrong_without_defect": dict(list(self.untouched_wrong.items())[:20]),
            "persons": [asdict(found) for found in self.persons],
            "feeds": asdict(self.feeds) if self.feeds else None,
            "expectations": [asdict(one) for one in self.expectations],
            "seconds": self.seconds,
        }
        return json.dumps(told, ensure_ascii=False, indent=1)


def _line(line: Line) -> dict[str, Any]:
    told = {
        name: getattr(line, name) for name in ("defect", "unread", "markable", "marked", "touched", "share", "note")
    }
    misses = [asdict(miss) for miss in line.misses]
    return {**told, "planted": dict(line.planted), "settled": dict(line.settled), "misses": misses}


def _table(table: Table) -> dict[str, Any]:
    examples = [{"key": [str(part) for part in key], "what": what} for key, what in list(table.wrong.items())[:10]]
    names = ("name", "true", "published", "equal", "missing", "extra", "differing")
    return {**{name: getattr(table, name) for name in names}, "examples": examples}


def _at_least(name: str, wanted: float, observed: float) -> Expectation:
    return Expectation(name, f"at least {wanted:.3f}", f"{observed:.4f}", observed >= wanted)


def _none(name: str, observed: int) -> Expectation:
    return Expectation(name, "0", f"{observed:,}", observed == 0)


def compare(settings: Settings, world: World, as_of: datetime) -> Report:
    """What an installation has published, against what a world's truth says of an instant."""
    known, dataset = know(world, as_of), read(settings)
    tables = rows.tables(known, dataset)
    wrong_dossiers = {str(key[0]): what for key, what in tables["dossiers"].wrong.items()}
    wrong_papers = rows.wrong_papers(tables)
    disputes: defaultdict[str, set[str]] = defaultdict(set)
    for row in dataset.tables["reconciliation"]:
        disputes[row["dossier_id"]].add(row["attribute"])
    judge = Judge(known, dataset, wrong_dossiers, wrong_papers, disputes)
    return Report(
        as_of,
        dict(
            sorted({**lines(judge), **unmarked(judge)}.items(), key=lambda item: (not item[0].startswith("D"), item[0]))
        ),
        links.links(known, dataset),
        links.organisations(known, dataset),
        dataset.waiting,
        tables,
        rules.scores(known, dataset),
        _wrong_without_defect(judge),
        privacy.search(known, texts(settings)),
        told(settings, world) if world.feeds else None,
    )


def _wrong_without_defect(judge: Judge) -> dict[str, str]:
    """Dossiers and documents that are wrong although no record of them shows any defect."""
    wrong = judge.wrong_dossiers | judge.wrong_papers
    return {key: what for key, what in wrong.items() if key not in judge.known.spoilt}


@contextmanager
def published(world: World, as_of: datetime, home: Path | None = None) -> Iterator[Settings]:
    """An installation that has published a world once; without a home it is gone after the block."""
    place = home or Path(tempfile.mkdtemp(prefix="lgsp-score-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        with serving(world, as_of=as_of) as connections:
            yield _publish(place, connections, world)
    finally:
        Server(place).stop()
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def _publish(home: Path, connections: Mapping[str, Mapping[str, Any]], world: World) -> Settings:
    environment = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(told) for name, told in connections.items()}
    environment |= {f"LGSP_REQUESTS_PER_MINUTE_{name.upper()}": _NO_LIMIT for name in connections}
    settings = Settings.from_env({**environment, "LGSP_HOME": str(home)})
    for part in parts(world):
        for source, window in part:
            read_feed(settings, source, window, world)
        publish.run(settings)
    return settings


def run(world: World, home: Path | None = None) -> Report:
    """Publish a world that stands still at the end of its range, and compare."""
    begun = time.monotonic()
    as_of = datetime.combine(world.end + timedelta(days=1), datetime.min.time(), LOCAL)
    with published(world, as_of, home) as settings:
        ready = time.monotonic()
        report = compare(settings, world, as_of)
    report.seconds.update(pipeline=round(ready - begun, 1), compare=round(time.monotonic() - ready, 1))
    return report
