"""The portal's records as the national adapter writes them: every value a string, local times."""

from datetime import date
from typing import Any

from lgsp_province.defects import online_services, text_damage
from lgsp_province.defects.rates import BIT, BY_OTHER_CODE, NOT_LINKED
from lgsp_province.defects.record_damage import Flaw
from lgsp_province.world import agencies, people, spellings, wording
from lgsp_province.world.agencies import Agency
from lgsp_province.world.dossiers import COUNTER, ONLINE, POSTAL
from lgsp_province.world.lives import (
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
from lgsp_province.world.view import Seen

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


def offering(service: Service, agency: Agency, day: date) -> dict[str, str]:
    """A procedure at an agency as `LayDanhSachTTHC` lists it on a day; one that ended by then with the day it did."""
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
        "NGAYHIEULUC": f"{max(service.valid_from, agency.valid_from):%Y%m%d}000000",
        "NGAYHETHIEULUC": f"{min(ends):%Y%m%d}000000" if ends else "",
    }


def agency_entry(index: int) -> dict[str, str]:
    """One agency as `LayDanhMucCoQuan` lists it."""
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


def _flag(seen: Seen, value: bool, shift: int) -> str:
    """A boolean: `0`/`1`, or one of the other spellings."""
    words = _YES if value else _NO
    return words[1 + (seen.traits >> shift) % 4] if seen.bits & BIT["D15"] else words[0]


def _state(seen: Seen, reached: dict[int, str], last_at: str) -> tuple[str, str]:
    """`TrangThaiHoSo` and `NgayKetThucXuLy`; a dossier without a due date is closed as soon as it is received."""
    last = seen.events[-1][1]
    if seen.due < 0 and ACCEPTED in reached:
        return ("10" if last == RETURNED else "9"), reached[ACCEPTED]
    return _NATIONAL[last], last_at if last in PAUSES else reached.get(FINISHED, "")


def _supplements(seen: Seen) -> list[dict[str, str]]:
    asked = seen.when(SUPPLEMENT)
    if asked is None:
        return []
    answered = seen.events[-1][0] if len(seen.events) == 5 else None
    answered = next((at for at, status in seen.events if at > asked and status == PROCESSING), answered)
    is_amended = seen.amended_at < NEVER
    return [
        {
            "HoSoBoSungId": "1",
            "NoiDungBoSung": "Bổ sung giấy tờ còn thiếu",
            "NgayBoSung": _moment(asked),
            "NgayTiepNhanBoSung": _moment(answered),
            "NgayHenTraTruoc": _moment(seen.due_first if seen.due >= 0 else None),
            "NgayHenTraMoi": _moment(seen.due if is_amended else None),
        }
    ]


def _names(seen: Seen, person: Person) -> tuple[str, str, str, str, str]:
    """Procedure code and name, unit, abstract and applicant, with what is wrong with them."""
    service, agency = seen.procedure, agencies.load()[seen.agency]
    bits, traits = seen.bits, seen.traits
    code, title = service.code, service.name
    if bits & BIT["D34"]:
        code += _SUFFIXES[(traits >> 4 & 15) % 3]
    unit = agency.name
    if bits & BIT["D08"]:
        others = spellings.of(agency)
        unit = others[(traits >> 10) % len(others)]
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


def names(seen: Seen) -> dict[str, str]:
    """The names in a record by field, in the usual tone style."""
    _, title, unit, _, applicant = _names(
        seen._replace(bits=seen.bits & ~BIT["D06"]), people.person(seen.applicant, seen.is_firm)
    )
    return {"TenTTHC": title, "DonViXuLy": unit, "ChuHoSo": applicant}


def _identity(seen: Seen, number: str) -> dict[str, str]:
    if seen.bits & BIT["D22"]:
        return {"LoaiDinhDanh": "2", "SoDinhDanh": "000000001"}
    return {"LoaiDinhDanh": "1", "SoDinhDanh": number}


def _attachments(seen: Seen) -> list[dict[str, str]]:
    count = seen.traits >> 26 & 3
    reused = seen.traits >> 28 & 1
    return [
        {
            "TenTepDinhKem": f"giay-to-{n}.pdf",
            "DuocSoHoa": "1",
            "DuocTaiSuDung": str(int(n <= reused)),
            "DuongDanTaiTepTin": f"https://example.gov.vn/tep/{seen.row}/{n}",
        }
        for n in range(1, count + 1)
    ]


def _progress(seen: Seen, told: list[str]) -> list[dict[str, str]]:
    return [
        {
            "TrangThai": _NATIONAL[status],
            "ThoiDiemXuLy": at,
            "PhongBanXuLy": "Một cửa" if status in (SUBMITTED, ACCEPTED, RETURNED) else "Chuyên môn",
            "NguoiXuLy": "Chuyên viên",
        }
        for (_, status), at in zip(seen.events, told, strict=True)
    ]


def dossier(seen: Seen) -> Any:
    """One dossier, ready for orjson; it need not be an object, if that is what is wrong with it."""
    record = _record(seen)
    return online_services.spoil(record, seen)[0] if seen.bits & online_services.SPOILT else record


def flaws(seen: Seen) -> list[Flaw]:
    """What is done to the finished record of a dossier."""
    return online_services.spoil(_record(seen), seen)[1] if seen.bits & online_services.SPOILT else []


def _record(seen: Seen) -> dict[str, Any]:
    service, agency = seen.procedure, agencies.load()[seen.agency]
    person = people.person(seen.applicant, seen.is_firm)
    told = [wording.compact(at) for at, _ in seen.events]
    reached = {status: at for (_, status), at in zip(seen.events, told, strict=True)}
    accepted, returned = reached.get(ACCEPTED, ""), reached.get(RETURNED, "")
    code, title, unit, abstract, applicant = _names(seen, person)
    status, finished = _state(seen, reached, told[-1])
    is_overwritten = seen.bits & BIT["submitted-overwritten"] and accepted
    main_code = seen.portal_code
    own_code = main_code if seen.link == NOT_LINKED else seen.code
    fee, traits = service.fee_vnd, seen.traits
    is_paid = fee > 0 and seen.channel == ONLINE and bool(traits >> 24 & 3)
    rating = traits >> 32 & 15
    return {
        "MaHoSo": main_code,
        "MaHoSoKhac": own_code if seen.link == BY_OTHER_CODE else "",
        "SoBienNhan": f"BN-{own_code[-11:]}",
        "MaTTHC": code,
        "TenTTHC": title,
        "MaLinhVuc": service.field_code,
        "TenLinhVuc": service.field_name,
        "KenhThucHien": _CHANNELS[ONLINE if seen.bits & BIT["D27"] else seen.channel],
        "MucDo": str(service.online_level),
        "ChuHoSo": applicant,
        "LoaiDoiTuong": "2" if seen.is_firm else "1",
        "SoDienThoai": people.phone(person.phone, traits, person.phone) if seen.bits & BIT["D33"] else person.phone,
        "Email": person.email,
        "DinhDanhCHS": [_identity(seen, person.identity_number)],
        "TrichYeuHoSo": abstract,
        "NgayNopHoSo": accepted if is_overwritten else told[0],
        "NgayTiepNhan": accepted,
        "NgayHenTra": wording.compact(seen.due) if accepted and seen.due >= 0 else "",
        "NgayKetThucXuLy": finished,
        "NgayTra": returned,
        "NgayTuChoi": reached.get(NOT_ACCEPTED, ""),
        "TrangThaiHoSo": status,
        "HinhThuc": str(int(traits >> 20 & 7 == 0)),
        "DonViXuLy": unit,
        "MaDonViXuLy": agency.new_code if seen.bits & BIT["D20"] else agency.code,
        "NoiNopHoSo": "1" if seen.channel == ONLINE and traits >> 36 & 3 == 0 else "2",
        "HoSoCoThanhPhanSoHoa": _flag(seen, bool(traits >> 26 & 3), 38),
        "TaiKhoanDuocXacThucVoiVNeID": _flag(seen, seen.channel == ONLINE and bool(traits >> 40 & 3), 42),
        "DuocThanhToanTrucTuyen": _flag(seen, is_paid, 44),
        "TaiLieuNop": _attachments(seen),
        "DanhSachLePhi": [{"TenPhiLePhi": "Phí, lệ phí", "HinhThucThu": "1", "Gia": str(fee)}] if fee else [],
        "DanhSachHoSoBoSung": _supplements(seen),
        "DanhSachGiayToKetQua": [
            {"TenGiayTo": "Kết quả giải quyết", "MaGiayToKetQua": f"KQ.{service.field_code[:3]}.000002"}
        ]
        if returned
        else [],
        "TienDo": _progress(seen, told),
        "DanhGia": str(min(5, 3 + rating % 3)) if returned and rating < 6 else "",
        "NgayCapNhat": wording.compact(seen.modified),
        "DaXoa": str(int(seen.deleted_at < NEVER)),
    }
