"""Makes one canonical key from the many spellings of a name."""

from __future__ import annotations

import re

from lgsp import config
from lgsp.vietnam.text.repair import clean
from lgsp.vietnam.text.syllables import one_tone_style

_DEPARTMENTS = (
    (r"tt\s?[&-]\s?tt|tttt|tt và tt", "thông tin và truyền thông"),
    (r"kh\s?[&-]\s?đt|khđt|kh và đt", "kế hoạch và đầu tư"),
    (r"tc\s?[&-]\s?kh|tckh", "tài chính kế hoạch"),
    (r"gtvt|gt-vt", "giao thông vận tải"),
    (r"lđ[\s,.-]{0,2}tb\s?(?:[&-]|và)?\s?xh", "lao động thương binh và xã hội"),
    (r"tn\s?[&-]\s?mt|tnmt|tn và mt", "tài nguyên và môi trường"),
    (r"nn\s?[&-]\s?ptnt|nnptnt|nn và ptnt", "nông nghiệp và phát triển nông thôn"),
    (r"nn\s?[&-]\s?mt|nnmt|nn và mt", "nông nghiệp và môi trường"),
    (r"gd\s?[&-]\s?đt|gdđt|gd và đt", "giáo dục và đào tạo"),
    (r"vh[\s,.-]{0,2}tt\s?(?:[&-]|và)?\s?dl", "văn hóa thể thao và du lịch"),
    (r"vh\s?[&-]\s?tt|vhtt", "văn hóa và thông tin"),
    (r"kh\s?[&-]\s?cn|khcn|kh và cn", "khoa học và công nghệ"),
)
# Abbreviations that mean a department only after sở or phòng.
_AFTER_OFFICE = {
    "ct": "công thương", "nv": "nội vụ", "ngv": "ngoại vụ", "tc": "tài chính", "tp": "tư pháp", "xd": "xây dựng", "yt": "y tế",
}  # fmt: skip
_BOARDS = (
    (r"ubnd", "ủy ban nhân dân"),
    (r"hđnd", "hội đồng nhân dân"),
    (r"ubmttq", "ủy ban mặt trận tổ quốc"),
    (r"vpubnd", "văn phòng ủy ban nhân dân"),
    (r"vpđkđđ", "văn phòng đăng ký đất đai"),
    (r"vp", "văn phòng"),
    (r"đkđđ", "đăng ký đất đai"),
    (r"bql", "ban quản lý"),
    (r"ban qlda", "ban quản lý dự án"),
    (r"bqlda", "ban quản lý dự án"),
    (r"qlda", "quản lý dự án"),
    (r"đtxd", "đầu tư xây dựng"),
    (r"kktm", "khu kinh tế mở"),
    (r"kkt", "khu kinh tế"),
    (r"kcn", "khu công nghiệp"),
    (r"tt\s?pvhcc", "trung tâm phục vụ hành chính công"),
    (r"tt\s?hcc", "trung tâm hành chính công"),
    (r"hcc", "hành chính công"),
    (r"tthc", "thủ tục hành chính"),
    (r"cntt", "công nghệ thông tin"),
)
# The purposes of centres: before one of these, TT means trung tâm, not thị trấn.
_CENTRES = (
    "y tế|pháp y|kiểm soát|kiểm nghiệm|kiểm định|đăng kiểm|giám định|văn hóa|thể thao|thông tin|truyền thông|công nghệ|tin học"
    "|ngoại ngữ|giáo dục|dạy nghề|đào tạo|bồi dưỡng|chính trị|huấn luyện|hội nghị|phát triển|xúc tiến|khuyến|kỹ thuật|dịch vụ"
    "|hành chính|phục vụ|nghiên cứu|ứng dụng|lưu trữ|quan trắc|tư vấn|trợ giúp|bảo trợ|công tác|chăm sóc|nuôi dưỡng|điều dưỡng"
    "|quản lý|giống|nước|cấp nước"
)
_PLACES = (
    (rf"\btt(?:\.\s*|\s+)(?=(?:{_CENTRES})\b)", "trung tâm "),
    (r"\btp(?:\.\s*|\s+)(?=\w)", "thành phố "),
    (r"\btx(?:\.\s*|\s+)(?=\w)", "thị xã "),
    (r"\btt\.\s*(?=\w)", "thị trấn "),
    (r"(?<=nhân dân )tt\s+(?=[^\W\d])|^tt\s+(?=[^\W\d])", "thị trấn "),
    (r"\bp\.\s*(?=\w)|(?<=nhân dân )p\s+(?=\w)(?!rao\b)", "phường "),
    (r"\bx\.\s*(?=\w)|(?<=nhân dân )x\s+(?=\w)", "xã "),
    (r"\bh\.\s*(?=\w)|(?<=nhân dân )h\s+(?=\w)", "huyện "),
)
_ABBREVIATIONS = (
    *((re.compile(rf"\b(?:{short})\b"), full) for short, full in (*_BOARDS, *_DEPARTMENTS)),
    *((re.compile(rf"\bs(?:{short})\b"), f"sở {full}") for short, full in _DEPARTMENTS),
)
_OFFICE = re.compile(rf"\b(sở|(?<!văn )phòng|stt\.?) ({'|'.join(_AFTER_OFFICE)})\b")
_KINDS = tuple((re.compile(short), full) for short, full in _PLACES)

_NUMERALS = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}  # vi, xi and x are also words
_NUMERAL = re.compile(r"\b(?:i{1,3}|iv)\b")
_APOSTROPHES = re.compile(r"['\u2018\u2019\u02bc`\u00b4\u2032]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_SPACES = re.compile(r"\s+")
# Highland names are written as one word or as several: A Vương, Avương; Bha Lêê, Bhalêê.
_PREFIX_A = re.compile(r"(^|\b(?:xã|phường|thị trấn) )a (?=[^\W\d_]{2})")
_LONG_E = re.compile(r"(?<=[^\W\d_]) (?=[dl]?êê\b)")


@config.cached(most=65_536)  # few names, repeated in many records
def key(value: str | None) -> str | None:
    """A key for comparing texts: cleaned, lower case, abbreviations expanded, one tone style, no punctuation.

    Accents are kept: Tam Dân and Tam Đàn are two communes. Apostrophes, Roman numerals up to four and the word breaks
    of highland names are normalised: Ch'ơm is Chơm, Tam Xuân I is Tam Xuân 1, A Vương is Avương.
    None when the text is empty.
    """
    text, before = clean(value), None
    while text is not None and text != before:  # removing punctuation can expose another abbreviation
        before = text
        text = clean(_canonical(text))
    return text


def _canonical(text: str) -> str:
    text = one_tone_style(_APOSTROPHES.sub("", text.lower()))
    for pattern, full in _ABBREVIATIONS:
        text = pattern.sub(full, text)
    text = _OFFICE.sub(lambda match: f"{match[1]} {_AFTER_OFFICE[match[2]]}", text)
    for pattern, full in _KINDS:
        text = pattern.sub(full, text)
    text = _SPACES.sub(" ", _PUNCTUATION.sub(" ", text.replace("&", " và "))).strip()
    text = _NUMERAL.sub(lambda match: _NUMERALS[match[0]], text)
    return _LONG_E.sub("", _PREFIX_A.sub(r"\1a", text))
