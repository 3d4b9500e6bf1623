"""The gate: Great Expectations judges what the contracts ask, on flags that the databases have set.

Three suites for each batch: `rows` counts one boolean column for each rule, `batch` judges the batch as a
whole, `native` proves on a sample of accepted rows that the compiled rules mean what the contract says. One suite
for each publication: `tables`, over the tables that are about to be published.
"""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from lgsp.schema.contract import Rule

if TYPE_CHECKING:
    import pandas as pd

# Importing it says over two hundred times what it skips.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

SEVERITY = {"blocker": "critical", "error": "critical", "warning": "warning", "info": "info"}

# A batch is refused when more than 5 % of its rows go to quarantine: then the batch is wrong, not the rows.
# In a batch of a few dozen rows a share says nothing, so five rows are always allowed.
MOST_QUARANTINED_SHARE = 0.05
ALWAYS_ALLOWED = 5


def prepare() -> None:
    """Begin to import what judging needs, beside other work: it takes seconds, while a publication waits for the store."""
    threading.Thread(target=importlib.import_module, args=("great_expectations",), daemon=True).start()


def allowed(rows: int) -> int:
    """How many rows of a batch may go to quarantine before the batch is refused."""
    return max(ALWAYS_ALLOWED, int(rows * MOST_QUARANTINED_SHARE))


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations said about one rule, with the rule."""

    suite: str
    rule: Rule
    checked: int
    failed: int
    is_passed: bool
    is_evaluated: bool
    observed: str | None = None
    sample_keys: tuple[str, ...] = ()
    overruled: str | None = None  # by whom and why, where somebody let the batch pass

    @property
    def blocks(self) -> bool:
        """Whether nothing may go on. A rule that could not be evaluated has proven nothing, whatever its severity."""
        if not self.is_evaluated:
            return True
        return not self.is_passed and self.rule.quarantines and self.overruled is None

    def __str__(self) -> str:
        if not self.is_evaluated:
            return f"{self.rule.id} ({self.rule.meaning}): could not be evaluated"
        what = self.observed or f"{self.failed:,} of {self.checked:,} rows fail"
        return f"{self.rule.id} ({self.rule.meaning}): {what}"


@dataclass(frozen=True)
class Judgement:
    """The verdicts of one suite, and its page for the Data Docs."""

    suite: str
    verdicts: list[Verdict]
    page: str = field(repr=False)


def rows(
    kind: str,
    flags: pd.DataFrame,
    rules: Sequence[Rule],
    sample_keys: Mapping[str, Sequence[str]],
    is_again: bool = False,
) -> Judgement:
    """Judge one boolean column for each rule; True is a row that keeps it.

    A rule that sends rows to quarantine blocks the batch when more than is allowed break it, unless the rows are
    driven again (`is_again`): they were bad before.
    """
    count = max(len(flags), 1)
    kept = max(0, count - allowed(count)) / count
    expectations = [_flag(rule, kept if rule.severity == "error" and not is_again else 0.0) for rule in rules]
    return _judge(f"rows · {kind}", flags, expectations, rules, sample_keys)


def facts(suite: str, flags: Mapping[str, bool], rules: Sequence[Rule], told: Mapping[str, str | None],
          sample_keys: Mapping[str, Sequence[str]] | None = None) -> Judgement:  # fmt: skip
    """Judge one thing as a whole: one row, one boolean column for each rule; `told` says what was observed."""
    import pandas as pd

    frame = pd.DataFrame([{rule.id: flags[rule.id] for rule in rules}])
    return _judge(suite, frame, [_flag(rule, 1.0, told.get(rule.id)) for rule in rules], rules, sample_keys or {}, told)


def native(kind: str, sample: pd.DataFrame, rules: Sequence[Rule]) -> Judgement:
    """Judge a sample of accepted rows by Great Expectations' own expectations, where a rule names one."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    expectations, own = [], [rule for rule in rules if rule.native]
    for rule in own:
        told = dict(rule.native or {})
        configuration = ExpectationConfiguration(
            type=told.pop("type"), kwargs=told, severity="critical", meta={"rule": rule.id},
            description=f"{rule.id} · the compiled rule means what the contract says",
        )  # fmt: skip
        expectations.append(configuration.to_domain_obj())
    return _judge(f"native · {kind}", sample, expectations, own, {})


def _flag(rule: Rule, least: float, told: str | None = None) -> Any:
    import great_expectations.expectations as gxe

    return gxe.ExpectColumnValuesToBeInSet(
        column=rule.id, value_set=[True], mostly=least, severity=SEVERITY[rule.severity], meta={"rule": rule.id},
        description=f"[{rule.severity}] {rule.id} · {rule.meaning_vi} / {rule.meaning}{f' ({told})' if told else ''}",
    )  # fmt: skip


def _judge(
    suite: str, frame: pd.DataFrame, expectations: list[Any], rules: Sequence[Rule],
    sample_keys: Mapping[str, Sequence[str]], told: Mapping[str, str | None] | None = None,
) -> Judgement:  # fmt: skip
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # its import sets it back
    # without temporary docs sites: it would leave a folder behind for every batch
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=stores))
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    definition = (
        context.data_sources.add_pandas("staged").add_dataframe_asset(suite).add_batch_definition_whole_dataframe("all")
    )
    validation = context.validation_definitions.add(
        gx.ValidationDefinition(
            name=suite,
            data=definition,
            suite=context.suites.add(gx.ExpectationSuite(name=suite, expectations=expectations)),
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own use of pandas; nothing we could mend
        # no values in the result: they may be personal data
        result = validation.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0},
        )
    asked = {rule.id: rule for rule in rules}
    verdicts = [
        _verdict(suite, item, asked[item.expectation_config.meta["rule"]], sample_keys, told or {})
        for item in result.results
    ]
    return Judgement(suite, verdicts, _page(result))


def _verdict(
    suite: str, item: Any, rule: Rule, sample_keys: Mapping[str, Sequence[str]], told: Mapping[str, str | None]
) -> Verdict:
    found, trouble = item.result or {}, item.exception_info or {}
    errors = [value for value in trouble.values() if isinstance(value, dict) and value.get("raised_exception")]
    errored = bool(errors or trouble.get("raised_exception"))
    return Verdict(
        suite, rule, int(found.get("element_count") or 0), int(found.get("unexpected_count") or 0),
        bool(item.success) and not errored, not errored, told.get(rule.id), tuple(sample_keys.get(rule.id, ())),
    )  # fmt: skip


def _page(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    return str(_view().render(ValidationResultsPageRenderer().render(result)))


@cache
def _view() -> Any:
    """One view for all pages: each new one would compile its templates again."""
    from great_expectations.render.view import DefaultJinjaPageView

    return DefaultJinjaPageView()
