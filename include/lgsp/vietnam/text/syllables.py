"""Recognises Vietnamese syllables (onset, rhyme and tone), to distinguish words from damaged text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from lgsp.vietnam.text.surnames import HIGHLAND_WORDS

TONES = "\u0300\u0301\u0303\u0309\u0323"

ONSETS = frozenset({"", *"b c ch d đ g gh gi h k kh l m n ng ngh nh p ph qu r s t th tr v x".split()})
RHYMES = """
a ac ach ai am an ang anh ao ap at au ay ăc ăm ăn ăng ăp ăt âc âm ân âng âp ât âu ây
e ec em en eng eo ep et ê êch êm ên êng ênh êp êt êu
i ia ich iêc iêm iên iêng iêp iêt iêu im in ing inh ip it iu y yêm yên yêng yêt yêu ym yn ynh yp yt ych
o oa oac oach oai oam oan oang oanh oao oap oat oay oăc oăm oăn oăng oăt oc oe oen oeo oet oi om on ong op ot
ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt
u ua uân uâng uât uâc uây uc uê uêch uênh ui um un ung uôc uôi uôm uôn uông uôt up ut
uy uya uych uyên uyêt uyn uynh uyp uyt uyu
ư ưa ưc ưi ưm ưn ưng ươc ươi ươm ươn ương ươp ươt ươu ưt ưu
"""
_VOWELS, _MARKED_VOWELS = "aăâeêioôơuưy", "ăâêôơ"
_STOPS = ("c", "ch", "p", "t")
_STOP_TONES = "\u0301\u0323"
_EITHER_STYLE = ("oa", "oe", "uy")


def _tone_positions(rhyme: str) -> tuple[int, ...]:
    """The positions in a rhyme that may carry the tone: the vowel with a diacritic, else the middle vowel."""
    count = sum(letter in _VOWELS for letter in rhyme)
    marked = [index for index, letter in enumerate(rhyme) if letter in _MARKED_VOWELS]
    if marked:
        return (marked[-1],)
    if rhyme in _EITHER_STYLE:
        return (0, 1)
    return (1,) if count > 2 or (count == 2 and count < len(rhyme)) else (0,)


# In these pairs the tone mark is on the first vowel in the old style (hòa), on the second in the new style (hoà).
_NEW_STYLE = re.compile(rf"(?<!q)(o|u)(a|e|y)([{TONES}])(?![\w\u0300-\u036f])")


def one_tone_style(text: str) -> str:
    """Lower-case text with tone marks placed the old way: hoà becomes hòa, thuỷ becomes thủy."""
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", _NEW_STYLE.sub(r"\1\3\2", decomposed))


_TONE_POSITIONS = {rhyme: _tone_positions(rhyme) for rhyme in RHYMES.split()}

# A word ends at these characters; every other character may be a letter in some character set.
WORD = re.compile(r"[^\s\x00-\x26\x28-\x40\x5b-\x60\x7b-\x9f'“”‘’…–—•°²³]+")
_ABBREVIATION = re.compile(r"(?=.*Đ)[BCDĐGHKLMNPQRSTVX]{2,}")
_ASCII_LETTER = re.compile(r"[A-Za-z]")
# Signs that occur between letters only in a text of another character set.
GLUED = re.compile(r"(?<=[^\W\d_])[¡¢¤¥¦¨¬¶¸¹¼½¾µ](?=[^\W\d_])")
_MAX_LETTERS = 12
_WITHOUT_TONE = frozenset("abcdefghijklmnopqrstuvwxyzăâêôơưđABCDEFGHIJKLMNOPQRSTUVWXYZĂÂÊÔƠƯĐ")
MICROMETRE = "µm"  # in TCVN3 it would be a syllable


@lru_cache(maxsize=65_536)
def is_syllable(word: str) -> bool:
    """Whether a word in NFC, in any case, is a valid syllable: an onset, a rhyme, and a tone on the right letter.

    Words of highland names count as syllables too.
    """
    if len(word) > _MAX_LETTERS:
        return False
    if word.lower() in HIGHLAND_WORDS:
        return True
    bare, tone, position = "", "", -1
    for sign in unicodedata.normalize("NFD", word.lower()):
        if sign not in TONES:
            bare += sign
        elif tone:
            return False
        else:
            tone, position = sign, len(unicodedata.normalize("NFC", bare)) - 1
    bare = unicodedata.normalize("NFC", bare)
    return any(_is_rhyme(bare[length:], tone, position - length) for length in (3, 2, 1, 0) if bare[:length] in ONSETS)


def _is_rhyme(rhyme: str, tone: str, position: int) -> bool:
    if rhyme not in _TONE_POSITIONS:
        return False
    return not tone or (position in _TONE_POSITIONS[rhyme] and (tone in _STOP_TONES or not rhyme.endswith(_STOPS)))


def letters_with_case(word: str) -> str:
    """The letters of a word that have a capital of their own in TCVN3: those without a tone."""
    return "".join(letter for letter in word if letter in _WITHOUT_TONE)


def is_in_capitals(word: str) -> bool:
    """Whether a word of TCVN3 was meant in capitals, as PHú and ủY: its letters without a tone are, beyond an initial."""
    cased = letters_with_case(word)
    return cased.isupper() and (len(cased) > 1 or (len(word) > 1 and word[-1].isupper()))


@lru_cache(maxsize=65_536)
def is_well_written(word: str, by_font: bool = False) -> bool:
    """Whether a word is a syllable in lower case, in capitals or with a first capital, or an abbreviation with Đ.

    With `by_font`, accented lower-case letters count as capitals among capitals, as in PHú: in TCVN3, capitals with
    accents come from the font.
    """
    if _ABBREVIATION.fullmatch(word):
        return True
    is_written_well = word.islower() or word.isupper() or (word[0].isupper() and word[1:].islower())
    is_written_well = is_written_well or (by_font and is_in_capitals(word))
    return is_written_well and is_syllable(word)


def vietnamese_score(text: str, by_font: bool = False) -> int:
    """How well a text reads as Vietnamese: its non-ASCII words that are syllables, minus those that are not.

    Words without an ASCII letter (`§ 3`, `1ª`) do not count.
    """
    total = 0
    for word in WORD.findall(text):
        if word.isascii() or not _ASCII_LETTER.search(word):
            continue
        if word == MICROMETRE or is_well_written(word, by_font):
            total += 1
        else:
            total -= 2 if GLUED.search(word) else 1
    return total
