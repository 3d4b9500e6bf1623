"""Tests that the published documents and deliveries equal those of the world, and contain no personal data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow.parquet as pq
import pytest

from lgsp.schema import codelists
from lgsp.store.embedded_postgres import Server
from lgsp_province import World, serving
from lgsp_province.truth.documents import document_tables
from tests.integration.conftest import FIRST, MIDNIGHT, Installation, installed, with_short_catalogue

AS_OF = int(MIDNIGHT.timestamp())


@pytest.fixture(scope="module")
def document_world() -> World:
    """A world with few dossiers, many documents, and every kind of defect."""
    rates = {"D31": 0.1, "private-subject": 0.1, "D02": 0.02, "D03": 0.02, "D05": 0.02}
    generated = World.generate(
        "tiny", 11, FIRST, date(2026, 8, 10), dossiers_count=30, documents_count=400, defects_chosen=rates
    )
    return with_short_catalogue(generated)


@pytest.fixture(scope="module")
def published_documents(
    document_world: World, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """The documents of that world, published once."""
    with serving(document_world, as_of=MIDNIGHT) as connections:
        installation = installed(server, tmp_path_factory.mktemp("documents"), connections)
        installation.ingest("documents")
        installation.publish()
        yield installation


def test_every_document_equals_the_true_one(published_documents: Installation, document_world: World) -> None:
    documents, _ = document_tables(document_world.document_data, AS_OF)
    expected = {row["document_id"]: row for row in documents.to_pylist()}
    actual = {row["document_id"]: row for row in published_documents.query("select * from shared.document")}
    assert actual.keys() == expected.keys() and len(actual) > 300
    types = codelists.meanings("document_type", "documents")
    columns = [name for name in documents.column_names if name not in ("subject", "has_person", "sent_at")]
    for key, row in expected.items():
        row["document_type"] = types[row["document_type"].lower()]
        assert {name: actual[key][name] for name in columns} == {name: row[name] for name in columns}, key


def test_every_subject_without_a_person_equals_the_true_one(
    published_documents: Installation, document_world: World
) -> None:
    documents, _ = document_tables(document_world.document_data, AS_OF)
    expected = {row["document_id"]: row["subject"] for row in documents.to_pylist() if not row["has_person"]}
    actual = {row["document_id"]: row["subject"] for row in published_documents.query("select * from shared.document")}
    assert {key: actual[key] for key in expected if actual[key] != expected[key]} == {}
    assert None in expected.values(), "filler text is published as null"


def test_every_delivery_equals_the_true_one(published_documents: Installation, document_world: World) -> None:
    _, deliveries = document_tables(document_world.document_data, AS_OF)
    actual = {(r["document_id"], r["recipient_organisation_id"]): r for r in published_documents.query("select * from shared.document_delivery")}  # fmt: skip
    expected = {(r["document_id"], r["recipient_organisation_id"]): r for r in deliveries.to_pylist()}
    assert actual.keys() == expected.keys()
    names = ("sender_organisation_id", "sent_at", "arrived_at", "accepted_at", "assigned_at", "completed_at", "rejected_at", "status")  # fmt: skip
    for key, row in expected.items():
        assert {n: actual[key][n] for n in names} == {n: row[n] for n in names}, key
        assert actual[key]["quality_flags"] == (["DOC_STATUS_ORDER"] if row["is_out_of_order"] else []), key
    assert any(row["is_out_of_order"] for row in expected.values())


def test_no_planted_personal_data_is_left(published_documents: Installation, document_world: World) -> None:
    planted = {
        text.casefold() for document in document_world.document_data.documents for text in document.personal_data
    }
    assert len(planted) > 10
    outside = "\n".join(texts_outside_landing(published_documents)).casefold()
    assert [text for text in planted if text in outside] == []


def test_only_hostile_and_secret_records_are_quarantined(
    published_documents: Installation, document_world: World
) -> None:
    expected = {
        d.doc_id: d.excluded_by for d in document_world.document_data.documents if d.excluded_by and d.sent_at <= AS_OF
    }
    expected |= {
        f.code: "secret" for f in document_world.document_data.work_files if f.is_secret and f.opened_at <= AS_OF
    }
    assert set(expected.values()) == {"secret", "D37"}
    rows = published_documents.query("select source_key, rule_id, reason from ledger.quarantine")
    assert {row["source_key"] for row in rows} == expected.keys()
    rules = {"D37": {"DOC_READABLE"}, "secret": {"SECRET_DOC", "SECRET_WORK_FILE"}}
    assert all(row["rule_id"] in rules[str(expected[row["source_key"]])] for row in rows)


def test_the_world_contains_every_defect_of_documents(document_world: World) -> None:
    planted = {name for document in document_world.document_data.documents for name in document.defects}
    catalogue = set("D01 D02 D03 D04 D05 D06 D07 D08 D17 D21 D23 D31 D32 D36 D37".split())
    assert catalogue | {"secret", "status-form", "private-subject", "redelivered", "uuid-document-id"} <= planted


def texts_outside_landing(installation: Installation) -> Iterator[str]:
    """The content of all Parquet files, tables and Data Docs pages outside the landing area."""
    for path in [*installation.settings.home.rglob("*.parquet"), *installation.settings.staging.rglob("*.parquet")]:
        yield str(pq.read_table(path).to_pylist())
    tables = installation.query("select schemaname || '.' || tablename as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")  # fmt: skip
    for table in tables:
        yield str(installation.query(f"select * from {table['name']}"))
    yield from (path.read_text() for path in installation.settings.docs.rglob("*.html"))
