"""Compares the published rows with the true ones, table by table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lgsp_province.score.dataset import Dataset, Row, format_value
from lgsp_province.score.world import ExpectedDataset

# The code of each document type of a world, repeated here so that an error in the platform's code list is noticed.
_DOCUMENT_TYPES = {
    "Công văn": "official_letter", "Thông báo": "notice", "Báo cáo": "report", "Kế hoạch": "plan", "Quyết định": "decision",
    "Giấy mời": "invitation", "Tờ trình": "submission", "Hướng dẫn": "guideline", "Chỉ thị": "directive",
}  # fmt: skip

RowsByKey = dict[tuple[Any, ...], Row]


@dataclass(frozen=True)
class TableScore:
    """The number of true and published rows of a table; `wrong` describes by key the rows that are not equal."""

    name: str
    true: int
    published: int
    equal: int
    missing: int
    extra: int
    wrong: dict[tuple[Any, ...], str] = field(default_factory=dict, repr=False)

    @property
    def differing(self) -> int:
        """The number of rows that are on both sides and differ in a value."""
        return self.true - self.missing - self.equal


def compare_rows(name: str, true: RowsByKey, published: RowsByKey) -> TableScore:
    """Compare rows by key, in every column that both sides have."""
    missing, extra = true.keys() - published.keys(), published.keys() - true.keys()
    wrong: dict[tuple[Any, ...], str] = {key: "is missing" for key in missing}
    wrong |= {key: "is not in the truth" for key in extra}
    columns = _common_columns(true, published)
    for key, true_row in true.items():
        row = published.get(key)
        if row is None:
            continue
        differing = [column for column in columns if true_row[column] != row[column]]
        if differing:
            wrong[key] = "; ".join(
                f"{column} is {format_value(row[column])}, in truth {format_value(true_row[column])}"
                for column in differing
            )
    equal = len(true) + len(extra) - len(wrong)
    return TableScore(name, len(true), len(published), equal, len(missing), len(extra), wrong)


def _common_columns(true: RowsByKey, published: RowsByKey) -> list[str]:
    if not true or not published:
        return []
    return [column for column in next(iter(true.values())) if column in next(iter(published.values()))]


def _by_key(rows: Iterable[Row], *key: str) -> RowsByKey:
    return {tuple(row[column] for column in key): row for row in rows}


def compare_tables(expected: ExpectedDataset, dataset: Dataset) -> dict[str, TableScore]:
    """Scores of dossiers, their events, documents, deliveries, work files, indicators and zero activity, by name."""
    truth, published = expected.truth.tables, dataset.tables
    dossiers = compare_rows("dossiers", _true_dossiers(expected), _by_key(published["dossier"], "dossier_id"))
    true_documents, documents = _documents(expected, published["document"])
    pair = ("document_id", "recipient_organisation_id")
    for row in published["document_delivery"]:
        row["is_out_of_order"] = "DOC_STATUS_ORDER" in (row["quality_flags"] or ())
    counts = ("numerator", "denominator", "excluded")
    period = ("kpi_id", "organisation_id", "level", "period", "period_start")
    indicators = [{**row, "excluded": row["excluded_count"]} for row in published["service_kpi"]]
    kpis = {row["kpi_id"] for row in truth["indicators"].to_pylist()}
    activity_key = ("organisation_id", "period", "period_start", "channel")
    true_activity = _by_key(truth["zero_activity"].to_pylist(), *activity_key)
    activity = _by_key(published["zero_activity"], *activity_key)
    scores = (
        dossiers,
        _events(expected, dataset),
        compare_rows("documents", true_documents, documents),
        compare_rows("deliveries", _by_key(truth["deliveries"].to_pylist(), *pair), _by_key(published["document_delivery"], *pair)),
        compare_rows("work_files", _by_key(truth["work_files"].to_pylist(), "work_file_id"), _by_key(published["work_file"], "work_file_id")),
        compare_rows("indicators", _nonzero(truth["indicators"].to_pylist(), period, counts, lambda row: True),
                     _nonzero(indicators, period, counts, lambda row: row["kpi_id"] in kpis)),
        compare_rows("zero_activity", true_activity, {key: row for key, row in activity.items() if key in true_activity}),
    )  # fmt: skip
    return {score.name: score for score in scores}


def _events(expected: ExpectedDataset, dataset: Dataset) -> TableScore:
    """Events by their number per dossier: equal numbers are taken for equal events."""
    true = {row["dossier_id"]: row["event_count"] for row in expected.dossiers}
    published = {row["dossier_id"]: row["event_count"] for row in dataset.tables["dossier"]}
    missing = sum(max(0, count - published.get(dossier_id, 0)) for dossier_id, count in true.items())
    extra = sum(max(0, count - true.get(dossier_id, 0)) for dossier_id, count in published.items())
    total = sum(true.values())
    return TableScore("events", total, sum(published.values()), total - missing, missing, extra)


def _true_dossiers(expected: ExpectedDataset) -> RowsByKey:
    """The true dossiers with the competent agency, which only the one-stop shop reports."""
    rows = [dict(row) for row in expected.dossiers]
    for row in rows:
        competent = expected.competent_of[row["dossier_id"]] if row["in_one_stop"] else None
        row["competent_organisation_id"] = competent
    return _by_key(rows, "dossier_id")


def _documents(expected: ExpectedDataset, rows: list[Row]) -> tuple[RowsByKey, RowsByKey]:
    """True and published documents; a subject with personal data is checked by the search for it, not here."""
    true, published = _by_key(expected.truth.documents.to_pylist(), "document_id"), _by_key(rows, "document_id")
    for key, row in true.items():
        row["document_type"] = _DOCUMENT_TYPES[row["document_type"]]
        if row.pop("has_person") and key in published:
            row["subject"] = published[key]["subject"]
    return true, published


def _nonzero(
    rows: list[Row], key: tuple[str, ...], counts: tuple[str, ...], applies: Callable[[Row], bool]
) -> RowsByKey:
    """The indicator rows with a count other than zero, reduced to their counts."""
    nonzero = (row for row in rows if applies(row) and any(row[name] for name in counts))
    return {tuple(row[name] for name in key): {name: row[name] for name in counts} for row in nonzero}


def wrong_documents(scores: dict[str, TableScore]) -> dict[str, str]:
    """What is wrong with each document or with one of its deliveries, by document id."""
    wrong = {key[0]: f"delivery to {key[1]}: {what}" for key, what in scores["deliveries"].wrong.items()}
    return wrong | {key[0]: what for key, what in scores["documents"].wrong.items()}
