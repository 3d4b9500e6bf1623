"""Scores classes of dirty data that no mark plants and no flag reports, by comparing the data itself with the truth."""

from collections.abc import Iterator

import numpy as np

from lgsp_province.score.dataset import Key
from lgsp_province.score.defects import DefectScore, DefectScorer
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_date, local_days
from lgsp_province.world.view import DossierState

_SATURDAY = 5  # as in date.weekday()
_TIMES = ("submitted_at", "received_at", "due_at", "finished_at", "closed_at")


def unmarked_scores(scorer: DefectScorer) -> dict[str, DefectScore]:
    """Scores for D10, D13, D29, D35, D38, D39, D40, D43, D44 and D48."""
    return {
        "D10": _times(scorer, "D10", in_one_stop=False, note="local times in compact form, read as local times"),
        "D13": _times(scorer, "D13", in_one_stop=True, note="times in UTC, read as UTC"),
        "D29": _amended_due_dates(scorer),
        "D35": _replaced_services(scorer),
        "D38": _calls(scorer, "D38", "with an HTML page"),
        "D39": _saturdays(scorer),
        "D40": DefectScore("D40", note=f"missing and surplus records of all lists: {scorer.dataset.gap_count}"),
        "D43": _calls(scorer, "D43", "by the gateway alone, for a moment"),
        "D44": _calls(scorer, "D44", "with a certificate of the province's own authority"),
        "D48": _lists(scorer),
    }


def _count(score: DefectScore, record: Key, path: str, problem: str | None) -> None:
    score.planted["repaired"] += 1
    if problem is None:
        score.resolved["repaired"] += 1
    else:
        score.add_miss(record, path, problem)


def _times(scorer: DefectScorer, name: str, in_one_stop: bool, note: str) -> DefectScore:
    """The times of all dossiers whose primary record is, or is not, the one-stop shop's."""
    score, published = DefectScore(name, note=note), scorer.dataset.dossiers
    for true in scorer.expected.dossiers:
        if true["in_one_stop"] is in_one_stop:
            row = published.get(true["dossier_id"])
            wrong = ["dossier"] if row is None else [column for column in _TIMES if row[column] != true[column]]
            record = scorer.expected.primary_record[true["dossier_id"]]
            _count(score, record, "", f"wrong: {', '.join(wrong)}" if wrong else None)
    return score


def _one_stop_dossiers(scorer: DefectScorer) -> Iterator[tuple[str, Key, DossierState]]:
    for dossier_id, record in scorer.expected.primary_record.items():
        if record[0] == "one_stop_shop":
            yield dossier_id, record, scorer.expected.states[record]


def _amended_due_dates(scorer: DefectScorer) -> DefectScore:
    """Dossiers with an amended due date: the first due date, the current one, and the number of extensions."""
    score = DefectScore("D29", note="amended due dates: the first one is published next to the current one")
    published = scorer.dataset.dossiers
    for dossier_id, record, state in _one_stop_dossiers(scorer):
        if state.due < 0 or state.amended_at > scorer.expected.view.as_of:
            continue
        row = published.get(dossier_id)
        if row is None:
            continue
        values = (_seconds(row["due_first_at"]), _seconds(row["due_at"]), row["extension_count"])
        true = (state.due_first, state.due, 1)
        _count(score, record, "dueDate", None if values == true else f"is {values}, in truth {true}")
    return score


def _seconds(moment: object) -> int | None:
    return int(moment.timestamp()) if hasattr(moment, "timestamp") else None


def _replaced_services(scorer: DefectScorer) -> DefectScore:
    """Dossiers of replaced or abolished procedures: they keep the code that was valid on their day."""
    score = DefectScore("D35", note="dossiers of procedures that a decision replaced")
    services = scorer.expected.world.dossiers.catalogue.services
    published = scorer.dataset.dossiers
    for dossier_id, record in scorer.expected.primary_record.items():
        service = services[scorer.expected.states[record].service]
        if service.valid_to is not None or service.replaces is not None:
            row = published.get(dossier_id)
            code = row["service_code"] if row else None
            _count(score, record, "", None if code == service.code else f"is {code}, in truth {service.code}")
    return score


def _calls(scorer: DefectScorer, name: str, how: str) -> DefectScore:
    """A defect of the calls themselves: it changes no record."""
    rate = scorer.expected.world.rates[name]
    answered = f"on: {rate:.1%} of the calls are answered" if rate else "off: no call is answered"
    return DefectScore(name, note=f"{answered} {how}")


def _lists(scorer: DefectScorer) -> DefectScore:
    """Dossiers received by agencies that ended before the lists were read: all have their receiving agency."""
    if not scorer.expected.world.rates["D48"]:
        return DefectScore("D48", note="off: the lists have the agencies that ended")
    score = DefectScore("D48", note="agencies that the lists do not have any more")
    as_of = day_date(int(local_days(np.array([scorer.expected.view.as_of]))[0]))
    in_force = {agency.new_code for agency in agencies.in_force(as_of)}
    published = scorer.dataset.dossiers
    for true in scorer.expected.dossiers:
        if (code := true["receiving_organisation_id"]) not in in_force:
            row = published.get(true["dossier_id"])
            observed = row["receiving_organisation_id"] if row else None
            record = scorer.expected.primary_record[true["dossier_id"]]
            _count(score, record, "", None if observed == code else f"is {observed}, in truth {code}")
    return score


def _saturdays(scorer: DefectScorer) -> DefectScore:
    """Dossiers received on a Saturday: they are published like all others, without a flag."""
    score = DefectScore("D39", note="received on a Saturday: published without a flag")
    published = scorer.dataset.dossiers
    for true in scorer.expected.dossiers:
        if true["received_on"] is None or true["received_on"].weekday() != _SATURDAY:
            continue
        row = published.get(true["dossier_id"])
        problem = "is missing" if row is None else None
        if row and row["quality_flags"] and true["dossier_id"] not in scorer.expected.ids_with_defects:
            problem = f"is flagged {row['quality_flags']}"
        _count(score, scorer.expected.primary_record[true["dossier_id"]], "", problem)
    return score
