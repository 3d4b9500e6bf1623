"""Match spellings to agencies: by name, parent, listed alias or a decision of the review; never by similarity."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise, product
from typing import Literal

from lgsp import config
from lgsp.errors import ContractError
from lgsp.harmonise.organisations.directory import COMMITTEE, Organisation, Version
from lgsp.schema import codelists
from lgsp.vietnam import territory_files, territory_versions, text

ALIASES = "organisation_alias"
PROVINCE = "{province}"  # in an alias: the name of the province that the installation serves
# Measured on a thousand single typing errors in the names of the simulated province: the right agency is first in
# 98.8% and among the first five in 99.9%, with a score of at least 72. Names of other agencies (Công an tỉnh, Chi cục
# Thuế) score below 62.
LEAST_SCORE = 70.0

_KIND = re.compile(r"^(xã|phường|thị trấn|thị xã|thành phố|huyện|quận|đặc khu|tỉnh) ")
_JOINING = re.compile(r"(?<!\S)(?:và|trực thuộc|thuộc)(?!\S) ?")
_PROVINCE = "tỉnh "
_PARENTS_IN_NAME = 3  # commune, district and province; each further parent would give four times as many forms

How = Literal["exact", "alias", "review"]


@dataclass(frozen=True)
class Match:
    """The agency that a spelling means, and how it was matched."""

    organisation_id: str
    matched_by: How


@dataclass(frozen=True)
class Candidate:
    """An agency whose name is similar to a spelling, for a reviewer to judge.

    `accent_only` is a warning: the two differ in accents only, as the communes Tam Dân and Tam Đàn do.
    """

    organisation_id: str
    name: str
    parent: str | None
    score: float
    accent_only: bool


@dataclass(frozen=True)
class Meaning:
    """A match, and the days on which it is valid when other agencies have the same name on other days."""

    match: Match
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, on: date) -> bool:
        """Whether the match is valid on a day."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class Matcher:
    """Matches spellings to the agencies of a directory; on each day a spelling means at most one agency."""

    def __init__(
        self,
        directory: list[Organisation],
        accepted: Mapping[str, str] | None = None,
        source: str | None = None,
        versions: Iterable[Version] = (),
    ) -> None:
        """`accepted` maps canonical keys to the agency ids of reviewers' decisions; `source` adds its own listed aliases.

        `versions` distinguish agencies that had the same name one after the other, as communes before and after a merger.
        """
        family = _Family(directory)
        other_names = _other_names(directory, source)
        names = [
            (o, name) for o in directory for name in (o.key, *family.shortened(o), *other_names[o.organisation_id])
        ]
        # The own name of an agency has precedence over one combined with parents; each index includes the one before.
        self._by_name = _ids_by_form((o.key, o) for o in directory)
        self._by_name_with_parents = _ids_by_form((form, o) for o in directory for form in family.forms(o, o.key))
        self._by_alias = _ids_by_form((_spelled_out(name), o) for o, name in names)
        self._by_alias_with_parents = _ids_by_form(
            (_spelled_out(form), o) for o, name in names for form in family.forms(o, name)
        )
        known = {o.organisation_id for o in directory}
        self._review = {key: {id_} for key, id_ in (accepted or {}).items() if id_ in known}
        self._terms = _terms(versions)

    def match(self, spelling: str | None, on: date | None = None) -> Match | None:
        """The agency that a spelling means on a day; None when it means none or several."""
        valid = [meaning for meaning in self.meanings(spelling) if on is None or meaning.is_valid(on)]
        return valid[0].match if len(valid) == 1 else None

    def meanings(self, spelling: str | None) -> list[Meaning]:
        """The agencies that a spelling means: one, or several one after the other with their days."""
        key = text.key(spelling)
        if key is None:
            return []
        spelled_out = _spelled_out(key)
        matches: list[tuple[How, Iterable[str]]] = [
            ("exact", self._by_name.get(key, ())),
            ("exact", self._by_name_with_parents.get(key, ())),
            ("alias", self._by_alias.get(spelled_out, ())),
            ("alias", self._by_alias_with_parents.get(spelled_out, ())),
            ("review", self._review.get(key, ())),
        ]
        return next((meanings for how, ids in matches if (meanings := self._distinguish(how, sorted(ids)))), [])

    def _distinguish(self, how: How, ids: list[str]) -> list[Meaning]:
        """The meanings of a name of several agencies, by their days; none when their days overlap or are unknown."""
        if len(ids) < 2:
            return [Meaning(Match(id_, how)) for id_ in ids]
        if not self._terms.keys() >= set(ids):
            return []
        meanings = sorted((Meaning(Match(id_, how), *self._terms[id_]) for id_ in ids), key=_first_day)
        overlap = any(before.is_valid(after.valid_from) for before, after in pairwise(meanings) if after.valid_from)
        return [] if overlap else meanings


def matcher_of(
    directory: Iterable[Organisation], accepted: Mapping[str, str], source: str, versions: Iterable[Version]
) -> Matcher:
    """The matcher of a directory, made once: the lists of one batch after another seldom differ."""
    agencies = tuple(replace(organisation, raw_pointer="") for organisation in directory)
    return _matcher_of(agencies, tuple(sorted(accepted.items())), source, tuple(versions))


@config.cached(most=8)
def _matcher_of(
    directory: tuple[Organisation, ...],
    accepted: tuple[tuple[str, str], ...],
    source: str,
    versions: tuple[Version, ...],
) -> Matcher:
    return Matcher(list(directory), dict(accepted), source, versions)


class Shortlist:
    """Finds the agencies with names similar to a spelling; the names are prepared once."""

    def __init__(self, directory: list[Organisation]) -> None:
        family = _Family(directory)
        self._parents = {o.organisation_id: next((m.name for m in family.above(o)), None) for o in directory}
        forms = [(o, _compared(o.key)) for o in directory]
        forms += [(o, f"{key} {_compared(m.key)}") for o, key in forms for m in family.above(o)[:1]]
        self._agencies, self._keys = [o for o, _ in forms], [key for _, key in forms]

    def candidates(self, spelling: str, limit: int = 5) -> list[Candidate]:
        """The agencies with the names most similar to a spelling, best first; none below `LEAST_SCORE`."""
        from rapidfuzz import fuzz, process

        key = _compared(text.key(spelling) or "")
        if not key:
            return []
        # each agency has two forms; letter by letter, because scores that ignore word order make all communes alike
        matches = process.extract(key, self._keys, scorer=fuzz.ratio, limit=2 * limit, score_cutoff=LEAST_SCORE)
        best: dict[str, Candidate] = {}
        for form, score, index in matches:
            o = self._agencies[index]
            accent_only = key != form and _folded(key) == _folded(form)
            candidate = Candidate(
                o.organisation_id, o.name, self._parents[o.organisation_id], round(score, 1), accent_only
            )
            best.setdefault(o.organisation_id, candidate)
        return list(best.values())[:limit]


def candidates(spelling: str, directory: list[Organisation], limit: int = 5) -> list[Candidate]:
    """The agencies with the names most similar to a spelling, best first; for reviewers only, never for matching."""
    return Shortlist(directory).candidates(spelling, limit)


class _Family:
    """The parents of each agency, and the forms of a name combined with those of parents."""

    def __init__(self, directory: list[Organisation]) -> None:
        self._by_id = {o.organisation_id: o for o in directory}

    def above(self, organisation: Organisation) -> list[Organisation]:
        """The parent of an agency, its parent and so on; by code where the list has no parent."""
        parents: list[Organisation] = []
        current = organisation
        while parent := self._by_id.get(current.parent_id or current.organisation_id.rpartition(".")[0]):
            if parent is organisation or parent in parents:
                break
            parents.append(parent)
            current = parent
        return parents

    def forms(self, organisation: Organisation, name: str) -> Iterator[str]:
        """A name alone, and with the names of the nearest parents after or before it."""
        above = [("", *_designations(parent.key)) for parent in self.above(organisation)[:_PARENTS_IN_NAME]]
        for parents in product(*above):
            yield " ".join(filter(None, (name, *parents)))
            yield " ".join(filter(None, (*reversed(parents), name)))

    def shortened(self, organisation: Organisation) -> Iterator[str]:
        """The name of an agency without the name of the province at its end: Văn phòng UBND tỉnh."""
        for top in (organisation, *self.above(organisation))[-1:]:
            place = top.key.removeprefix(COMMITTEE)
            if place.startswith(_PROVINCE) and organisation.key.endswith(" " + place):
                yield organisation.key.removesuffix(place) + _PROVINCE.strip()


def _designations(key: str) -> set[str]:
    """The names of an agency within the name of a lower one: its full name, and its territory with and without the kind."""
    if not key.startswith(COMMITTEE):
        return {key}
    place = key.removeprefix(COMMITTEE)
    return {key, place, _KIND.sub("", place)}


def _ids_by_form(forms: Iterable[tuple[str, Organisation]]) -> dict[str, set[str]]:
    """The ids of the agencies that have each form of a name."""
    ids: dict[str, set[str]] = defaultdict(set)
    for form, organisation in forms:
        ids[form].add(organisation.organisation_id)
    return dict(ids)


def _terms(versions: Iterable[Version]) -> dict[str, tuple[date, date | None]]:
    """The first day of each agency, and the day after its last."""
    terms: dict[str, tuple[date, date | None]] = {}
    for version in sorted(versions, key=lambda version: version.valid_from):
        first, _ = terms.get(version.organisation_id, (version.valid_from, None))
        terms[version.organisation_id] = (first, version.valid_to)
    return terms


def _first_day(meaning: Meaning) -> date:
    return meaning.valid_from or date.min


def _other_names(directory: list[Organisation], source: str | None) -> dict[str, list[str]]:
    """The listed aliases of each agency, by id."""
    ids: dict[str, list[str]] = defaultdict(list)
    for o in directory:
        ids[_spelled_out(o.key)].append(o.organisation_id)
        ids[o.organisation_id.lower()].append(o.organisation_id)
    aliases: dict[str, list[str]] = defaultdict(list)
    for alias, meant in known_aliases(source):
        for organisation_id in ids.get(meant, ()):
            aliases[organisation_id].append(alias)
    return aliases


@config.cached()
def known_aliases(source: str | None) -> tuple[tuple[str, str], ...]:
    """The aliases of the code list: pairs of the alias key, and the spelled-out name or the id in lower case."""
    aliases, province = codelists.load(ALIASES), _province_name()
    pairs = [pair for section in ("any", source) if section for pair in (aliases.get(section) or {}).items()]
    listed = [
        (_key(str(alias).replace(PROVINCE, province)), _meant(str(name).replace(PROVINCE, province)))
        for alias, name in pairs
    ]
    spellings = [(row["name"], row["spelling"]) for row in territory_files.rows("unit_spellings")]
    for group in [*(aliases.get("same") or ()), *spellings]:
        names = [_key(f"UBND {name}") for name in group]
        listed += [(alias, _spelled_out(name)) for alias, name in product(names, names) if alias != name]
    return tuple(listed)


def _province_name() -> str:
    code = config.active().province
    if code not in territory_versions.provinces():
        raise ContractError(f"LGSP_PROVINCE: no province has the code {code!r}; known are {', '.join(territory_versions.provinces())}")  # fmt: skip
    return territory_versions.provinces()[code].name


def _meant(name: str) -> str:
    return name.lower() if re.fullmatch(r"[A-Z]\d{2}(\.\d+)*", name) else _spelled_out(_key(name))


def _key(listed: object) -> str:
    key = text.key(str(listed))
    if key is None:
        raise ContractError(f"{ALIASES}.yml: {listed!r} is not a name; remove it there")
    return key


@config.cached()
def _abbreviations() -> Callable[[str], str]:
    words = {_key(short): _key(full) for short, full in (codelists.load(ALIASES).get("words") or {}).items()}
    longest_first = "|".join(re.escape(short) for short in sorted(words, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\S)(?:{longest_first})(?!\S)")
    return lambda key: pattern.sub(lambda match: words[match.group()], key)


def _spelled_out(key: str) -> str:
    """A key with listed abbreviations written out and without joining words."""
    return _JOINING.sub("", _abbreviations()(key)).strip()


def _compared(key: str) -> str:
    """A key for comparing names, without `ủy ban nhân dân`: with that common beginning all names would be similar."""
    return f"{_spelled_out(key)} ".replace(COMMITTEE, "").strip()


def _folded(key: str) -> str:
    """A key without accents; only for the warning to a reviewer."""
    decomposed = unicodedata.normalize("NFD", _spelled_out(key).replace("đ", "d"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))
