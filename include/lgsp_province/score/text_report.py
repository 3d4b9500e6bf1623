"""The report on a scored dataset as people read it."""

from collections.abc import Iterator

from lgsp_province.score.defects import UNDETECTABLE, Line
from lgsp_province.score.links import Measure
from lgsp_province.score.score import Report

_RULE = 100
_SHOWN = 2  # examples of each class


def lines(report: Report) -> Iterator[str]:
    """The report, section by section, and what it must reach."""
    yield f"The shared dataset against the truth of {report.as_of:%Y-%m-%d %H:%M}"
    yield from _defects(report)
    yield from _measures("Linking: pairs of a one-stop and a portal record", report.links)
    yield from _measures("Agencies", report.organisations)
    yield f"  {report.waiting:,} spellings wait in the review"
    yield from _tables(report)
    yield from _rules(report)
    yield from _heading("Personal data in shared texts")
    yield from (f"  {found.column}: a person's {found.what} in {found.count:,} texts" for found in report.persons)
    if not report.persons:
        yield "  none"
    yield from _feeds(report)
    yield from _expectations(report)
    if report.seconds:
        yield "  ".join(f"{name} {seconds:.0f} s" for name, seconds in report.seconds.items())


def _heading(title: str) -> Iterator[str]:
    yield ""
    yield f"{title} ".ljust(_RULE, "-")


def _defects(report: Report) -> Iterator[str]:
    yield from _heading("Defects: source records and fields")
    yield f"  {'class':<22}{'planted':>9}{'not read':>10}{'detected':>16}{'settled':>16}{'share':>8}{'wrongly':>9}"
    for line in report.defects.values():
        yield _defect(line)
    for line in report.defects.values():
        for miss in line.misses[:_SHOWN]:
            yield f"  {line.defect}: {miss.source} {miss.source_key} {miss.field}: {miss.why}"


def _defect(line: Line) -> str:
    detected = f"{line.marked:,} of {line.markable:,}" if line.markable and line.defect not in UNDETECTABLE else "–"
    planted, settled = line.planted.total(), line.settled.total()
    share = "–" if line.share is None else f"{line.share:.3f}"
    how = ", ".join(sorted(line.planted))
    shown = f"  {line.defect:<22}{planted:>9,}{line.unread:>10,}{detected:>16}{f'{settled:,}':>16}{share:>8}{line.touched:>9,}"
    return f"{shown}  {'; '.join(part for part in (how, line.note) if part)}".rstrip()


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
        yield from (f"  {t.name} {' '.join(map(str, key))}: {what}" for key, what in list(t.wrong.items())[:_SHOWN])
    yield f"  wrong although nothing is wrong with their records: {len(report.untouched_wrong):,}"
    yield from (f"  {key}: {what}" for key, what in list(report.untouched_wrong.items())[:_SHOWN])


def _rules(report: Report) -> Iterator[str]:
    yield from _heading("Rules: source records that truly break one, and those that it caught")
    yield f"  {'':<28}{'severity':<10}{'planted':>9}{'caught':>9}{'recall':>9}{'precision':>11}"
    for one in report.rules:
        told = f"{one.recall:>9.4f}{one.precision:>11.4f}" if one.is_planted else f"{'not planted':>20}"
        yield f"  {one.rule_id:<28}{one.severity:<10}{one.planted:>9,}{one.caught:>9,}{told}"
    for one in report.rules:
        yield from (f"  {one.rule_id}: {' '.join(record)} breaks it, and was not caught" for record in one.missed)
        yield from (
            f"  {one.rule_id}: {' '.join(record)} was caught, and nothing says that it breaks it"
            for record in one.wrong
        )


def _feeds(report: Report) -> Iterator[str]:
    if report.feeds is None:
        return
    told = report.feeds
    yield from _heading("Broken feeds: days of agencies")
    yield f"  {told.broken:,} of broken feeds, {told.missing:,} of them read missing"
    yield f"  {told.called_zero:,} that were not read at all are called silence, {told.alarms:,} of true silence broken"


def _expectations(report: Report) -> Iterator[str]:
    yield from _heading("Expectations")
    for one in report.expectations:
        yield f"  {'met   ' if one.is_met else 'MISSED'}  {one.name}: {one.observed}, wanted {one.wanted}"
