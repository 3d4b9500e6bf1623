"""Check the table rules: conditions on whole shared tables, checked inside the publication, before readers see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lgsp.check import gate
from lgsp.publish.refusal import PublicationRefused
from lgsp.schema import contract
from lgsp.schema.contract import Rule
from lgsp.snapshots.changes import Changes
from lgsp.store.transaction import Transaction

SHOWN_KEYS = 5


@dataclass(frozen=True)
class RuleOverride:
    """Table rules that one publication may break, with the person who decided it and the reason."""

    rules: tuple[str, ...] = ()
    decided_by: str = ""
    why: str = ""

    def apply(self, verdict: gate.RuleResult) -> gate.RuleResult:
        """The verdict, marked as overruled when this override names the rule and the rule may be overruled."""
        if verdict.is_passed or verdict.rule.id not in self.rules or not verdict.rule.is_acceptable:
            return verdict
        return replace(verdict, overruled=f"by {self.decided_by}: {self.why}")

    def overruled(self, judgement: gate.SuiteResult) -> dict[str, dict[str, str]]:
        """The rules that were broken under this override, in the form of the manifest and the ledger."""
        broken = sorted(verdict.rule.id for verdict in judgement.results if verdict.overruled)
        return {rule: {"by": self.decided_by, "why": self.why} for rule in broken}


NO_OVERRIDE = RuleOverride()


def judge(
    transaction: Transaction, snapshot_id: int, changes: Changes, override: RuleOverride = NO_OVERRIDE
) -> gate.SuiteResult:
    """Check the changed tables against all their rules.

    Raises PublicationRefused when a rule is broken that `override` does not cover: the transaction must be rolled back.
    """
    rules = [rule for rule in contract.rules("table") if changes.parts.get(rule.table)]
    judgement = gate.evaluate("tables", [_count(transaction, rule) for rule in rules])
    judgement = replace(judgement, results=[override.apply(verdict) for verdict in judgement.results])
    blocking = [
        f"{verdict}, such as {', '.join(verdict.sample_keys)}" for verdict in judgement.results if verdict.blocks
    ]
    if blocking:
        raise PublicationRefused(
            f"snapshot {snapshot_id} would break a rule, nothing was published: {'; '.join(blocking)}",
            snapshot_id,
            judgement,
        )
    return judgement


def _count(transaction: Transaction, rule: Rule) -> gate.RuleCount:
    """One flag: a table fails a rule when one of its rows does."""
    failed, rows, keys = failing(transaction, rule)
    observed = f"{failed:,} of {rows:,} rows of {rule.table} fail" if failed else None
    return gate.RuleCount("tables", rule, 1, min(failed, 1), 0, observed, tuple(keys))


def failing(transaction: Transaction, rule: Rule) -> tuple[int, int, list[str]]:
    """The number of rows that break a rule, the number of all rows of its table, and the keys of up to 5 broken rows."""
    key = "concat_ws(' ', " + ", ".join(contract.load(rule.table).key) + ")"
    ((rows, count, keys),) = transaction.rows(
        f"select count(*), count(*) filter (where {rule.bad}), (array_agg({key} order by {key}) filter (where {rule.bad}))[1:{SHOWN_KEYS}] "
        f"from shared.{rule.table} t"
    )
    return count, rows, list(keys or ())
