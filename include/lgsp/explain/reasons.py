"""The reason, in words, why a unit is counted or not; the published SQL statement has already decided it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from lgsp.explain.question import Question
from lgsp.indicators.definitions.ratios import ratios
from lgsp.window import local_day

Facts = dict[str, Any]
Reason = tuple[str, str]
"""The reason that a row shares with other rows, and the detail of this row: the day, or the number of days."""

ENDED_UNFINISHED = {"withdrawn": "withdrawn", "not_accepted": "not accepted"}


def of_unit(question: Question, unit: Facts, facts: Facts) -> Reason:
    """The reason for the contribution of a unit; `facts` are its published columns."""
    if unit["kind"] == "record":
        return "in quarantine", str(facts.get("reason"))
    if unit["kind"] != "dossier":
        return {"offering": _offering, "document": _document, "delivery": _delivery, "work_file": _work_file}[unit["kind"]](question, unit, facts)  # fmt: skip
    if unit["excluded"] and not unit["denominator"]:
        return (
            f"{ENDED_UNFINISHED.get(facts['status'], facts['status'])} in the period",
            f"on {_day(facts['closed_at'])}",
        )
    if question.table == "form_06a":
        return _column(question, unit, facts)
    ratio = ratios().get(question.kpi_id)
    return DOSSIERS[ratio.basis if ratio else "received"](question, unit, facts)


def _stated(question: Question, unit: Facts) -> str | None:
    """The text that the definition of the ratio has for this unit; None where it has none."""
    ratio = ratios().get(question.kpi_id)
    if ratio is None:
        return None
    if not unit["denominator"]:
        return ratio.outside
    return ratio.counted if unit["numerator"] else ratio.not_counted


def _finished(question: Question, unit: Facts, facts: Facts) -> Reason:
    """For numbers over finished dossiers."""
    finished = facts["finished_on"]
    if facts["status"] in ENDED_UNFINISHED:
        return f"{ENDED_UNFINISHED[facts['status']]}, and not in the period", f"on {_day(facts['closed_at'])}"
    if finished is None:
        return "not finished", _state(facts)
    if not question.period.start <= finished < question.period.end:
        return "finished in another period", f"on {finished}"
    if text := _stated(question, unit):
        return text, f"on {finished}"
    due = (
        local_day(facts["due_first_at"])
        if question.kpi_id == "on_time_first_due" and facts["due_first_at"]
        else facts["due_on"]
    )
    if question.kpi_id == "on_time_first_due" and not facts["due_first_at"]:
        return "finished without a first due day", f"on {finished}"
    return _punctual(finished, due)


def _punctual(finished: date, due: date | None) -> Reason:
    if due is None:
        return "finished without a due day", f"on {finished}"
    days = (finished - due).days
    if not days:
        return "finished on the due day", f"on {finished}"
    difference = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"finished {'after' if days > 0 else 'before'} the due day", f"{difference}: due {due}, finished {finished}"


def _received(question: Question, unit: Facts, facts: Facts) -> Reason:
    """For numbers over received dossiers."""
    received = facts["received_on"]
    if received is None:
        return "not received yet", _state(facts)
    if not question.period.start <= received < question.period.end:
        return "received in another period", f"on {received}"
    channel = (
        "online"
        if facts["channel"] == "online"
        else {"counter": "at the counter", "postal": "by post"}.get(facts["channel"], "through an unknown channel")
    )
    detail = f"received {channel} on {received}"
    if question.kpi_id == "online_share":
        detail = f"{_level(facts)}, {detail}"
    if unit["denominator"] and question.kpi_id == "paid_online":
        detail = f"{facts['fee_vnd']} VND, {detail}"
    if text := _stated(question, unit):
        return text, detail
    return f"received {channel}", f"on {received}" + (f", {_level(facts)}" if question.kpi_id == "online_share" else "")


def _rated(question: Question, unit: Facts, facts: Facts) -> Reason:
    if facts["satisfaction"] is None:
        return "not rated", _state(facts)
    on = facts["finished_on"] or facts["received_on"]
    if not unit["denominator"]:
        return "rated in another period", f"{facts['satisfaction']} of 5, counted on {on}"
    return f"rated {facts['satisfaction']} of 5", f"counted on {on}"


def _open(question: Question, unit: Facts, facts: Facts) -> Reason:
    """For numbers over dossiers that were open at the end of the period."""
    last = min(question.period.end, local_day(question.row["as_of"]))
    ended, received, due = _ended(facts), facts["received_on"], facts["due_on"]
    if received is None:
        return "not received yet", _state(facts)
    if received >= question.period.end:
        return "received after the period", f"on {received}"
    if ended is not None and ended < question.period.end:
        return "ended before the end of the period", f"{facts['status']} on {ended}"
    if _is_paused(facts["paused_days"] or (), last):
        return "open and paused", _state(facts)
    if due is None:
        return "open without a due day", f"received {received}"
    if unit["numerator"] if question.kpi_id == "overdue_open" else due < last:
        return "open and overdue", f"due {due}"
    return "open within due", f"due {due}"


def _is_paused(paused_days: Sequence[str], day_on: date) -> bool:
    """Whether the processing time was paused at the end of the day before `day_on`."""
    pauses = [pause.split("/") for pause in paused_days]
    return any(since < str(day_on) and (not until or until >= str(day_on)) for since, until in pauses)


def _progress(question: Question, unit: Facts, facts: Facts) -> Reason:
    ended, received = _ended(facts), facts["received_on"]
    if not unit["denominator"] or ended is None or ended >= question.period.end:
        return _open(question, unit, facts)
    carried = "carried over" if received < question.period.start else "received"
    if facts["status"] in ENDED_UNFINISHED:
        return f"{carried}, and {ENDED_UNFINISHED[facts['status']]}", f"on {ended}"
    group, detail = _punctual(facts["finished_on"], facts["due_on"])
    return f"{carried}, and {group}", detail


def _column(question: Question, unit: Facts, facts: Facts) -> Reason:
    """For a column of form II.06a."""
    if question.part.startswith("open"):
        return _open(question, unit, facts)
    ended = _ended(facts)
    if question.part.startswith("finished"):
        if ended is None or not question.period.start <= ended < question.period.end:
            return ("ended in another period", f"on {ended}") if ended else ("open", _state(facts))
        if facts["status"] in ENDED_UNFINISHED:
            return ENDED_UNFINISHED[facts["status"]], f"on {ended}"
        return _punctual(facts["finished_on"], facts["due_on"])
    received = facts["received_on"]
    if received is not None and received < question.period.start:
        if ended is not None and ended < question.period.start:
            return "ended before the period", f"on {ended}"
        return "carried over", f"received {received}"
    return _received(question, unit, facts)


def _offering(question: Question, unit: Facts, facts: Facts) -> Reason:
    level = _level(facts)
    if text := _stated(question, unit):
        return text, level
    if facts.get("online_level") is None and facts.get("online_mode") is None:
        return "not offered at the end of the period", ""
    return "not offered online at the end of the period", level


def _document(question: Question, unit: Facts, facts: Facts) -> Reason:
    on = f"sent or issued on {facts['counted_on']}"
    match question.kpi_id:
        case "paperless":
            paper = facts["has_paper_copy"]
            return ("not recorded whether also sent on paper" if paper is None else "also sent on paper" if paper else "sent without paper"), on  # fmt: skip
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
    if facts["status"] in ENDED_UNFINISHED:
        return max(facts["received_on"] or date.min, local_day(facts["closed_at"] or facts["source_updated_at"]))
    return None


def _state(facts: Facts) -> str:
    return f"status {facts['status']}" + (", paused" if facts["is_paused"] else "")


def _level(facts: Facts) -> str:
    """The online level and mode of a service."""
    if facts.get("online_level") is None:
        return "level unknown"
    return f"level {facts['online_level']}" + (f", {facts['online_mode']}" if facts.get("online_mode") else "")


def _day(instant: datetime | None) -> date | None:
    return None if instant is None else local_day(instant)


DOSSIERS: Mapping[str, Callable[[Question, Facts, Facts], Reason]] = {
    "finished": _finished, "received": _received, "open": _open, "progress": _progress, "rated": _rated,
}  # fmt: skip
