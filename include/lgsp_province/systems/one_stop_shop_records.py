"""Renders the one-stop-shop's records in the format of iGate."""

import functools
from datetime import date
from typing import Any

import orjson

from lgsp_province.defects import one_stop_shop, text_damage
from lgsp_province.defects.rates import BIT, BY_NATION_CODE
from lgsp_province.defects.record_damage import Flaw
from lgsp_province.world import agencies, people, spellings, wording
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET, day_number, midnight
from lgsp_province.world.dossiers import COUNTER, ONLINE
from lgsp_province.world.lifecycles import (
    ACCEPTED,
    FINISHED,
    NEVER,
    NOT_ACCEPTED,
    PAYMENT,
    PROCESSING,
    RETURNED,
    SUBMITTED,
    SUPPLEMENT,
    SUSPENDED,
    WITHDRAWN,
)
from lgsp_province.world.services import Service
from lgsp_province.world.view import DossierState

_TASKS = {
    ACCEPTED: "Tiếp nhận hồ sơ",
    NOT_ACCEPTED: "Từ chối tiếp nhận",
    PROCESSING: "Xử lý hồ sơ",
    SUPPLEMENT: "Yêu cầu bổ sung",
    PAYMENT: "Chờ nộp phí",
    SUSPENDED: "Tạm dừng xử lý",
    FINISHED: "Hoàn thành xử lý",
    RETURNED: "Trả kết quả",
    WITHDRAWN: "Rút hồ sơ",
}
_STATUS = {
    SUBMITTED: 1,
    ACCEPTED: 2,
    PROCESSING: 2,
    SUPPLEMENT: 3,
    FINISHED: 4,
    RETURNED: 5,
    NOT_ACCEPTED: 6,
    WITHDRAWN: 7,
    SUSPENDED: 8,
    PAYMENT: 9,
}
_STATUS_NAMES = {
    0: "Mới đăng ký",
    1: "Chờ tiếp nhận",
    2: "Đang xử lý",
    3: "Yêu cầu bổ sung",
    4: "Đã có kết quả",
    5: "Đã trả kết quả",
    6: "Từ chối tiếp nhận",
    7: "Rút hồ sơ",
    8: "Tạm dừng",
    9: "Chờ nộp phí",
    10: "Dừng xử lý",
}
_IN_PROGRESS = (ACCEPTED, PROCESSING)  # the statuses in which an officer works on the dossier
_TASK_TEXTS = {status: f'"name":"{name}","status":{{"id":{_STATUS[status]}}}' for status, name in _TASKS.items()}
_CHANNELS = (
    {"id": 0, "name": "Trực tuyến"},
    {"id": 1, "name": "Trực tiếp"},
    {"id": 2, "name": "Bưu chính công ích"},
)
_HANDOVERS = ({"id": 0, "name": "Nhận tại một cửa"}, {"id": 1, "name": "Nhận tại nhà"})
_LEVEL_NAMES = {2: "Mức độ 2", 3: "Mức độ 3", 4: "Mức độ 4"}
_DUMMIES = ("000000001", "111111111", "012345678912", "000000000")
_FIRST_LISTED = date(2022, 1, 4)
_ID_TAG = "e4b0a1b2c3"
_SUFFIXES = ("", ".000.00.00.H47", ".H47", ".000.00.00.H47.02")
_OBJECT, _NEW_TONES, _OTHER_CODE, _MISPRINT = BIT["name-as-object"], BIT["D06"], BIT["D20"], BIT["misprint"]
_SPELLING_COUNT = 12  # maximum number of spellings used for an agency
MISPRINT = "2.000848"  # instead of 2.000884
_TEST_PROCEDURE = "thoaitestthutuc16022022-TH2"


def dossier_id(row: int, submitted: int) -> str:
    """The one-stop-shop's id of a dossier; ids sort in row order."""
    return f"{submitted:08x}{_ID_TAG}{row:06x}"


def dossier_row(wire_id: str) -> int | None:
    """The row of a dossier id; None if the text is not a dossier id."""
    if len(wire_id) != 24 or wire_id[8:18] != _ID_TAG:
        return None
    try:
        return int(wire_id[18:], 16)
    except ValueError:
        return None


@functools.cache
def _successors() -> dict[int, tuple[int, int]]:
    """For each agency that ended: the instant at which it handed over its open dossiers, and its direct successor."""
    return {
        agency.index: (midnight(agency.valid_to), agency.successor)
        for agency in agencies.load()
        if agency.valid_to is not None and agency.successor is not None
    }


def competent_agency(state: DossierState) -> int:
    """The index of the agency that decides: the receiving agency, its successor by then, or its district for some services."""
    agency = agencies.load()[state.agency]
    successor = _successor_at(state.agency, state.modified)
    is_decided_by_district = agency.district_code and agency.level == agencies.COMMUNE and state.service % 5 == 0
    if successor != state.agency or agency.parent is None or not is_decided_by_district:
        return successor
    is_successor_named = state.modified >= midnight(agencies.SUCCESSORS_NAMED_FROM)
    return _successor_at(agency.parent, state.modified) if is_successor_named else agency.parent


def _successor_at(index: int, instant: int) -> int:
    """The agency that has the open dossiers of another at an instant."""
    handovers = _successors()
    while index in handovers and instant >= handovers[index][0]:
        index = handovers[index][1]
    return index


def agency_name(state: DossierState, index: int) -> str:
    """An agency's name in the dossier's spelling (D08), without any other defect."""
    agency = agencies.load()[index]
    if not state.bits & BIT["D08"]:
        return agency.name
    variants = spellings.variants(agency)
    return variants[(state.traits >> 8 & 63) % _SPELLING_COUNT % len(variants)]


def names_by_field(state: DossierState) -> dict[str, str]:
    """The names in a record by field, with old-style tone marks."""
    return {
        "procedure.translate": state.procedure.name,
        "agency.name": agency_name(state, state.agency),
        "competentAgency.name": agency_name(state, competent_agency(state)),
        "applicant.data.fullname": people.person(state.applicant, state.is_firm).name,
    }


def _named(text: str, is_object: bool) -> Any:
    value = {"languageId": 228, "name": text}
    return value if is_object else [value]


def agency_entry(index: int) -> dict[str, Any]:
    """One agency in the format of `/ba/agency`."""
    agency = agencies.load()[index]
    parent = {"id": agencies.load()[agency.parent].wire_id} if agency.parent is not None else None
    return {
        "id": agency.wire_id,
        "code": agency.code,
        "name": _named(agency.name, False),
        "level": {"code": agency.level},
        "parent": parent,
    }


def procedure_entry(service: Service, day: date) -> dict[str, Any]:
    """One procedure in the format of `/bd/procedure`, as of a day."""
    is_ended = service.valid_to is not None and service.valid_to <= day
    changed_on = service.valid_to if service.valid_to and is_ended else max(service.valid_from, _FIRST_LISTED)
    on = (day_number(service.integrated_on)) * DAY - LOCAL_OFFSET
    return {
        "id": service.wire_id,
        "code": service.code,
        "translate": _named(service.name, False),
        "sector": {"code": service.field_code, "name": _named(service.field_name, False)},
        "procedureLevel": {"id": service.online_level, "name": _LEVEL_NAMES[service.online_level]},
        "agencyLevel": {"code": service.agency_level},
        "processingTime": service.standard_days,
        "processingTimeUnit": "d",
        "isIntegratedNational": int(service.is_integrated),
        "integratedDate": wording.iso(on) if service.is_integrated else None,
        "isActive": int(not is_ended),
        "modifiedDate": wording.iso(midnight(changed_on)),
    }


def _locations() -> list[list[orjson.Fragment]]:
    """Province, district and commune of every agency, as labels with values."""
    return [
        [orjson.Fragment(orjson.dumps({"label": name, "value": code})) for name, code in agencies.address(agency)]
        for agency in agencies.load()
    ]


class Renderer:
    """Renders dossiers; repeated parts are serialised once and cached."""

    def __init__(self) -> None:
        self._locations = _locations()
        self._parts: dict[tuple[Any, ...], orjson.Fragment] = {}

    def _serialised(self, key: tuple[Any, ...], value: Any) -> orjson.Fragment:
        part = self._parts[key] = orjson.Fragment(orjson.dumps(value))
        return part

    def _procedure(self, state: DossierState) -> orjson.Fragment:
        is_test = bool(state.bits & BIT["D24"]) and bool(state.traits & 4)
        variant = 1 + (state.traits & 15) % 3 if state.bits & BIT["D34"] else 0
        key = ("procedure", -1 if is_test else state.service, variant, state.bits & (_OBJECT | _NEW_TONES | _MISPRINT))
        if part := self._parts.get(key):
            return part
        service = state.procedure
        is_object = bool(state.bits & _OBJECT)
        number = MISPRINT if state.bits & _MISPRINT else service.code
        code = _TEST_PROCEDURE if is_test else number + _SUFFIXES[variant]
        name = "thoaitest thủ tục 16022022" if is_test else service.name
        if state.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        sector = {
            "id": f"5f{service.index % 40:022x}",
            "code": service.field_code,
            "name": _named(service.field_name, is_object),
        }
        return self._serialised(
            key, {"id": service.wire_id, "code": code, "translate": _named(name, is_object), "sector": sector}
        )

    def _agency(self, state: DossierState, index: int, role: str) -> orjson.Fragment:
        spelling = 1 + (state.traits >> 8 & 63) % _SPELLING_COUNT if state.bits & BIT["D08"] else 0
        key = (role, index, spelling, state.bits & (_OBJECT | _NEW_TONES | _OTHER_CODE))
        if part := self._parts.get(key):
            return part
        agency, name = agencies.load()[index], agency_name(state, index)
        if state.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        value: dict[str, Any] = {
            "id": agency.wire_id,
            "code": agency.other_code if state.bits & _OTHER_CODE else agency.code,
            "name": _named(name, bool(state.bits & _OBJECT)),
        }
        if role == "agency" and agency.parent is not None:
            value["parent"] = {"id": agencies.load()[agency.parent].wire_id}
        return self._serialised(key, value)

    def _applicant(self, state: DossierState) -> dict[str, Any]:
        person = people.person(state.applicant, state.is_firm)
        is_test = bool(state.bits & BIT["D24"])
        name = "Nguyễn Văn Test" if is_test else person.name
        request = state.procedure.name
        if state.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        if not state.traits >> 30 & 6:
            request = f"{request} cho {person.name}, CCCD {person.identity_number}, SĐT {person.phone}"
        if state.bits & BIT["D17"]:
            request = f"<p>{request}</p>&nbsp;"
        is_dummy = bool(state.bits & BIT["D22"])
        location, default_spelling = self._locations[state.home], f"+84{person.phone[1:]}"
        return {
            "eformId": "5fe0a1b2c3d4e5f601020304",
            "data": {
                "fullname": name,
                "identityNumber": _DUMMIES[state.traits >> 12 & 3] if is_dummy else person.identity_number,
                "gender": int(person.is_male),
                "birthday": wording.iso(day_number(person.born_on) * DAY - LOCAL_OFFSET),
                "phoneNumber": people.phone_variant(person.phone, state.traits, default_spelling)
                if state.bits & BIT["D33"]
                else default_spelling,
                "email": "admin_test@example.vn" if is_test else person.email,
                "applicantType": people.BUSINESS if state.is_firm else people.CITIZEN,
                "province": location[0],
                "district": location[1],
                "village": location[2],
                "address": person.village,
                "noidungyeucaugiaiquyet": request,
            },
        }

    def _status(self, state: DossierState) -> dict[str, Any]:
        last = state.events[-1][1]
        number = _STATUS[last]
        if last == SUBMITTED and state.traits & 1:
            number = 0
        if last == SUSPENDED and not state.traits & 7:
            number = 10
        name = _named(_STATUS_NAMES[number], bool(state.bits & _OBJECT))
        return {"id": str(number) if state.bits & BIT["status-as-text"] else number, "name": name}

    def _tasks(self, state: DossierState, times: list[str], code: str) -> orjson.Fragment:
        """The completed step of each event after the submission, and the step in progress.

        A step begins with the event before it. The values need no escaping, so no serialiser is used.
        """
        steps = [status for _, status in state.events[1:]]
        ends = [f'"{at}"' for at in times[1:]]
        if state.events[-1][1] in _IN_PROGRESS and not state.bits & BIT["D31"]:  # which rotates completed steps
            steps, ends = [*steps, PROCESSING], [*ends, "null"]
        entries = [
            f'{{"id":"{state.row:016x}{slot:08x}",{_TASK_TEXTS[status]},"agency":{{"code":"{code}"}},'
            f'"createdDate":"{start}","completedDate":{end}}}'
            for slot, (status, start, end) in enumerate(zip(steps, times, ends, strict=False))
        ]
        return orjson.Fragment(f"[{','.join(entries)}]")

    def dossier(self, state: DossierState) -> Any:
        """One dossier with its defects, ready for orjson; one of the defects replaces the object by another value."""
        record = self._record(state)
        return one_stop_shop.damage(record, state)[0] if state.bits & one_stop_shop.DAMAGE_BITS else record

    def flaws(self, state: DossierState) -> list[Flaw]:
        """The flaws that damage the rendered record of a dossier."""
        return one_stop_shop.damage(self._record(state), state)[1] if state.bits & one_stop_shop.DAMAGE_BITS else []

    def _record(self, state: DossierState) -> dict[str, Any]:
        service, agency, code = state.procedure, agencies.load()[state.agency], state.code
        times = [wording.iso(at) for at, _ in state.events]
        times_by_status = {status: at for (_, status), at in zip(state.events, times, strict=True)}
        has_due_date = ACCEPTED in times_by_status and state.due >= 0
        channel = (
            COUNTER if state.bits & BIT["channel-conflict"] else ONLINE if state.bits & BIT["D27"] else state.channel
        )
        is_extended = state.amended_at < NEVER
        fee = service.fee_vnd
        due = wording.iso(state.due) if has_due_date else None
        first = due if state.due == state.due_first or due is None else wording.iso(state.due_first)
        return {
            "id": dossier_id(state.row, state.submitted),
            "code": code,
            "nationCode": state.portal_code if state.link == BY_NATION_CODE else "",
            "receiptCode": f"BN-{code[-11:]}",
            "procedure": self._procedure(state),
            "applicant": self._applicant(state),
            "agency": self._agency(state, state.agency, "agency"),
            "competentAgency": self._agency(state, competent_agency(state), "competent"),
            "agencyLevel": {"code": agency.level},
            "procedureLevel": {"id": service.online_level, "name": _LEVEL_NAMES[service.online_level]},
            "applyMethod": _CHANNELS[channel],
            "dossierReceivingKind": _HANDOVERS[state.traits >> 20 & 7 == 0],
            "dossierStatus": self._status(state),
            "appliedDate": times[0],
            "acceptedDate": times_by_status.get(ACCEPTED),
            "appointmentDate": first,
            "dueDate": None if state.bits & BIT["due-null"] else due,
            "completedDate": times_by_status.get(FINISHED),
            "returnedDate": times_by_status.get(RETURNED),
            "withdrawDate": times_by_status.get(WITHDRAWN),
            "processingTime": service.standard_days,
            "processingTimeUnit": "d",
            "extendHistory": [_extension(state)] if is_extended else [],
            "task": self._tasks(state, times, agency.code),
            "feeTotal": fee,
            "isPaidOnline": int(fee > 0 and state.channel == 0 and state.traits >> 24 & 3 > 0),
            "digitizedComponents": state.traits >> 26 & 3,
            "reusedComponents": state.traits >> 28 & 1,
            "hasDigitalResult": int(FINISHED in times_by_status and state.traits >> 29 & 3 > 0),
            "createdDate": times[0],
            "modifiedDate": wording.iso(state.modified),
            "deletedDate": wording.iso(state.deleted_at) if state.deleted_at < NEVER else None,
        }


def _extension(state: DossierState) -> dict[str, str]:
    reason = "Chờ bổ sung hồ sơ" if state.reached_at(SUPPLEMENT) else "Cần thêm thời gian thẩm tra"
    return {
        "oldDueDate": wording.iso(state.due_first),
        "newDueDate": wording.iso(state.due),
        "reason": reason,
        "createdDate": wording.iso(state.amended_at),
    }
