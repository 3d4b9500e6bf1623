"""Why a dossier, offering or paper counts as it does, in plain words: a text on top of what the published statement decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from lgsp.explain.question import Question
from lgsp.window import local_day

Facts = dict[str, Any]
Reason = tuple[str, str]
"""What a row has in common with others, and what is its own: the day, or by how many days."""

GIVEN_UP = {"withdrawn": "withdrawn", "not_accepted": "not accepted"}


def of(question: Question, unit: Facts, facts: Facts) -> Reason:
    """Why a unit contributes what it does; `facts` are its published columns."""
    if unit["kind"] == "record":
        return "in quarantine", str(facts.get("reason"))
    if unit["kind"] != "dossier":
        return {"offering": _offering, "document": _document, "delivery": _delivery, "work_file": _work_file}[unit["kind"]](question, unit, facts)  # fmt: skip
    if unit["excluded"] and not unit["denominator"]:
        return f"{GIVEN_UP.get(facts['status'], facts['status'])} in the period", f"on {_day(facts['closed_at'])}"
    asked = question.part if question.table == "form_06a" else question.kpi_id
    return DOSSIERS.get(asked, _received)(question, unit, facts)


def _finished(question: Question, unit: Facts, facts: Facts) -> Reason:
    """Of numbers over dossiers that were finished."""
    finished = facts["finished_on"]
    if facts["status"] in GIVEN_UP:
        return f"{GIVEN_UP[facts['status']]}, and not in the period", f"on {_day(facts['closed_at'])}"
    if finished is None:
        return "not finished", _state(facts)
    if not question.span.start <= finished < question.span.end:
        return "finished in another period", f"on {finished}"
    if question.kpi_id == "digital_result":
        return ("finished with a digital result" if unit["numerator"] else "finished without a digital result", f"on {finished}")  # fmt: skip
    due = (
        local_day(facts["due_first_at"])
        if question.kpi_id == "on_time_first_due" and facts["due_first_at"]
        else facts["due_on"]
    )
    if question.kpi_id == "on_time_first_due" and not facts["due_first_at"]:
        return "finished, and nothing was promised first", f"on {finished}"
    return _punctual(finished, due)


def _punctual(finished: date, due: date | None) -> Reason:
    if due is None:
        return "finished without a due day", f"on {finished}"
    days = (finished - due).days
    if not days:
        return "finished on the due day", f"on {finished}"
    how = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"finished {'after' if days > 0 else 'before'} the due day", f"{how}: due {due}, finished {finished}"


def _received(question: Question, unit: Facts, facts: Facts) -> Reason:
    """Of numbers over dossiers that were received."""
    received = facts["received_on"]
    if received is None:
        return "not received yet", _state(facts)
    if not question.span.start <= received < question.span.end:
        return "received in another period", f"on {received}"
    how = (
        "online"
        if facts["channel"] == "online"
        else {"counter": "at the counter", "postal": "by post"}.get(facts["channel"], "in an unknown way")
    )
    match question.kpi_id:
        case "online_share" if not unit["denominator"]:
            return "for a service that is not offered online that day", f"{_level(facts)}, received {how} on {received}"
        case "online_share":
            return f"received {how}", f"on {received}, {_level(facts)}"
        case "paid_online" if not unit["denominator"]:
            return "received without a fee", f"on {received}"
        case "paid_online":
            return (
                "paid online" if unit["numerator"] else "not paid online"
            ), f"{facts['fee_vnd']} VND, received {received}"
        case "digitised":
            return (
                "received with a digitised component" if unit["numerator"] else "received without a digitised component"
            ), f"on {received}"
        case "reused" if not unit["denominator"]:
            return "received without a digitised component", f"on {received}"
        case "reused":
            return (
                "a digitised component was used again" if unit["numerator"] else "no digitised component was used again"
            ), f"received {received}"
        case "synced":
            return ("known to the portal" if unit["numerator"] else "not known to the portal"), f"received {received}"
    return f"received {how}", f"on {received}"


def _rated(question: Question, unit: Facts, facts: Facts) -> Reason:
    if facts["satisfaction"] is None:
        return "not rated", _state(facts)
    on = facts["finished_on"] or facts["received_on"]
    if not unit["denominator"]:
        return "rated in another period", f"{facts['satisfaction']} of 5, counted on {on}"
    return f"rated {facts['satisfaction']} of 5", f"counted on {on}"


def _open(question: Question, unit: Facts, facts: Facts) -> Reason:
    """Of numbers over dossiers that were open at the end of a period."""
    last = min(question.span.end, local_day(question.row["as_of"]))
    ended, received, due = _ended(facts), facts["received_on"], facts["due_on"]
    if received is None:
        return "not received yet", _state(facts)
    if received >= question.span.end:
        return "received after the period", f"on {received}"
    if ended is not None and ended < question.span.end:
        return "ended before the end of the period", f"{facts['status']} on {ended}"
    if _stood_still(facts["paused_days"] or (), last):
        return "open and paused", _state(facts)
    if due is None:
        return "open without a due day", f"received {received}"
    if unit["numerator"] if question.kpi_id == "overdue_open" else due < last:
        return "open and overdue", f"due {due}"
    return "open within due", f"due {due}"


def _stood_still(paused_days: Sequence[str], day_on: date) -> bool:
    """Whether a clock stood still at the end of the day before a day."""
    pauses = [pause.split("/") for pause in paused_days]
    return any(since < str(day_on) and (not until or until >= str(day_on)) for since, until in pauses)


def _progress(question: Question, unit: Facts, facts: Facts) -> Reason:
    ended, received = _ended(facts), facts["received_on"]
    if not unit["denominator"] or ended is None or ended >= question.span.end:
        return _open(question, unit, facts)
    carried = "carried over" if received < question.span.start else "received"
    if facts["status"] in GIVEN_UP:
        return f"{carried}, and {GIVEN_UP[facts['status']]}", f"on {ended}"
    group, detail = _punctual(facts["finished_on"], facts["due_on"])
    return f"{carried}, and {group}", detail


def _column(question: Question, unit: Facts, facts: Facts) -> Reason:
    """Of a column of form II.06a."""
    if question.part.startswith("open"):
        return _open(question, unit, facts)
    ended = _ended(facts)
    if question.part.startswith("finished"):
        if ended is None or not question.span.start <= ended < question.span.end:
            return ("ended in another period", f"on {ended}") if ended else ("open", _state(facts))
        if facts["status"] in GIVEN_UP:
            return GIVEN_UP[facts["status"]], f"on {ended}"
        return _punctual(facts["finished_on"], facts["due_on"])
    received = facts["received_on"]
    if received is not None and received < question.span.start:
        if ended is not None and ended < question.span.start:
            return "ended before the period", f"on {ended}"
        return "carried over", f"received {received}"
    return _received(question, unit, facts)


def _offering(question: Question, unit: Facts, facts: Facts) -> Reason:
    how = _level(facts)
    if question.kpi_id == "payment_active":
        return ("a dossier of the period was paid online" if unit["numerator"] else
                "dossiers with a fee, none paid online" if unit["denominator"] else "no dossier with a fee"), how  # fmt: skip
    if facts.get("online_level") is None and facts.get("online_mode") is None:
        return "not offered at the end of the period", ""
    if not unit["denominator"]:
        return "not offered online at the end of the period", how
    counted = bool(unit["numerator"])
    said = {
        "service_active": ("with a dossier received in the period", "without a dossier in the period"),
        "service_active_online": ("with a dossier received online in the period", "without an online dossier in the period"),
        "offered_online": ("offered online", "not offered online"),
        "integrated_national": ("on the national portal", "not on the national portal at the end of the period"),
        "full_online": ("fully online", "partially online"),
    }[question.kpi_id]  # fmt: skip
    return said[0 if counted else 1], how


def _document(question: Question, unit: Facts, facts: Facts) -> Reason:
    on = f"sent or issued on {facts['counted_on']}"
    match question.kpi_id:
        case "paperless":
            paper = facts["has_paper_copy"]
            return ("not told whether on paper, too" if paper is None else "sent on paper, too" if paper else "sent without paper"), on  # fmt: skip
        case "signed":
            return ("digitally signed" if facts["is_signed"] else "not digitally signed"), on
    return "sent in the period", on


def _delivery(question: Question, unit: Facts, facts: Facts) -> Reason:
    if question.kpi_id == "sent_deliveries":
        return (
            "sent in the period",
            f"to {facts['recipient_organisation_id']} on {_day(facts['sent_at']) or facts['issued_on']}",
        )
    arrived = f"arrived {_day(facts['arrived_at'])}"
    if question.kpi_id == "received":
        return "arrived in the period", f"from {facts['sender_organisation_id']}, {arrived}"
    if unit["excluded"]:
        return "its document was revoked or replaced", arrived
    if facts["accepted_at"] is None:
        return "not accepted", arrived
    accepted = f"{arrived}, accepted {_day(facts['accepted_at'])}"
    return (
        "accepted within a working day" if unit["numerator"] else "accepted later than the next working day"
    ), accepted


def _work_file(question: Question, unit: Facts, facts: Facts) -> Reason:
    return ("handled electronically" if unit["numerator"] else "handled on paper"), f"opened {facts['opened_on']}"


def _ended(facts: Facts) -> date | None:
    finished: date | None = facts["finished_on"]
    if finished is not None:
        return max(facts["received_on"] or finished, finished)
    if facts["status"] in GIVEN_UP:
        return max(facts["received_on"] or date.min, local_day(facts["closed_at"] or facts["source_updated_at"]))
    return None


def _state(facts: Facts) -> str:
    return f"status {facts['status']}" + (", paused" if facts["is_paused"] else "")


def _level(facts: Facts) -> str:
    """How a service is offered, by level and by mode."""
    if facts.get("online_level") is None:
        return "level unknown"
    return f"level {facts['online_level']}" + (f", {facts['online_mode']}" if facts.get("online_mode") else "")


def _day(instant: datetime | None) -> date | None:
    return None if instant is None else local_day(instant)


DOSSIERS: Mapping[str, Callable[[Question, Facts, Facts], Reason]] = {
    "on_time": _finished, "on_time_first_due": _finished, "no_due": _finished, "digital_result": _finished,
    "overdue_open": _open, "progress_766": _progress, "satisfied": _rated,
} | {
    f"{what}_{rest}": _column
    for what, rests in (("received", ("total", "online", "counter_postal", "carried_over")),
                        ("finished", ("total", "before_due", "on_due", "late")), ("open", ("total", "within_due", "late")))
    for rest in rests
}  # fmt: skip
