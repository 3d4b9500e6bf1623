"""Scores each class of planted defect: detected, resolved as expected, and repairs of values without a defect."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lgsp.vietnam import text
from lgsp_province.defects.rates import RATES
from lgsp_province.defects.record_damage import HUB_CODE
from lgsp_province.score.dataset import Dataset, Key, fields_read
from lgsp_province.score.world import ExpectedDataset

TEXTS = frozenset(("D01", "D02", "D03", "D04", "D05", "D06", "D07", "D17", "D47"))
EXAMPLES = 3

# The treatments by which the platform reports the repair of a defect. A Windows-1258 tone after a vowel without
# another diacritic looks like NFD; an HTML paragraph contains a no-break space.
_TREATMENTS: Mapping[str, frozenset[str]] = {
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
        "D46": ("invisible",),
        "D49": ("filler",),
        "D47": ("cp1258", "look_alike", "invisible", "mojibake", "tcvn3", "vni", "garbled", "nfc"),
        "misprint": ("corrected",),
        "poison": ("unreadable_value",),
    }.items()
}
# The defect to which an unexpected treatment is counted.
_DEFECT_OF_TREATMENT = {
    "nfc": "D01", "tcvn3": "D02", "vni": "D03", "cp1258": "D04", "mojibake": "D05", "garbled": "D05", "look_alike": "D07",
    "invisible": "D07", "html": "D17", "format": "D09", "sentinel": "D14", "word": "D15", "filler": "D23", "dummy": "D22",
    "damaged": "D41", "phone_format": "D33", "unreadable_phone": "D41", "key_case": "D42", "corrected": "misprint", "unreadable_value": "poison", "unreadable_time": "D09",
}  # fmt: skip
# The quality flag that reports a defect, where no treatment of the field does.
_FLAG_OF_DEFECT = {
    "D22": "DOS_ID_DUMMY", "D27": "DOS_ONLINE_LEVEL2", "D05": "DOS_TEXT_GARBLED", "D47": "DOS_TEXT_GARBLED", "D41": "DOS_ID_DAMAGED",
    "poison": "DOS_VALUE_UNREADABLE", "D31": "DOS_EVENT_ORDER",
}  # fmt: skip
_ODD_CODE, _HUB = "DOS_OTHER_CODE", "DOS_HUB_CODE"  # D49: the second is a flag of the dossier, not of one record
# The attributes in which the two systems differ.
_CONFLICTING = {
    "D30": {"status"}, "channel-conflict": {"channel"}, "submitted-overwritten": {"submitted_at"},
    "closed-at-receipt": {"status", "finished_at"},
}  # fmt: skip
# Fields in which a number and a text of digits are equally usual, so no treatment is recorded.
_FIELDS_WITHOUT_TREATMENT = frozenset(("applicant.data.village.value", "digitizedComponents"))
UNDETECTABLE = frozenset(("D06", "D08", "D20", "D21", "D34", "D46"))


@dataclass(frozen=True)
class Miss:
    """An example of a planted defect that was not resolved, or of a changed value without a defect."""

    source: str
    source_key: str
    field: str
    why: str


@dataclass
class DefectScore:
    """The score of one class of defect.

    `planted` and `resolved` are counts by outcome. `unread` counts defects in fields that the platform ignores. The
    platform reported `marked` of the `markable` defects that it can report. `touched` counts repairs of values without
    a planted defect.
    """

    defect: str
    planted: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    unread: int = 0
    markable: int = 0
    marked: int = 0
    touched: int = 0
    note: str = ""
    misses: list[Miss] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """The share of planted defects that were resolved; None if none was planted."""
        return self.resolved.total() / self.planted.total() if self.planted else None

    def share_of(self, outcomes: tuple[str, ...]) -> float:
        """The share resolved of the planted defects with these outcomes; 1 if there are none."""
        planted = sum(self.planted[outcome] for outcome in outcomes)
        return sum(self.resolved[outcome] for outcome in outcomes) / planted if planted else 1.0

    def add_miss(self, record: Key, path: str, why: str) -> None:
        """Store an example, unless there are enough."""
        if len(self.misses) < EXAMPLES:
            self.misses.append(Miss(*record, path, why))


@dataclass(frozen=True)
class PlantedDefect:
    """One defect in one field of one record, and its expected outcome; `path` is empty for the whole record."""

    record: Key
    defect: str
    path: str
    outcome: str


@dataclass
class DefectScorer:
    """Decides whether planted defects were detected and resolved.

    `wrong_dossiers` and `wrong_documents` describe what is wrong with a published row, by id. `conflicts` are the
    reconciled attributes by dossier id.
    """

    expected: ExpectedDataset
    dataset: Dataset
    wrong_dossiers: dict[str, str]
    wrong_documents: dict[str, str]
    conflicts: dict[str, set[str]]

    def _wrong(self, record: Key) -> str | None:
        if record[0] == "documents":
            return self.wrong_documents.get(self.expected.document_of[record])
        return self.wrong_dossiers.get(self.expected.dossier_of[record])

    def is_detected(self, planted: PlantedDefect) -> bool | None:
        """Whether the platform reported the defect; None if it cannot, or if its record is not stored."""
        record, defect = planted.record, planted.defect
        if planted.outcome == "quarantined":
            return self._is_quarantined(record)
        repairs = self.dataset.repairs.get(record)
        if repairs is None or defect in UNDETECTABLE or planted.path in _FIELDS_WITHOUT_TREATMENT:
            return None
        is_linked = self.dataset.match_rule_of.get(record, "single") != "single"
        if attributes := _CONFLICTING.get(defect):
            conflicts = self.conflicts.get(self.expected.dossier_of[record], set())
            return not conflicts.isdisjoint(attributes) if is_linked else None
        if defect == "D19":
            return is_linked if self.expected.dossier_of[record] != record[1] else None
        if defect == "D49" and planted.outcome == "flagged":
            return self._flag_problem(planted) is None
        if defect == "D31" or defect == "D27":
            return _FLAG_OF_DEFECT[defect] in self.dataset.flags[record] if record[0] != "documents" else None
        treatments = _TREATMENTS.get(defect)
        if treatments is None:
            return None
        if defect in ("D15", "D16") and _is_usual_form(self.expected.sent(record, planted.path)):
            return None
        return any(treatment in treatments and _is_within(path, planted) for path, treatment in repairs)

    def problem(self, planted: PlantedDefect) -> str | None:
        """Why a defect is not resolved as expected; None if it is."""
        record = planted.record
        if planted.outcome == "quarantined":
            if self.dataset.is_published(record):
                return "is published"
            return None if self._is_quarantined(record) else "is not in quarantine"
        if planted.outcome == "ignored":
            if self.dataset.is_published(record):
                return "is published"
            return "is in quarantine" if record in self.dataset.quarantined else None
        if why := self._wrong(record):
            return why
        if planted.outcome == "flagged":
            return self._flag_problem(planted)
        return self._text_problem(planted) if planted.defect in TEXTS else None

    def _is_quarantined(self, record: Key) -> bool:
        return record in self.dataset.quarantined or (
            (record[0], "?") in self.dataset.quarantined and record not in self.dataset.repairs
        )

    def _flag_problem(self, planted: PlantedDefect) -> str | None:
        if planted.defect == "schema-drift":
            return None if planted.path in self.dataset.drifted_fields else "the batch reports no drift of the field"
        flags, flag = self.dataset.flags.get(planted.record), _FLAG_OF_DEFECT.get(planted.defect, _ODD_CODE)
        if planted.defect == "D49" and self.expected.sent(planted.record, planted.path) == HUB_CODE:
            dossier = self.dataset.dossiers.get(self.expected.dossier_of[planted.record])
            flags, flag = (dossier["quality_flags"] if dossier else None), _HUB
        return None if flags is None or flag in flags else f"has no flag {flag}"

    def _text_problem(self, planted: PlantedDefect) -> str | None:
        if planted.record[0] == "documents":
            return self._subject_problem(planted)
        if planted.path in ("agency.code", "procedure.code", "receiptCode", "MaDonViXuLy", "MaTTHC", "SoBienNhan"):
            return None  # a code that is not repaired makes the dossier wrong, which is checked before
        sent, meant = self.expected.sent_and_meant(planted.record, planted.path)
        repaired = text.repair(sent).text
        if planted.defect == "D06":
            return None if text.key(repaired) == text.key(meant) else f"{sent!r} has another key than {meant!r}"
        is_equal = repaired == meant
        if planted.defect in ("D02", "D47"):  # TCVN3 fonts have no capitals with tones, so the case of letters is lost
            is_equal = (repaired or "").lower() == meant.lower()
        if planted.defect == "D47" and text.repair(sent).is_garbled:
            return None  # doubtful, and flagged
        return None if is_equal else f"{sent!r} is repaired to {repaired!r}, means {meant!r}"

    def _subject_problem(self, planted: PlantedDefect) -> str | None:
        if planted.record not in self.dataset.subject_of:
            return None
        subject = self.dataset.subject_of[planted.record]
        document = self.expected.sent_documents[planted.record]
        if document.personal_data or "D23" in document.defects:
            return None  # its subject is redacted or empty
        return None if subject == document.subject else f"is repaired to {subject!r}, means {document.subject!r}"


def _is_usual_form(sent: object) -> bool:
    """Whether a changed spelling is a usual JSON form of the same value, so that no treatment is recorded."""
    return sent in ("true", "false", "") or (isinstance(sent, str) and sent.isdigit()) or isinstance(sent, int)


def _is_within(path: str, planted: PlantedDefect) -> bool:
    """Whether the path of a repair is the field of a defect, or a part of it."""
    if planted.record[0] == "documents":
        return path == "Subject"
    place = planted.path or "record"
    return path == place or path.startswith(f"{place}.")


def planted_defects(expected: ExpectedDataset) -> Iterator[PlantedDefect]:
    """Every planted defect, once for each source record and field."""
    yield from {
        PlantedDefect((row["source"], row["source_key"]), row["defect"], row["field"], row["outcome"]): None
        for row in expected.defects
    }


def defect_scores(scorer: DefectScorer) -> dict[str, DefectScore]:
    """One score for each class of defect that can be planted, in order of the class."""
    scores = {name: DefectScore(name) for name in (*RATES, "D30", "closed-at-receipt")}
    read = {source: fields_read(source) for source in ("one_stop_shop", "online_services")}
    planted_by_record: defaultdict[Key, list[PlantedDefect]] = defaultdict(list)
    for planted in planted_defects(scorer.expected):
        planted_by_record[planted.record].append(planted)
        score = scores[planted.defect]
        if planted.record[0] in read and not _is_read(planted.path, read[planted.record[0]]):
            score.unread += 1
            continue
        _count(score, scorer, planted)
    for score, record, path, why in _wrong_repairs(scores, scorer.dataset, planted_by_record):
        score.touched += 1
        score.add_miss(record, path, why)
    listed_twice = scores["D18"]
    listed_twice.markable = listed_twice.planted.total()
    listed_twice.marked = min(listed_twice.markable, sum(scorer.dataset.duplicate_counts.values()))
    return dict(sorted(scores.items(), key=lambda item: (not item[0].startswith("D"), item[0])))


def _count(score: DefectScore, scorer: DefectScorer, planted: PlantedDefect) -> None:
    score.planted[planted.outcome] += 1
    is_detected = scorer.is_detected(planted)
    if is_detected is not None:
        score.markable += 1
        score.marked += is_detected
    why = scorer.problem(planted)
    if why is None:
        score.resolved[planted.outcome] += 1
        if is_detected is False:
            score.add_miss(planted.record, planted.path, "is resolved, but not reported")
    else:
        score.add_miss(planted.record, planted.path, why)


def _is_read(path: str, read: Mapping[str, str]) -> bool:
    return not path or path in read or any(name.startswith(f"{path}.") for name in read)


def _wrong_repairs(
    scores: dict[str, DefectScore], dataset: Dataset, planted_by_record: Mapping[Key, list[PlantedDefect]]
) -> Iterator[tuple[DefectScore, Key, str, str]]:
    """The reported repairs of values without a planted defect of that kind."""
    for record, repairs in dataset.repairs.items():
        for path, treatment in repairs:
            if not any(
                treatment in _TREATMENTS.get(planted.defect, ()) and _is_within(path, planted)
                for planted in planted_by_record.get(record, ())
            ):
                score = scores[_DEFECT_OF_TREATMENT.get(treatment, "poison")]
                yield score, record, path, f"{treatment} was repaired, but no such defect was planted"
