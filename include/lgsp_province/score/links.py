"""Scores how well records are linked and agencies recognised: precision and recall against the truth."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from lgsp.vietnam import text
from lgsp_province.defects import text_damage
from lgsp_province.score.dataset import Dataset
from lgsp_province.score.world import ExpectedDataset
from lgsp_province.world import agencies, spellings

UNKNOWN = "UNKNOWN"
WITHOUT_CODE = "receiving agency without a code (D21)"


@dataclass(frozen=True)
class Measure:
    """The number of true items, of published items, and of published items that are true (`right`)."""

    name: str
    true: int
    published: int
    right: int

    @property
    def precision(self) -> float:
        """The share of published items that are true; 1 if nothing was published."""
        return self.right / self.published if self.published else 1.0

    @property
    def recall(self) -> float:
        """The share of true items that were published; 1 if there are none."""
        return self.right / self.true if self.true else 1.0


def links(expected: ExpectedDataset, dataset: Dataset) -> list[Measure]:
    """Pairs of one record of each system that belong to one dossier: all pairs first, then by match rule."""
    keys_by_dossier: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for (source, key), dossier_id in dataset.dossier_of.items():
        keys_by_dossier[dossier_id][source != "one_stop_shop"].append(key)
    published = {
        (one_stop, portal)
        for one_stop_keys, portal_keys in keys_by_dossier.values()
        for one_stop in one_stop_keys
        for portal in portal_keys
    }
    true = {(row["one_stop_id"], row["portal_code"]): row["rule"] for row in expected.truth.links.to_pylist()}
    measures = [Measure("all", len(true), len(published), len(published & true.keys()))]
    counts, right = Counter(true.values()), Counter(rule for pair, rule in true.items() if pair in published)
    return measures + [Measure(rule, count, right[rule], right[rule]) for rule, count in counts.items()]


def organisations(expected: ExpectedDataset, dataset: Dataset) -> list[Measure]:
    """Receiving agencies of all dossiers, receiving agencies of records without a code, and agency spellings."""
    true = {row["dossier_id"]: row["receiving_organisation_id"] for row in expected.dossiers}
    published = {row["dossier_id"]: row["receiving_organisation_id"] for row in dataset.tables["dossier"]}
    without_code = [
        (row["source"], row["source_key"])
        for row in expected.defects
        if row["defect"] == "D21" and row["outcome"] == "repaired" and row["source"] != "documents"
    ]
    stored = [record for record in without_code if record in dataset.agency_of]
    return [
        _agreement("receiving agency", [(agency, published.get(key)) for key, agency in true.items()]),
        _agreement(WITHOUT_CODE, [(expected.agency_of[record], dataset.agency_of[record]) for record in stored]),
        _aliases(dataset),
    ]


def _agreement(name: str, pairs: list[tuple[str, str | None]]) -> Measure:
    """A measure of pairs of a true and a published agency."""
    known = [(true, published) for true, published in pairs if published not in (None, UNKNOWN)]
    return Measure(name, len(pairs), len(known), sum(true == published for true, published in known))


def _aliases(dataset: Dataset) -> Measure:
    """Published spellings of the world's agencies: right if they name an agency that is written so. Others are ignored."""
    meant: defaultdict[str | None, set[str]] = defaultdict(set)
    for agency in agencies.load():
        for name in (agency.name, agency.short_name, *spellings.variants(agency)):
            meant[text.key(name)].add(agency.new_code)
            meant[text.key(text_damage.to_new_tones(name))].add(agency.new_code)
    published = ((text.key(row["alias"]), row["organisation_id"]) for row in dataset.tables["organisation_alias"])
    is_right = [organisation_id in meant[key] for key, organisation_id in published if key in meant]
    return Measure("spellings", len(is_right), len(is_right), sum(is_right))
