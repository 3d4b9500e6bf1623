"""Looks for every person of a world in everything that is shared, by plain comparison: no rule, no pattern of the platform."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lgsp_province.defects import text_damage
from lgsp_province.score.world import Known
from lgsp_province.world import agencies, people

_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ .\-()]{1,2}(?=\d)")
_DIGITS = re.compile(r"\d{9,}")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\w")


@dataclass(frozen=True)
class Found:
    """A column and a kind of personal value in it, and in how many different texts: never the text."""

    column: str
    what: str
    count: int


@dataclass
class Persons:
    """Names, numbers and addresses of everybody who was planted."""

    names: set[tuple[str, ...]]
    numbers: set[str]
    emails: set[str]

    @cached_property
    def longest(self) -> int:
        """Words of the longest name."""
        return max(map(len, self.names), default=0)


def _words(value: str) -> tuple[str, ...]:
    """Lower-case words in one tone style, composed."""
    return tuple(_WORD.findall(text_damage.to_new_tones(unicodedata.normalize("NFC", value)).lower()))


def _numbers(value: str) -> list[str]:
    return _DIGITS.findall(_BETWEEN_DIGITS.sub("", value))


def _planted(known: Known) -> Iterator[str]:
    """Every text that belongs to a person: names, numbers, e-mail addresses."""
    for bits, is_firm in {(seen.applicant, seen.is_firm) for seen in known.seen.values()}:
        person = people.person(bits, is_firm)
        yield from (
            person.name,
            person.identity_number,
            person.phone,
            f"84{person.phone[1:]}",
            person.phone[1:],
            person.email,
        )
    for document in known.world.papers.documents:
        yield from document.planted
        yield from (people.officer(document.bits), people.officer(document.bits >> 3))
    for status in known.world.papers.statuses:
        yield people.officer(status.bits)


def persons(known: Known) -> Persons:
    """Everybody in the world; a name that is also an official one, such as a commune's, is nobody's."""
    found = Persons(set(), set(), set())
    for text in set(_planted(known)):
        if "@" in text:
            found.emails.add(text.lower())
        elif numbers := _numbers(text):
            found.numbers |= set(numbers)
        elif len(words := _words(text)) > 1:
            found.names.add(words)
    official = [name for a in agencies.load() for name in (a.name, a.short_name)]
    official += [name for s in known.world.dossiers.catalogue.services for name in (s.name, s.field_name)]
    for name in official:
        found.names -= set(_runs(_words(name), found.longest))
    return found


def _runs(words: tuple[str, ...], longest: int) -> Iterator[tuple[str, ...]]:
    for start in range(len(words) - 1):
        for end in range(start + 2, min(len(words), start + longest) + 1):
            yield words[start:end]


def search(known: Known, texts: dict[str, list[str]]) -> list[Found]:
    """Which columns hold something of a person."""
    everybody = persons(known)
    found = []
    for column, values in texts.items():
        for what, holds in (
            ("name", lambda v: " " in v and not everybody.names.isdisjoint(_runs(_words(v), everybody.longest))),
            ("number", lambda v: not everybody.numbers.isdisjoint(_numbers(v))),
            ("e-mail", lambda v: "@" in v and not everybody.emails.isdisjoint(_emails(v))),
        ):
            if count := sum(map(holds, values)):
                found.append(Found(column, what, count))
    return found


def _emails(value: str) -> Iterable[str]:
    return map(str.lower, _EMAIL.findall(value))
