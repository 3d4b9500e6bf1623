"""Formats the report on a scored dataset as text."""

from collections.abc import Iterator

from lgsp_province.score.defects import UNDETECTABLE, DefectScore
from lgsp_province.score.links import Measure
from lgsp_province.score.score import Report

_WIDTH = 100
_EXAMPLES = 2  # of each class


def lines(report: Report) -> Iterator[str]:
    """The lines of the report: one section per kind of score, then the expectations."""
    yield f"The shared dataset against the truth of {report.as_of:%Y-%m-%d %H:%M}"
    yield from _defects(report)
    yield from _measures("Linking: pairs of a one-stop-shop and a portal record", report.links)
    yield from _measures("Agencies", report.organisations)
    yield f"  {report.worklist_count:,} spellings wait for a review"
    yield from _tables(report)
    yield from _rules(report)
    yield from _heading("Personal data in shared texts")
    yield from (f"  {each.column}: a person's {each.what} in {each.count:,} texts" for each in report.personal_data)
    if not report.personal_data:
        yield "  none"
    yield from _feeds(report)
    yield from _expectations(report)
    if report.seconds:
        yield "  ".join(f"{name} {seconds:.0f} s" for name, seconds in report.seconds.items())


def _heading(title: str) -> Iterator[str]:
    yield ""
    yield f"{title} ".ljust(_WIDTH, "-")


def _defects(report: Report) -> Iterator[str]:
    yield from _heading("Defects: source records and fields")
    yield f"  {'class':<22}{'planted':>9}{'not read':>10}{'detected':>16}{'resolved':>16}{'share':>8}{'wrongly':>9}"
    for score in report.defects.values():
        yield _defect(score)
    for score in report.defects.values():
        for miss in score.misses[:_EXAMPLES]:
            yield f"  {score.defect}: {miss.source} {miss.source_key} {miss.field}: {miss.why}"


def _defect(score: DefectScore) -> str:
    has_detection = score.markable and score.defect not in UNDETECTABLE
    detected = f"{score.marked:,} of {score.markable:,}" if has_detection else "–"
    planted, resolved = score.planted.total(), score.resolved.total()
    share = "–" if score.share is None else f"{score.share:.3f}"
    outcomes = ", ".join(sorted(score.planted))
    columns = f"  {score.defect:<22}{planted:>9,}{score.unread:>10,}{detected:>16}{f'{resolved:,}':>16}{share:>8}{score.touched:>9,}"
    return f"{columns}  {'; '.join(part for part in (outcomes, score.note) if part)}".rstrip()


def _measures(title: str, measures: list[Measure]) -> Iterator[str]:
    yield from _heading(title)
    yield f"  {'':<40}{'true':>9}{'published':>11}{'right':>9}{'precision':>11}{'recall':>9}"
    for m in measures:
        yield f"  {m.name:<40}{m.true:>9,}{m.published:>11,}{m.right:>9,}{m.precision:>11.4f}{m.recall:>9.4f}"


def _tables(report: Report) -> Iterator[str]:
    yield from _heading("Rows")
    yield f"  {'':<22}{'true':>10}{'published':>11}{'equal':>10}{'missing':>9}{'extra':>7}{'differing':>11}"
    for t in report.tables.values():
        yield f"  {t.name:<22}{t.true:>10,}{t.published:>11,}{t.equal:>10,}{t.missing:>9,}{t.extra:>7,}{t.differing:>11,}"
    for t in report.tables.values():
        yield from (f"  {t.name} {' '.join(map(str, key))}: {what}" for key, what in list(t.wrong.items())[:_EXAMPLES])
    yield f"  wrong although their records have no defect: {len(report.wrong_without_defect):,}"
    yield from (f"  {key}: {what}" for key, what in list(report.wrong_without_defect.items())[:_EXAMPLES])


def _rules(report: Report) -> Iterator[str]:
    yield from _heading("Rules: source records that violate one, and records that it caught")
    yield f"  {'':<28}{'severity':<10}{'planted':>9}{'caught':>9}{'recall':>9}{'precision':>11}"
    for rule in report.rules:
        shares = f"{rule.recall:>9.4f}{rule.precision:>11.4f}" if rule.is_planted else f"{'not planted':>20}"
        yield f"  {rule.rule_id:<28}{rule.severity:<10}{rule.planted:>9,}{rule.caught:>9,}{shares}"
    for rule in report.rules:
        yield from (f"  {rule.rule_id}: {' '.join(record)} violates it but was not caught" for record in rule.missed)
        yield from (f"  {rule.rule_id}: {' '.join(record)} was caught but does not violate it" for record in rule.wrong)


def _feeds(report: Report) -> Iterator[str]:
    feeds = report.feeds
    if feeds is None:
        return
    yield from _heading("Broken feeds: days of agencies")
    yield f"  {feeds.broken:,} with a broken feed, {feeds.missing:,} of them reported as missing"
    yield f"  {feeds.called_zero:,} days without data of a system reported as zero"
    yield f"  {feeds.alarms:,} without a broken feed reported as missing"


def _expectations(report: Report) -> Iterator[str]:
    yield from _heading("Expectations")
    for expectation in report.expectations:
        result = "met   " if expectation.is_met else "MISSED"
        yield f"  {result}  {expectation.name}: {expectation.observed}, expected {expectation.wanted}"
