"""Damages the portal's records: dates, numbers, codes, texts and keys."""

from typing import Any

from lgsp_province.defects import record_damage
from lgsp_province.defects.rates import BIT, BY_OTHER_CODE, BY_RECEIPT, NOT_LINKED
from lgsp_province.defects.record_damage import DamagedRecord, Flaw, pick
from lgsp_province.world import wording
from lgsp_province.world.calendar import DAY
from lgsp_province.world.lifecycles import ACCEPTED, FINISHED, RETURNED
from lgsp_province.world.view import DossierState

_VALUE_BITS, _DATE_BITS = record_damage.value_bits("portal"), record_damage.date_bits("portal", "D09")
DAMAGE_BITS = record_damage.text_and_key_bits("portal") | _VALUE_BITS | _DATE_BITS
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


def damage(record: dict[str, Any], state: DossierState) -> tuple[Any, list[Flaw]]:
    """The record as sent, which is not always an object, and its flaws."""
    bits = state.bits
    if bits & BIT["D24"]:
        return record, []  # a test record must stay recognisable
    if bits & BIT["poison-element-portal"]:
        return (None if pick(state, 47, 2) else "lỗi kết xuất"), [record_damage.flaw("poison", outcome="quarantined")]
    damaged = DamagedRecord(record, state)
    if bits & _VALUE_BITS:
        _damage_values(damaged)
    if bits & record_damage.TEXTS:
        record_damage.damage_texts(damaged, _TEXTS, _CODES)
    if bits & _DATE_BITS:
        _damage_dates(damaged)
    return _with_respelled_keys(damaged), damaged.flaws


def _damage_values(damaged: DamagedRecord) -> None:
    if damaged.state.bits & record_damage.POISON:
        _poison(damaged)
    if damaged.has("unknown-status-portal"):
        damaged.replace("unknown-status", "TrangThaiHoSo", str(record_damage.UNKNOWN_STATUS))
    if damaged.has("D21-test"):
        damaged.replace("D21", "MaDonViXuLy", f"{damaged.value('MaDonViXuLy')}_test", "ignored")
    if damaged.has("D21"):
        variant = pick(damaged.state, 44, 3)
        if variant == 2:
            damaged.remove("D21", "MaDonViXuLy")
        else:
            damaged.replace("D21", "MaDonViXuLy", ("", None)[variant])
    if damaged.has("D41"):
        _apply_excel_damage(damaged)
    if damaged.has("D23"):
        _insert_filler(damaged)
    if damaged.has("D16") and damaged.record["DanhSachLePhi"]:
        fee = damaged.value("DanhSachLePhi.Gia")
        if fee != record_damage.LONG_NUMBER:
            variant = pick(damaged.state, 44, 5)
            damaged.replace("D16", "DanhSachLePhi.Gia", record_damage.vietnamese_number(int(fee), variant))
    if damaged.has("D31"):
        record_damage.rotate_list(damaged, "TienDo")
    if damaged.has("D49") and damaged.state.link == NOT_LINKED:
        record_damage.share_code(damaged, "MaHoSoKhac")
    if damaged.has("D46") and damaged.state.link in (NOT_LINKED, BY_OTHER_CODE):
        record_damage.restyle_code(damaged, "MaHoSoKhac", damaged.state.code)
    if damaged.has("schema-drift"):
        damaged.record["MaDinhDanhDienTu"] = "H47"
        damaged.add_flaw("schema-drift", "MaDinhDanhDienTu")
        damaged.record["NgayHenTra2"] = damaged.value("NgayHenTra")
        damaged.add_flaw("schema-drift", "NgayHenTra2")
        damaged.remove("schema-drift", "NgayHenTra")


def _poison(damaged: DamagedRecord) -> None:
    if damaged.has("poison-surrogate-portal"):
        damaged.replace("poison", "ChuHoSo", record_damage.LONE_SURROGATE, "quarantined")
    if damaged.has("poison-nul"):
        abstract = damaged.value("TrichYeuHoSo")
        damaged.replace("poison", "TrichYeuHoSo", f"{abstract[:4]}\x00{abstract[4:]}")
    if damaged.has("poison-number") and damaged.record["DanhSachLePhi"]:
        damaged.replace("poison", "DanhSachLePhi.Gia", record_damage.LONG_NUMBER, "flagged")
    if damaged.has("poison-nested"):
        damaged.replace("poison", "TenLinhVuc", record_damage.DEEP_LIST)


def _apply_excel_damage(damaged: DamagedRecord) -> None:
    number, variant = damaged.value(_IDENTITY), pick(damaged.state, 44, 5)
    if variant == 4:
        damaged.replace("D41", "SoDienThoai", damaged.value("SoDienThoai").lstrip("0"))
    elif variant == 3 and damaged.state.link != BY_RECEIPT:
        damaged.replace("D41", "SoBienNhan", "#N/A")
    elif variant == 2 or damaged.has("D22"):
        damaged.replace("D41", "ChuHoSo", "#N/A")
    else:
        damaged.replace(
            "D41", _IDENTITY, record_damage.excel_number(number) if variant else number.lstrip("0"), "flagged"
        )


def _insert_filler(damaged: DamagedRecord) -> None:
    link, filler = damaged.state.link, record_damage.FILLERS[pick(damaged.state, 46, 3)]
    variant = pick(damaged.state, 44, 3)
    if variant == 0 and link != BY_OTHER_CODE:
        damaged.replace("D23", "MaHoSoKhac", filler)
    elif variant == 1 and link != BY_RECEIPT:
        damaged.replace("D23", "SoBienNhan", filler)
    else:
        damaged.replace("D23", "ChuHoSo", ".")


def _damage_dates(damaged: DamagedRecord) -> None:
    state, record = damaged.state, damaged.record
    accepted, finished = state.reached_at(ACCEPTED), state.reached_at(FINISHED)
    if accepted is not None:
        if damaged.has("D25-portal"):
            damaged.replace("D25", "NgayTiepNhan", wording.compact(accepted + 400 * DAY))
        if damaged.has("D28-received-portal"):
            damaged.replace("D28", "NgayTiepNhan", "")
        if finished is not None and damaged.has("D26-portal"):
            is_returned = state.reached_at(RETURNED) is not None and pick(state, 44, 2)
            field = "NgayTra" if is_returned else "NgayKetThucXuLy"
            damaged.replace("D26", field, wording.compact(accepted - 2 * DAY - (finished - accepted)))
        if finished is not None and damaged.has("D28-finished-portal"):
            damaged.replace("D28", "NgayKetThucXuLy", "")
    if damaged.has("D09"):
        _reformat_dates(damaged)
    if damaged.has("D14"):
        empty = [field for field in _MAY_BE_EMPTY if not record[field] and damaged.is_unchanged(field)]
        field = empty[pick(state, 44, len(empty))]
        damaged.replace("D14", field, _SENTINELS[pick(state, 46, len(_SENTINELS))])


def _reformat_dates(damaged: DamagedRecord) -> None:
    """Write all dates, except the one that orders the lists, in a format typed by hand (D09)."""
    state, record = damaged.state, damaged.record
    variant = pick(state, 45, 3)
    # a date without its time loses data, so only a due date that the one-stop-shop reports with its time is shortened
    has_one_stop_due_date = not state.procedure.is_vertical and not state.bits & record_damage.ONE_STOP_IMPOSSIBLE
    for field in _DATES:
        if field in record and (text := record[field]):
            is_day = field == "NgayHenTra" and has_one_stop_due_date and bool(pick(state, 47, 2))
            damaged.replace("D09", field, wording.typed_by_hand(text, variant, is_day))
    for name, fields in _INNER_DATES.items():
        for entry in record[name]:
            entry |= {field: wording.typed_by_hand(entry[field], variant, False) for field in fields if entry[field]}
        if record[name]:
            damaged.add_flaw("D09", name)


def _with_respelled_keys(damaged: DamagedRecord) -> dict[str, Any]:
    """The record, with all its keys in another case if it has the mark D42."""
    if not damaged.has("D42-portal"):
        return damaged.record
    damaged.add_flaw("D42")
    variant = pick(damaged.state, 44, 3)
    respell = (str.upper, str.lower, lambda key: key[0].lower() + key[1:])[variant]

    def respelled(value: Any) -> Any:
        if isinstance(value, dict):
            return {respell(key): respelled(inner) for key, inner in value.items()}
        return [respelled(inner) for inner in value] if isinstance(value, list) else value

    respelled_record: dict[str, Any] = respelled(damaged.record)
    return respelled_record
