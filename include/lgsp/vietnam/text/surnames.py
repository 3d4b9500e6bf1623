"""Lists the words that start, continue or end a person's name, and the words that only look like names."""

from __future__ import annotations

# Surnames that have no other meaning: with any name after them they are a person.
UNAMBIGUOUS = frozenset("nguyễn trần huỳnh bùi đặng đinh trịnh".split())
# Surnames of the highland peoples (Cơ Tu, Xơ Đăng, Giẻ Triêng, Co), as registries spell them.
HIGHLAND = frozenset(
    "alăng zơrâm bnướch bhnướch hốih hôih coor riah ating pơloong ploong blúp briu bríu bling bhling bơling arất clâu"
    " cơlâu alấc arâl hiêng jơrâm rơmah kríng pơlong zơnông tơngôl avô abing bhơnướch ríah colâu".split()
)
# Syllables of highland names that are not Vietnamese syllables.
HIGHLAND_WORDS = HIGHLAND | frozenset(
    "bêê lêê dêê êê laêê bhalêê pơơ dăng vàl zuôih zuôich zà zơ zờ tơ chơr kríh brua avương".split()
)
# Surnames that are also ordinary words.
AMBIGUOUS = frozenset(
    "lê phạm hoàng phan vũ võ đỗ hồ ngô dương lý trương lương mai tô đoàn hà cao thái tạ châu đào lâm phùng tống kiều"
    " vương quách chu cù thân la lưu ông từ tăng doãn đậu khổng lục mạc nghiêm ninh phó quang thạch tôn triệu ung".split()
)
# The surnames that count without a title before them.
UNTITLED = (
    UNAMBIGUOUS
    | HIGHLAND
    | frozenset("lê phạm hoàng phan vũ võ đỗ hồ ngô dương lý trương lương mai tô đoàn hà cao thái tạ châu".split())
)
SURNAMES = UNAMBIGUOUS | HIGHLAND | AMBIGUOUS
# These also start phrases and job titles: Từ Văn Phòng, Tăng Thị Phần, Phó Văn Phòng.
NEVER_UNTITLED = frozenset("từ tăng phó ông la".split())

MIDDLES = frozenset(
    "văn thị hữu đình quang minh đức công xuân thanh ngọc thu kim hồng mỹ diệu bích quốc bá duy thế trọng tấn viết huy"
    " hoàng phúc như phương hải anh tuấn gia nhật khắc sỹ sĩ tiến mạnh trung ánh thúy thùy tuyết cẩm lệ kiều mai hoài".split()
)

# Before a surname these form a compound word: quản lý, vi phạm, nâng cao.
JOINED_BEFORE: dict[str, frozenset[str]] = {
    surname: frozenset(words.split())
    for surname, words in {
        "lý": "quản xử đại pháp địa hợp thanh trợ vật tâm đạo nguyên sinh bệnh vô có",
        "phạm": "vi quy tội sư xâm mô",
        "lương": "tiền phụ chi thang bảng trả nâng hưởng thiên",
        "đoàn": "thành tỉnh huyện công tập đại quân sư binh phái xã trưởng phó hội liên",
        "tô": "ô", "cao": "nâng lượng nghệ đề trình tầng độ tối đẳng",
        "thái": "sinh hình trạng quốc",
        "dương": "đại đông bình hải thái biểu tuyên hướng hoài",
        "hồ": "đồng ao sông lòng mặt quanh",
        "đỗ": "thi bãi điểm đậu trúng",
        "mai": "ngày sớm tương hoa tân",
        "hà": "sơn thanh cẩm hồng bắc",
        "châu": "cẩm á âu ngũ phi",
        "vũ": "khiêu lông", "ngô": "cây hạt trồng", "la": "thỏa", "hoàng": "kim huy", "võ": "học dạy môn",
    }.items()
}  # fmt: skip
# After a surname these form a compound word or a place name: hồ sơ, lý lịch, Hà Nội.
JOINED_AFTER: dict[str, frozenset[str]] = {
    surname: frozenset(words.split())
    for surname, words in {
        "hồ": "sơ tiêu chứa nuôi thủy thuỷ đập cá nước phú",
        "lý": "lịch do luận thuyết hôn sơn vi trình thường",
        "cao": "đẳng cấp tốc học tuổi su điểm bằng lãnh áp tầng nguyên trình ốc",
        "mai": "táng một",
        "lương": "hưu thực tối y tâm cơ thưởng khô",
        "đoàn": "kiểm thể viên kết đại tra tàu khối xã giám khách liên",
        "dương": "lịch tính",
        "thái": "độ nguyên bình lan tây",
        "châu": "á âu phi mỹ đốc lục thành",
        "vũ": "trường khí trang trụ", "võ": "thuật trang nhai", "trương": "mục", "tô": "màu", "ngô": "lai giống",
        "bùi": "nhùi", "đỗ": "xe đạt", "trần": "nhà lãi thuật", "la": "bàn", "đinh": "tán",
        "phạm": "vi tội nhân quy pháp hành", "hoàng": "sa thành gia liên hôn", "phan": "thiết rang",
        "hà": "nội tĩnh nam giang lam lan khắc nha đông", "đặng": "", "lê": "dương",
    }.items()
}  # fmt: skip

TITLES = frozenset("ông bà anh chị em cháu cụ cô chú bác".split())
# Words that follow a title with a capital but are not names: offices, countries, famous places.
ROLES = frozenset(
    "chủ phó bí giám trưởng tỉnh ủy uỷ thường đại việt hoa lào mỹ anh nga thái hàn nhật trung quảng các những cán công lãnh"
    " chuyên kế thanh thủ bộ sở ban đảng hội đoàn trực tổng thứ viện chánh nguyên ubnd hđnd mttq rịa nà đen trưng huyện mẹ"
    " con đỡ nội ngoại họ chồng vợ học sinh quốc cựu gương cả hai ba tư năm sáu bảy tám chín mười út".split()
)
# Words that end a name: they continue the sentence and are hardly ever part of a name.
STOPS = frozenset(
    "xã phường huyện thôn khối tổ tp tx tt quận tỉnh đường số về và với của ở tại do cho theo trên từ đến xin đề có là"
    " trú ngụ cccd cmnd cmt mst sđt đt khiếu kiến gửi đã được bị nộp làm đăng không nhận hưởng vào ngày tháng hộ giấy đơn"
    " đối vì để ubnd hđnd ông bà chủ".split()
)
# In lower case these words end a name too.
LOWER_CASE_STOPS = STOPS | frozenset(
    "thành cư thường sinh địa điện tố người phản yêu hiện tạm năm giám phó trưởng cùng căn chứng cấp nghị ấp trong".split()
)
TWO_WORD_STOPS = frozenset({("thị", "xã"), ("thị", "trấn"), ("thành", "phố"), ("khu", "phố")})
# A name after these phrases is that of a street, school or prize. Whole phrases, because *viên* or *thưởng* alone also precede persons.
_LEVEL = (
    r"(?:thpt|thcs|ptth|ptdt(?:nt|bt)?|th|mn|mg|chuyên|tiểu học|mầm non|mẫu giáo|trung học|phổ thông|cơ sở|cao đẳng|đại học"
    r"|trung cấp|nghề|dân tộc|nội trú|bán trú|liên cấp|số \d{1,2})"
)
NAMED_AFTER = (
    rf"trường(?:(?:\s|\s?[&,–-]\s?|\svà\s){_LEVEL}(?!\w))+|quảng trường|công viên|giải thưởng|bảo tàng"
    r"|(?:nhà|khu) (?:lưu|tưởng) niệm|tượng đài|đài tưởng niệm|di tích|đền thờ|đại lộ"
    r"|(?<!lên )(?<!tháo )(?<!tiểu )(?<!huyết )(?<!dẫn )(?<!chỉ )(?<!qua )(?<!từ )(?<!giảng )đường"
    r"|(?<!thành )(?<!khu )(?<!khối )(?<!dân )phố|(?<!yêu )(?<!nhu )(?<!thỉnh )(?<!khẩn )(?<!toàn )(?<!bóng )(?<!đá )(?<!quả )cầu"
)
KINDS = frozenset("xã phường trấn quận huyện xã phố tỉnh p x h tt tp tx ubnd dân".split())
EXEMPT = ("hồ chí minh", "võ nguyên giáp")
