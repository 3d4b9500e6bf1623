"""Damages the one-stop-shop's records: dates, numbers, codes, texts and keys."""

from typing import Any

import orjson

from lgsp_province.defects import rates, record_damage
from lgsp_province.defects.rates import BIT, BY_NATION_CODE, BY_RECEIPT, NOT_LINKED
from lgsp_province.defects.record_damage import DamagedRecord, Flaw, pick
from lgsp_province.world import wording
from lgsp_province.world.calendar import DAY, LOCAL_OFFSET
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, RETURNED
from lgsp_province.world.view import DossierState

_VALUE_BITS, _DATE_BITS = record_damage.value_bits("one-stop"), record_damage.date_bits("one-stop", "D11", "D12")
DAMAGE_BITS = record_damage.text_and_key_bits("one-stop") | _VALUE_BITS | _DATE_BITS
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
_PART_BITS = {
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


def _with_parsed_parts(record: dict[str, Any], bits: int) -> dict[str, Any]:
    """The record with the serialised parts that will be damaged parsed into values again."""
    for name, part_bits in _PART_BITS.items():
        if bits & part_bits:
            record[name] = orjson.loads(orjson.dumps(record[name]))
    return record


def damage(record: dict[str, Any], state: DossierState) -> tuple[Any, list[Flaw]]:
    """The record as sent, which is not always an object, and its flaws."""
    bits = state.bits
    if bits & BIT["D24"]:
        return record, []  # a test record must stay recognisable
    if bits & BIT["poison-element-one-stop"]:
        return (None if pick(state, 47, 2) else "lỗi kết xuất"), [record_damage.flaw("poison", outcome="quarantined")]
    damaged = DamagedRecord(_with_parsed_parts(record, bits), state)
    if bits & _VALUE_BITS:
        _damage_values(damaged)
    if bits & record_damage.TEXTS:
        record_damage.damage_texts(damaged, _TEXTS, _CODES)
    if bits & _DATE_BITS:
        _damage_dates(damaged)
    return _with_respelled_keys(damaged), damaged.flaws


def _damage_values(damaged: DamagedRecord) -> None:
    state = damaged.state
    if damaged.state.bits & record_damage.POISON:
        _poison(damaged)
    if damaged.has("unknown-status-one-stop"):
        damaged.replace("unknown-status", "dossierStatus.id", record_damage.UNKNOWN_STATUS)
    if damaged.has("D21-test"):
        damaged.replace("D21", "agency.code", f"{damaged.value('agency.code')}_test", "ignored")
    if damaged.has("D21"):
        _remove_agency_code(damaged)
    if damaged.has("D41"):
        _apply_excel_damage(damaged)
    if damaged.has("D23"):
        _insert_filler(damaged)
    if damaged.has("D16"):
        variant = pick(state, 44, 4)
        if isinstance(fee := damaged.value("feeTotal"), int):
            damaged.replace(
                "D16", "feeTotal", str(fee) if variant == 3 else record_damage.vietnamese_number(fee, variant)
            )
        damaged.replace("D16", "digitizedComponents", str(damaged.value("digitizedComponents")))
    if damaged.has("D31"):
        record_damage.rotate_list(damaged, "task")
    if damaged.has("D49") and state.link == NOT_LINKED:
        record_damage.share_code(damaged, "nationCode")
    if damaged.has("D46") and state.link in (NOT_LINKED, BY_NATION_CODE):
        record_damage.restyle_code(damaged, "nationCode", state.portal_code)
    if damaged.has("schema-drift"):
        damaged.record["priorityLevel"] = {"id": 1, "name": "Ưu tiên"}
        damaged.add_flaw("schema-drift", "priorityLevel")
        damaged.record["reusedComponentCount"] = damaged.value("reusedComponents")
        damaged.add_flaw("schema-drift", "reusedComponentCount")
        damaged.remove("schema-drift", "reusedComponents")


def _poison(damaged: DamagedRecord) -> None:
    if damaged.has("poison-surrogate-one-stop"):
        damaged.replace("poison", f"{_DATA}.fullname", record_damage.LONE_SURROGATE, "quarantined")
    if damaged.has("poison-nul"):
        request = damaged.value(_REQUEST)
        damaged.replace("poison", _REQUEST, f"{request[:4]}\x00{request[4:]}")
    if damaged.has("poison-number"):
        damaged.replace("poison", "feeTotal", orjson.Fragment(record_damage.LONG_NUMBER), "flagged")
    if damaged.has("poison-nested"):
        damaged.replace("poison", "applicant.eformId", record_damage.DEEP_LIST)


def _remove_agency_code(damaged: DamagedRecord) -> None:
    variant = pick(damaged.state, 44, 3)
    if variant == 2:
        damaged.remove("D21", "agency.code")
    else:
        damaged.replace("D21", "agency.code", ("", None)[variant])


def _apply_excel_damage(damaged: DamagedRecord) -> None:
    field = f"{_DATA}.identityNumber"
    number, variant = damaged.value(field), pick(damaged.state, 44, 5)
    if variant == 4:
        damaged.replace("D41", f"{_DATA}.village.value", int(damaged.value(f"{_DATA}.village.value")))
    elif variant == 3 and damaged.state.link != BY_RECEIPT:
        damaged.replace("D41", "receiptCode", "#N/A")
    elif variant == 2 or damaged.has("D22"):
        damaged.replace("D41", f"{_DATA}.fullname", "#N/A")
    else:
        damaged.replace("D41", field, record_damage.excel_number(number) if variant else number.lstrip("0"), "flagged")


def _insert_filler(damaged: DamagedRecord) -> None:
    link, filler = damaged.state.link, record_damage.FILLERS[pick(damaged.state, 46, 3)]
    variant = pick(damaged.state, 44, 3)
    if variant == 0 and link != BY_NATION_CODE:
        damaged.replace("D23", "nationCode", filler)
    elif variant == 1 and link != BY_RECEIPT:
        damaged.replace("D23", "receiptCode", filler)
    else:
        damaged.replace("D23", f"{_DATA}.fullname", ".")


def _damage_dates(damaged: DamagedRecord) -> None:
    state, record = damaged.state, damaged.record
    accepted, finished = state.reached_at(ACCEPTED), state.reached_at(FINISHED)
    if accepted is not None:
        if damaged.has("D25-one-stop"):
            damaged.replace("D25", "acceptedDate", wording.iso(accepted + 400 * DAY))
        if damaged.has("D28-received-one-stop"):
            damaged.replace("D28", "acceptedDate", None)
        if finished is not None and damaged.has("D26-one-stop"):
            is_returned = state.reached_at(RETURNED) is not None and pick(state, 44, 2)
            field = "returnedDate" if is_returned else "completedDate"
            damaged.replace("D26", field, wording.iso(accepted - 2 * DAY - (finished - accepted)))
        if finished is not None and damaged.has("D28-finished-one-stop"):
            damaged.replace("D28", "completedDate", None)
    if damaged.has("D11") or damaged.has("D12"):
        _reformat_dates(damaged)
    if damaged.has("D14"):
        empty = [field for field in _MAY_BE_EMPTY if record[field] is None and damaged.is_unchanged(field)]
        field = empty[pick(state, 44, len(empty))]
        damaged.replace("D14", field, _SENTINELS[pick(state, 46, len(_SENTINELS))])


def _reformat_dates(damaged: DamagedRecord) -> None:
    """Write all dates, except the one that orders the lists, as milliseconds since 1970 (D11) or /Date(…)/ (D12)."""
    state, record = damaged.state, damaged.record
    defect = "D11" if damaged.has("D11") else "D12"
    is_text = bool(pick(state, 45, 2))

    def reformatted(text: str | None) -> Any:
        if text is None:
            return None
        milliseconds = wording.from_iso(text) * 1000
        if defect == "D12":
            return f"/Date({milliseconds}+0700)/"
        return str(milliseconds) if is_text else milliseconds

    for field in _DATES:
        damaged.replace(defect, field, reformatted(record[field]))
    for name, fields in _INNER_DATES.items():
        for entry in record[name]:
            entry |= {field: reformatted(entry[field]) for field in fields}
        if record[name]:
            damaged.add_flaw(defect, name)


def _with_respelled_keys(damaged: DamagedRecord) -> dict[str, Any]:
    """The record, with its top-level keys in another case if it has the mark D42."""
    if not damaged.has("D42-one-stop"):
        return damaged.record
    variant = pick(damaged.state, 44, 3)
    damaged.add_flaw("D42")
    respell = (str.upper, str.lower, lambda key: key[0].upper() + key[1:])[variant]
    return {respell(key): value for key, value in damaged.record.items()}
