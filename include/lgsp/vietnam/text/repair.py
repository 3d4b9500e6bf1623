"""Repairs damaged text and reports each kind of repair."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from lgsp.vietnam.text import legacy_encodings, losses, mojibake, readings
from lgsp.vietnam.text.syllables import is_well_written

_LETTERS = "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
_PLAIN = re.compile(rf"[!-%'-;=-_a-~{_LETTERS}{_LETTERS.upper()}–“”…]+")
# Words with letters that a wrong character set shows: those of Latin-1, and Ă in Windows-1258. All others are surely Unicode.
_LATIN_WORD = re.compile(r"[^\W\d_]*[À-ÿĂ][^\W\d_]*")

_HIDDEN_STARTS = re.compile(r"<(script|style)\b[^<>]*>|<!--", re.IGNORECASE)
_HIDDEN_ENDS = {
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
    "": re.compile("-->"),
}
_INLINE = re.compile(r"</?(?:a|b|big|em|font|i|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!?][^<>]{0,2000}>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_AMPERSANDS = re.compile(r"&(?:(?:amp|AMP|#0{0,5}38|#[xX]0{0,4}26);)+")  # escaped several times
_MAX_NESTING = 8
_MAX_CHECKED = 10_000  # a longer text is repaired without the check, whose words are kept in memory

# A tone before the diacritic of its vowel: a canonical order that NFC does not compose.
_TONE_BEFORE_DIACRITIC = re.compile("([\u0300\u0301\u0303\u0309])([\u0302\u0306])")
_TONE_AFTER_MARKED_VOWEL = re.compile("[ăâêôơưĂÂÊÔƠƯ][\u0300\u0301\u0303\u0309\u0323]")
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])[\u2018\u2019\u02bc\u0060\u00b4\u2032\uff07](?=[^\W\d_])")
_LOOK_ALIKES = {sign: letter for sign, letter in legacy_encodings.ETH.items() if sign != ord("ð")} | {0xA0: " "}
_SMALL_ETH = re.compile(r"(?<![^\W\d_])ð")  # đ starts a syllable; within a word it is the letter of Icelandic
_INVISIBLE = re.compile(
    "[\x00\u034f\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0001\U000e0020-\U000e007f]"
)
_SOFT_HYPHEN = "\u00ad"
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A repaired text, None when it is empty, and the names of the repairs in the order they were made.

    `is_garbled` is true for a text that still has damage (`losses.is_garbled`).
    """

    text: str | None
    repairs: tuple[str, ...] = ()
    is_garbled: bool = field(default=False, compare=False)

    @property
    def treatments(self) -> tuple[str, ...]:
        """The repairs, and `garbled` for damage that is left."""
        return (*self.repairs, "garbled") if self.is_garbled else self.repairs


def _without_markup(text: str) -> tuple[str, str]:
    """The text with tags removed and entities decoded, also when escaped several times.

    Markup that is nested deeper than _MAX_NESTING loses all its < and & characters.
    """
    if "<" not in text and "&" not in text:
        return text, "html"
    for _ in range(_MAX_NESTING):
        before = text
        if "<" in text:
            text = _TAG.sub(" ", _INLINE.sub("", _without_hidden(text)))
        if "&" in text:
            text = _ENTITY.sub(lambda match: html.unescape(match[0]), _AMPERSANDS.sub("&amp;", text))
        if text == before:
            return text, "html"
    return text.replace("<", " ").replace("&", " "), "html"


def _without_hidden(text: str) -> str:
    """The text without scripts, styles and comments; a failed search for an end is not repeated, so the time is linear."""
    parts, position, without_end = list[str](), 0, set[str]()
    for opening in _HIDDEN_STARTS.finditer(text):
        kind = (opening[1] or "").lower()
        if opening.start() < position or kind in without_end:
            continue
        closing = _HIDDEN_ENDS[kind].search(text, opening.end())
        if closing is None:
            without_end.add(kind)
        else:
            parts += [text[position : opening.start()], " "]
            position = closing.end()
    return "".join([*parts, text[position:]])


def _composed(text: str) -> tuple[str, str]:
    name = "cp1258" if _TONE_AFTER_MARKED_VOWEL.search(text) else "nfc"
    composed = unicodedata.normalize("NFC", text)
    if "\u0302" in composed or "\u0306" in composed:
        reordered = _TONE_BEFORE_DIACRITIC.sub(r"\2\1", unicodedata.normalize("NFD", composed))
        composed = unicodedata.normalize("NFC", reordered)
    return composed, name


def _without_look_alikes(text: str) -> tuple[str, str]:
    return _APOSTROPHE.sub("'", _SMALL_ETH.sub("đ", text.translate(_LOOK_ALIKES))), "look_alike"


_STEPS: tuple[Callable[[str], tuple[str, str]], ...] = (
    _without_markup,
    lambda text: (_INVISIBLE.sub("", text), "invisible"),
    lambda text: (mojibake.fix(text), "mojibake"),
    readings.decode_legacy,
    _composed,
    _without_look_alikes,
    lambda text: (text.replace(_SOFT_HYPHEN, ""), "invisible"),  # after the decoding: in TCVN3 it is the letter ư
)


def _is_plain(text: str) -> bool:
    """Whether a text certainly needs no repair: a fast check, because most texts need none."""
    return len(text) <= _MAX_CHECKED and all(map(_is_plain_token, text.split(" ")))


@lru_cache(maxsize=65_536)  # few words, repeated in many texts
def _is_plain_token(token: str) -> bool:
    if _PLAIN.fullmatch(token) is None:
        return False
    return token.isascii() or all(map(is_well_written, _LATIN_WORD.findall(token)))


def repair(value: str) -> Repaired:
    """The repaired text, with the repairs made: nfc, tcvn3, vni, cp1258, mojibake, look_alike, invisible, html.

    Undamaged words, digits and punctuation stay as sent. A text that could be read in two ways is not decoded, and is
    garbled. Runs of whitespace become one space, which is not reported.
    """
    if _is_plain(value):
        return Repaired(value, is_garbled="?" in value and losses.has_lost_letters(value))
    text, repairs = value, list[str]()
    for _ in range(8):  # one kind of damage may hide another: an entity in misread UTF-8, a tag between invisible signs
        before = text
        for step in _STEPS:
            repaired, name = step(text)
            if repaired != text and name not in repairs:
                repairs.append(name)
            text = repaired
        text = _SPACES.sub(" ", text).strip()
        if text == before:
            break
    return Repaired(text or None, tuple(repairs), is_garbled=losses.is_garbled(text))


def clean(value: str | None) -> str | None:
    """The repaired text; None when it is empty."""
    if value is None:
        return None
    return value if _is_plain(value) else repair(value).text


def is_garbled(value: str) -> bool:
    """Whether a text still has damage: lost or control characters, misread UTF-8, letters of an old character set."""
    return ("?" in value or not _is_plain(value)) and losses.is_garbled(value)
