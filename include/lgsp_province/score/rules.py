"""Scores each row rule: the records that violate it in truth against the records that it caught."""

from collections.abc import Iterator
from dataclasses import dataclass

from lgsp.schema import contract, records
from lgsp_province.score.dataset import Dataset, Key
from lgsp_province.score.world import ExpectedDataset
from lgsp_province.truth import rules

EXAMPLES = 3


@dataclass(frozen=True)
class RuleScore:
    """One rule: the number of records that violate it, that it caught, and that are both (`right`).

    `is_holding` is true for a rule that quarantines records, false for one that only warns.
    """

    rule_id: str
    kind: str
    severity: str
    is_holding: bool
    planted: int
    caught: int
    right: int
    missed: tuple[Key, ...] = ()
    wrong: tuple[Key, ...] = ()

    @property
    def is_planted(self) -> bool:
        """Whether a record of the world violates the rule."""
        return self.planted > 0

    @property
    def recall(self) -> float:
        """The share of violating records that the rule caught; 1 if there are none."""
        return self.right / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The share of caught records that violate the rule; 1 if it caught none."""
        return self.right / self.caught if self.caught else 1.0


def scores(expected: ExpectedDataset, dataset: Dataset) -> list[RuleScore]:
    """A score for every row rule of the contracts, in their order.

    Rules that warn are scored without quarantined records, because the platform stores no flags for these.
    """
    violations = rules.violations(expected.world, expected.view, expected.defects)
    quarantined = {(row["source"], row["source_key"]) for row in expected.truth.quarantined.to_pylist()}
    return [
        _score(
            rule,
            violations.get(rule.id, set()) - (set() if rule.is_blocking else quarantined),
            dataset.caught.get(rule.id, set()),
        )
        for kind in records.FACTS
        for rule in contract.rules(kind.name)
    ]


def _score(rule: contract.Rule, true: set[Key], caught: set[Key]) -> RuleScore:
    missed, wrong = sorted(true - caught)[:EXAMPLES], sorted(caught - true)[:EXAMPLES]
    return RuleScore(
        rule.id,
        rule.kind,
        rule.severity,
        rule.is_blocking,
        len(true),
        len(caught),
        len(true & caught),
        tuple(missed),
        tuple(wrong),
    )


def worst(rule_scores: list[RuleScore], is_holding: bool) -> Iterator[tuple[str, float]]:
    """The lowest recall and the lowest precision of the quarantine rules, or of the warning rules, with the rule's id."""
    planted = [score for score in rule_scores if score.is_holding is is_holding and score.is_planted]
    for name in ("recall", "precision"):
        lowest = min(planted, key=lambda score: float(getattr(score, name)), default=None)
        value = 1.0 if lowest is None else float(getattr(lowest, name))
        rule_id = f", {lowest.rule_id}" if lowest is not None and value < 1.0 else ""
        yield f"{'quarantine' if is_holding else 'warning'} rules: {name}{rule_id}", value


def unfounded(rule_scores: list[RuleScore]) -> int:
    """The number of records caught by rules that no record of the world violates."""
    return sum(score.caught for score in rule_scores if not score.is_planted)
