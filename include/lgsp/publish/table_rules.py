"""Table rules: what the shared tables must keep as a whole, asked inside the publication, before anybody can see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lgsp.check import gate
from lgsp.publish.refusal import PublicationRefused
from lgsp.schema import contract
from lgsp.schema.contract import Rule
from lgsp.snapshots import changes
from lgsp.store.transaction import Transaction

SHOWN_KEYS = 5


@dataclass(frozen=True)
class Overruling:
    """Table rules that one publication may break, by whom and why."""

    rules: tuple[str, ...] = ()
    decided_by: str = ""
    why: str = ""

    def of(self, verdict: gate.Verdict) -> gate.Verdict:
        """A verdict with what this says of it. A rule that nobody may overrule stays as it is."""
        if verdict.is_passed or verdict.rule.id not in self.rules or not verdict.rule.is_acceptable:
            return verdict
        return replace(verdict, overruled=f"by {self.decided_by}: {self.why}")

    def told(self, judgement: gate.Judgement) -> dict[str, dict[str, str]]:
        """The rules that were really broken, as the manifest and the ledger tell them."""
        broken = sorted(verdict.rule.id for verdict in judgement.verdicts if verdict.overruled)
        return {rule: {"by": self.decided_by, "why": self.why} for rule in broken}


NOBODY = Overruling()


def judge(
    transaction: Transaction, snapshot_id: int, touched: changes.Touched, overruling: Overruling = NOBODY
) -> gate.Judgement:
    """Ask every table rule of the tables that a publication touched.

    Raises PublicationRefused when a rule that may not be broken is: nothing of the transaction may be committed then.
    """
    rules = [rule for rule in contract.rules("table") if touched.parts.get(rule.table)]
    found = {rule.id: failing(transaction, rule) for rule in rules}
    told = {rule.id: f"{count:,} of {rows:,} rows of {rule.table} fail" for rule in rules
            for count, rows, _ in [found[rule.id]] if count}  # fmt: skip
    judgement = gate.facts(
        "tables", {rule.id: found[rule.id][0] == 0 for rule in rules}, rules, told, {rule.id: found[rule.id][2] for rule in rules}
    )  # fmt: skip
    judgement = replace(judgement, verdicts=[overruling.of(verdict) for verdict in judgement.verdicts])
    blocking = [
        f"{verdict}, such as {', '.join(verdict.sample_keys)}" for verdict in judgement.verdicts if verdict.blocks
    ]
    if blocking:
        raise PublicationRefused(
            f"snapshot {snapshot_id} would break a rule, nothing was published: {'; '.join(blocking)}",
            snapshot_id,
            judgement,
        )
    return judgement


def failing(transaction: Transaction, rule: Rule) -> tuple[int, int, list[str]]:
    """How many rows of its table break a rule, of how many, and the keys of a few of them."""
    key = "concat_ws(' ', " + ", ".join(contract.load(rule.table).key) + ")"
    ((rows, count, keys),) = transaction.rows(
        f"select count(*), count(*) filter (where {rule.bad}), (array_agg({key} order by {key}) filter (where {rule.bad}))[1:{SHOWN_KEYS}] "
        f"from shared.{rule.table} t"
    )
    return count, rows, list(keys or ())
