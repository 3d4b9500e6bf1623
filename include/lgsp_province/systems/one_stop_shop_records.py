"""The one-stop-shop's records as iGate writes them."""

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
from lgsp_province.world.lives import (
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
from lgsp_province.world.view import Seen

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
_OBJECT, _NEW_TONES, _NEW_CODE, _MISPRINT = BIT["name-as-object"], BIT["D06"], BIT["D20"], BIT["misprint"]
_WAYS = 12  # to spell an agency, at most
MISPRINT = "2.000848"  # of 2.000884
_TEST_PROCEDURE = "thoaitestthutuc16022022-TH2"


def dossier_id(row: int, submitted: int) -> str:
    """The one-stop's id of a dossier; ids sort as the rows do."""
    return f"{submitted:08x}{_ID_TAG}{row:06x}"


def dossier_row(wire_id: str) -> int | None:
    """The row behind an id, when it looks like one."""
    if len(wire_id) != 24 or wire_id[8:18] != _ID_TAG:
        return None
    try:
        return int(wire_id[18:], 16)
    except ValueError:
        return None


@functools.cache
def _successors() -> dict[int, tuple[int, int]]:
    """When agencies that ended handed their open dossiers over, and to whom."""
    return {
        agency.index: (midnight(agency.valid_to), agency.successor)
        for agency in agencies.load()
        if agency.valid_to is not None and agency.successor is not None
    }


def competent(seen: Seen) -> int:
    """The agency that decides: the receiving one's successor, or for some services of a commune the district above it."""
    agency = agencies.load()[seen.agency]
    handed_over_at, successor = _successors().get(seen.agency, (NEVER, seen.agency))
    if seen.modified >= handed_over_at:
        return successor
    is_decided_above = agency.level == agencies.COMMUNE and seen.service % 5 == 0
    return agency.parent if agency.parent and is_decided_above else seen.agency


def agency_name(seen: Seen, index: int) -> str:
    """An agency's name as the dossier spells it, before anything else befalls it."""
    agency = agencies.load()[index]
    if not seen.bits & BIT["D08"]:
        return agency.name
    others = spellings.of(agency)
    return others[(seen.traits >> 8 & 63) % _WAYS % len(others)]


def names(seen: Seen) -> dict[str, str]:
    """The names in a record by field, in the usual tone style."""
    return {
        "procedure.translate": seen.procedure.name,
        "agency.name": agency_name(seen, seen.agency),
        "competentAgency.name": agency_name(seen, competent(seen)),
        "applicant.data.fullname": people.person(seen.applicant, seen.is_firm).name,
    }


def _named(text: str, is_object: bool) -> Any:
    value = {"languageId": 228, "name": text}
    return value if is_object else [value]


def agency_entry(index: int) -> dict[str, Any]:
    """One agency as `/ba/agency` lists it."""
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
    """One procedure as `/bd/procedure` lists it on a day."""
    is_over = service.valid_to is not None and service.valid_to <= day
    changed_on = service.valid_to if service.valid_to and is_over else max(service.valid_from, _FIRST_LISTED)
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
        "isActive": int(not is_over),
        "modifiedDate": wording.iso(midnight(changed_on)),
    }


def _places() -> list[list[orjson.Fragment]]:
    """Province, district and commune of every agency, as labels with values."""
    return [
        [orjson.Fragment(orjson.dumps({"label": name, "value": code})) for name, code in agencies.address(agency)]
        for agency in agencies.load()
    ]


class Renderer:
    """Writes dossiers; parts that repeat are serialised once and kept."""

    def __init__(self) -> None:
        self._places = _places()
        self._parts: dict[tuple[Any, ...], orjson.Fragment] = {}

    def _kept(self, key: tuple[Any, ...], value: Any) -> orjson.Fragment:
        part = self._parts[key] = orjson.Fragment(orjson.dumps(value))
        return part

    def _procedure(self, seen: Seen) -> orjson.Fragment:
        is_test = bool(seen.bits & BIT["D24"]) and bool(seen.traits & 4)
        variant = 1 + (seen.traits & 15) % 3 if seen.bits & BIT["D34"] else 0
        key = ("procedure", -1 if is_test else seen.service, variant, seen.bits & (_OBJECT | _NEW_TONES | _MISPRINT))
        if part := self._parts.get(key):
            return part
        service = seen.procedure
        is_object = bool(seen.bits & _OBJECT)
        number = MISPRINT if seen.bits & _MISPRINT else service.code
        code = _TEST_PROCEDURE if is_test else number + _SUFFIXES[variant]
        name = "thoaitest thủ tục 16022022" if is_test else service.name
        if seen.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        sector = {
            "id": f"5f{service.index % 40:022x}",
            "code": service.field_code,
            "name": _named(service.field_name, is_object),
        }
        return self._kept(
            key, {"id": service.wire_id, "code": code, "translate": _named(name, is_object), "sector": sector}
        )

    def _agency(self, seen: Seen, index: int, role: str) -> orjson.Fragment:
        spelling = 1 + (seen.traits >> 8 & 63) % _WAYS if seen.bits & BIT["D08"] else 0
        key = (role, index, spelling, seen.bits & (_OBJECT | _NEW_TONES | _NEW_CODE))
        if part := self._parts.get(key):
            return part
        agency, name = agencies.load()[index], agency_name(seen, index)
        if seen.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        value: dict[str, Any] = {
            "id": agency.wire_id,
            "code": agency.new_code if seen.bits & _NEW_CODE else agency.code,
            "name": _named(name, bool(seen.bits & _OBJECT)),
        }
        if role == "agency" and agency.parent is not None:
            value["parent"] = {"id": agencies.load()[agency.parent].wire_id}
        return self._kept(key, value)

    def _applicant(self, seen: Seen) -> dict[str, Any]:
        person = people.person(seen.applicant, seen.is_firm)
        is_test = bool(seen.bits & BIT["D24"])
        name = "Nguyễn Văn Test" if is_test else person.name
        request = seen.procedure.name
        if seen.bits & _NEW_TONES:
            name = text_damage.to_new_tones(name)
        if not seen.traits >> 30 & 6:
            request = f"{request} cho {person.name}, CCCD {person.identity_number}, SĐT {person.phone}"
        if seen.bits & BIT["D17"]:
            request = f"<p>{request}</p>&nbsp;"
        is_dummy = bool(seen.bits & BIT["D22"])
        place, usual = self._places[seen.home], f"+84{person.phone[1:]}"
        return {
            "eformId": "5fe0a1b2c3d4e5f601020304",
            "data": {
                "fullname": name,
                "identityNumber": _DUMMIES[seen.traits >> 12 & 3] if is_dummy else person.identity_number,
                "gender": int(person.is_male),
                "birthday": wording.iso(day_number(person.born_on) * DAY - LOCAL_OFFSET),
                "phoneNumber": people.phone(person.phone, seen.traits, usual) if seen.bits & BIT["D33"] else usual,
                "email": "admin_test@example.vn" if is_test else person.email,
                "applicantType": people.BUSINESS if seen.is_firm else people.CITIZEN,
                "province": place[0],
                "district": place[1],
                "village": place[2],
                "address": person.village,
                "noidungyeucaugiaiquyet": request,
            },
        }

    def _status(self, seen: Seen) -> dict[str, Any]:
        last = seen.events[-1][1]
        number = _STATUS[last]
        if last == SUBMITTED and seen.traits & 1:
            number = 0
        if last == SUSPENDED and not seen.traits & 7:
            number = 10
        name = _named(_STATUS_NAMES[number], bool(seen.bits & _OBJECT))
        return {"id": str(number) if seen.bits & BIT["status-as-text"] else number, "name": name}

    def _tasks(self, seen: Seen, told: list[str], code: str) -> orjson.Fragment:
        """Every event after the submission; plain text throughout, so written without a serialiser."""
        ends = [f'"{at}"' for at in told[2:]] + ["null"]
        entries = [
            f'{{"id":"{seen.row:016x}{slot:08x}",{_TASK_TEXTS[status]},"agency":{{"code":"{code}"}},'
            f'"createdDate":"{start}","completedDate":{end}}}'
            for slot, ((_, status), start, end) in enumerate(zip(seen.events[1:], told[1:], ends, strict=False))
        ]
        return orjson.Fragment(f"[{','.join(entries)}]")

    def dossier(self, seen: Seen) -> Any:
        """One dossier, ready for orjson; it need not be an object, if that is what is wrong with it."""
        record = self._record(seen)
        return one_stop_shop.spoil(record, seen)[0] if seen.bits & one_stop_shop.SPOILT else record

    def flaws(self, seen: Seen) -> list[Flaw]:
        """What is done to the finished record of a dossier."""
        return one_stop_shop.spoil(self._record(seen), seen)[1] if seen.bits & one_stop_shop.SPOILT else []

    def _record(self, seen: Seen) -> dict[str, Any]:
        service, agency, code = seen.procedure, agencies.load()[seen.agency], seen.code
        told = [wording.iso(at) for at, _ in seen.events]
        reached = {status: at for (_, status), at in zip(seen.events, told, strict=True)}
        promised = ACCEPTED in reached and seen.due >= 0
        channel = COUNTER if seen.bits & BIT["channel-conflict"] else ONLINE if seen.bits & BIT["D27"] else seen.channel
        is_extended = seen.amended_at < NEVER
        fee = service.fee_vnd
        due = wording.iso(seen.due) if promised else None
        first = due if seen.due == seen.due_first or due is None else wording.iso(seen.due_first)
        return {
            "id": dossier_id(seen.row, seen.submitted),
            "code": code,
            "nationCode": seen.portal_code if seen.link == BY_NATION_CODE else "",
            "receiptCode": f"BN-{code[-11:]}",
            "procedure": self._procedure(seen),
            "applicant": self._applicant(seen),
            "agency": self._agency(seen, seen.agency, "agency"),
            "competentAgency": self._agency(seen, competent(seen), "competent"),
            "agencyLevel": {"code": agency.level},
            "procedureLevel": {"id": service.online_level, "name": _LEVEL_NAMES[service.online_level]},
            "applyMethod": _CHANNELS[channel],
            "dossierReceivingKind": _HANDOVERS[seen.traits >> 20 & 7 == 0],
            "dossierStatus": self._status(seen),
            "appliedDate": told[0],
            "acceptedDate": reached.get(ACCEPTED),
            "appointmentDate": first,
            "dueDate": None if seen.bits & BIT["due-null"] else due,
            "completedDate": reached.get(FINISHED),
            "returnedDate": reached.get(RETURNED),
            "withdrawDate": reached.get(WITHDRAWN),
            "processingTime": service.standard_days,
            "processingTimeUnit": "d",
            "extendHistory": [_amendment(seen)] if is_extended else [],
            "task": self._tasks(seen, told, agency.code),
            "feeTotal": fee,
            "isPaidOnline": int(fee > 0 and seen.channel == 0 and seen.traits >> 24 & 3 > 0),
            "digitizedComponents": seen.traits >> 26 & 3,
            "reusedComponents": seen.traits >> 28 & 1,
            "hasDigitalResult": int(FINISHED in reached and seen.traits >> 29 & 3 > 0),
            "createdDate": told[0],
            "modifiedDate": wording.iso(seen.modified),
            "deletedDate": wording.iso(seen.deleted_at) if seen.deleted_at < NEVER else None,
        }


def _amendment(seen: Seen) -> dict[str, str]:
    reason = "Chờ bổ sung hồ sơ" if seen.when(SUPPLEMENT) else "Cần thêm thời gian thẩm tra"
    return {
        "oldDueDate": wording.iso(seen.due_first),
        "newDueDate": wording.iso(seen.due),
        "reason": reason,
        "createdDate": wording.iso(seen.amended_at),
    }
