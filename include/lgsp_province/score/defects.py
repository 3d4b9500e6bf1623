"""For every planted defect: was it seen, was it settled as it should be, and was anything touched that was sound?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lgsp.vietnam import text
from lgsp_province.defects.rates import RATES
from lgsp_province.score.dataset import Dataset, Key, fields_read
from lgsp_province.score.world import Known

TEXTS = frozenset(("D01", "D02", "D03", "D04", "D05", "D06", "D07", "D17"))
EXAMPLES = 3

# What the platform says it undid, for each defect. A tone after its vowel looks like NFD where the vowel has no hat;
# a paragraph of HTML brings a fixed space.
_UNDONE: Mapping[str, frozenset[str]] = {
    name: frozenset(treatments)
    for name, treatments in {
        "D01": ("nfc",),
        "D02": ("tcvn3",),
        "D03": ("vni",),
        "D04": ("cp1258", "nfc"),
        "D05": ("mojibake", "garbled"),
        "D07": ("look_alike", "invisible"),
        "D09": ("format",),
        "D11": ("format",),
        "D12": ("format",),
        "D14": ("sentinel",),
        "D15": ("word",),
        "D16": ("format",),
        "D17": ("html", "look_alike"),
        "D22": ("dummy",),
        "D23": ("filler",),
        "D33": ("phone_format",),
        "D41": ("filler", "damaged", "unreadable_phone", "format"),
        "D42": ("key_case",),
        "misprint": ("corrected",),
        "poison": ("unreadable_value",),
    }.items()
}
_MAIN = {
    "nfc": "D01", "tcvn3": "D02", "vni": "D03", "cp1258": "D04", "mojibake": "D05", "garbled": "D05", "look_alike": "D07",
    "invisible": "D07", "html": "D17", "format": "D09", "sentinel": "D14", "word": "D15", "filler": "D23", "dummy": "D22",
    "damaged": "D41", "phone_format": "D33", "unreadable_phone": "D41", "key_case": "D42", "corrected": "misprint", "unreadable_value": "poison", "unreadable_time": "D09",
}  # fmt: skip
# Flags of a record by the defect that they tell of, where a mark of the field does not.
_FLAGS = {
    "D22": "DOS_ID_DUMMY", "D27": "DOS_ONLINE_LEVEL2", "D05": "DOS_TEXT_GARBLED", "D41": "DOS_ID_DAMAGED",
    "poison": "DOS_VALUE_UNREADABLE", "D31": "DOS_EVENT_ORDER",
}  # fmt: skip
# Which attributes the two systems tell differently.
_DISPUTED = {
    "D30": {"status"}, "channel-conflict": {"channel"}, "submitted-overwritten": {"submitted_at"},
    "closed-at-receipt": {"status", "finished_at"},
}  # fmt: skip
# A number says the same as a text of digits, whichever of them is usual there.
_NO_MARK_IN = frozenset(("applicant.data.village.value", "digitizedComponents"))
UNDETECTABLE = frozenset(("D06", "D08", "D20", "D21", "D34"))


@dataclass(frozen=True)
class Miss:
    """A planted defect that was not settled, or something touched that was sound."""

    source: str
    source_key: str
    field: str
    why: str


@dataclass
class Line:
    """One class of defect. `marked` of `markable` were seen; `settled` by outcome, of as many as were planted."""

    defect: str
    planted: Counter[str] = field(default_factory=Counter)
    settled: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    markable: int = 0
    marked: int = 0
    touched: int = 0
    note: str = ""
    misses: list[Miss] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """The share that was settled; None where nothing was planted."""
        return self.settled.total() / self.planted.total() if self.planted else None

    def share_of(self, outcomes: tuple[str, ...]) -> float:
        """The share that was settled of those with some outcomes; 1 where there are none."""
        planted = sum(self.planted[outcome] for outcome in outcomes)
        return sum(self.settled[outcome] for outcome in outcomes) / planted if planted else 1.0

    def miss(self, record: Key, path: str, why: str) -> None:
        """Keep a few examples."""
        if len(self.misses) < EXAMPLES:
            self.misses.append(Miss(*record, path, why))


@dataclass(frozen=True)
class Planted:
    """One defect as one field of one record shows it."""

    record: Key
    defect: str
    path: str
    outcome: str


@dataclass
class Judge:
    """Decides about planted defects, given which dossiers and documents are wrong and how."""

    known: Known
    dataset: Dataset
    wrong_dossiers: dict[str, str]
    wrong_papers: dict[str, str]
    disputes: dict[str, set[str]]

    def _wrong(self, record: Key) -> str | None:
        if record[0] == "documents":
            return self.wrong_papers.get(self.known.document_of[record])
        return self.wrong_dossiers.get(self.known.dossier_of[record])

    def is_marked(self, one: Planted) -> bool | None:
        """Whether the platform said so; None where nothing is to be said, or nobody is left to say it."""
        record, defect = one.record, one.defect
        if one.outcome == "quarantined":
            return self._is_quarantined(record)
        marks = self.dataset.marks.get(record)
        if marks is None or defect in UNDETECTABLE or one.path in _NO_MARK_IN:
            return None
        if attributes := _DISPUTED.get(defect):
            both = self.dataset.rule_of.get(record, "single") != "single"
            told = self.disputes.get(self.known.dossier_of[record], set())
            return not told.isdisjoint(attributes) if both else None
        if defect == "D19":
            is_one_of_two = self.known.dossier_of[record] != record[1]
            return self.dataset.rule_of.get(record, "single") != "single" if is_one_of_two else None
        if defect == "D31" or defect == "D27":
            return _FLAGS[defect] in self.dataset.flags[record] if record[0] != "documents" else None
        treatments = _UNDONE.get(defect)
        if treatments is None:
            return None
        if defect in ("D15", "D16") and _is_usual(self.known.sent(record, one.path)):
            return None
        return any(said in treatments and _within(path, one) for path, said in marks)

    def trouble(self, one: Planted) -> str | None:
        """Why a defect is not settled as it should be; None when it is."""
        record = one.record
        if one.outcome == "quarantined":
            if self.dataset.is_published(record):
                return "is published"
            return None if self._is_quarantined(record) else "is not in quarantine"
        if one.outcome == "ignored":
            if self.dataset.is_published(record):
                return "is published"
            return "is in quarantine" if record in self.dataset.quarantined else None
        if why := self._wrong(record):
            return why
        if one.outcome == "flagged":
            return self._unflagged(one)
        return self._unrestored(one) if one.defect in TEXTS else None

    def _is_quarantined(self, record: Key) -> bool:
        return record in self.dataset.quarantined or (
            (record[0], "?") in self.dataset.quarantined and record not in self.dataset.marks
        )

    def _unflagged(self, one: Planted) -> str | None:
        if one.defect == "schema-drift":
            return None if one.path in self.dataset.drifted else "the batch tells of no drift"
        flags = self.dataset.flags.get(one.record)
        return None if flags is None or _FLAGS[one.defect] in flags else f"has no flag {_FLAGS[one.defect]}"

    def _unrestored(self, one: Planted) -> str | None:
        if one.record[0] == "documents":
            return self._unrestored_subject(one)
        if one.path in ("agency.code", "procedure.code", "receiptCode", "MaDonViXuLy", "MaTTHC", "SoBienNhan"):
            return None  # a code that were not restored would have made the dossier wrong
        sent, meant = self.known.wording(one.record, one.path)
        read = text.repair(sent).text
        if one.defect == "D06":
            return None if text.key(read) == text.key(meant) else f"{sent!r} has another key than {meant!r}"
        if one.defect == "D02":  # the fonts of TCVN3 have no capitals with tones: which they were is lost
            return None if (read or "").lower() == meant.lower() else f"{sent!r} is read as {read!r}, means {meant!r}"
        return None if read == meant else f"{sent!r} is read as {read!r}, means {meant!r}"

    def _unrestored_subject(self, one: Planted) -> str | None:
        if one.record not in self.dataset.subject_of:
            return None
        read = self.dataset.subject_of[one.record]
        document = self.known.papers[one.record]
        if document.planted or "D23" in document.defects:
            return None  # of whom nothing may be left, or which says nothing
        return None if read == document.subject else f"is read as {read!r}, means {document.subject!r}"


def _is_usual(sent: object) -> bool:
    """Whether a value that was respelled came out as JSON writes it: it says the same, and nothing has to tell of it."""
    return sent in ("true", "false", "") or (isinstance(sent, str) and sent.isdigit()) or isinstance(sent, int)


def _within(path: str, one: Planted) -> bool:
    """Whether a mark stands in the field of a defect, or in a part of it."""
    if one.record[0] == "documents":
        return path == "Subject"
    place = one.path or "record"
    return path == place or path.startswith(f"{place}.")


def planted(known: Known) -> Iterator[Planted]:
    """Every planted defect, once for each source record and field."""
    yield from {
        Planted((row["source"], row["source_key"]), row["defect"], row["field"], row["outcome"]): None
        for row in known.defects
    }


def lines(judge: Judge) -> dict[str, Line]:
    """One line for each class of defect that can be planted, in order."""
    found = {name: Line(name) for name in (*RATES, "D30", "closed-at-receipt")}
    read = {source: fields_read(source) for source in ("one_stop_shop", "online_services")}
    allowed: defaultdict[Key, list[Planted]] = defaultdict(list)
    for one in planted(judge.known):
        allowed[one.record].append(one)
        line = found[one.defect]
        if one.record[0] in read and not _is_read(one.path, read[one.record[0]]):
            line.unread += 1
            continue
        _settle(line, judge, one)
    for line, record, path, why in _touched(found, judge.dataset, allowed):
        line.touched += 1
        line.miss(record, path, why)
    listed_twice = found["D18"]
    listed_twice.markable = listed_twice.planted.total()
    listed_twice.marked = min(listed_twice.markable, sum(judge.dataset.duplicates.values()))
    return dict(sorted(found.items(), key=lambda item: (not item[0].startswith("D"), item[0])))


def _settle(line: Line, judge: Judge, one: Planted) -> None:
    line.planted[one.outcome] += 1
    is_marked = judge.is_marked(one)
    if is_marked is not None:
        line.markable += 1
        line.marked += is_marked
    why = judge.trouble(one)
    if why is None:
        line.settled[one.outcome] += 1
        if is_marked is False:
            line.miss(one.record, one.path, "is settled, and nothing tells of it")
    else:
        line.miss(one.record, one.path, why)


def _is_read(path: str, read: Mapping[str, str]) -> bool:
    return not path or path in read or any(name.startswith(f"{path}.") for name in read)


def _touched(
    found: dict[str, Line], dataset: Dataset, allowed: Mapping[Key, list[Planted]]
) -> Iterator[tuple[Line, Key, str, str]]:
    """What the platform says it undid where nothing of the kind was planted."""
    for record, marks in dataset.marks.items():
        for path, treatment in marks:
            if not any(
                treatment in _UNDONE.get(one.defect, ()) and _within(path, one) for one in allowed.get(record, ())
            ):
                yield (
                    found[_MAIN.get(treatment, "poison")],
                    record,
                    path,
                    f"{treatment} was undone, nothing was planted",
                )
