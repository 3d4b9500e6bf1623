"""Damages Vietnamese text as legacy fonts, keyboards and exports do; each function applies one kind of damage."""

import html.entities
import re
import unicodedata
from collections.abc import Callable

GRAVE, ACUTE, TILDE, HOOK, DOT = "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"
CIRCUMFLEX, BREVE, HORN = "\u0302", "\u0306", "\u031b"

# TCVN 5712 (ABC fonts): one byte per lower-case letter; a capital with a tone has the same code, in a capital font.
_TCVN3_PLAIN = dict(zip("ĂÂÊÔƠƯĐăâêôơưđ", range(0xA1, 0xAF), strict=True))
_TCVN3_TONED = {
    "àảãáạ": (0xB5, 0xB6, 0xB7, 0xB8, 0xB9), "ằẳẵắặ": (0xBB, 0xBC, 0xBD, 0xBE, 0xC6), "ầẩẫấậ": (0xC7, 0xC8, 0xC9, 0xCA, 0xCB),
    "èẻẽéẹ": (0xCC, 0xCE, 0xCF, 0xD0, 0xD1), "ềểễếệ": (0xD2, 0xD3, 0xD4, 0xD5, 0xD6), "ìỉĩíị": (0xD7, 0xD8, 0xDC, 0xDD, 0xDE),
    "òỏõóọ": (0xDF, 0xE1, 0xE2, 0xE3, 0xE4), "ồổỗốộ": (0xE5, 0xE6, 0xE7, 0xE8, 0xE9), "ờởỡớợ": (0xEA, 0xEB, 0xEC, 0xED, 0xEE),
    "ùủũúụ": (0xEF, 0xF1, 0xF2, 0xF3, 0xF4), "ừửữứự": (0xF5, 0xF6, 0xF7, 0xF8, 0xF9), "ỳỷỹýỵ": (0xFA, 0xFB, 0xFC, 0xFD, 0xFE),
}  # fmt: skip
_TCVN3_LOWER = {letter: code for row, codes in _TCVN3_TONED.items() for letter, code in zip(row, codes, strict=True)}
_TCVN3 = str.maketrans(
    {letter.upper(): code for letter, code in _TCVN3_LOWER.items()} | _TCVN3_LOWER | _TCVN3_PLAIN,
)

# VNI: a vowel, then one character for its diacritic and tone; i with a tone, ỵ, ơ, ư and đ have codes of their own.
_VNI_DIACRITICS = {
    "": {GRAVE: "ø", ACUTE: "ù", HOOK: "û", TILDE: "õ", DOT: "ï"},
    CIRCUMFLEX: {"": "â", GRAVE: "à", ACUTE: "á", HOOK: "å", TILDE: "ã", DOT: "ä"},
    BREVE: {"": "ê", GRAVE: "è", ACUTE: "é", HOOK: "ú", TILDE: "ü", DOT: "ë"},
}
_VNI_WHOLE = {"ì": "ì", "í": "í", "ỉ": "æ", "ĩ": "ó", "ị": "ò", "ỵ": "î", "đ": "ñ"}

_OLD_STYLE = re.compile(rf"(?<![qQ])([oOuU])([{GRAVE}{ACUTE}{TILDE}{HOOK}{DOT}])([aeyAEY])(?![\w{CIRCUMFLEX}{BREVE}])")


def to_nfd(text: str) -> str:
    """The same text in NFD, as macOS writes file names."""
    return unicodedata.normalize("NFD", text)


def to_tcvn3(text: str) -> str:
    """The text in TCVN3 (ABC) bytes read as Windows-1252; toned capitals become lower case, as in those fonts."""
    return unicodedata.normalize("NFC", text).translate(_TCVN3)


def _vni(letter: str) -> str:
    if letter.isascii():
        return letter
    small = letter.lower()
    if small in _VNI_WHOLE:
        damaged = _VNI_WHOLE[small]
    else:
        decomposed = unicodedata.normalize("NFD", small)
        base, marks = decomposed[0], decomposed[1:]
        tone = next((mark for mark in marks if mark in (GRAVE, ACUTE, TILDE, HOOK, DOT)), "")
        hat = next((mark for mark in marks if mark in (CIRCUMFLEX, BREVE)), "")
        if HORN in marks:
            base = {"o": "ô", "u": "ö"}[base]
        if not marks or base not in "aeiouyôö":
            return letter
        damaged = base + _VNI_DIACRITICS[hat].get(tone, "")
    return damaged.upper() if letter != small else damaged


def to_vni(text: str) -> str:
    """The text in VNI-Windows bytes read as Windows-1252."""
    return "".join(map(_vni, unicodedata.normalize("NFC", text)))


def _cp1258(letter: str) -> str:
    decomposed = unicodedata.normalize("NFD", letter)
    tones = [mark for mark in decomposed if mark in (GRAVE, ACUTE, TILDE, HOOK, DOT)]
    if not tones:
        return letter
    base = unicodedata.normalize("NFC", "".join(mark for mark in decomposed if mark not in tones))
    return base + tones[0]


def to_cp1258(text: str) -> str:
    """The text as Windows-1258 keyboards write it: each tone is a combining mark after its vowel."""
    return "".join(map(_cp1258, unicodedata.normalize("NFC", text)))


def to_cp1258_misread(text: str) -> str:
    """The Windows-1258 bytes of the text read as Windows-1252; letters without a byte in Windows-1258 become `?`."""
    return to_cp1258(text).encode("cp1258", "replace").decode("cp1252", "replace")


def _shown(byte: int, charset: str) -> str:
    """The character that a program shows for a byte; the undefined bytes of a Windows code page are kept as controls."""
    try:
        return bytes([byte]).decode(charset)
    except UnicodeDecodeError:
        return chr(byte)


def to_mojibake(text: str, charset: str = "cp1252", times: int = 1) -> str:
    """The UTF-8 bytes of the text read as another character set (`cp1252`, `cp1258`, `latin-1`), once or several times."""
    for _ in range(times):
        text = "".join(_shown(byte, charset) for byte in text.encode("utf-8"))
    return text


def mixed(text: str, damage: Callable[[str], str], position: int, *, is_first: bool = False) -> str:
    """The text with only its last words damaged, from a word on; with `is_first`, only the words before it.

    So does a program that puts its own words before or after a name from an old file.
    """
    words = text.split(" ")
    first, last = " ".join(words[:position]), " ".join(words[position:])
    return f"{damage(first)} {last}".strip(" ") if is_first else f"{first} {damage(last)}".strip(" ")


def to_look_alikes(text: str, bits: int) -> str:
    """The text with look-alike or invisible characters, one kind for each of the seven lowest bits."""
    middle = len(text) // 2
    if bits & 1:
        text = text.replace("Đ", "\u00d0")  # eth
    if bits & 2:
        text = text.replace("Đ", "\u0189")  # African D
    if bits & 4:
        text = text.replace(" ", "\u00a0")
    if bits & 8:
        text = text.replace("'", "\u2019")
    if bits & 16:
        text = text[:middle] + "\u200b" + text[middle:]
    if bits & 32:
        text = text.replace(" ", "\u00ad ", 1)
    if bits & 64:
        text = "\ufeff" + text
    return text


def to_new_tones(text: str) -> str:
    """The text with new-style tone marks: hoà, hoè, thuỷ for hòa, hòe, thủy."""
    return unicodedata.normalize("NFC", _OLD_STYLE.sub(r"\1\3\2", unicodedata.normalize("NFD", text)))


def to_html(text: str) -> str:
    """The text as a paragraph of an HTML editor: entities for letters, a non-breaking first space."""
    characters = (
        f"&{html.entities.codepoint2name[ord(character)]};"
        if ord(character) in html.entities.codepoint2name
        else character
        if character.isascii()
        else f"&#{ord(character)};"
        for character in unicodedata.normalize("NFC", text)
    )
    return f"<p>{''.join(characters).replace(' ', '&nbsp;', 1)}</p>"
