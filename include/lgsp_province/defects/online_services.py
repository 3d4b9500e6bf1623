"""Damage to the portal's records: dates, numbers, codes, texts, keys."""

from typing import Any

from lgsp_province.defects import record_damage
from lgsp_province.defects.rates import BIT, BY_OTHER_CODE, BY_RECEIPT
from lgsp_province.defects.record_damage import Flaw, Sheet, pick
from lgsp_province.world import wording
from lgsp_province.world.calendar import DAY
from lgsp_province.world.lives import ACCEPTED, FINISHED, RETURNED
from lgsp_province.world.view import Seen

_VALUES, _DATED = record_damage.values_spoilt("portal"), record_damage.dates_spoilt("portal", "D09")
SPOILT = record_damage.spoilt("portal") | _VALUES | _DATED
_TEXTS = ("TenTTHC", "DonViXuLy", "ChuHoSo", "TrichYeuHoSo")
_CODES = ("MaDonViXuLy", "MaTTHC", "SoBienNhan")
_IDENTITY = "DinhDanhCHS.SoDinhDanh"
_DATES = ("NgayNopHoSo", "NgayTiepNhan", "NgayHenTra", "NgayKetThucXuLy", "NgayTra", "NgayTuChoi")
_INNER_DATES = {
    "TienDo": ("ThoiDiemXuLy",),
    "DanhSachHoSoBoSung": ("NgayBoSung", "NgayTiepNhanBoSung", "NgayHenTraTruoc", "NgayHenTraMoi"),
}
_MAY_BE_EMPTY = ("NgayTuChoi", "NgayTra", "NgayKetThucXuLy", "NgayTiepNhan")
_SENTINELS = ("00010101000000", "19000101000000", "19700101070000")


def spoil(record: dict[str, Any], seen: Seen) -> tuple[Any, list[Flaw]]:
    """The record as it is sent, which need not be an object any more, and what was done to it."""
    bits = seen.bits
    if bits & BIT["D24"]:
        return record, []  # a test record must stay one for everybody to see
    if bits & BIT["poison-element-portal"]:
        return (None if pick(seen, 47, 2) else "lỗi kết xuất"), [record_damage.flaw("poison", outcome="quarantined")]
    sheet = Sheet(record, seen)
    if bits & _VALUES:
        _spoil_values(sheet)
    if bits & record_damage.TEXTS:
        record_damage.spoil_texts(sheet, _TEXTS, _CODES)
    if bits & _DATED:
        _spoil_dates(sheet)
    return _respelt(sheet), sheet.flaws


def _spoil_values(sheet: Sheet) -> None:
    if sheet.seen.bits & record_damage.POISON:
        _poison(sheet)
    if sheet.has("unknown-status-portal"):
        sheet.replace("unknown-status", "TrangThaiHoSo", str(record_damage.UNKNOWN_STATUS))
    if sheet.has("D21-test"):
        sheet.replace("D21", "MaDonViXuLy", f"{sheet.value('MaDonViXuLy')}_test", "ignored")
    if sheet.has("D21"):
        way = pick(sheet.seen, 44, 3)
        if way == 2:
            sheet.remove("D21", "MaDonViXuLy")
        else:
            sheet.replace("D21", "MaDonViXuLy", ("", None)[way])
    if sheet.has("D41"):
        _from_excel(sheet)
    if sheet.has("D23"):
        _fill(sheet)
    if sheet.has("D16") and sheet.record["DanhSachLePhi"]:
        fee = sheet.value("DanhSachLePhi.Gia")
        if fee != record_damage.LONG_NUMBER:
            way = pick(sheet.seen, 44, 5)
            sheet.replace("D16", "DanhSachLePhi.Gia", record_damage.vietnamese_number(int(fee), way))
    if sheet.has("D31"):
        record_damage.spoil_list(sheet, "TienDo")
    if sheet.has("schema-drift"):
        sheet.record["MaDinhDanhDienTu"] = "H47"
        sheet.note("schema-drift", "MaDinhDanhDienTu")
        sheet.record["NgayHenTra2"] = sheet.value("NgayHenTra")
        sheet.note("schema-drift", "NgayHenTra2")
        sheet.remove("schema-drift", "NgayHenTra")


def _poison(sheet: Sheet) -> None:
    if sheet.has("poison-surrogate"):
        sheet.replace("poison", "ChuHoSo", record_damage.LONE_SURROGATE)
    if sheet.has("poison-nul"):
        abstract = sheet.value("TrichYeuHoSo")
        sheet.replace("poison", "TrichYeuHoSo", f"{abstract[:4]}\x00{abstract[4:]}")
    if sheet.has("poison-number") and sheet.record["DanhSachLePhi"]:
        sheet.replace("poison", "DanhSachLePhi.Gia", record_damage.LONG_NUMBER, "flagged")
    if sheet.has("poison-nested"):
        sheet.replace("poison", "TenLinhVuc", record_damage.DEEP_LIST)


def _from_excel(sheet: Sheet) -> None:
    number, way = sheet.value(_IDENTITY), pick(sheet.seen, 44, 5)
    if way == 4:
        sheet.replace("D41", "SoDienThoai", sheet.value("SoDienThoai").lstrip("0"))
    elif way == 3 and sheet.seen.link != BY_RECEIPT:
        sheet.replace("D41", "SoBienNhan", "#N/A")
    elif way == 2 or sheet.has("D22"):
        sheet.replace("D41", "ChuHoSo", "#N/A")
    else:
        sheet.replace("D41", _IDENTITY, record_damage.excel_number(number) if way else number.lstrip("0"), "flagged")


def _fill(sheet: Sheet) -> None:
    link, filler = sheet.seen.link, record_damage.FILLERS[pick(sheet.seen, 46, 3)]
    way = pick(sheet.seen, 44, 3)
    if way == 0 and link != BY_OTHER_CODE:
        sheet.replace("D23", "MaHoSoKhac", filler)
    elif way == 1 and link != BY_RECEIPT:
        sheet.replace("D23", "SoBienNhan", filler)
    else:
        sheet.replace("D23", "ChuHoSo", ".")


def _spoil_dates(sheet: Sheet) -> None:
    seen, record = sheet.seen, sheet.record
    accepted, finished = seen.when(ACCEPTED), seen.when(FINISHED)
    if accepted is not None:
        if sheet.has("D25-portal"):
            sheet.replace("D25", "NgayTiepNhan", wording.compact(accepted + 400 * DAY))
        if sheet.has("D28-received-portal"):
            sheet.replace("D28", "NgayTiepNhan", "")
        if finished is not None and sheet.has("D26-portal"):
            is_returned = seen.when(RETURNED) is not None and pick(seen, 44, 2)
            field = "NgayTra" if is_returned else "NgayKetThucXuLy"
            sheet.replace("D26", field, wording.compact(accepted - 2 * DAY - (finished - accepted)))
        if finished is not None and sheet.has("D28-finished-portal"):
            sheet.replace("D28", "NgayKetThucXuLy", "")
    if sheet.has("D09"):
        _respell_dates(sheet)
    if sheet.has("D14"):
        empty = [field for field in _MAY_BE_EMPTY if not record[field] and sheet.is_free(field)]
        field = empty[pick(seen, 44, len(empty))]
        sheet.replace("D14", field, _SENTINELS[pick(seen, 46, len(_SENTINELS))])


def _respell_dates(sheet: Sheet) -> None:
    """All dates but the one that orders the lists, as people write them."""
    seen, record = sheet.seen, sheet.record
    way = pick(seen, 45, 3)
    # a day without its time of day loses something, so only a promise that the one-stop-shop tells in full is cut
    is_led = not seen.procedure.is_vertical and not seen.bits & record_damage.ONE_STOP_IMPOSSIBLE
    for field in _DATES:
        if field in record and (text := record[field]):
            is_day = field == "NgayHenTra" and is_led and bool(pick(seen, 47, 2))
            sheet.replace("D09", field, wording.by_hand(text, way, is_day))
    for name, fields in _INNER_DATES.items():
        for entry in record[name]:
            entry |= {field: wording.by_hand(entry[field], way, False) for field in fields if entry[field]}
        if record[name]:
            sheet.note("D09", name)


def _respelt(sheet: Sheet) -> dict[str, Any]:
    """The record with all its keys in another case, if it is one of those."""
    if not sheet.has("D42-portal"):
        return sheet.record
    sheet.note("D42")
    way = pick(sheet.seen, 44, 3)
    respell = (str.upper, str.lower, lambda key: key[0].lower() + key[1:])[way]

    def respelt(value: Any) -> Any:
        if isinstance(value, dict):
            return {respell(key): respelt(inner) for key, inner in value.items()}
        return [respelt(inner) for inner in value] if isinstance(value, list) else value

    respelt_record: dict[str, Any] = respelt(sheet.record)
    return respelt_record
