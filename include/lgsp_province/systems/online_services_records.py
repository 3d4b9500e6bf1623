"""Renders the portal's records in the format of the national adapter: all values are strings, times are local."""

from datetime import date
from typing import Any

from lgsp_province.defects import online_services, text_damage
from lgsp_province.defects.rates import BIT, BY_OTHER_CODE, NOT_LINKED
from lgsp_province.defects.record_damage import Flaw
from lgsp_province.world import agencies, people, spellings, wording
from lgsp_province.world.agencies import Agency
from lgsp_province.world.dossiers import COUNTER, ONLINE, POSTAL
from lgsp_province.world.lifecycles import (
    ACCEPTED,
    FINISHED,
    NEVER,
    NOT_ACCEPTED,
    PAUSES,
    PAYMENT,
    PROCESSING,
    RETURNED,
    SUBMITTED,
    SUPPLEMENT,
    SUSPENDED,
    WITHDRAWN,
)
from lgsp_province.world.people import Person
from lgsp_province.world.services import Service
from lgsp_province.world.view import DossierState

_NATIONAL = {
    SUBMITTED: "1",
    ACCEPTED: "2",
    NOT_ACCEPTED: "3",
    PROCESSING: "4",
    WITHDRAWN: "7",
    FINISHED: "9",
    RETURNED: "10",
    SUPPLEMENT: "9",
    PAYMENT: "9",
    SUSPENDED: "9",
}
_CHANNELS = {COUNTER: "1", ONLINE: "2", POSTAL: "3"}
_YES, _NO = ("1", "True", "Có", "true", "x"), ("0", "False", "Không", "false", "")
_LEVELS = {agencies.PROVINCE: "TINH", agencies.DISTRICT: "HUYEN", agencies.COMMUNE: "XA"}
_SUFFIXES = (".000.00.00.H47", ".H47", ".000.00.00.H47.02")
_TEST_PROCEDURE = "thoaitestthutuc16022022-TH2"


def offering(service: Service, agency: Agency, since: date, day: date) -> dict[str, str]:
    """A procedure that an agency offers since a day, in the format of `LayDanhSachTTHC`; with its end if it ended by `day`."""
    ends = [end for end in (service.valid_to, agency.valid_to) if end is not None and end <= day]
    integrated = f"{service.integrated_on:%Y%m%d}000000" if service.is_integrated else ""
    return {
        "MATTHC": service.code,
        "TENTTHC": service.name,
        "MALINHVUC": service.field_code,
        "TENLINHVUC": service.field_name,
        "MUCDO": str(service.online_level),
        "MADONVI": agency.code,
        "TENDONVI": agency.name,
        "TICHHOPDVCQG": str(int(service.is_integrated)),
        "NGAYTICHHOP": integrated,
        "NGAYHIEULUC": f"{since:%Y%m%d}000000",
        "NGAYHETHIEULUC": f"{min(ends):%Y%m%d}000000" if ends else "",
    }


def agency_entry(index: int) -> dict[str, str]:
    """One agency in the format of `LayDanhMucCoQuan`."""
    agency = agencies.load()[index]
    parent = "" if agency.parent is None else agencies.load()[agency.parent].code
    return {
        "MADONVI": agency.code,
        "TENDONVI": agency.name,
        "CAPDONVI": _LEVELS[agency.level],
        "MADONVICHA": parent,
    }


def _moment(instant: int | None) -> str:
    return "" if instant is None else wording.compact(instant)


def _flag(state: DossierState, value: bool, shift: int) -> str:
    """A boolean as `0` or `1`, or with D15 in another spelling."""
    words = _YES if value else _NO
    return words[1 + (state.traits >> shift) % 4] if state.bits & BIT["D15"] else words[0]


def _status_and_finish(state: DossierState, times_by_status: dict[int, str], last_at: str) -> tuple[str, str]:
    """`TrangThaiHoSo` and `NgayKetThucXuLy`; a dossier without a due date is closed at its acceptance."""
    last = state.events[-1][1]
    if state.due < 0 and ACCEPTED in times_by_status:
        return ("10" if last == RETURNED else "9"), times_by_status[ACCEPTED]
    return _NATIONAL[last], last_at if last in PAUSES else times_by_status.get(FINISHED, "")


def _supplements(state: DossierState) -> list[dict[str, str]]:
    requested_at = state.reached_at(SUPPLEMENT)
    if requested_at is None:
        return []
    answered_at = state.events[-1][0] if len(state.events) == 5 else None
    answered_at = next((at for at, status in state.events if at > requested_at and status == PROCESSING), answered_at)
    is_amended = state.amended_at < NEVER
    return [
        {
            "HoSoBoSungId": "1",
            "NoiDungBoSung": "Bổ sung giấy tờ còn thiếu",
            "NgayBoSung": _moment(requested_at),
            "NgayTiepNhanBoSung": _moment(answered_at),
            "NgayHenTraTruoc": _moment(state.due_first if state.due >= 0 else None),
            "NgayHenTraMoi": _moment(state.due if is_amended else None),
        }
    ]


def _names(state: DossierState, person: Person) -> tuple[str, str, str, str, str]:
    """Procedure code and name, agency, abstract and applicant, with their defects."""
    service, agency = state.procedure, agencies.load()[state.agency]
    bits, traits = state.bits, state.traits
    code, title = service.code, service.name
    if bits & BIT["D34"]:
        code += _SUFFIXES[(traits >> 4 & 15) % 3]
    unit = agency.name
    if bits & BIT["D08"]:
        variants = spellings.variants(agency)
        unit = variants[(traits >> 10) % len(variants)]
    applicant = person.name
    abstract = f"{service.name} - {applicant}" if traits >> 30 & 1 else service.name
    if not traits >> 30 & 6:
        abstract = f"{abstract}, CCCD {person.identity_number}, ĐT {person.phone}"
    if bits & BIT["D24"]:
        applicant = "Nguyễn Văn Test"
        if traits & 4:
            code, title = _TEST_PROCEDURE, "thoaitest thủ tục 16022022"
    if bits & BIT["D17"]:
        title = f"<b>{title}</b>"
        abstract = text_damage.to_html(abstract) if traits & 1 else f"<p>V/v&nbsp;{abstract}</p>"
    if bits & BIT["abstract-missing"]:
        abstract = "Dinhkem"
    if bits & BIT["D06"]:
        title, unit, applicant = map(text_damage.to_new_tones, (title, unit, applicant))
    return code, title, unit, abstract, applicant


def names_by_field(state: DossierState) -> dict[str, str]:
    """The names in a record by field, with old-style tone marks."""
    _, title, unit, _, applicant = _names(
        state._replace(bits=state.bits & ~BIT["D06"]), people.person(state.applicant, state.is_firm)
    )
    return {"TenTTHC": title, "DonViXuLy": unit, "ChuHoSo": applicant}


def _identity(state: DossierState, number: str) -> dict[str, str]:
    if state.bits & BIT["D22"]:
        return {"LoaiDinhDanh": "2", "SoDinhDanh": "000000001"}
    return {"LoaiDinhDanh": "1", "SoDinhDanh": number}


def _attachments(state: DossierState) -> list[dict[str, str]]:
    count = state.traits >> 26 & 3
    reused = state.traits >> 28 & 1
    return [
        {
            "TenTepDinhKem": f"giay-to-{n}.pdf",
            "DuocSoHoa": "1",
            "DuocTaiSuDung": str(int(n <= reused)),
            "DuongDanTaiTepTin": f"https://example.gov.vn/tep/{state.row}/{n}",
        }
        for n in range(1, count + 1)
    ]


def _result_documents(service: Service) -> list[dict[str, str]]:
    return [{"TenGiayTo": "Kết quả giải quyết", "MaGiayToKetQua": f"KQ.{service.field_code[:3]}.000002"}]


def _progress(state: DossierState, times: list[str]) -> list[dict[str, str]]:
    return [
        {
            "TrangThai": _NATIONAL[status],
            "ThoiDiemXuLy": at,
            "PhongBanXuLy": "Một cửa" if status in (SUBMITTED, ACCEPTED, RETURNED) else "Chuyên môn",
            "NguoiXuLy": "Chuyên viên",
        }
        for (_, status), at in zip(state.events, times, strict=True)
    ]


def dossier(state: DossierState) -> Any:
    """One dossier with its defects, ready for orjson; one of the defects replaces the object by another value."""
    record = _record(state)
    return online_services.damage(record, state)[0] if state.bits & online_services.DAMAGE_BITS else record


def flaws(state: DossierState) -> list[Flaw]:
    """The flaws that damage the rendered record of a dossier."""
    return online_services.damage(_record(state), state)[1] if state.bits & online_services.DAMAGE_BITS else []


def _fees(fee: int) -> list[dict[str, str]]:
    return [{"TenPhiLePhi": "Phí, lệ phí", "HinhThucThu": "1", "Gia": str(fee)}] if fee else []


def _rating(number: int) -> str:
    return str(min(5, 3 + number % 3)) if number < 6 else ""


def _record(state: DossierState) -> dict[str, Any]:
    service, agency = state.procedure, agencies.load()[state.agency]
    person = people.person(state.applicant, state.is_firm)
    times = [wording.compact(at) for at, _ in state.events]
    times_by_status = {status: at for (_, status), at in zip(state.events, times, strict=True)}
    accepted, returned = (times_by_status.get(step, "") for step in (ACCEPTED, RETURNED))
    code, title, unit, abstract, applicant = _names(state, person)
    status, finished = _status_and_finish(state, times_by_status, times[-1])
    own_code = state.portal_code if state.link == NOT_LINKED else state.code
    fee, traits = service.fee_vnd, state.traits
    phone = people.phone_variant(person.phone, traits, person.phone) if state.bits & BIT["D33"] else person.phone
    return {
        "MaHoSo": state.portal_code,
        "MaHoSoKhac": own_code if state.link == BY_OTHER_CODE else "",
        "SoBienNhan": f"BN-{own_code[-11:]}",
        "MaTTHC": code,
        "TenTTHC": title,
        "MaLinhVuc": service.field_code,
        "TenLinhVuc": service.field_name,
        "KenhThucHien": _CHANNELS[ONLINE if state.bits & BIT["D27"] else state.channel],
        "MucDo": str(service.online_level),
        "ChuHoSo": applicant,
        "LoaiDoiTuong": "2" if state.is_firm else "1",
        "SoDienThoai": phone,
        "Email": person.email,
        "DinhDanhCHS": [_identity(state, person.identity_number)],
        "TrichYeuHoSo": abstract,
        "NgayNopHoSo": accepted if accepted and state.bits & BIT["submitted-overwritten"] else times[0],
        "NgayTiepNhan": accepted,
        "NgayHenTra": wording.compact(state.due) if accepted and state.due >= 0 else "",
        "NgayKetThucXuLy": finished,
        "NgayTra": returned,
        "NgayTuChoi": times_by_status.get(NOT_ACCEPTED, ""),
        "TrangThaiHoSo": status,
        "HinhThuc": str(int(traits >> 20 & 7 == 0)),
        "DonViXuLy": unit,
        "MaDonViXuLy": agency.other_code if state.bits & BIT["D20"] else agency.code,
        "NoiNopHoSo": "1" if state.channel == ONLINE and traits >> 36 & 3 == 0 else "2",
        "HoSoCoThanhPhanSoHoa": _flag(state, bool(traits >> 26 & 3), 38),
        "TaiKhoanDuocXacThucVoiVNeID": _flag(state, state.channel == ONLINE and bool(traits >> 40 & 3), 42),
        "DuocThanhToanTrucTuyen": _flag(state, fee > 0 and state.channel == ONLINE and bool(traits >> 24 & 3), 44),
        "TaiLieuNop": _attachments(state),
        "DanhSachLePhi": _fees(fee),
        "DanhSachHoSoBoSung": _supplements(state),
        "DanhSachGiayToKetQua": _result_documents(service) if returned else [],
        "TienDo": _progress(state, times),
        "DanhGia": _rating(traits >> 32 & 15) if returned else "",
        "NgayCapNhat": wording.compact(state.modified),
        "DaXoa": str(int(state.deleted_at < NEVER)),
    }
