"""Classes of dirty data that nothing is planted for and nothing tells of: measured from the data itself."""

from collections.abc import Iterator
from datetime import timedelta

from lgsp_province.score.dataset import Key
from lgsp_province.score.defects import Judge, Line
from lgsp_province.world.view import Seen

_TIMES = ("submitted_at", "received_at", "due_at", "finished_at", "closed_at")


def unmarked(judge: Judge) -> dict[str, Line]:
    """Lines for D10, D13, D29, D35, D38, D39 and D40."""
    found = {
        "D10": _times(judge, "D10", led_by_one_stop=False, note="compact local times, read as such"),
        "D13": _times(judge, "D13", led_by_one_stop=True, note="times in UTC, read as such"),
        "D29": _amended(judge),
        "D35": _replaced(judge),
        "D38": _pages(judge),
        "D39": _saturdays(judge),
        "D40": Line("D40", note=f"records too many or too few over all lists: {judge.dataset.gaps}"),
    }
    return found


def _judged(line: Line, record: Key, path: str, trouble: str | None) -> None:
    line.planted["repaired"] += 1
    if trouble is None:
        line.settled["repaired"] += 1
    else:
        line.miss(record, path, trouble)


def _times(judge: Judge, name: str, led_by_one_stop: bool, note: str) -> Line:
    line, published, leading = Line(name, note=note), judge.dataset.dossiers, judge.known.leading
    for true in judge.known.dossiers:
        if true["in_one_stop"] is led_by_one_stop:
            row = published.get(true["dossier_id"])
            unlike = ["dossier"] if row is None else [column for column in _TIMES if row[column] != true[column]]
            _judged(line, leading[true["dossier_id"]], "", f"wrong: {', '.join(unlike)}" if unlike else None)
    return line


def _led_by_one_stop(judge: Judge) -> Iterator[tuple[str, Key, Seen]]:
    for dossier_id, record in judge.known.leading.items():
        if record[0] == "one_stop_shop":
            yield dossier_id, record, judge.known.seen[record]


def _amended(judge: Judge) -> Line:
    """Dossiers whose promise was changed: the first promise, the present one, and how often."""
    line = Line("D29", note="promises that were changed: the first one kept beside the present one")
    published = judge.dataset.dossiers
    for dossier_id, record, seen in _led_by_one_stop(judge):
        if seen.due < 0 or seen.amended_at > judge.known.view.as_of:
            continue
        row = published.get(dossier_id)
        if row is None:
            continue
        told = (_second(row["due_first_at"]), _second(row["due_at"]), row["extension_count"])
        true = (seen.due_first, seen.due, 1)
        _judged(line, record, "dueDate", None if told == true else f"is {told}, in truth {true}")
    return line


def _second(moment: object) -> int | None:
    return int(moment.timestamp()) if hasattr(moment, "timestamp") else None


def _replaced(judge: Judge) -> Line:
    """Dossiers of procedures that were replaced or abolished: kept under the code of their day."""
    line = Line("D35", note="dossiers of procedures that a decision replaced")
    catalogue = judge.known.world.dossiers.catalogue.services
    published = judge.dataset.dossiers
    for dossier_id, record in judge.known.leading.items():
        service = catalogue[judge.known.seen[record].service]
        if service.valid_to is not None or service.replaces is not None:
            row = published.get(dossier_id)
            told = row["service_code"] if row else None
            _judged(line, record, "", None if told == service.code else f"is {told}, in truth {service.code}")
    return line


def _pages(judge: Judge) -> Line:
    rate = judge.known.world.rates["D38"]
    return Line("D38", note=f"on, of {rate:.1%} of the calls" if rate else "off: no call was answered with a page")


def _saturdays(judge: Judge) -> Line:
    """Dossiers received on a Saturday are published like any other, and nothing warns of them."""
    line, leading = Line("D39", note="received on a Saturday: published, and not flagged"), judge.known.leading
    published = judge.dataset.dossiers
    for true in judge.known.dossiers:
        if true["received_on"] is None or true["received_on"].weekday() != timedelta(days=5).days:
            continue
        row = published.get(true["dossier_id"])
        trouble = "is missing" if row is None else None
        if row and row["quality_flags"] and true["dossier_id"] not in judge.known.spoilt:
            trouble = f"is flagged {row['quality_flags']}"
        _judged(line, leading[true["dossier_id"]], "", trouble)
    return line
