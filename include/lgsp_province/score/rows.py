"""Published rows against the true ones, table by table."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lgsp_province.score.dataset import Dataset, Row, shown
from lgsp_province.score.world import Known

_ABOUT_A_DELIVERY = "is_out_of_order"
# The code of each type of document that a world has; told here again, so that a wrong code list shows.
_DOCUMENT_TYPES = {
    "Công văn": "official_letter", "Thông báo": "notice", "Báo cáo": "report", "Kế hoạch": "plan", "Quyết định": "decision",
    "Giấy mời": "invitation", "Tờ trình": "submission", "Hướng dẫn": "guideline", "Chỉ thị": "directive",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """How many rows are true and published, and which are not the same, by key, with what differs."""

    name: str
    true: int
    published: int
    equal: int
    missing: int
    extra: int
    wrong: dict[tuple[Any, ...], str] = field(default_factory=dict, repr=False)

    @property
    def differing(self) -> int:
        """Rows that stand on both sides and do not say the same."""
        return self.true - self.missing - self.equal


def compared(name: str, true: dict[tuple[Any, ...], Row], found: dict[tuple[Any, ...], Row]) -> Table:
    """Rows by key, in every column that both sides have."""
    wrong: dict[tuple[Any, ...], str] = {key: "is missing" for key in true.keys() - found.keys()}
    wrong |= {key: "does not exist in truth" for key in found.keys() - true.keys()}
    missing, extra = len(true.keys() - found.keys()), len(found.keys() - true.keys())
    columns = _common(true, found)
    for key, wanted in true.items():
        row = found.get(key)
        if row is None:
            continue
        unlike = [column for column in columns if wanted[column] != row[column]]
        if unlike:
            told = (f"{column} is {shown(row[column])}, in truth {shown(wanted[column])}" for column in unlike)
            wrong[key] = "; ".join(told)
    return Table(name, len(true), len(found), len(true) + extra - len(wrong), missing, extra, wrong)


def _common(true: dict[tuple[Any, ...], Row], found: dict[tuple[Any, ...], Row]) -> list[str]:
    if not true or not found:
        return []
    return [column for column in next(iter(true.values())) if column in next(iter(found.values()))]


def _by(rows: Iterable[Row], *key: str) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[column] for column in key): row for row in rows}


def tables(known: Known, dataset: Dataset) -> dict[str, Table]:
    """Dossiers (with their number of events), documents, deliveries, work files, indicators and silence."""
    truth, found = known.truth.tables, dataset.tables
    dossiers = compared("dossiers", _dossiers(known), _by(found["dossier"], "dossier_id"))
    true_documents, documents = _subjects(known, found["document"])
    pair = ("document_id", "recipient_organisation_id")
    for row in found["document_delivery"]:
        row[_ABOUT_A_DELIVERY] = "DOC_STATUS_ORDER" in (row["quality_flags"] or ())
    counted = ("numerator", "denominator", "excluded")
    period = ("kpi_id", "organisation_id", "level", "period", "period_start")
    indicators = [{**row, "excluded": row["excluded_count"]} for row in found["service_kpi"]]
    kpis = {row["kpi_id"] for row in truth["indicators"].to_pylist()}
    silence = ("organisation_id", "period", "period_start", "channel")
    true_silence = _by(truth["zero_activity"].to_pylist(), *silence)
    found_silence = _by(found["zero_activity"], *silence)
    every = (
        dossiers,
        _events(known, dataset),
        compared("documents", true_documents, documents),
        compared("deliveries", _by(truth["deliveries"].to_pylist(), *pair), _by(found["document_delivery"], *pair)),
        compared("work_files", _by(truth["work_files"].to_pylist(), "work_file_id"), _by(found["work_file"], "work_file_id")),
        compared("indicators", _said(truth["indicators"].to_pylist(), period, counted, lambda row: True),
                 _said(indicators, period, counted, lambda row: row["kpi_id"] in kpis)),
        compared("zero_activity", true_silence, {key: row for key, row in found_silence.items() if key in true_silence}),
    )  # fmt: skip
    return {table.name: table for table in every}


def _events(known: Known, dataset: Dataset) -> Table:
    """Events, counted for each dossier: as many as there were are taken for the same."""
    true = {row["dossier_id"]: row["event_count"] for row in known.dossiers}
    found = {row["dossier_id"]: row["event_count"] for row in dataset.tables["dossier"]}
    missing = sum(max(0, count - found.get(dossier_id, 0)) for dossier_id, count in true.items())
    extra = sum(max(0, count - true.get(dossier_id, 0)) for dossier_id, count in found.items())
    total = sum(true.values())
    return Table("events", total, sum(found.values()), total - missing, missing, extra)


def _dossiers(known: Known) -> dict[tuple[Any, ...], Row]:
    """True dossiers; the deciding agency is told by the one-stop-shop alone."""
    rows = [dict(row) for row in known.dossiers]
    for row in rows:
        led = row["in_one_stop"]
        row["competent_organisation_id"] = known.competent_of[row["dossier_id"]] if led else None
    return _by(rows, "dossier_id")


def _subjects(known: Known, rows: list[Row]) -> tuple[dict[tuple[Any, ...], Row], dict[tuple[Any, ...], Row]]:
    """True and published documents; a subject that told of persons is judged by the search for persons, not here."""
    true, found = _by(known.truth.documents.to_pylist(), "document_id"), _by(rows, "document_id")
    for key, row in true.items():
        row["document_type"] = _DOCUMENT_TYPES[row["document_type"]]
        if row.pop("has_person") and key in found:
            row["subject"] = found[key]["subject"]
    return true, found


def _said(
    rows: list[Row], key: tuple[str, ...], counted: tuple[str, ...], applies: Callable[[Row], bool]
) -> dict[tuple[Any, ...], Row]:
    """Indicators that count anything at all."""
    said = (row for row in rows if applies(row) and any(row[name] for name in counted))
    return {tuple(row[name] for name in key): {name: row[name] for name in counted} for row in said}


def wrong_papers(found: dict[str, Table]) -> dict[str, str]:
    """Documents that are not right, themselves or one of their deliveries, with what differs."""
    wrong = {key[0]: f"delivery to {key[1]}: {what}" for key, what in found["deliveries"].wrong.items()}
    return wrong | {key[0]: what for key, what in found["documents"].wrong.items()}
