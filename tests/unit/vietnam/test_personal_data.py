"""Personal data is removed from published texts, and official words are not mistaken for it."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lgsp_province
from lgsp.vietnam import personal_data, territory_versions
from lgsp_province.defects import text_damage
from lgsp_province.world import agencies, people, registry

_DATA = Path(lgsp_province.__file__).parent / "data"
UNITS = sorted({unit.name for unit in territory_versions.units()})
PEOPLE = [people.person(n * 0x9E3779B97F4A7C15 % 2**64, is_firm=False) for n in range(2000)]


@pytest.mark.parametrize(
    "subject",
    [
        "giải quyết đơn của ông Nguyễn Văn A", "đơn của bà Trần Thị Bích Ngọc, CCCD 049094000001", "liên hệ 0905 000 000",
        "gửi a.b@example.gov.vn", "điện thoại +84905000000 của Lê Văn Tám",
    ],
)  # fmt: skip
def test_p17_personal_data_is_removed_from_a_subject(subject: str) -> None:
    cleaned = personal_data.without_persons(subject) or ""
    assert personal_data.REDACTED in cleaned
    assert not any(part in cleaned for part in ("Nguyễn", "Bích", "049094", "0905", "905000000", "@", "Tám"))


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        ("NGUYỄN VĂN BÌNH xin cấp giấy", "[…] xin cấp giấy"), ("ĐƠN CỦA BÀ TRẦN THỊ LAN", "ĐƠN CỦA BÀ […]"),
        ("ông nguyễn văn bình xin cấp giấy", "ông […] xin cấp giấy"), ("hộ ông Zơrâm Nhiếp", "hộ ông […]"),
        ("đồng chí Coor Thanh", "đồng chí […]"), ("đ/c Phan Châu", "đ/c […]"), ("công dân Võ Thị Hai", "công dân […]"),
        ("ông (bà) Nguyễn Văn A", "ông (bà) […]"), ("Ông/Bà: Lê Văn Tám", "Ông/Bà: […]"), ("đơn của ông Bình", "đơn của ông […]"),
        ("bà Trần Thị Lan thị xã Điện Bàn", "bà […] thị xã Điện Bàn"), ("Nguyễn Văn Bình, xã Cẩm Thanh", "[…], xã Cẩm Thanh"),
        ("Lê Văn Tám, Trần Thị Nở và Hoàng Minh Tuấn", "[…], […] và […]"), ("cán bộ xã Nguyễn Văn Bình", "cán bộ xã […]"),
        ("Đoàn Thanh Sơn", "[…]"), ("cháu Hồ Thị A", "cháu […]"), ("chị lê thị hồng, thôn 2", "chị […], thôn 2"),
        (text_damage.to_tcvn3("đơn của ông Nguyễn Văn Bảy"), "đơn của ông […]"),
    ],
)  # fmt: skip
def test_names_are_removed_in_any_case_and_after_any_title(subject: str, left: str) -> None:
    assert personal_data.without_persons(subject) == left and personal_data.persons_in(subject) == ("name",)


@pytest.mark.parametrize(
    "subject",
    [
        "V/v khen thưởng [Nguyễn Văn Hùng]", "bổ nhiệm chuyên viên [Trần Văn Bảy]", "kỷ luật giáo viên [Nguyễn Văn An]",
        "học viên [Lê Thị Hoa]", "xây dựng nhà [Nguyễn Văn An]", "chuyển trường [Nguyễn Thị Kim]",
        "Quyết định khen thưởng [Lê Văn Tám]", "kỷ luật [Phạm Thị Lan]", "điều động [Trần Quốc Tuấn] về Sở Nội vụ",
        "cử [Đỗ Văn Minh] đi học", "tiếp công dân [Hoàng Thị Mai]", "trả lời đơn [Lương Văn Bình]",
        "xác minh đơn tố cáo của [Võ Văn Kiên]", "cấp cho [Hồ Thị Hạnh]", "thu hồi đất của [Nguyễn Thị Sáu]",
        "thu hồi đất của hộ [Đoàn Văn Chín]", "yêu cầu [Nguyễn Văn An] nộp lại", "đối tượng [Trần Văn Ba]",
        "nhân viên [Lê Văn Bốn]", "viên chức [Đinh Văn Năm]", "bảo vệ [Ngô Văn Sáu]", "thường trực công an [Bùi Văn Bảy]",
        "trả [Lương Văn Bình] tiền đền bù", "thi [Đỗ Văn An]", "bổ nhiệm [Lưu Văn An] giữ chức", "nghỉ hưu [Mạc Thị Hồng]",
        "cho thôi việc nhân viên [Phan Thị Thu]", "tặng bằng khen [Huỳnh Văn Tư]", "tặng thưởng [Nguyễn Thị Ánh]",
        "môi trường [Nguyễn Văn An]", "hiện trường [Nguyễn Văn An]", "chủ nhà [Lê Thị Bưởi]",
        "cháu học lớp 5 [Nguyễn Thị Na]", "giáo viên THPT [Nguyễn Văn An]", "khu [Trần Văn Sơn]",
        "KHEN THƯỞNG [NGUYỄN VĂN HÙNG]", "khen thưởng [nguyễn văn hùng]", "lên đường [Nguyễn Văn Tín]",
        "điều chuyển viên chức [Nguyễn Thị Hà] công tác", "công nhận hộ nghèo [Trần Thị Út]",
        "UBND thành phố [Nguyễn Văn An]", "đăng ký khai sinh cho [Phùng Thị Như Ý]",
        "cấp phép xây dựng nhà ở [Vũ Văn Hải]", "giải quyết khiếu nại của [Dương Thị Lài]",
        "học sinh mẫu giáo [Nguyễn Gia Bảo]", "đơn xin học [Nguyễn Văn An]", "người bị kỷ luật: [Trịnh Văn Công]",
        "quân nhân xuất ngũ [Đặng Văn Lâm]", "công chức [Nguyễn Quang Vinh] được cử đi đào tạo",
        "kiểm điểm phó phòng [Trần Thị Thu Hà]", "khu phố [Nguyễn Văn An]", "tổ trưởng tổ dân phố [Lê Văn Sự]",
        "lưu [Nguyễn Văn A]", "tái bổ nhiệm [Chu Văn Đạt]", "người cao tuổi [Thân Thị Mười]",
        "bệnh tiểu đường [Nguyễn Văn An]",
    ],
)  # fmt: skip
def test_a_name_is_removed_after_the_verbs_and_nouns_of_offices(subject: str) -> None:
    assert personal_data.without_persons(re.sub(r"[][]", "", subject)) == re.sub(
        r"\[.*\]", personal_data.REDACTED, subject
    )


@pytest.mark.parametrize(
    "subject",
    [
        "trường THPT Nguyễn Huệ", "Trường TH&THCS Nguyễn Văn Trỗi", "trường tiểu học số 2 Nguyễn Văn Trỗi",
        "Sửa chữa Trường Mầm non Nguyễn Thị Minh Khai", "trường phổ thông dân tộc nội trú THCS và THPT Nguyễn Văn Trỗi",
        "Công viên Nguyễn Văn Linh", "giải thưởng Trần Văn Ơn", "nhà lưu niệm Nguyễn Văn Trỗi", "bảo tàng Nguyễn Thị Định",
        "đường Nguyễn Văn Linh", "đường “Nguyễn Văn Linh”", "phố Trần Hưng Đạo", "cầu Nguyễn Văn Trỗi", "tượng đài Trần Hưng Đạo",
        "Phó Văn Phòng UBND", "Từ Văn Phòng Sở", "tỉnh Đoàn Quảng Nam", "Quản Lý Văn Bản Và Điều Hành",
    ],
)  # fmt: skip
def test_the_name_of_a_street_a_school_or_a_prize_stays(subject: str) -> None:
    assert personal_data.without_persons(subject) == subject


@pytest.mark.parametrize(
    "name",
    "Alăng|Zơrâm|Bnướch|Bhnướch|Hốih|Coor|Riah|Ating|Pơloong|Blúp|Briu|Bríu|Bling|Bhling|Arất|Clâu".split("|"),
)
def test_highland_names_are_removed(name: str) -> None:
    assert personal_data.without_persons(f"Đơn của {name} Nhiếp, {name.upper()} THỊ MIA") == "Đơn của […], […]"


@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_every_simulated_applicant_is_removed_after_a_title(case: type[str]) -> None:
    left = [
        p.name
        for p in PEOPLE
        if personal_data.without_persons(f"của bà {case(p.name)}, xã Tam An") != "của bà […], xã Tam An"
    ]
    assert left == []


def test_every_simulated_applicant_is_removed_without_a_title() -> None:
    assert [
        p.name for p in PEOPLE if personal_data.without_persons(f"Cấp giấy cho {p.name}") != "Cấp giấy cho […]"
    ] == []
    assert [p for p in PEOPLE if personal_data.without_persons(p.identity_number) != "[…]"] == []
    assert [p for p in PEOPLE if personal_data.persons_in(f"ĐT {p.phone}") != ("phone",)] == []


@pytest.mark.parametrize(
    ("spelling", "kind"),
    [
        ("CCCD 049094000001", "identity"), ("049 094 000 001", "identity"), ("số CMND: 205123456", "identity"),
        ("CMND 205.123.456", "identity"), ("MST 4000123456", "identity"), ("mã số thuế 4000123456-001", "identity"),
        ("BHXH 4912345678", "identity"), ("BHYT DN4490123456789", "identity"), ("hộ chiếu B1234567", "identity"),
        ("0905.123.456", "phone"), ("0905-123-456", "phone"), ("+84 905 123 456", "phone"), ("84905123456", "phone"),
        ("0905123456", "phone"), ("(0235) 3.852.123", "phone"), ("0235 3852 123", "phone"), ("SĐT:0905123456", "phone"),
        ("ĐT 0905123456/0913123456", "phone"), ("0905123456 0913123456", "phone"), ("01261234567", "phone"),
        ("0510 3852123", "phone"), ("a.b+c@example.gov.vn", "email"),
    ],
)  # fmt: skip
def test_numbers_and_addresses_are_removed_and_named_by_kind(spelling: str, kind: str) -> None:
    assert personal_data.persons_in(f"liên hệ {spelling}, trước 17 giờ") == (kind,)
    left = personal_data.without_persons(f"liên hệ {spelling}, trước 17 giờ") or ""
    assert not any(sign.isdigit() for sign in left.replace("17", "")) and "@" not in left


@pytest.mark.parametrize(
    "subject",
    [
        "V/v báo cáo số liệu tuần 24 năm 2021", "Kế hoạch số 785/KH-UBND ngày 18/06/2021",
        "Công văn số 785/STTTT-CNTT ngày 17.6.2021", "Nghị định 61/2018/NĐ-CP về một cửa", "Quyết định số 766/QĐ-TTg",
        "Triển khai Đề án 06 trên địa bàn", "tuần 24 năm 2021", "Học tập và làm theo tư tưởng Hồ Chí Minh",
        "UBND Thành phố Hồ Chí Minh", "UBND thành phố Hà Nội", "Tỉnh Cao Bằng và tỉnh Lạng Sơn", "Dương lịch",
        "Lý lịch tư pháp", "Mai táng phí", "Cấp Phiếu lý lịch tư pháp cho công dân Việt Nam",
        "Mã hồ sơ 000.25.20.H47-220601-0007", "Mã hồ sơ H47.20.25-220601-0007", "Đơn vị 000.25.20.H47",
        "Thủ tục 2.000815.000.00.00.H47", "Kinh phí 1.500.000.000 đồng", "Phân bổ 205.123.456 đồng cho các xã",
        "Tổng dự toán 123456789 đồng", "Giai đoạn 2021-2025 và 2026-2030", "Danh hiệu Bà mẹ Việt Nam anh hùng",
        "Quyền trẻ em Việt Nam", "Trẻ em Quảng Nam", "Trường THPT Trần Cao Vân", "Trường Tiểu học Nguyễn Văn Trỗi",
        "Đường Nguyễn Huệ, phường Minh An", "Sửa chữa Hồ Phú Ninh", "Khu du lịch Bà Nà", "Tỉnh Bà Rịa - Vũng Tàu",
        "Đại hội Đoàn TNCS Hồ Chí Minh", "Đoàn kiểm tra liên ngành", "Đoàn Thanh niên Cộng sản", "Hội Liên hiệp Phụ nữ",
        "QUẢN LÝ DỰ ÁN ĐẦU TƯ XÂY DỰNG", "XỬ PHẠT VI PHẠM HÀNH CHÍNH", "XỬ LÝ VĂN BẢN ĐIỆN TỬ",
        "QUẢN LÝ VĂN BẢN VÀ ĐIỀU HÀNH", "TRƯỜNG CAO ĐẲNG SƯ PHẠM", "HỒ SƠ THỦ TỤC HÀNH CHÍNH",
        "Ban Quản Lý Khu Kinh Tế Mở Chu Lai", "Nâng Cao Chất Lượng Dịch Vụ", "Chương trình bảo tồn Sông Hồ Tây",
        "Lương Hưu Và Trợ Cấp", "Tiền Lương Tối Thiểu Vùng", "Kỷ niệm 30 năm tái lập tỉnh", "ngày 20220601 lúc 081500",
        "mã 20220601081500", "Điều 5 – khoản 2", "100 m², 30°C, § 3, 1ª, 2º, ½, ¼, ³, ®, ©",
        "Phòng, chống dịch COVID-19 lần thứ 4", "Tổ chức hội nghị trực tuyến ngày 30.7", "Báo cáo 6 tháng đầu năm 2022",
        "Tài liệu tiếng Anh Cao đẳng nghề", "Ông Chủ tịch UBND xã", "đồng chí Bí thư Tỉnh ủy",
        "đồng chí Chủ tịch UBND tỉnh", "các đồng chí Ủy viên Ban Thường vụ", "Huyện Lý Sơn, tỉnh Quảng Ngãi",
        "Tỉnh Thái Nguyên", "Thái Bình Dương", "Châu Á Thái Bình Dương", "Hoàng Sa, Trường Sa", "Thành phố Phan Thiết",
        "Phan Rang - Tháp Chàm", "Biển Đông và Hoàng Sa", "Thông báo số 15/TB-VP, ngày 02/01/2022",
        "Luật Căn cước công dân số 59/2014/QH13", "Luật số 26/2023/QH15", "ISO 9001:2015",
        "https://dichvucong.gov.vn/p/home/dvc-chi-tiet.html?id=2&copy=1", "Bao_cao_2022-06-01_v2.docx",
        "Tăng cường công tác quản lý", "Đào tạo nghề cho lao động nông thôn", "Trương Mục Kế Toán",
        "Cấp đổi Giấy chứng nhận từ ngày 01/7/2025", "Số 1.022/2022, 2.345,67 triệu đồng", "Sông Vu Gia - Thu Bồn",
        "Đường tỉnh ĐT.609, ĐT 610B, quốc lộ 14E", "Dự án ĐT606 đoạn qua Tây Giang", "Mã số thuế doanh nghiệp",
        "Điện thoại 1022", "Võ thuật cổ truyền", "Vũ Trường Và Karaoke", "bà con nông dân, cô giáo, chú ý",
        "Anh hùng lao động", "chị em phụ nữ", "Ngô Lai Năng Suất Cao", "Thông tư 01/2018/TT-VPCP",
    ],
)  # fmt: skip
def test_an_official_subject_stays(subject: str) -> None:
    assert personal_data.without_persons(subject) == subject and personal_data.persons_in(subject) == ()


@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_every_territory_and_its_agency_stays(case: type[str]) -> None:
    names = [case(name) for unit in UNITS for name in (unit, f"UBND {unit[0].lower()}{unit[1:]}")]
    assert [name for name in names if personal_data.without_persons(name) != name] == []


def test_every_agency_service_and_subject_of_the_province_stays() -> None:
    names = {agency.name for agency in agencies.load()} | {f"{subject}" for subject in registry._SUBJECTS}
    for name in ("services.csv", "agencies.csv"):
        with (_DATA / name).open(encoding="utf-8") as file:
            names |= {value for row in csv.DictReader(file) for value in row.values() if value}
    assert [
        name for name in names for name in (name, name.upper(), name.title()) if personal_data.persons_in(name)
    ] == []


_PIECES = st.sampled_from(
    "ông bà Bà ÔNG Nguyễn NGUYỄN nguyễn Văn THỊ văn Bình Lê Hồ Cao Alăng xã UBND Hồ Chí Minh CCCD ĐT 0905 123 456 0905123456 "
    "049094000001 205123456 a@b.vn […] / - . , ( ) : & &amp; < > x· Héi Æ".split(" ")
)


@given(
    st.one_of(
        st.text(max_size=60), st.lists(_PIECES, max_size=12).map(" ".join), st.lists(_PIECES, max_size=12).map("".join)
    )
)
def test_p17_removing_twice_changes_nothing_more(value: str) -> None:
    once = personal_data.without_persons(value)
    assert personal_data.persons_in(once) == () and personal_data.without_persons(once) == once
