"""A text as it was meant: every known damage undone, and told."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from lgsp.vietnam.text import legacy_encodings
from lgsp.vietnam.text.syllables import GLUED, reads_well

_LETTERS = "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
_PLAIN_ASCII = re.compile(r"[^<&`\x00-\x20\x7f]+(?: [^<&`\x00-\x20\x7f]+)*")
_PLAIN = re.compile(rf"(?:[!-%'-;=-_a-~{_LETTERS}{_LETTERS.upper()}–“”…]| (?=[^ ]))+")
_BEYOND_LATIN = re.compile(r"[ĂăĐđĨĩŨũƠơƯưẠ-ỹ]")
_LATIN_WORD = re.compile(r"[^\W\d_]+")

_HIDDEN_BEGINS = re.compile(r"<(script|style)\b[^<>]*>|<!--", re.IGNORECASE)
_HIDDEN_ENDS = {
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
    "": re.compile("-->"),
}
_INLINE = re.compile(r"</?(?:a|b|big|em|font|i|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,2000}>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_AMPERSANDS = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")  # escaped again and again
_DEEPEST = 8

_TONED_AFTER_HAT = re.compile("[ăâêôơưĂÂÊÔƠƯ][\u0300\u0301\u0303\u0309\u0323]")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[\u2018\u2019\u02bc\u0060\u00b4\u2032\uff07](?=[^\W\d_])")
_LOOK_ALIKES = legacy_encodings.ETH | {0xA0: " "}
_INVISIBLE = re.compile(
    "[\x00\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0001\U000e0020-\U000e007f]"
)
_SOFT_HYPHEN = "\u00ad"
_SPACES = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_RUINS = re.compile(f"á[º»][{legacy_encodings.CONTINUED}]|[ÃÄÅÆ][\x80-\x9f¡-¿‘†]|â€|ï»¿|ï¿½")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A text as it was meant, None when nothing is left, and the damages undone in the order they were."""

    text: str | None
    treatments: tuple[str, ...] = ()


def _without_markup(text: str) -> tuple[str, str]:
    """Tags go, entities become signs, as often as they were escaped; of what was made to nest deeper no sign is left."""
    if "<" not in text and "&" not in text:
        return text, "html"
    for _ in range(_DEEPEST):
        before = text
        if "<" in text:
            text = _TAG.sub(" ", _INLINE.sub("", _without_hidden(text)))
        if "&" in text:
            text = _ENTITY.sub(lambda found: html.unescape(found[0]), _AMPERSANDS.sub("&amp;", text))
        if text == before:
            return text, "html"
    return text.replace("<", " ").replace("&", " "), "html"


def _without_hidden(text: str) -> str:
    """The text without scripts, styles and comments: each end is looked for once, however many begin."""
    parts, here, endless = list[str](), 0, set[str]()
    for begun in _HIDDEN_BEGINS.finditer(text):
        kind = (begun[1] or "").lower()
        if begun.start() < here or kind in endless:
            continue
        ended = _HIDDEN_ENDS[kind].search(text, begun.end())
        if ended is None:
            endless.add(kind)
        else:
            parts += [text[here : begun.start()], " "]
            here = ended.end()
    return "".join([*parts, text[here:]])


def _composed(text: str) -> tuple[str, str]:
    name = "cp1258" if _TONED_AFTER_HAT.search(text) else "nfc"
    return unicodedata.normalize("NFC", text), name


def _without_look_alikes(text: str) -> tuple[str, str]:
    return _APOSTROPHE.sub("'", text.translate(_LOOK_ALIKES)), "look_alike"


_STEPS: tuple[Callable[[str], tuple[str, str]], ...] = (
    _without_markup,
    lambda text: (_INVISIBLE.sub("", text), "invisible"),
    lambda text: (legacy_encodings.without_mojibake(text), "mojibake"),
    legacy_encodings.undone,
    _composed,
    _without_look_alikes,
    lambda text: (text.replace(_SOFT_HYPHEN, ""), "invisible"),  # only now: in TCVN3 it is the letter ư
)


def _is_plain(text: str) -> bool:
    """Whether nothing can be wrong with a text; most are so, and need to be told apart fast."""
    if text.isascii():
        return _PLAIN_ASCII.fullmatch(text) is not None
    if _PLAIN.fullmatch(text) is None or text[0] == " ":
        return False
    # Letters that only Unicode has cannot come from a font; the others are letters in every character set.
    return _BEYOND_LATIN.search(text) is not None or all(
        word.isascii() or reads_well(word) for word in _LATIN_WORD.findall(text)
    )


def repair(value: str) -> Repaired:
    """The text as it was meant and what was undone: nfc, tcvn3, vni, cp1258, mojibake, look_alike, invisible, html.

    Letters, digits and punctuation that are not damaged stay as sent; spaces are folded, which is no treatment.
    """
    if _is_plain(value):
        return Repaired(value)
    text, treatments = value, list[str]()
    for _ in range(8):  # a damage may hide another: an entity in ruined UTF-8, a tag between invisible signs
        before = text
        for step in _STEPS:
            treated, name = step(text)
            if treated != text and name not in treatments:
                treatments.append(name)
            text = treated
        text = _SPACES.sub(" ", text).strip()
        if text == before:
            break
    return Repaired(text or None, tuple(treatments))


def clean(value: str | None) -> str | None:
    """The text as it was meant; None when nothing is left."""
    if value is None:
        return None
    return value if _is_plain(value) else repair(value).text


def is_garbled(value: str) -> bool:
    """Whether a text still shows damage: lost signs, control characters, ruins of UTF-8 or of a font's letters."""
    if value.isascii():
        return _CONTROL.search(value) is not None
    return any(pattern.search(value) for pattern in (_CONTROL, _RUINS, GLUED))
