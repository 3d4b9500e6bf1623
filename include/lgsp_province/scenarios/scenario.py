"""Scenarios: small worlds in which figures that were really reported are planted, to be published to the last dossier."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lgsp_province.defects import rates
from lgsp_province.defects.broken_feeds import Feed
from lgsp_province.scenarios import activity, merger, services
from lgsp_province.scenarios.documents import FILES, dossiers, papers
from lgsp_province.world import documents
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.papers import Papers

if TYPE_CHECKING:
    from lgsp_province.world.world import World

# A planted figure is published exactly only where no record is lost or says something else: off is what ends in
# quarantine or is never published, what leaves an agency or a procedure in doubt, and what makes a dossier an online one.
OFF = frozenset(
    {"D21", "D24", "D25", "D26", "D27", "D28", "D37", "D38", "misprint", "poison", "schema-drift", "secret", "unknown-status"}
)  # fmt: skip
RATES: Mapping[str, float] = {name: 0.0 if name in OFF else rate for name, rate in rates.RATES.items()}

_DOCUMENTS, _WORK_FILES = 40, 10  # beside the dossiers, so that the third system has something to say


@dataclass(frozen=True)
class Scenario:
    """A world on demand: its days, both inclusive, what is planted in it, and files an installation is given with it."""

    name: str
    start: date
    end: date
    about: str
    planted: tuple[str, ...]
    dossiers: Callable[[int, WorkCalendar, date, date], Dossiers] = field(repr=False)
    papers: Callable[[int, WorkCalendar, date, date, Mapping[str, float]], Papers] | None = field(
        default=None, repr=False
    )
    feeds: tuple[Feed, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    def world(self, seed: int = 1) -> "World":
        """The scenario's world, the same for the same seed."""
        from lgsp_province.world.world import World

        calendar = WorkCalendar(self.start, self.end)
        lived = self.dossiers(seed, calendar, self.start, self.end)
        papers = (self.papers or _few)(seed, calendar, self.start, self.end, RATES)
        marks = rates.mark(seed, lived, RATES)
        return World(seed, self.start, self.end, calendar, RATES, lived, marks, papers, self.feeds)

    def write(self, folder: Path) -> list[Path]:
        """Write the scenario's definition files into a folder; which they are."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return [folder / name for name in self.files]


def _few(seed: int, calendar: WorkCalendar, start: date, end: date, rates: Mapping[str, float]) -> Papers:
    return documents.generate(seed, calendar, start, end, 0, _DOCUMENTS, _WORK_FILES, rates)


SCENARIOS = (
    Scenario(
        "QN-2021-06",
        date(2021, 5, 20),
        date(2021, 6, 16),
        "Quảng Nam, four weeks to the cut-off of Thursday 17 June 2021",
        (
            "week from 2021-06-10: 13 agencies of province and districts received nothing online, all others did",
            "week from 2021-06-10: 24 of the 241 communes received nothing at all, all others did",
            "the feeds of UBND phường Minh An broke on 2021-06-10: no_data that week, neither zero nor low",
        ),
        activity.dossiers,
        feeds=activity.FEEDS,
    ),
    Scenario(
        "QN-2022-H1",
        date(2022, 1, 1),
        date(2022, 7, 31),
        "Quảng Nam, the first half of 2022 and July; a service is a procedure at an agency, denominators are chosen to fit",
        (
            "half year 2022-01-01: 799 of 800 dossiers of UBND phường Minh An on time (99.875 %)",
            "half year 2022-01-01: 4,207 of 10,000 dossiers of services of level 3 and 4 came online (42.07 %)",
            "half year 2022-01-01: 341 of 1,400 services of level 3 and 4 were used (24.36 %), 1,339 were integrated",
            "month 2022-07-01: 1,398 of 1,459 services integrated (95.82 %): province 1,138, district 226, commune 95",
        ),
        services.dossiers,
    ),
    Scenario(
        "TN-2021-Q1",
        date(2021, 1, 1),
        date(2021, 3, 31),
        "Thái Nguyên's documents of the first quarter of 2021, sent by the agencies of the simulated province",
        (
            "quarter 2021-01-01: 38,012 documents sent, each to one recipient",
            "reported with it: 3,000,000 hours saved, 78.9 a document, which cannot be; 1.5 billion dong, which can",
        ),
        dossiers,
        papers,
        files=FILES,
    ),
    Scenario(
        "MERGER-2025",
        date(2025, 6, 16),
        date(2025, 7, 31),
        "The merger of 1 July 2025: 233 communes become 78, districts end",
        (
            "half month 2025-07-01: 64 of the 78 communes received dossiers, but fewer than 150; one of them 149",
            "half month 2025-07-01: 14 communes received 150 or more; one of them 150",
            "dossiers of June by the commune of that time, followed through the crosswalk, are those by the commune of now",
        ),
        merger.dossiers,
    ),
)


def load(name: str) -> Scenario:
    """The scenario of a name; ValueError names those there are."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise ValueError(f"there is no scenario {name!r}; there are {', '.join(s.name for s in SCENARIOS)}")


def told() -> Iterator[str]:
    """What each scenario plants, as people read it."""
    for scenario in SCENARIOS:
        yield f"{scenario.name}  {scenario.start} to {scenario.end}: {scenario.about}"
        yield from (f"  - {what}" for what in scenario.planted)
        if scenario.files:
            yield f"  with {', '.join(scenario.files)}, which `lgsp province scenario-files {scenario.name}` writes"
