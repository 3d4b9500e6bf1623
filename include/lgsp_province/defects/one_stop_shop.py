"""Damage to the one-stop-shop's records: dates, numbers, codes, texts, keys."""

from typing import Any

import orjson

from lgsp_province.defects import rates, record_damage
from lgsp_province.defects.rates import BIT, BY_NATION_CODE, BY_RECEIPT
from lgsp_province.defects.record_damage import Flaw, Sheet, pick
from lgsp_province.world import wording
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET
from lgsp_province.world.lives import ACCEPTED, FINISHED, RETURNED
from lgsp_province.world.view import Seen

_VALUES, _DATED = record_damage.values_spoilt("one-stop"), record_damage.dates_spoilt("one-stop", "D11", "D12")
SPOILT = record_damage.spoilt("one-stop") | _VALUES | _DATED
_DATA = "applicant.data"
_REQUEST = f"{_DATA}.noidungyeucaugiaiquyet"
_TEXTS = (
    "procedure.translate",
    "agency.name",
    "competentAgency.name",
    f"{_DATA}.fullname",
    f"{_DATA}.address",
    _REQUEST,
)
_CODES = ("agency.code", "procedure.code", "receiptCode")
_DATES = (
    "appliedDate",
    "acceptedDate",
    "appointmentDate",
    "dueDate",
    "completedDate",
    "returnedDate",
    "withdrawDate",
    "createdDate",
)
_INNER_DATES = {"extendHistory": ("oldDueDate", "newDueDate", "createdDate"), "task": ("createdDate", "completedDate")}
_MAY_BE_EMPTY = ("completedDate", "returnedDate", "withdrawDate", "acceptedDate", "deletedDate")
_PARTS = {
    "procedure": record_damage.TEXTS,
    "agency": record_damage.TEXTS | rates.mask("D21", "D21-test"),
    "competentAgency": record_damage.TEXTS,
    "applicant": BIT["D41"],
    "task": rates.mask("D11", "D12", "D31"),
}
_SENTINELS = (
    "0001-01-01T00:00:00.000+0000",
    "1900-01-01T00:00:00.000+0000",
    "1970-01-01T00:00:00.000+0000",
    wording.iso(-LOCAL_OFFSET),
)


def _opened(record: dict[str, Any], bits: int) -> dict[str, Any]:
    """The record with those parts as values again that were serialised before and are to be spoilt."""
    for name, touching in _PARTS.items():
        if bits & touching:
            record[name] = orjson.loads(orjson.dumps(record[name]))
    return record


def spoil(record: dict[str, Any], seen: Seen) -> tuple[Any, list[Flaw]]:
    """The record as it is sent, which need not be an object any more, and what was done to it."""
    bits = seen.bits
    if bits & BIT["D24"]:
        return record, []  # a test record must stay one for everybody to see
    if bits & BIT["poison-element-one-stop"]:
        return (None if pick(seen, 47, 2) else "lỗi kết xuất"), [record_damage.flaw("poison", outcome="quarantined")]
    sheet = Sheet(_opened(record, bits), seen)
    if bits & _VALUES:
        _spoil_values(sheet)
    if bits & record_damage.TEXTS:
        record_damage.spoil_texts(sheet, _TEXTS, _CODES)
    if bits & _DATED:
        _spoil_dates(sheet)
    return _respelt(sheet), sheet.flaws


def _spoil_values(sheet: Sheet) -> None:
    seen = sheet.seen
    if sheet.seen.bits & record_damage.POISON:
        _poison(sheet)
    if sheet.has("unknown-status-one-stop"):
        sheet.replace("unknown-status", "dossierStatus.id", record_damage.UNKNOWN_STATUS)
    if sheet.has("D21-test"):
        sheet.replace("D21", "agency.code", f"{sheet.value('agency.code')}_test", "ignored")
    if sheet.has("D21"):
        _without_code(sheet)
    if sheet.has("D41"):
        _from_excel(sheet)
    if sheet.has("D23"):
        _fill(sheet)
    if sheet.has("D16"):
        way = pick(seen, 44, 4)
        if isinstance(fee := sheet.value("feeTotal"), int):
            sheet.replace("D16", "feeTotal", str(fee) if way == 3 else record_damage.vietnamese_number(fee, way))
        sheet.replace("D16", "digitizedComponents", str(sheet.value("digitizedComponents")))
    if sheet.has("D31"):
        record_damage.spoil_list(sheet, "task")
    if sheet.has("schema-drift"):
        sheet.record["priorityLevel"] = {"id": 1, "name": "Ưu tiên"}
        sheet.note("schema-drift", "priorityLevel")
        sheet.record["reusedComponentCount"] = sheet.value("reusedComponents")
        sheet.note("schema-drift", "reusedComponentCount")
        sheet.remove("schema-drift", "reusedComponents")


def _poison(sheet: Sheet) -> None:
    if sheet.has("poison-surrogate"):
        sheet.replace("poison", f"{_DATA}.fullname", record_damage.LONE_SURROGATE)
    if sheet.has("poison-nul"):
        request = sheet.value(_REQUEST)
        sheet.replace("poison", _REQUEST, f"{request[:4]}\x00{request[4:]}")
    if sheet.has("poison-number"):
        sheet.replace("poison", "feeTotal", orjson.Fragment(record_damage.LONG_NUMBER), "flagged")
    if sheet.has("poison-nested"):
        sheet.replace("poison", "applicant.eformId", record_damage.DEEP_LIST)


def _without_code(sheet: Sheet) -> None:
    way = pick(sheet.seen, 44, 3)
    if way == 2:
        sheet.remove("D21", "agency.code")
    else:
        sheet.replace("D21", "agency.code", ("", None)[way])


def _from_excel(sheet: Sheet) -> None:
    field = f"{_DATA}.identityNumber"
    number, way = sheet.value(field), pick(sheet.seen, 44, 5)
    if way == 4:
        sheet.replace("D41", f"{_DATA}.village.value", int(sheet.value(f"{_DATA}.village.value")))
    elif way == 3 and sheet.seen.link != BY_RECEIPT:
        sheet.replace("D41", "receiptCode", "#N/A")
    elif way == 2 or sheet.has("D22"):
        sheet.replace("D41", f"{_DATA}.fullname", "#N/A")
    else:
        sheet.replace("D41", field, record_damage.excel_number(number) if way else number.lstrip("0"), "flagged")


def _fill(sheet: Sheet) -> None:
    link, filler = sheet.seen.link, record_damage.FILLERS[pick(sheet.seen, 46, 3)]
    way = pick(sheet.seen, 44, 3)
    if way == 0 and link != BY_NATION_CODE:
        sheet.replace("D23", "nationCode", filler)
    elif way == 1 and link != BY_RECEIPT:
        sheet.replace("D23", "receiptCode", filler)
    else:
        sheet.replace("D23", f"{_DATA}.fullname", ".")


def _spoil_dates(sheet: Sheet) -> None:
    seen, record = sheet.seen, sheet.record
    accepted, finished = seen.when(ACCEPTED), seen.when(FINISHED)
    if accepted is not None:
        if sheet.has("D25-one-stop"):
            sheet.replace("D25", "acceptedDate", wording.iso(accepted + 400 * DAY))
        if sheet.has("D28-received-one-stop"):
            sheet.replace("D28", "acceptedDate", None)
        if finished is not None and sheet.has("D26-one-stop"):
            is_returned = seen.when(RETURNED) is not None and pick(seen, 44, 2)
            field = "returnedDate" if is_returned else "completedDate"
            sheet.replace("D26", field, wording.iso(accepted - 2 * DAY - (finished - accepted)))
        if finished is not None and sheet.has("D28-finished-one-stop"):
            sheet.replace("D28", "completedDate", None)
    if sheet.has("D11") or sheet.has("D12"):
        _respell_dates(sheet)
    if sheet.has("D14"):
        empty = [field for field in _MAY_BE_EMPTY if record[field] is None and sheet.is_free(field)]
        field = empty[pick(seen, 44, len(empty))]
        sheet.replace("D14", field, _SENTINELS[pick(seen, 46, len(_SENTINELS))])


def _respell_dates(sheet: Sheet) -> None:
    """All dates but those that order the lists, as milliseconds since 1970."""
    seen, record = sheet.seen, sheet.record
    defect = "D11" if sheet.has("D11") else "D12"
    is_text = bool(pick(seen, 45, 2))

    def respelt(text: str | None) -> Any:
        if text is None:
            return None
        milliseconds = wording.from_iso(text) * 1000
        if defect == "D12":
            return f"/Date({milliseconds}+0700)/"
        return str(milliseconds) if is_text else milliseconds

    for field in _DATES:
        sheet.replace(defect, field, respelt(record[field]))
    for name, fields in _INNER_DATES.items():
        for entry in record[name]:
            entry |= {field: respelt(entry[field]) for field in fields}
        if record[name]:
            sheet.note(defect, name)


def _respelt(sheet: Sheet) -> dict[str, Any]:
    """The record with its keys in another case, if it is one of those."""
    if not sheet.has("D42-one-stop"):
        return sheet.record
    way = pick(sheet.seen, 44, 3)
    sheet.note("D42")
    respell = (str.upper, str.lower, lambda key: key[0].upper() + key[1:])[way]
    return {respell(key): value for key, value in sheet.record.items()}
