"""How right every row rule is: the records that truly break it against those that it caught."""

from collections.abc import Iterator
from dataclasses import dataclass

from lgsp.schema import contract, records
from lgsp_province.score.dataset import Dataset, Key
from lgsp_province.score.world import Known
from lgsp_province.truth import rules

EXAMPLES = 3


@dataclass(frozen=True)
class RuleScore:
    """One rule: how many records truly break it, how many it caught, and how many are in both."""

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
        """Whether anything in the world breaks it."""
        return self.planted > 0

    @property
    def recall(self) -> float:
        """The share of those that break it that it caught; 1 where nothing does."""
        return self.right / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        """The share of those that it caught that break it; 1 where it caught nothing."""
        return self.right / self.caught if self.caught else 1.0


def scores(known: Known, dataset: Dataset) -> list[RuleScore]:
    """Every row rule of the contracts, in their order.

    Of a record in quarantine only the rules that hold it are told: rules that warn are judged on the others.
    """
    broken = rules.broken(known.world, known.view, known.defects)
    held = {(row["source"], row["source_key"]) for row in known.truth.quarantined.to_pylist()}
    return [
        _score(
            rule, broken.get(rule.id, set()) - (set() if rule.quarantines else held), dataset.caught.get(rule.id, set())
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
        rule.quarantines,
        len(true),
        len(caught),
        len(true & caught),
        tuple(missed),
        tuple(wrong),
    )


def worst(scored: list[RuleScore], is_holding: bool) -> Iterator[tuple[str, float]]:
    """The lowest recall and precision among the rules that hold, or that only warn, and whose they are."""
    of_kind = [one for one in scored if one.is_holding is is_holding and one.is_planted]
    for name in ("recall", "precision"):
        lowest = min(of_kind, key=lambda one: float(getattr(one, name)), default=None)
        value = 1.0 if lowest is None else float(getattr(lowest, name))
        whose = f", {lowest.rule_id}" if lowest is not None and value < 1.0 else ""
        yield f"rules that {'hold' if is_holding else 'warn'}: {name}{whose}", value


def unfounded(scored: list[RuleScore]) -> int:
    """How many records the rules caught that nothing in the world breaks."""
    return sum(one.caught for one in scored if not one.is_planted)
