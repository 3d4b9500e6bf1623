"""Lists the scenarios: small worlds with planted figures from press reports, which the platform must publish exactly."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from lgsp_province.defects import rates
from lgsp_province.defects.broken_feeds import BrokenFeed
from lgsp_province.scenarios import activity, documents, merger, services
from lgsp_province.world import documents as world_documents
from lgsp_province.world.calendar import WorkCalendar
from lgsp_province.world.document_data import DocumentData
from lgsp_province.world.dossiers import Dossiers
from lgsp_province.world.world import World

# A planted figure is exact only if no record is lost or changed. These defects are off: they quarantine or hide records,
# make an agency or a procedure uncertain, or change the channel of a dossier.
OFF = frozenset(
    {"D21", "D24", "D25", "D26", "D27", "D28", "D37", "D38", "misprint", "poison", "schema-drift", "secret", "unknown-status"}
)  # fmt: skip
RATES: Mapping[str, float] = {name: 0.0 if name in OFF else rate for name, rate in rates.RATES.items()}

_DOCUMENTS, _WORK_FILES = 40, 10  # so that the document system also has data


@dataclass(frozen=True)
class Scenario:
    """How to generate one world: its days (both inclusive), the planted figures, and definition files to install."""

    name: str
    start: date
    end: date
    description: str
    planted: tuple[str, ...]
    generate_dossiers: Callable[[int, WorkCalendar, date, date], Dossiers] = field(repr=False)
    generate_documents: Callable[[int, WorkCalendar, date, date, Mapping[str, float]], DocumentData] | None = field(
        default=None, repr=False
    )
    feeds: tuple[BrokenFeed, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)

    def generate_world(self, seed: int = 1) -> World:
        """The scenario's world, the same for the same seed."""
        calendar = WorkCalendar(self.start, self.end)
        dossiers = self.generate_dossiers(seed, calendar, self.start, self.end)
        generate_documents = self.generate_documents or _few_documents
        document_data = generate_documents(seed, calendar, self.start, self.end, RATES)
        marks = rates.draw_marks(seed, dossiers, RATES)
        return World(seed, self.start, self.end, calendar, RATES, dossiers, marks, document_data, self.feeds)

    def write(self, folder: Path) -> list[Path]:
        """Write the scenario's definition files into a folder; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return [folder / name for name in self.files]


def _few_documents(
    seed: int, calendar: WorkCalendar, start: date, end: date, rates: Mapping[str, float]
) -> DocumentData:
    return world_documents.generate(seed, calendar, start, end, 0, _DOCUMENTS, _WORK_FILES, rates)


SCENARIOS = (
    Scenario(
        "QN-2021-06",
        date(2021, 5, 20),
        date(2021, 6, 16),
        "Quảng Nam, four weeks to the cut-off of Thursday 17 June 2021",
        (
            "week from 2021-06-10: 13 agencies at province and district level received no online dossier, all others some",
            "week from 2021-06-10: 24 of the 241 communes received no dossier, all others some",
            "from 2021-06-10 the feeds of UBND phường Minh An are broken: its state that week is no_data, not zero or low",
        ),
        activity.generate_dossiers,
        feeds=activity.FEEDS,
    ),
    Scenario(
        "QN-2022-H1",
        date(2022, 1, 1),
        date(2022, 7, 31),
        "Quảng Nam, the first half of 2022 and July; a service is a procedure at one agency, and the denominators are chosen to fit",
        (
            "half year 2022-01-01: 799 of 800 dossiers of UBND phường Minh An on time (99.875 %)",
            "half year 2022-01-01: 4,207 of 10,000 dossiers of services of level 3 and 4 came online (42.07 %)",
            "half year 2022-01-01: 341 of 1,400 services of level 3 and 4 were used (24.36 %), 1,339 were integrated",
            "month 2022-07-01: 1,398 of 1,459 services integrated (95.82 %): province 1,138, district 226, commune 95",
        ),
        services.generate_dossiers,
    ),
    Scenario(
        "TN-2021-Q1",
        date(2021, 1, 1),
        date(2021, 3, 31),
        "Thái Nguyên's documents of the first quarter of 2021, sent by the agencies of the simulated province",
        (
            "quarter 2021-01-01: 38,012 documents sent, each to one recipient",
            "reported savings: 3,000,000 hours (78.9 per document, implausible) and 1.5 billion VND (plausible)",
        ),
        documents.generate_dossiers,
        documents.generate_documents,
        files=documents.FILES,
    ),
    Scenario(
        "MERGER-2025",
        date(2025, 6, 16),
        date(2025, 7, 31),
        "The merger of 1 July 2025: 233 communes become 78, and the districts are dissolved",
        (
            "half month 2025-07-01: 64 of the 78 communes received dossiers, but fewer than 150; one of them 149",
            "half month 2025-07-01: 14 communes received 150 or more; one of them 150",
            "dossiers of June by their commune at that time, mapped through the crosswalk, equal those by current commune",
        ),
        merger.generate_dossiers,
    ),
)


def load(name: str) -> Scenario:
    """The scenario of that name. Raises ValueError, with the known names, when there is none."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise ValueError(f"scenario {name!r} does not exist; known are {', '.join(s.name for s in SCENARIOS)}")


def summary_lines() -> Iterator[str]:
    """A readable list of the scenarios and their planted figures."""
    for scenario in SCENARIOS:
        yield f"{scenario.name}  {scenario.start} to {scenario.end}: {scenario.description}"
        yield from (f"  - {figure}" for figure in scenario.planted)
        if scenario.files:
            yield f"  with {', '.join(scenario.files)}, which `lgsp province scenario-files {scenario.name}` writes"
