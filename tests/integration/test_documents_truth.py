"""The document system of a whole world: every document and delivery says what is true, and nothing private is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow.parquet as pq
import pytest

from lgsp.schema import codelists
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from lgsp_province.truth.documents import document_tables
from tests.integration.conftest import FIRST, MIDNIGHT, Installation, installed

AS_OF = int(MIDNIGHT.timestamp())


@pytest.fixture(scope="module")
def papers() -> World:
    """Few dossiers, many documents, everything wrong that can be."""
    rates = {"D31": 0.1, "private-subject": 0.1, "D02": 0.02, "D03": 0.02, "D05": 0.02}
    return World.generate(
        "tiny", 11, FIRST, date(2026, 8, 10), dossiers_count=30, documents_count=400, defects_chosen=rates
    )


@pytest.fixture(scope="module")
def office(papers: World, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The document system of that world, published once."""
    with serving(papers, as_of=MIDNIGHT) as connections:
        done = installed(server, tmp_path_factory.mktemp("office"), connections)
        done.ingest("documents")
        done.publish()
        yield done


def test_every_document_says_what_is_true(office: Installation, papers: World) -> None:
    documents, _ = document_tables(papers.document_data, AS_OF)
    wanted = {row["document_id"]: row for row in documents.to_pylist()}
    found = {row["document_id"]: row for row in office.query("select * from shared.document")}
    assert found.keys() == wanted.keys() and len(found) > 300
    types = codelists.meanings("document_type", "documents")
    open_ = [name for name in documents.column_names if name not in ("subject", "has_person", "sent_at")]
    for key, row in wanted.items():
        row["document_type"] = types[row["document_type"].lower()]
        assert {name: found[key][name] for name in open_} == {name: row[name] for name in open_}, key


def test_every_subject_is_the_clean_one(office: Installation, papers: World) -> None:
    documents, _ = document_tables(papers.document_data, AS_OF)
    wanted = {row["document_id"]: row["subject"] for row in documents.to_pylist() if not row["has_person"]}
    found = {row["document_id"]: row["subject"] for row in office.query("select * from shared.document")}
    assert {key: found[key] for key in wanted if found[key] != wanted[key]} == {}
    assert None in wanted.values(), "a filler says nothing"


def test_every_delivery_says_what_is_true(office: Installation, papers: World) -> None:
    _, deliveries = document_tables(papers.document_data, AS_OF)
    found = {(r["document_id"], r["recipient_organisation_id"]): r for r in office.query("select * from shared.document_delivery")}  # fmt: skip
    wanted = {(r["document_id"], r["recipient_organisation_id"]): r for r in deliveries.to_pylist()}
    assert found.keys() == wanted.keys()
    names = ("sender_organisation_id", "sent_at", "arrived_at", "accepted_at", "assigned_at", "completed_at", "rejected_at", "status")  # fmt: skip
    for key, row in wanted.items():
        assert {n: found[key][n] for n in names} == {n: row[n] for n in names}, key
        assert found[key]["quality_flags"] == (["DOC_STATUS_ORDER"] if row["is_out_of_order"] else []), key
    assert any(row["is_out_of_order"] for row in wanted.values())


def test_nothing_planted_of_a_person_is_left(office: Installation, papers: World) -> None:
    planted = {text.casefold() for document in papers.document_data.documents for text in document.personal_data}
    assert len(planted) > 10
    said = "\n".join(everything(office)).casefold()
    assert [text for text in planted if text in said] == []


def test_hostile_and_secret_messages_are_in_quarantine_and_nothing_else_is(office: Installation, papers: World) -> None:
    stopped = {d.doc_id: d.excluded_by for d in papers.document_data.documents if d.excluded_by and d.sent_at <= AS_OF}
    stopped |= {f.code: "secret" for f in papers.document_data.work_files if f.is_secret and f.opened_at <= AS_OF}
    assert set(stopped.values()) == {"secret", "D37"}
    rows = office.query("select source_key, rule_id, reason from ledger.quarantine")
    assert {row["source_key"] for row in rows} == stopped.keys()
    rules = {"D37": {"DOC_READABLE"}, "secret": {"SECRET_DOC", "SECRET_WORK_FILE"}}
    assert all(row["rule_id"] in rules[str(stopped[row["source_key"]])] for row in rows)


def test_every_defect_of_the_catalogue_is_in_the_world(papers: World) -> None:
    shown = {name for document in papers.document_data.documents for name in document.defects}
    wanted = {"D01", "D02", "D03", "D04", "D05", "D06", "D07", "D08", "D17", "D21", "D23", "D31", "D32", "D36", "D37"}
    assert wanted | {"secret", "status-form", "private-subject", "redelivered", "uuid-document-id"} <= shown


def everything(installation: Installation) -> Iterator[str]:
    """All text outside of the landing area: files, staging, tables, pages."""
    for path in [*installation.settings.home.rglob("*.parquet"), *installation.settings.staging.rglob("*.parquet")]:
        yield str(pq.read_table(path).to_pylist())
    tables = installation.query("select schemaname || '.' || tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")  # fmt: skip
    for table in tables:
        yield str(installation.query(f"select * from {table['name']}"))
    yield from (path.read_text() for path in installation.settings.docs.rglob("*.html"))
