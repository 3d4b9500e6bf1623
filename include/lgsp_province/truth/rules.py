"""Which source records truly break which row rule: what was planted in them, and what the world knows of them.

Nothing here asks a rule or reads what the platform made of a record.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from lgsp.vietnam import territory_versions
from lgsp_province.defects import rates
from lgsp_province.defects.rates import BIT
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.truth.ledger import source_key
from lgsp_province.world import agencies
from lgsp_province.world.calendar import day_date, local_days
from lgsp_province.world.lives import ACCEPTED, FINISHED, PAUSES, PROCESSING, RETURNED
from lgsp_province.world.papers import Document
from lgsp_province.world.view import Seen, View

if TYPE_CHECKING:
    from lgsp_province.world.world import World

Key = tuple[str, str]  # a source, and the key by which it knows a record

_RECEIVED, _FINISHED = ("acceptedDate", "NgayTiepNhan"), ("completedDate", "NgayKetThucXuLy")
_NAMES = ("procedure.translate", "agency.name", "competentAgency.name", "TenTTHC", "DonViXuLy")

# Rules that one kind of planted defect breaks: the defect, what a perfect reader does about it, in which fields (all
# where none is named).
_PLANTED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "DOS_STATUS_MAPPED": ("unknown-status", "quarantined", ()),
    "DOS_VALUE_UNREADABLE": ("poison", "flagged", ()),
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
# A record that is no object has neither a key nor a status.
_OF_NO_RECORD = ("DOS_KEY_MISSING", "DOS_STATUS_MAPPED")

_LONGEST_ORGAN_ID = 35  # QCVN 102:2016 as amended in 2022
_COMPANY = 2  # of the four ways in which recipients lack a code: one more that is no agency
_IN_WORDS = 4  # the way to write a status without its code


def broken(world: "World", view: View, planted: Iterable[Mapping[str, Any]]) -> dict[str, set[Key]]:
    """The records that break each row rule, as of an instant; `planted` are the defects that show by then.

    A record without a key stands as `? 1`, `? 2`: two of the same bytes are one.
    """
    seen = {record: one for record, one in _seen(view) if not one.bits & rates.mask("D24", "D21-test")}
    known = [row for row in planted if (row["source"], row["source_key"]) in seen]
    found: defaultdict[str, set[Key]] = defaultdict(set)
    for rule, (defect, outcome, fields) in _PLANTED.items():
        found[rule] |= _showing(known, defect, outcome, fields)
    nothing = _showing(known, "poison", "quarantined", ("",))
    for rule in _OF_NO_RECORD:
        found[rule] |= _without_key({record: seen[record] for record in nothing})
    _impossible(found, known, seen)
    for record in seen.keys() - nothing:
        for rule in _by_its_course(record[0], seen[record]):
            found[rule].add(record)
    for rule, record in _papers(world, view.as_of):
        found[rule].add(record)
    return {rule: records for rule, records in found.items() if records}


def _seen(view: View) -> Iterator[tuple[Key, Seen]]:
    for source, system in (("one_stop_shop", view.one_stop), ("online_services", view.portal)):
        for seen in view.each(system, np.flatnonzero(system.visible > 0)):
            yield (source, source_key(seen, source)), seen


def _showing(known: Iterable[Mapping[str, Any]], defect: str, outcome: str, fields: tuple[str, ...]) -> set[Key]:
    return {
        (row["source"], row["source_key"])
        for row in known
        if (row["defect"], row["outcome"]) == (defect, outcome) and (not fields or row["field"] in fields)
    }


def _without_key(seen: Mapping[Key, Seen]) -> set[Key]:
    """Records that are no object, by what is sent in their place."""
    sent: defaultdict[str, set[bytes]] = defaultdict(set)
    renderer = one_stop_shop_records.Renderer()
    for (source, _), one in seen.items():
        told = renderer.dossier(one) if source == "one_stop_shop" else online_services_records.dossier(one)
        sent[source].add(orjson.dumps(told))
    return {(source, f"? {number}") for source, told in sent.items() for number in range(1, len(told) + 1)}


def _impossible(
    found: defaultdict[str, set[Key]], known: Iterable[Mapping[str, Any]], seen: Mapping[Key, Seen]
) -> None:
    """What a receipt in the future makes impossible too, and what cannot be told where a time is missing."""
    found["DOS_FINISH_BEFORE_RECEIVE"] -= found["DOS_RECEIVED_MISSING"]
    for record in found["DOS_RECEIVED_FUTURE"]:
        one = seen[record]
        is_finish_told = one.when(FINISHED) is not None and record not in found["DOS_FINISH_MISSING"]
        if is_finish_told or one.when(RETURNED) is not None:
            found["DOS_FINISH_BEFORE_RECEIVE"].add(record)
        if one.due >= 0:
            found["DOS_DUE_BEFORE_RECEIVE"].add(record)
    for rule in ("DOS_RECEIVED_MISSING", "DOS_FINISH_MISSING"):
        found[rule] -= found["DOS_STATUS_MAPPED"]  # of an unknown status nobody can say what it lacks


def _by_its_course(source: str, seen: Seen) -> Iterator[str]:
    """Rules that a record breaks without any defect: by how the portal tells a course, and by the days of a reform."""
    if source == "online_services" and _is_worked_on_after_finish(seen):
        yield "DOS_UPSTREAM_STATUS"
    if source == "online_services" and _is_submitted_too_late(seen):
        yield "DOS_CODE_DATE"
    if _is_of_another_time(seen, has_home=source == "one_stop_shop"):
        yield "UNIT_NOT_VALID_AT_DATE"


def _is_worked_on_after_finish(seen: Seen) -> bool:
    """Whether the portal's word has work follow on a finish: pauses are told as one, and a receipt without a promise."""
    finishes = [at for at, status in seen.events if status in (*PAUSES, FINISHED)]
    accepted, worked_on = seen.when(ACCEPTED), seen.when(PROCESSING)
    if seen.due < 0 and accepted is not None:
        finishes.append(accepted)
    return bool(finishes) and worked_on is not None and min(finishes) < worked_on


def _is_submitted_too_late(seen: Seen) -> bool:
    """Whether the day of receipt, put in place of the submission's, is more than a day after the one in the code."""
    accepted = seen.when(ACCEPTED)
    if not seen.bits & BIT["submitted-overwritten"] or accepted is None:
        return False
    return int(local_days(np.array([accepted]))[0]) - seen.day > 1


def _is_of_another_time(seen: Seen, has_home: bool) -> bool:
    """Whether the agency had ended by the day of receipt, or the applicant's commune was then no more, or no more by that name.

    An address is told as of the days before the merger, or of those after it; a commune that became a ward kept its name.
    """
    accepted = seen.when(ACCEPTED)
    day = day_date(int(local_days(np.array([seen.submitted if accepted is None else accepted]))[0]))
    agency, home = agencies.load()[seen.agency], agencies.load()[seen.home]
    if agency.valid_to is not None and agency.valid_to <= day:
        return True
    told, now = (territory_versions.at(home.unit_code, on) for on in (home.valid_from, day))
    return has_home and told is not None and (now is None or _meaning(now) != _meaning(told))


def _meaning(unit: territory_versions.Unit) -> tuple[date, str]:
    """Since when its code has meant this territory, and its name without xã or phường."""
    return unit.since, territory_versions.parted(unit.name)[1]


def _papers(world: "World", as_of: int) -> Iterator[tuple[str, Key]]:
    documents = world.papers.documents
    for message in world.papers.messages:
        if message.created_at > as_of:
            continue
        record = ("documents", message.doc_id)
        if message.status is None:
            yield from ((rule, record) for rule in _of_document(documents[message.document]))
        elif message.status.form == _IN_WORDS:
            yield "DOC_STATUS_PROFILE", record
    for file in world.papers.work_files:
        if file.is_secret and file.opened_at <= as_of:
            yield "SECRET_WORK_FILE", ("documents", file.code)


def _of_document(document: Document) -> Iterator[str]:
    if document.stopped_as is not None:
        yield "SECRET_DOC" if document.is_secret else "DOC_READABLE"
        return
    codes = [agencies.load()[index].code for index in document.recipients]
    is_packed = "D32" in document.defects and bool(codes)
    if is_packed and len("#".join(codes)) > _LONGEST_ORGAN_ID:
        yield "DOC_PROFILE"
    if "D21" in document.defects and not is_packed and document.bits >> 11 & 3 == _COMPANY:
        yield "DOC_RECIPIENT_UNKNOWN"
