"""Which agency a spelling means: by its name, its parent, a listed alias or a decision of the review; never by likeness."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise, product
from typing import Literal

from lgsp.errors import ContractError
from lgsp.harmonise.organisations.directory import COMMITTEE, Organisation, Version
from lgsp.schema import codelists
from lgsp.vietnam import territory_versions, text

ALIASES = "organisation_alias"
# Measured over a thousand single slips in the names of the simulated province: the agency meant is first in 98.8 %, among
# five in 99.9 %, and has at least 72. Names nobody there bears (Công an tỉnh, Chi cục Thuế) stay below 62.
LEAST_SCORE = 70.0

_KIND = re.compile(r"^(xã|phường|thị trấn|thị xã|thành phố|huyện|quận|đặc khu|tỉnh) ")
_JOINING = re.compile(r"(?<!\S)(?:và|trực thuộc|thuộc)(?!\S) ?")
_PROVINCE = "tỉnh "
_TOLD_ABOVE = 3  # a unit's commune, district and province; every further one would make the forms four times as many

How = Literal["exact", "alias", "review"]


@dataclass(frozen=True)
class Match:
    """The agency a spelling means, and how that is known."""

    organisation_id: str
    matched_by: How


@dataclass(frozen=True)
class Candidate:
    """An agency whose name resembles a spelling, for a person to judge.

    `accent_only` warns: the two differ by accents alone, as the communes Tam Dân and Tam Đàn do.
    """

    organisation_id: str
    name: str
    parent: str | None
    score: float
    accent_only: bool


@dataclass(frozen=True)
class Meaning:
    """A match, and the days on which it holds when others bear the same name on other days."""

    match: Match
    valid_from: date | None = None
    valid_to: date | None = None

    def holds(self, on: date) -> bool:
        """Whether a day is one of them."""
        return (self.valid_from is None or self.valid_from <= on) and (self.valid_to is None or on < self.valid_to)


class Matcher:
    """The spellings that mean one agency of a directory, and on any day only one."""

    def __init__(
        self,
        directory: list[Organisation],
        accepted: Mapping[str, str] | None = None,
        source: str | None = None,
        versions: Iterable[Version] = (),
    ) -> None:
        """`accepted` maps canonical keys to the ids a reviewer gave them; `source` adds its own listed aliases.

        `versions` tell apart the agencies that bore one name one after the other, as communes before and after a merger.
        """
        family = _Family(directory)
        other_names = _other_names(directory, source)
        names = [
            (o, name) for o in directory for name in (o.key, *family.shortened(o), *other_names[o.organisation_id])
        ]
        # What an agency is called comes before what another may be called beside those above it; each includes the one before.
        self._borne = _borne((o.key, o) for o in directory)
        self._exact = _borne((form, o) for o in directory for form in family.forms(o, o.key))
        self._borne_alias = _borne((_spelled_out(name), o) for o, name in names)
        self._alias = _borne((_spelled_out(form), o) for o, name in names for form in family.forms(o, name))
        known = {o.organisation_id for o in directory}
        self._review = {key: {id_} for key, id_ in (accepted or {}).items() if id_ in known}
        self._terms = _terms(versions)

    def match(self, spelling: str | None, on: date | None = None) -> Match | None:
        """The agency a spelling means, on a day; None when it means none, several, or nobody has said which."""
        found = [meaning for meaning in self.meanings(spelling) if on is None or meaning.holds(on)]
        return found[0].match if len(found) == 1 else None

    def meanings(self, spelling: str | None) -> list[Meaning]:
        """What a spelling means: one agency, or several one after the other with the days of each."""
        key = text.key(spelling)
        if key is None:
            return []
        spelled_out = _spelled_out(key)
        found: list[tuple[How, Iterable[str]]] = [
            ("exact", self._borne.get(key, ())),
            ("exact", self._exact.get(key, ())),
            ("alias", self._borne_alias.get(spelled_out, ())),
            ("alias", self._alias.get(spelled_out, ())),
            ("review", self._review.get(key, ())),
        ]
        return next((told for how, ids in found if (told := self._told_apart(how, sorted(ids)))), [])

    def _told_apart(self, how: How, ids: list[str]) -> list[Meaning]:
        if len(ids) < 2:
            return [Meaning(Match(id_, how)) for id_ in ids]
        if not self._terms.keys() >= set(ids):
            return []
        following = sorted((Meaning(Match(id_, how), *self._terms[id_]) for id_ in ids), key=_first_day)
        overlap = any(before.holds(after.valid_from) for before, after in pairwise(following) if after.valid_from)
        return [] if overlap else following


class Shortlist:
    """The names of a directory, made ready once for many misspelt ones."""

    def __init__(self, directory: list[Organisation]) -> None:
        family = _Family(directory)
        self._parents = {o.organisation_id: next((m.name for m in family.above(o)), None) for o in directory}
        forms = [(o, _compared(o.key)) for o in directory]
        forms += [(o, f"{key} {_compared(m.key)}") for o, key in forms for m in family.above(o)[:1]]
        self._bearers, self._keys = [o for o, _ in forms], [key for _, key in forms]

    def of(self, spelling: str, limit: int = 5) -> list[Candidate]:
        """The agencies whose names resemble a spelling most, best first; none below `LEAST_SCORE`."""
        from rapidfuzz import fuzz, process

        key = _compared(text.key(spelling) or "")
        if not key:
            return []
        # each agency has two forms; letter by letter, because scores for words in any order make all communes alike
        found = process.extract(key, self._keys, scorer=fuzz.ratio, limit=2 * limit, score_cutoff=LEAST_SCORE)
        best: dict[str, Candidate] = {}
        for form, score, index in found:
            o = self._bearers[index]
            accent_only = key != form and _folded(key) == _folded(form)
            candidate = Candidate(
                o.organisation_id, o.name, self._parents[o.organisation_id], round(score, 1), accent_only
            )
            best.setdefault(o.organisation_id, candidate)
        return list(best.values())[:limit]


def candidates(spelling: str, directory: list[Organisation], limit: int = 5) -> list[Candidate]:
    """The agencies whose names resemble a spelling most, best first: for the review list, never for the data."""
    return Shortlist(directory).of(spelling, limit)


class _Family:
    """The agencies above each agency, and the forms a name takes with theirs."""

    def __init__(self, directory: list[Organisation]) -> None:
        self._by_id = {o.organisation_id: o for o in directory}

    def above(self, organisation: Organisation) -> list[Organisation]:
        """Its parent, its parent's parent and so on; by code where the list names none."""
        found: list[Organisation] = []
        here = organisation
        while mother := self._by_id.get(here.parent_id or here.organisation_id.rpartition(".")[0]):
            if mother is organisation or mother in found:
                break
            found.append(mother)
            here = mother
        return found

    def forms(self, organisation: Organisation, name: str) -> Iterator[str]:
        """A name alone, and with names of the nearest above behind it or in front."""
        above = [("", *_designations(mother.key)) for mother in self.above(organisation)[:_TOLD_ABOVE]]
        for told in product(*above):
            yield " ".join(filter(None, (name, *told)))
            yield " ".join(filter(None, (*reversed(told), name)))

    def shortened(self, organisation: Organisation) -> Iterator[str]:
        """Its name without the province's, where that stands at the end: Văn phòng UBND tỉnh."""
        for top in (organisation, *self.above(organisation))[-1:]:
            place = top.key.removeprefix(COMMITTEE)
            if place.startswith(_PROVINCE) and organisation.key.endswith(" " + place):
                yield organisation.key.removesuffix(place) + _PROVINCE.strip()


def _designations(key: str) -> set[str]:
    """How an agency is called when it stands beside one below it: in full, by its place, by its place's bare name."""
    if not key.startswith(COMMITTEE):
        return {key}
    place = key.removeprefix(COMMITTEE)
    return {key, place, _KIND.sub("", place)}


def _borne(spelled: Iterable[tuple[str, Organisation]]) -> dict[str, set[str]]:
    ids: dict[str, set[str]] = defaultdict(set)
    for form, organisation in spelled:
        ids[form].add(organisation.organisation_id)
    return dict(ids)


def _terms(versions: Iterable[Version]) -> dict[str, tuple[date, date | None]]:
    """The first day of each agency, and the day after its last."""
    found: dict[str, tuple[date, date | None]] = {}
    for version in sorted(versions, key=lambda version: version.valid_from):
        first, _ = found.get(version.organisation_id, (version.valid_from, None))
        found[version.organisation_id] = (first, version.valid_to)
    return found


def _first_day(meaning: Meaning) -> date:
    return meaning.valid_from or date.min


def _other_names(directory: list[Organisation], source: str | None) -> dict[str, list[str]]:
    """The listed aliases of each agency, by id."""
    bearers: dict[str, list[str]] = defaultdict(list)
    for o in directory:
        bearers[_spelled_out(o.key)].append(o.organisation_id)
        bearers[o.organisation_id.lower()].append(o.organisation_id)
    found: dict[str, list[str]] = defaultdict(list)
    for alias, meant in _listed(source):
        for organisation_id in bearers.get(meant, ()):
            found[organisation_id].append(alias)
    return found


@cache
def _listed(source: str | None) -> tuple[tuple[str, str], ...]:
    """Every listed (alias key, name spelled out or id in lower case)."""
    told = codelists.load(ALIASES)
    pairs = [pair for section in ("any", source) if section for pair in (told.get(section) or {}).items()]
    listed = [(_key(alias), _meant(str(name))) for alias, name in pairs]
    drifted = [(row["name"], row["spelling"]) for row in territory_versions.read_rows("unit_spellings")]
    for group in [*(told.get("same") or ()), *drifted]:
        names = [_key(f"UBND {name}") for name in group]
        listed += [(alias, _spelled_out(name)) for alias, name in product(names, names) if alias != name]
    return tuple(listed)


def _meant(name: str) -> str:
    return name.lower() if re.fullmatch(r"[A-Z]\d{2}(\.\d+)*", name) else _spelled_out(_key(name))


def _key(listed: object) -> str:
    key = text.key(str(listed))
    if key is None:
        raise ContractError(f"{ALIASES}.yml: {listed!r} is no spelling; remove it there")
    return key


@cache
def _abbreviations() -> Callable[[str], str]:
    words = {_key(short): _key(full) for short, full in (codelists.load(ALIASES).get("words") or {}).items()}
    longest_first = "|".join(re.escape(short) for short in sorted(words, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\S)(?:{longest_first})(?!\S)")
    return lambda key: pattern.sub(lambda match: words[match.group()], key)


def _spelled_out(key: str) -> str:
    """A key with listed abbreviations written out and without the words that only join others."""
    return _JOINING.sub("", _abbreviations()(key)).strip()


def _compared(key: str) -> str:
    """A key as names are compared: nearly all begin alike, which would make all resemble all."""
    return f"{_spelled_out(key)} ".replace(COMMITTEE, "").strip()


def _folded(key: str) -> str:
    """A key without accents; only ever for warning a reviewer."""
    decomposed = unicodedata.normalize("NFD", _spelled_out(key).replace("đ", "d"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))
