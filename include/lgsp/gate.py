"""The gate: Great Expectations judges what the contracts ask, on flags that DuckDB has set.

Three suites for each batch: `rows` counts one boolean column for each rule, `batch` judges the batch as a
whole, `native` proves on a sample of accepted rows that the compiled rules mean what the contract says.
"""

from __future__ import annotations

import html
import logging
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lgsp.contract import Rule

if TYPE_CHECKING:
    import pandas as pd

# Importing it says over two hundred times what it skips.
logging.getLogger("great_expectations").setLevel(logging.WARNING)

SEVERITY = {"blocker": "critical", "error": "critical", "warning": "warning", "info": "info"}

# A batch is refused when more than 5 % of its rows go to quarantine: then the batch is wrong, not the rows.
# In a batch of a few dozen rows a share says nothing, so five rows are always allowed.
MOST_QUARANTINED_SHARE = 0.05
ALWAYS_ALLOWED = 5


def allowed(rows: int) -> int:
    """How many rows of a batch may go to quarantine before the batch is refused."""
    return max(ALWAYS_ALLOWED, int(rows * MOST_QUARANTINED_SHARE))


@dataclass(frozen=True)
class Bound:
    """One rule about a batch as a whole: what was observed and what is allowed."""

    id: str
    observed: float
    lowest: float | None
    highest: float | None
    meaning: str
    severity: str = "critical"


@dataclass(frozen=True)
class Verdict:
    """What Great Expectations said about one rule of one batch."""

    suite: str
    rule_id: str
    severity: str
    checked: int
    failed: int
    is_passed: bool
    observed: str | None
    meaning: str
    version: str

    @property
    def blocks(self) -> bool:
        """Whether the batch may not go on."""
        return not self.is_passed and self.severity == "critical"


@dataclass(frozen=True)
class Judgement:
    """The verdicts of one suite, and its page for the Data Docs."""

    verdicts: list[Verdict]
    page: str


def rows(kind: str, flags: pd.DataFrame, rules: tuple[Rule, ...]) -> Judgement:
    """Judge one boolean column for each rule; True is a row that keeps it."""
    import great_expectations.expectations as gxe

    count = max(len(flags), 1)
    kept = {"blocker": 0.0, "error": max(0, count - allowed(count)) / count, "warning": 0.0, "info": 0.0}
    expectations = [
        gxe.ExpectColumnValuesToBeInSet(
            column=rule.id, value_set=[True], mostly=kept[rule.severity], severity=SEVERITY[rule.severity],
            description=f"[{rule.severity}] {rule.id} · {rule.meaning_vi} / {rule.meaning}",
            meta={"rule": rule.id, "version": rule.version, "meaning": rule.meaning},
        )
        for rule in rules
    ]  # fmt: skip
    return _judge(f"rows · {kind}", flags, expectations)


def batch(bounds: list[Bound]) -> Judgement:
    """Judge the batch as a whole: one row, one column for each bound."""
    import great_expectations.expectations as gxe
    import pandas as pd

    expectations = [
        gxe.ExpectColumnValuesToBeBetween(
            column=bound.id, min_value=bound.lowest, max_value=bound.highest, severity=bound.severity,
            description=f"[{bound.severity}] {bound.id} · {bound.meaning} (observed {bound.observed:g})",
            meta={"rule": bound.id, "version": "1.0.0", "meaning": bound.meaning, "observed": f"{bound.observed:g}"},
        )
        for bound in bounds
    ]  # fmt: skip
    return _judge("batch", pd.DataFrame([{bound.id: bound.observed for bound in bounds}]), expectations)


def native(kind: str, sample: pd.DataFrame, rules: tuple[Rule, ...]) -> Judgement:
    """Judge a sample of accepted rows by Great Expectations' own expectations, where a rule names one."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    expectations = []
    for rule in rules:
        if rule.native:
            told = dict(rule.native)
            configuration = ExpectationConfiguration(
                type=told.pop("type"), kwargs=told, severity="critical",
                description=f"[error] {rule.id} · the compiled rule means what the contract says",
                meta={"rule": rule.id, "version": rule.version, "meaning": rule.meaning},
            )  # fmt: skip
            expectations.append(configuration.to_domain_obj())
    return _judge(f"native · {kind}", sample, expectations)


def _judge(suite: str, frame: pd.DataFrame, expectations: list[Any]) -> Judgement:
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

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
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    return Judgement([_verdict(suite, item) for item in result.results], page)


def _verdict(suite: str, item: Any) -> Verdict:
    meta, found = item.expectation_config.meta, item.result or {}
    errors = [v for v in (item.exception_info or {}).values() if isinstance(v, dict) and v.get("raised_exception")]
    errored = bool(errors or (item.exception_info or {}).get("raised_exception"))
    # an expectation that could not be evaluated has proven nothing, whatever its severity
    severity = (
        "critical"
        if errored
        else str(getattr(item.expectation_config.severity, "value", item.expectation_config.severity))
    )
    observed = found.get("observed_value", meta.get("observed"))
    return Verdict(
        suite, meta["rule"], severity, int(found.get("element_count") or 0), int(found.get("unexpected_count") or 0),
        bool(item.success) and not errored, "could not be evaluated" if errored else (None if observed is None else str(observed)),
        meta["meaning"], meta["version"],
    )  # fmt: skip


STYLE = """
:root{--ink:#1d2733;--line:#d9dfe7;--good:#1a7f4b;--bad:#b3261e;--soft:#f5f7fa}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:72rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}a{color:#0b57d0}
table{border-collapse:collapse;width:100%;margin:.75rem 0;background:#fff}th,td{border:1px solid var(--line);padding:.4rem .6rem;text-align:left;vertical-align:top}
th{background:var(--soft)}.pass{color:var(--good);font-weight:600}.fail{color:var(--bad);font-weight:600}.warn{color:#8a5a00;font-weight:600}
.num{text-align:right;font-variant-numeric:tabular-nums}footer,.navbar,.modal,button,script{display:none}code{background:var(--soft);padding:.1rem .3rem}
@media(max-width:40rem){table{display:block;overflow-x:auto}}
"""


def publish_docs(folder: Path, title: str, facts: list[tuple[str, str]], judgements: list[Judgement]) -> None:
    """Write the Data Docs of the newest batch of a source: an index to read, and each suite's own page.

    The pages need no network: what Great Expectations loads from elsewhere is taken out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"<h1>{html.escape(title)}</h1><table>"]
    lines += [f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in facts]
    lines.append("</table>")
    for judgement in judgements:
        if not judgement.verdicts:
            continue
        suite = judgement.verdicts[0].suite
        name = re.sub(r"[^a-z_]+", "-", suite.lower()) + ".html"
        _replace(folder / name, _offline(judgement.page))
        lines.append(
            f'<h2>{html.escape(suite)} <small><a href="{name}">as Great Expectations shows it</a></small></h2>'
        )
        lines.append(
            "<table><tr><th>rule</th><th>meaning</th><th>severity</th><th>checked</th><th>failed</th><th>verdict</th></tr>"
        )
        lines += [_line(verdict) for verdict in judgement.verdicts]
        lines.append("</table>")
    head = f'<!doctype html><html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title><style>{STYLE}</style><body>'
    _replace(folder / "index.html", head + "\n".join(lines) + "</body></html>")


def _line(verdict: Verdict) -> str:
    word, style = ("passed", "pass") if verdict.is_passed else ("FAILED", "fail")
    if verdict.is_passed and verdict.failed:
        word, style = "passed, with findings", "warn"
    observed = f" <code>{html.escape(verdict.observed)}</code>" if verdict.observed and verdict.suite == "batch" else ""
    return (
        f"<tr><td><code>{verdict.rule_id}</code></td><td>{html.escape(verdict.meaning)}{observed}</td><td>{verdict.severity}</td>"
        f'<td class="num">{verdict.checked:,}</td><td class="num">{verdict.failed:,}</td><td class="{style}">{word}</td></tr>'
    )


def _offline(page: str) -> str:
    page = re.sub(r"<(script|link|img)\b[^>]*\b(?:src|href)=[\"']https?:[^>]*>(?:\s*</script>)?", "", page)
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL)
    return page.replace("</head>", f"<style>{STYLE}</style></head>", 1)


def _replace(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # two batches of one source may be checked at once
    temporary.write_text(content)
    temporary.replace(path)
