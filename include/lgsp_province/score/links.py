"""How well records were linked and agencies recognised: precision and recall against the truth."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from lgsp.vietnam import text
from lgsp_province.defects import text_damage
from lgsp_province.score.dataset import Dataset
from lgsp_province.score.world import Known
from lgsp_province.world import agencies, spellings

UNKNOWN = "UNKNOWN"
WITHOUT_CODE = "receiving agency without a code (D21)"


@dataclass(frozen=True)
class Measure:
    """What is true, what was published, and how much of both agrees."""

    name: str
    true: int
    published: int
    right: int

    @property
    def precision(self) -> float:
        """The share of what was published that is true; 1 where nothing was published."""
        return self.right / self.published if self.published else 1.0

    @property
    def recall(self) -> float:
        """The share of what is true that was published; 1 where nothing is true."""
        return self.right / self.true if self.true else 1.0


def links(known: Known, dataset: Dataset) -> list[Measure]:
    """Pairs of one record of each system; over all, then by what tells that they are one dossier."""
    together: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for (source, key), dossier_id in dataset.dossier_of.items():
        together[dossier_id][source != "one_stop_shop"].append(key)
    found = {(one_stop, portal) for left, right in together.values() for one_stop in left for portal in right}
    true = {(row["one_stop_id"], row["portal_code"]): row["rule"] for row in known.truth.links.to_pylist()}
    measures = [Measure("all", len(true), len(found), len(found & true.keys()))]
    counts, reached = Counter(true.values()), Counter(rule for pair, rule in true.items() if pair in found)
    return measures + [Measure(rule, count, reached[rule], reached[rule]) for rule, count in counts.items()]


def organisations(known: Known, dataset: Dataset) -> list[Measure]:
    """Receiving agencies of all dossiers, of records without a code, and what each spelling was taken for."""
    true = {row["dossier_id"]: row["receiving_organisation_id"] for row in known.dossiers}
    published = {row["dossier_id"]: row["receiving_organisation_id"] for row in dataset.tables["dossier"]}
    without_code = [
        (row["source"], row["source_key"])
        for row in known.defects
        if row["defect"] == "D21" and row["outcome"] == "repaired" and row["source"] != "documents"
    ]
    judged = [record for record in without_code if record in dataset.agency_of]
    return [
        _agreement("receiving agency", [(agency, published.get(key)) for key, agency in true.items()]),
        _agreement(WITHOUT_CODE, [(known.agency_of[record], dataset.agency_of[record]) for record in judged]),
        _aliases(dataset),
    ]


def _agreement(name: str, pairs: list[tuple[str, str | None]]) -> Measure:
    """True agencies and what they were taken for."""
    named = [(true, told) for true, told in pairs if told not in (None, UNKNOWN)]
    return Measure(name, len(pairs), len(named), sum(true == told for true, told in named))


def _aliases(dataset: Dataset) -> Measure:
    """Spellings of agencies: right when an agency that is written so was meant. Others' spellings are not judged."""
    meant: defaultdict[str | None, set[str]] = defaultdict(set)
    for agency in agencies.load():
        for name in (agency.name, agency.short_name, *spellings.of(agency)):
            meant[text.key(name)].add(agency.new_code)
            meant[text.key(text_damage.to_new_tones(name))].add(agency.new_code)
    told = ((text.key(row["alias"]), row["organisation_id"]) for row in dataset.tables["organisation_alias"])
    judged = [organisation_id in meant[key] for key, organisation_id in told if key in meant]
    return Measure("spellings", len(judged), len(judged), sum(judged))
