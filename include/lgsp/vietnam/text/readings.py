"""Decides word by word whether a text was written in an old character set, so that intact words stay as they are.

A word is damaged when it is no syllable as it stands, and is one when decoded. Some damaged words look intact: `Phó` is
both the word *phó* and *Phú* in TCVN3. Such a word is decoded or kept by its neighbours and by the official texts; when
these do not decide, nothing is decoded, and the text stays visibly damaged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lgsp import config
from lgsp.vietnam.text import vocabulary
from lgsp.vietnam.text.legacy_encodings import ENCODINGS, ETH, Encoding
from lgsp.vietnam.text.surnames import HIGHLAND_WORDS
from lgsp.vietnam.text.syllables import (
    GLUED,
    MICROMETRE,
    WORD,
    is_in_capitals,
    is_syllable,
    is_well_written,
    letters_with_case,
)

# From this logarithm of the odds on, a doubtful word is read in one way; e^3 is about 20 to 1.
_DECISIVE = 3.0
_PHRASE, _UNSEEN = 4.5, 0.1  # the weight of a known phrase, and the count of an unknown word
_NEIGHBOUR = 1.0  # the weight of a damaged neighbour
_DAMAGED, _MOST_DAMAGED = 0.75, 4  # the weight of each damaged word where no word is surely intact, up to so many
_VERY_COMMON = 40  # occurrences of a word that is recognised by one sign at its edge: `x·` is *xã*
# One sign before or after a word that may be typography: a quotation mark, a footnote, a trade mark.
_SIGN_AT_EDGE = re.compile(r"[«»·©¬£¥¢¶×][A-Za-z]+|[A-Za-z]+[»·©®×¹²³]")


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a text with its reading in an encoding; `decoded` is None when it has none.

    `is_neutral` words are the same in the encoding, so they are no sign that the text is not of it.
    """

    start: int
    end: int
    sent: str
    decoded: str | None
    is_intact: bool
    is_neutral: bool

    @property
    def is_damaged(self) -> bool:
        """Whether only the decoded word is a syllable."""
        return self.decoded is not None and not self.is_intact

    @property
    def is_doubtful(self) -> bool:
        """Whether the word is a syllable both as it was sent and decoded."""
        return self.decoded is not None and self.is_intact

    @property
    def is_surely_intact(self) -> bool:
        """Whether the word has accents and cannot be of the encoding."""
        return self.is_intact and self.decoded is None and not self.is_neutral


def decode_legacy(text: str) -> tuple[str, str]:
    """The text with the words of an old character set decoded, and the name of the encoding.

    The unchanged text and "" when no word is damaged, when two encodings fit equally, or when a word could be read in
    two ways.
    """
    readings = list[tuple[tuple[int, int], str, str]]()
    for encoding in () if text.isascii() else ENCODINGS:
        words = _words(text, encoding)
        if _is_evidence(words):
            decoded = _decoded(text, words, encoding)
            found = sum(word.is_damaged for word in words)
            readings.append(((found, vocabulary.phrases_in(decoded)), decoded, encoding.name))
    readings.sort(reverse=True)
    is_tie = len(readings) > 1 and readings[0][0] == readings[1][0] and readings[0][1] != readings[1][1]
    return (text, "") if not readings or is_tie or readings[0][1] == text else readings[0][1:]


def has_damage(text: str) -> bool:
    """Whether a text has words that are syllables only in an old character set."""
    return any(_is_evidence(_words(text, encoding)) for encoding in ENCODINGS)


def _words(text: str, encoding: Encoding) -> list[_Word]:
    return [
        _Word(match.start(), match.end(), match[0], *_readings(match[0], encoding)) for match in WORD.finditer(text)
    ]


@config.cached(most=65_536)
def _readings(word: str, encoding: Encoding) -> tuple[str | None, bool, bool]:
    """A word decoded (None when that is no syllable), whether it is one as it was sent, and whether it is neutral."""
    if word.isascii() or word == MICROMETRE:
        return None, True, True
    as_sent = word.translate(ETH)
    is_intact = _is_word(as_sent) or (_is_sign(word) and len(word) == 1)
    if not encoding.alphabet.fullmatch(word):
        return None, is_intact, False
    decoded = encoding.decode(word)
    is_neutral = decoded in (word, as_sent)
    if as_sent != word and vocabulary.occurrences(decoded) and not vocabulary.occurrences(as_sent):
        is_intact = False  # Ðãng is Đăng in Windows-1258
    return (decoded if not is_neutral and _is_word(decoded, encoding.is_by_font) else None), is_intact, is_neutral


def _is_sign(word: str) -> bool:
    """Whether a word has no letter: « is a quotation mark, and the letter ô in TCVN3."""
    return not any(character.isalpha() and character not in "ªº" for character in word)


def _is_word(word: str, is_by_font: bool = False) -> bool:
    """Whether a word is a syllable, or a name that the official texts have, such as Jơ."""
    return is_well_written(word, is_by_font) or (
        vocabulary.occurrences(word) > 0 and (word[1:].islower() or word.isupper())
    )


def _is_evidence(words: list[_Word]) -> bool:
    """Whether the damaged words are more than a foreign word or a footnote mark that happens to fit."""
    damaged = [index for index, word in enumerate(words) if word.is_damaged]
    if any(not _is_weak(words[index]) or _phrases(words, index, words[index].decoded or "") for index in damaged):
        return True
    strange = sum(not word.is_intact and word.decoded is None for word in words)
    return len({words[index].sent.lower() for index in damaged}) > max(1, strange)


def _is_weak(word: _Word) -> bool:
    decoded = word.decoded or ""
    count = vocabulary.occurrences(decoded) + (decoded.lower() in HIGHLAND_WORDS)
    if _SIGN_AT_EDGE.fullmatch(word.sent):
        return count < _VERY_COMMON
    return not count and len(word.sent) <= 4 and "§" not in word.sent  # où; the sign of a section has a blank after it


def _decoded(text: str, words: list[_Word], encoding: Encoding) -> str:
    """The text with the damaged words decoded; unchanged when a doubtful word cannot be decided."""
    damaged = sum(word.is_damaged for word in words)
    is_mixed = damaged < 2 or any(word.is_surely_intact for word in words)
    prior = 0.0 if is_mixed else _DAMAGED * min(damaged, _MOST_DAMAGED)
    chosen = list[str]()
    for index, word in enumerate(words):
        is_decoded = word.is_damaged or (word.is_doubtful and _is_misread(words, index, prior))
        if is_decoded is None and not _is_sign(word.sent):
            return text
        kept_damage = not word.is_intact and not is_mixed and GLUED.search(word.sent)
        chosen.append((word.decoded or "") if is_decoded else encoding.decode(word.sent) if kept_damage else word.sent)
    if encoding.is_by_font:
        chosen = list(_with_capitals(words, chosen))
    return _replaced(text, words, chosen)


def _is_misread(words: list[_Word], index: int, prior: float) -> bool | None:
    """Whether a doubtful word is to be decoded; None when that is undecided.

    `prior` is 0 in a text with intact words, where only a known phrase changes a word that looks intact.
    """
    word = words[index]
    decoded = word.decoded or ""
    neighbours = words[max(index - 1, 0) : index] + words[index + 1 : index + 2]
    near = _NEIGHBOUR * sum(neighbour.is_damaged - neighbour.is_surely_intact for neighbour in neighbours)
    as_sent, as_decoded = _phrases(words, index, word.sent), _phrases(words, index, decoded)
    counts = vocabulary.occurrences(decoded) + _UNSEEN, vocabulary.occurrences(word.sent) + _UNSEEN
    odds = prior + near + math.log(counts[0] / counts[1]) + _PHRASE * (as_decoded - as_sent)
    if odds <= -_DECISIVE:
        return False
    return True if odds >= _DECISIVE and (as_decoded or prior) else None


def _phrases(words: list[_Word], index: int, reading: str) -> int:
    """With how many of its neighbours, as sent or decoded, a reading of a word forms a known phrase."""
    before = [] if index == 0 else [words[index - 1]]
    found = [any(vocabulary.is_phrase(other, reading) for other in (word.sent, word.decoded or "")) for word in before]
    after = words[index + 1 : index + 2]
    found += [any(vocabulary.is_phrase(reading, other) for other in (word.sent, word.decoded or "")) for word in after]
    return sum(found)


def _with_capitals(words: list[_Word], chosen: list[str]) -> Iterator[str]:
    """The words, with letters whose capitals came from the font as capitals where the other letters are."""
    words_in_capitals = [text for text in chosen if len(letters_with_case(text)) > 1 and is_syllable(text.upper())]
    all_capitals = bool(words_in_capitals) and all(
        letters_with_case(text).isupper() for text in chosen if letters_with_case(text)
    )
    for word, text in zip(words, chosen, strict=True):
        basic = letters_with_case(text)
        is_by_font = not text.isascii() and (text != word.sent or word.is_neutral)
        is_capital = is_in_capitals(text) or (all_capitals and basic.isupper())
        yield text.upper() if is_by_font and is_capital else text


def _replaced(text: str, words: list[_Word], chosen: list[str]) -> str:
    parts, position = list[str](), 0
    for word, replacement in zip(words, chosen, strict=True):
        parts += [text[position : word.start], replacement]
        position = word.end
    return "".join([*parts, text[position:]])
