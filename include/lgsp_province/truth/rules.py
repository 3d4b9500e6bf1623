"""Finds the source records that violate each row rule, from the planted defects and the clean world.

This module uses neither the rules of the platform nor its output.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import numpy as np
import orjson

from lgsp.vietnam import territory_versions
from lgsp_province.defects import rates, record_damage
from lgsp_province.defects.rates import BIT
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.truth.ledger import source_key
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_date, local_days
from lgsp_province.world.document_data import Document
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, PAUSES, PROCESSING, RETURNED
from lgsp_province.world.view import DossierState, View
from lgsp_province.world.world import World

Key = tuple[str, str]  # a source, and the key of a record in it

_RECEIVED, _FINISHED = ("acceptedDate", "NgayTiepNhan"), ("completedDate", "NgayKetThucXuLy")
_NAMES = ("procedure.translate", "agency.name", "competentAgency.name", "TenTTHC", "DonViXuLy")

# Rules that a single planted defect violates: the defect, its outcome and the fields in which it counts (empty: all).
_PLANTED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "DOS_STATUS_MAPPED": ("unknown-status", "quarantined", ()),
    "DOS_VALUE_UNREADABLE": ("poison", "flagged", ()),
    "DOS_DAMAGED": ("poison", "quarantined", ("applicant.data.fullname", "ChuHoSo")),
    "DOS_TEXT_GARBLED": ("D05", "flagged", _NAMES),
    "DOS_EVENT_ORDER": ("D31", "repaired", ()),
    "DOS_ID_DAMAGED": ("D41", "flagged", ()),
    "DOS_ID_DUMMY": ("D22", "flagged", ()),
    "DOS_ONLINE_LEVEL2": ("D27", "flagged", ()),
    "DOS_RECEIVED_FUTURE": ("D25", "quarantined", ()),
    "DOS_RECEIVED_MISSING": ("D28", "quarantined", _RECEIVED),
    "DOS_FINISH_MISSING": ("D28", "quarantined", _FINISHED),
    "DOS_FINISH_BEFORE_RECEIVE": ("D26", "quarantined", ()),
}
# A record that is not a JSON object has neither a key nor a status.
_KEYLESS_RULES = ("DOS_KEY_MISSING", "DOS_STATUS_MAPPED")

_LONGEST_ORGAN_ID = 35  # QCVN 102:2016 as amended in 2022
_COMPANY = 2  # one of the four kinds of recipients without a code: a company, which is not an agency
_IN_WORDS = 4  # the form of a status that is written without its code


def violations(world: World, view: View, defects: Iterable[Mapping[str, Any]]) -> dict[str, set[Key]]:
    """The records that violate each row rule, by rule id; `defects` are the rows of the truth's table of that name.

    Records without a key are named `? 1`, `? 2` and so on; records with equal bytes count once.
    """
    states = {
        record: state for record, state in _visible_records(view) if not state.bits & rates.mask("D24", "D21-test")
    }
    visible_defects = [row for row in defects if (row["source"], row["source_key"]) in states]
    violating: defaultdict[str, set[Key]] = defaultdict(set)
    for rule, (defect, outcome, fields) in _PLANTED.items():
        violating[rule] |= _records_with_defect(visible_defects, defect, outcome, fields)
    violating["DOS_TEXT_GARBLED"] |= _records_with_defect(visible_defects, "D47", "flagged", _NAMES)
    shared = _records_with_defect(visible_defects, "D49", "flagged", ())
    violating["DOS_OTHER_CODE"] |= {r for r in shared if record_damage.shared_code(states[r]) != record_damage.HUB_CODE}
    keyless = _records_with_defect(visible_defects, "poison", "quarantined", ("",))
    for rule in _KEYLESS_RULES:
        violating[rule] |= _numbered({record: states[record] for record in keyless})
    _adjust_time_rules(violating, states)
    for record in states.keys() - keyless:
        for rule in _rules_without_defect(record[0], states[record]):
            violating[rule].add(record)
    for rule, record in _document_violations(world, view.as_of):
        violating[rule].add(record)
    return {rule: records for rule, records in violating.items() if records}


def _visible_records(view: View) -> Iterator[tuple[Key, DossierState]]:
    for source, system in (("one_stop_shop", view.one_stop), ("online_services", view.portal)):
        for state in view.iter_dossier_states(system, np.flatnonzero(system.visible > 0)):
            yield (source, source_key(state, source)), state


def _records_with_defect(
    defects: Iterable[Mapping[str, Any]], defect: str, outcome: str, fields: tuple[str, ...]
) -> set[Key]:
    return {
        (row["source"], row["source_key"])
        for row in defects
        if (row["defect"], row["outcome"]) == (defect, outcome) and (not fields or row["field"] in fields)
    }


def _numbered(states: Mapping[Key, DossierState]) -> set[Key]:
    """Numbered names of keyless records, one for each different value that a source sends."""
    sent: defaultdict[str, set[bytes]] = defaultdict(set)
    renderer = one_stop_shop_records.Renderer()
    for (source, _), state in states.items():
        rendered = renderer.dossier(state) if source == "one_stop_shop" else online_services_records.dossier(state)
        sent[source].add(orjson.dumps(rendered))
    return {(source, f"? {number}") for source, values in sent.items() for number in range(1, len(values) + 1)}


def _adjust_time_rules(violating: defaultdict[str, set[Key]], states: Mapping[Key, DossierState]) -> None:
    """Add the violations that follow from a receipt in the future; remove those that cannot be checked."""
    violating["DOS_FINISH_BEFORE_RECEIVE"] -= violating["DOS_RECEIVED_MISSING"]
    for record in violating["DOS_RECEIVED_FUTURE"]:
        state = states[record]
        has_finish = state.reached_at(FINISHED) is not None and record not in violating["DOS_FINISH_MISSING"]
        if has_finish or state.reached_at(RETURNED) is not None:
            violating["DOS_FINISH_BEFORE_RECEIVE"].add(record)
        if state.due >= 0:
            violating["DOS_DUE_BEFORE_RECEIVE"].add(record)
    for rule in ("DOS_RECEIVED_MISSING", "DOS_FINISH_MISSING"):
        violating[rule] -= violating["DOS_STATUS_MAPPED"]  # the dates that an unknown status requires are unknown


def _rules_without_defect(source: str, state: DossierState) -> Iterator[str]:
    """Rules that a record violates without a planted defect: by the portal's way to report events, or by the merger."""
    if source == "online_services" and _is_processed_after_finish(state):
        yield "DOS_UPSTREAM_STATUS"
    if source == "online_services" and _is_submitted_too_late(state):
        yield "DOS_CODE_DATE"
    if _has_unit_not_valid(state, has_home=source == "one_stop_shop"):
        yield "UNIT_NOT_VALID_AT_DATE"


def _is_processed_after_finish(state: DossierState) -> bool:
    """Whether the portal reports processing after a finish.

    It reports a pause as a finish, and also a receipt without a due date.
    """
    finishes = [at for at, status in state.events if status in (*PAUSES, FINISHED)]
    accepted, processed = state.reached_at(ACCEPTED), state.reached_at(PROCESSING)
    if state.due < 0 and accepted is not None:
        finishes.append(accepted)
    return bool(finishes) and processed is not None and min(finishes) < processed


def _is_submitted_too_late(state: DossierState) -> bool:
    """Whether the day of receipt overwrites the day of submission and is more than a day after the day in the code."""
    accepted = state.reached_at(ACCEPTED)
    if not state.bits & BIT["submitted-overwritten"] or accepted is None:
        return False
    return int(local_days(np.array([accepted]))[0]) - state.day > 1


def _has_unit_not_valid(state: DossierState, has_home: bool) -> bool:
    """Whether the agency had ended by the day of receipt, or the applicant's commune was then merged or renamed.

    A department that ended is still listed, so it counts as valid: only the end of a territory is known by its name.
    An address uses the units valid before the merger or those valid after it. A commune that became a ward kept its
    name, so it does not count.
    """
    accepted = state.reached_at(ACCEPTED)
    day = day_date(int(local_days(np.array([state.submitted if accepted is None else accepted]))[0]))
    agency, home = agencies.load()[state.agency], agencies.load()[state.home]
    if agency.level != agencies.PROVINCE and agency.valid_to is not None and agency.valid_to <= day:
        return True
    in_address, on_day = (territory_versions.unit_at(home.unit_code, on) for on in (home.valid_from, day))
    return has_home and in_address is not None and (on_day is None or _identity(on_day) != _identity(in_address))


def _identity(unit: territory_versions.Unit) -> tuple[date, str]:
    """Since when the unit's code has denoted this territory, and its name without the kind (xã, phường)."""
    return unit.since, territory_versions.split_kind(unit.name)[1]


def _document_violations(world: World, as_of: int) -> Iterator[tuple[str, Key]]:
    documents = world.document_data.documents
    for message in world.document_data.messages:
        if message.created_at > as_of:
            continue
        record = ("documents", message.doc_id)
        if message.status is None:
            yield from ((rule, record) for rule in _document_rules(documents[message.document]))
        elif message.status.code_form == _IN_WORDS:
            yield "DOC_STATUS_PROFILE", record
    for file in world.document_data.work_files:
        if file.is_secret and file.opened_at <= as_of:
            yield "SECRET_WORK_FILE", ("documents", file.code)


def _document_rules(document: Document) -> Iterator[str]:
    if document.excluded_by is not None:
        yield "SECRET_DOC" if document.is_secret else "DOC_READABLE"
        return
    codes = [agencies.load()[index].code for index in document.recipients]
    is_packed = "D32" in document.defects and bool(codes)
    if is_packed and len("#".join(codes)) > _LONGEST_ORGAN_ID:
        yield "DOC_PROFILE"
    if "D21" in document.defects and not is_packed and document.bits >> 11 & 3 == _COMPANY:
        yield "DOC_RECIPIENT_UNKNOWN"
