"""Searches all shared texts for the personal data of a world, by plain comparison without the platform's own patterns."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from lgsp_province.defects import text_damage
from lgsp_province.score.world import ExpectedDataset
from lgsp_province.world import agencies, people

_WORD = re.compile(r"[^\W\d_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[ .\-()]{1,2}(?=\d)")
_DIGITS = re.compile(r"\d{9,}")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\w")


@dataclass(frozen=True)
class PersonalDataFinding:
    """A column, the kind of personal data in it (`what`), and the number of distinct texts; never the text itself."""

    column: str
    what: str
    count: int


@dataclass
class PersonalData:
    """The names, numbers and e-mail addresses of all persons of a world."""

    names: set[tuple[str, ...]]
    numbers: set[str]
    emails: set[str]

    @cached_property
    def longest(self) -> int:
        """The number of words of the longest name."""
        return max(map(len, self.names), default=0)


def _words(value: str) -> tuple[str, ...]:
    """The words in lower case, composed and with one tone style."""
    return tuple(_WORD.findall(text_damage.to_new_tones(unicodedata.normalize("NFC", value)).lower()))


def _numbers(value: str) -> list[str]:
    return _DIGITS.findall(_BETWEEN_DIGITS.sub("", value))


def _planted(expected: ExpectedDataset) -> Iterator[str]:
    """Every name, number and e-mail address of a person."""
    for bits, is_firm in {(state.applicant, state.is_firm) for state in expected.states.values()}:
        person = people.person(bits, is_firm)
        yield from (
            person.name,
            person.identity_number,
            person.phone,
            f"84{person.phone[1:]}",
            person.phone[1:],
            person.email,
        )
    for document in expected.world.document_data.documents:
        yield from document.personal_data
        yield from (people.official_name(document.bits), people.official_name(document.bits >> 3))
    for status in expected.world.document_data.statuses:
        yield people.official_name(status.bits)


def personal_data(expected: ExpectedDataset) -> PersonalData:
    """The personal data of a world, without names that are also official ones, such as a commune's."""
    data = PersonalData(set(), set(), set())
    for text in set(_planted(expected)):
        if "@" in text:
            data.emails.add(text.lower())
        elif numbers := _numbers(text):
            data.numbers |= set(numbers)
        elif len(words := _words(text)) > 1:
            data.names.add(words)
    official = [name for a in agencies.load() for name in (a.name, a.short_name)]
    official += [name for s in expected.world.dossiers.catalogue.services for name in (s.name, s.field_name)]
    for name in official:
        data.names -= set(_phrases(_words(name), data.longest))
    return data


def _phrases(words: tuple[str, ...], longest: int) -> Iterator[tuple[str, ...]]:
    """Every sequence of two to `longest` consecutive words."""
    for start in range(len(words) - 1):
        for end in range(start + 2, min(len(words), start + longest) + 1):
            yield words[start:end]


def search(expected: ExpectedDataset, texts: dict[str, list[str]]) -> list[PersonalDataFinding]:
    """The findings in texts by `table.column`: which columns contain personal data of which kind."""
    data = personal_data(expected)
    findings = []
    for column, values in texts.items():
        for what, contains in (
            ("name", lambda v: " " in v and not data.names.isdisjoint(_phrases(_words(v), data.longest))),
            ("number", lambda v: not data.numbers.isdisjoint(_numbers(v))),
            ("e-mail", lambda v: "@" in v and not data.emails.isdisjoint(_emails(v))),
        ):
            if count := sum(map(contains, values)):
                findings.append(PersonalDataFinding(column, what, count))
    return findings


def _emails(value: str) -> Iterable[str]:
    return map(str.lower, _EMAIL.findall(value))
