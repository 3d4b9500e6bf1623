"""Evaluate the rules of the contracts with Great Expectations, on counts of failures that the databases computed.

Each batch has one suite over one frame of counts, with the rules of all kinds of rows and those about the batch as a
whole, and for each kind a suite `native` that runs Great Expectations' own expectations on a sample of the accepted rows,
as an independent test of the compiled rules. Each publication has one suite, for the tables that will be published.
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

# Its import logs more than two hundred lines about skipped modules.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

SEVERITY = {"blocker": "critical", "error": "critical", "warning": "warning", "info": "info"}

# A batch is refused when more than 5% of its rows go to quarantine: the batch as a whole is probably wrong.
# In a batch of a few dozen rows a share means little, so five rows are always allowed.
MAX_QUARANTINED_SHARE = 0.05
ALWAYS_ALLOWED = 5


def preload() -> None:
    """Import Great Expectations in a background thread. The import takes seconds; a publication has other work meanwhile."""
    threading.Thread(target=importlib.import_module, args=("great_expectations",), daemon=True).start()


def quarantine_limit(rows: int) -> int:
    """The largest number of quarantined rows with which a batch of `rows` rows is not refused."""
    return max(ALWAYS_ALLOWED, int(rows * MAX_QUARANTINED_SHARE))


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule: how many rows were checked, how many failed, and whether it passed."""

    suite: str
    rule: Rule
    checked: int
    failed: int
    is_passed: bool
    is_evaluated: bool
    observed: str | None = None
    sample_keys: tuple[str, ...] = ()
    overruled: str | None = None  # "by <person>: <reason>" where an operator overruled the rule

    @property
    def blocks(self) -> bool:
        """Whether this result refuses the batch or publication. A rule that could not be evaluated always does."""
        if not self.is_evaluated:
            return True
        return not self.is_passed and self.rule.is_blocking and self.overruled is None

    def __str__(self) -> str:
        if not self.is_evaluated:
            return f"{self.rule.id} ({self.rule.meaning}): could not be evaluated"
        observed = self.observed or f"{self.failed:,} of {self.checked:,} rows fail"
        return f"{self.rule.id} ({self.rule.meaning}): {observed}"


@dataclass(frozen=True)
class SuiteResult:
    """The results of the rules of one suite, and its HTML page for the Data Docs."""

    suite: str
    results: list[RuleResult]
    page: str = field(repr=False)


@dataclass(frozen=True)
class RuleCount:
    """How many of the checked rows break a rule, and how many may. `group` is what was checked, such as `rows · dossier`."""

    group: str
    rule: Rule
    checked: int
    failed: int
    allowed: int
    observed: str | None = None
    sample_keys: tuple[str, ...] = ()


def count_rows(
    kind: str, rows: int, failed: Mapping[str, int], rules: Sequence[Rule], sample_keys: Mapping[str, Sequence[str]],
    is_redrive: bool = False,
) -> list[RuleCount]:  # fmt: skip
    """The counts of row rules: `failed` has the number of rows that break each rule, by its id.

    A rule of severity `error` fails when more rows break it than `quarantine_limit` allows. In a batch of redriven
    records (`is_redrive`) it never fails: they come from quarantine.
    """
    limit = rows if is_redrive else quarantine_limit(rows)
    return [
        RuleCount(
            f"rows · {kind}", rule, rows, failed[rule.id], limit if rule.severity == "error" else rows,
            sample_keys=tuple(sample_keys.get(rule.id, ())),
        )
        for rule in rules
    ]  # fmt: skip


def count_flags(
    group: str, flags: Mapping[str, bool], rules: Sequence[Rule], observed: Mapping[str, str | None]
) -> list[RuleCount]:
    """The counts of rules that have one flag each (True: passed); `observed` holds the observed values, as text, by rule id."""
    return [RuleCount(group, rule, 1, 0 if flags[rule.id] else 1, 0, observed.get(rule.id)) for rule in rules]


def evaluate(suite: str, counts: Sequence[RuleCount]) -> SuiteResult:
    """Evaluate rules on their counts: no more rows fail than may.

    A rule whose count Great Expectations does not report as it was given could not be evaluated, and refuses the batch.
    """
    import pandas as pd

    from lgsp.check.expectations import ExpectFailuresToBeAllowed

    by_id = {count.rule.id: count for count in counts}
    frame = pd.DataFrame([{rule_id: count.failed for rule_id, count in by_id.items()}])
    expectations = [
        ExpectFailuresToBeAllowed(
            column=rule_id, max_value=count.allowed, severity=SEVERITY[count.rule.severity], meta={"rule": rule_id},
            description=f"[{count.rule.severity}] {rule_id} · {count.rule.meaning_vi} / {count.rule.meaning}"
            + (f" ({count.observed})" if count.observed else ""),
        )
        for rule_id, count in by_id.items()
    ]  # fmt: skip
    result = _validate(suite, frame, expectations)
    judged = [_judged(item, by_id[item.expectation_config.meta["rule"]]) for item in result.results]
    return SuiteResult(suite, judged, _page(result))


def _judged(item: Any, count: RuleCount) -> RuleResult:
    reported = (item.result or {}).get("observed_value")
    is_evaluated = not _has_error(item) and reported is not None and int(reported) == count.failed
    return RuleResult(
        count.group, count.rule, count.checked, count.failed, bool(item.success) and is_evaluated, is_evaluated,
        count.observed, count.sample_keys,
    )  # fmt: skip


def check_sample(kind: str, sample: pd.DataFrame, rules: Sequence[Rule]) -> SuiteResult:
    """Evaluate Great Expectations' own expectations, of the rules that name one, on a sample of accepted rows."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    expectations, native_rules = [], [rule for rule in rules if rule.native]
    for rule in native_rules:
        parameters = dict(rule.native or {})
        configuration = ExpectationConfiguration(
            type=parameters.pop("type"), kwargs=parameters, severity="critical", meta={"rule": rule.id},
            description=f"{rule.id} · the compiled rule agrees with Great Expectations' own expectation",
        )  # fmt: skip
        expectations.append(configuration.to_domain_obj())
    suite, by_id = f"native · {kind}", {rule.id: rule for rule in native_rules}
    result = _validate(suite, sample, expectations)
    judged = [_judged_natively(suite, item, by_id[item.expectation_config.meta["rule"]]) for item in result.results]
    return SuiteResult(suite, judged, _page(result))


def _judged_natively(suite: str, item: Any, rule: Rule) -> RuleResult:
    counts, has_error = item.result or {}, _has_error(item)
    return RuleResult(
        suite, rule, int(counts.get("element_count") or 0), int(counts.get("unexpected_count") or 0),
        bool(item.success) and not has_error, not has_error,
    )  # fmt: skip


def _has_error(item: Any) -> bool:
    exceptions = item.exception_info or {}
    raised = [value for value in exceptions.values() if isinstance(value, dict) and value.get("raised_exception")]
    return bool(raised or exceptions.get("raised_exception"))


def _validate(suite: str, frame: pd.DataFrame, expectations: list[Any]) -> Any:
    """Great Expectations' result of a suite on a frame."""
    import great_expectations as gx

    batch = _batch_definition(suite, threading.get_ident()).get_batch({"dataframe": frame})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its own use of pandas
        # the result must contain no values: they may be personal data
        return batch.validate(
            gx.ExpectationSuite(name=suite, expectations=expectations),
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": 0},
        )


@cache
def _batch_definition(suite: str, thread: int) -> Any:
    """What gives a suite its frame. Made once in each thread: a new context writes its configuration six times."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # its import resets the level
    # temporary docs sites would leave one folder behind for every batch
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=stores))
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset(suite)
    return asset.add_batch_definition_whole_dataframe("all")


def _page(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer

    return str(_view().render(ValidationResultsPageRenderer().render(result)))


@cache
def _view() -> Any:
    """One view for all pages: every new view compiles its templates again."""
    from great_expectations.render.view import DefaultJinjaPageView

    return DefaultJinjaPageView()
