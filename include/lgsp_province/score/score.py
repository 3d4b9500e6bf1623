"""Scores the platform: publishes a simulated world with the real pipeline and compares the dataset with its truth."""

import json
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lgsp import install, publish
from lgsp.settings import Settings
from lgsp.store.embedded_postgres import Server
from lgsp_province.score import links, privacy, rows, rules
from lgsp_province.score.dataset import read, texts
from lgsp_province.score.defects import TEXTS, DefectScore, DefectScorer, defect_scores
from lgsp_province.score.feeds import FeedScore, Windows, ingest, readings, score_feeds
from lgsp_province.score.links import Measure
from lgsp_province.score.privacy import PersonalDataFinding
from lgsp_province.score.rows import TableScore
from lgsp_province.score.rules import RuleScore
from lgsp_province.score.unmarked import unmarked_scores
from lgsp_province.score.world import expected_dataset
from lgsp_province.systems.serving import serving
from lgsp_province.world.calendar import LOCAL
from lgsp_province.world.world import World

_UNLIMITED = "6000000"  # requests per minute


@dataclass(frozen=True)
class Expectation:
    """A value that the report must reach, and the value that it has."""

    name: str
    wanted: str
    observed: str
    is_met: bool


@dataclass(frozen=True)
class Report:
    """All scores of a published dataset; `feeds` is None if the world has no broken feeds."""

    as_of: datetime
    defects: dict[str, DefectScore]
    links: list[Measure]
    organisations: list[Measure]
    worklist_count: int
    tables: dict[str, TableScore]
    rules: list[RuleScore]
    wrong_without_defect: dict[str, str]
    personal_data: list[PersonalDataFinding]
    feeds: FeedScore | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def expectations(self) -> list[Expectation]:
        """Every expectation, met or missed."""
        all_links, by_name = self.links[0], {measure.name: measure for measure in self.organisations}
        without_code = by_name[links.WITHOUT_CODE]
        resolved = [
            _expect_at_least(f"{name} resolved", 0.99, self.defects[name].share_of(("repaired",)))
            for name in sorted(TEXTS)
        ]
        not_published = [
            _expect_at_least(f"{name} {outcome}", 1.0, score.share_of((outcome,)))
            for name, score in self.defects.items()
            for outcome in ("quarantined", "ignored")
            if score.planted[outcome]
        ]
        wrongly_changed = sum(score.touched for score in self.defects.values()) + len(self.wrong_without_defect)
        organisation_precision = min(measure.precision for measure in self.organisations)
        return [
            _expect_at_least("linking precision", 1.0, all_links.precision),
            _expect_at_least("linking recall", 0.995, all_links.recall),
            _expect_at_least("organisation precision", 1.0, organisation_precision),
            _expect_at_least("organisation recall (D21)", 0.98, without_code.recall),
            *resolved,
            *not_published,
            *(
                _expect_at_least(name, 1.0, share)
                for is_holding in (True, False)
                for name, share in rules.worst(self.rules, is_holding)
            ),
            _expect_zero("caught by rules that no record violates", rules.unfounded(self.rules)),
            _expect_zero("wrongly changed", wrongly_changed),
            _expect_zero(
                "rows that differ from the truth",
                sum(table.missing + table.extra + table.differing for table in self.tables.values()),
            ),
            _expect_zero("personal data", sum(finding.count for finding in self.personal_data)),
            *self._feed_expectations(),
        ]

    def _feed_expectations(self) -> list[Expectation]:
        if self.feeds is None:
            return []
        return [
            _expect_at_least("broken feeds detected", 1.0, self.feeds.detected_share),
            _expect_zero("days without data reported as zero", self.feeds.called_zero),
            _expect_zero("days without dossiers reported as missing", self.feeds.alarms),
        ]

    @property
    def missed(self) -> list[Expectation]:
        """The expectations that are not met."""
        return [expectation for expectation in self.expectations if not expectation.is_met]

    def as_json(self) -> str:
        """The whole report as JSON."""
        measures = {
            name: [{**asdict(m), "precision": m.precision, "recall": m.recall} for m in list_of_measures]
            for name, list_of_measures in (("links", self.links), ("organisations", self.organisations))
        }
        report = {
            "as_of": self.as_of.isoformat(),
            "defects": [_defect_json(score) for score in self.defects.values()],
            **measures,
            "waiting_in_review": self.worklist_count,
            "tables": [_table_json(table) for table in self.tables.values()],
            "rules": [{**asdict(rule), "recall": rule.recall, "precision": rule.precision} for rule in self.rules],
            "wrong_without_defect": dict(list(self.wrong_without_defect.items())[:20]),
            "persons": [asdict(finding) for finding in self.personal_data],
            "feeds": asdict(self.feeds) if self.feeds else None,
            "expectations": [asdict(expectation) for expectation in self.expectations],
            "seconds": self.seconds,
        }
        return json.dumps(report, ensure_ascii=False, indent=1)


def _defect_json(score: DefectScore) -> dict[str, Any]:
    names = ("defect", "unread", "markable", "marked", "touched", "share", "note")
    return {
        **{name: getattr(score, name) for name in names},
        "planted": dict(score.planted),
        "settled": dict(score.resolved),
        "misses": [asdict(miss) for miss in score.misses],
    }


def _table_json(table: TableScore) -> dict[str, Any]:
    examples = [{"key": [str(part) for part in key], "what": what} for key, what in list(table.wrong.items())[:10]]
    names = ("name", "true", "published", "equal", "missing", "extra", "differing")
    return {**{name: getattr(table, name) for name in names}, "examples": examples}


def _expect_at_least(name: str, wanted: float, observed: float) -> Expectation:
    return Expectation(name, f"at least {wanted:.3f}", f"{observed:.4f}", observed >= wanted)


def _expect_zero(name: str, observed: int) -> Expectation:
    return Expectation(name, "0", f"{observed:,}", observed == 0)


def compare(settings: Settings, world: World, as_of: datetime) -> Report:
    """Compare what an installation has published with the truth of a world as of an instant."""
    expected, dataset = expected_dataset(world, as_of), read(settings)
    tables = rows.compare_tables(expected, dataset)
    wrong_dossiers = {str(key[0]): what for key, what in tables["dossiers"].wrong.items()}
    wrong_documents = rows.wrong_documents(tables)
    conflicts: defaultdict[str, set[str]] = defaultdict(set)
    for row in dataset.tables["reconciliation"]:
        conflicts[row["dossier_id"]].add(row["attribute"])
    scorer = DefectScorer(expected, dataset, wrong_dossiers, wrong_documents, conflicts)
    defects = {**defect_scores(scorer), **unmarked_scores(scorer)}
    return Report(
        as_of,
        dict(sorted(defects.items(), key=lambda item: (not item[0].startswith("D"), item[0]))),
        links.links(expected, dataset),
        links.organisations(expected, dataset),
        dataset.worklist_count,
        tables,
        rules.scores(expected, dataset),
        _wrong_without_defect(scorer),
        privacy.search(expected, texts(settings)),
        score_feeds(settings, world) if world.feeds else None,
    )


def _wrong_without_defect(scorer: DefectScorer) -> dict[str, str]:
    """The wrong dossiers and documents of which no record has a defect, by id, with what is wrong."""
    wrong = scorer.wrong_dossiers | scorer.wrong_documents
    return {key: what for key, what in wrong.items() if key not in scorer.expected.ids_with_defects}


@contextmanager
def published_installation(world: World, as_of: datetime, home: Path | None = None) -> Iterator[Settings]:
    """The settings of an installation that has published a world; without `home` it is deleted after the block."""
    folder = home or Path(tempfile.mkdtemp(prefix="lgsp-score-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        *earlier, (_, publications) = readings(world)
        for before, windows in earlier:
            with serving(world, as_of=datetime.combine(before, datetime.min.time(), LOCAL)) as connections:
                _publish(folder, connections, world, windows)
        with serving(world, as_of=as_of) as connections:
            yield _publish(folder, connections, world, publications)
    finally:
        Server(folder).stop()
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)


def _publish(
    home: Path, connections: Mapping[str, Mapping[str, Any]], world: World, publications: Iterable[Windows]
) -> Settings:
    environment = {f"AIRFLOW_CONN_{name.upper()}": json.dumps(values) for name, values in connections.items()}
    environment |= {f"LGSP_REQUESTS_PER_MINUTE_{name.upper()}": _UNLIMITED for name in connections}
    settings = Settings.from_env({**environment, "LGSP_HOME": str(home)})
    install.ensure(settings)
    for windows in publications:
        for source, window in windows:
            ingest(settings, source, window, world)
        publish.run(settings)
    return settings


def score_world(world: World, home: Path | None = None) -> Report:
    """Publish a world, with the servers' clock frozen at its end, and compare the dataset with the truth."""
    started = time.monotonic()
    as_of = datetime.combine(world.end + timedelta(days=1), datetime.min.time(), LOCAL)
    with published_installation(world, as_of, home) as settings:
        published = time.monotonic()
        report = compare(settings, world, as_of)
    report.seconds.update(pipeline=round(published - started, 1), compare=round(time.monotonic() - published, 1))
    return report
