"""The questions of agencies are answered by an index: plans on generated tables of 50,000 dossiers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from lgsp import store
from lgsp.store.embedded_postgres import Server
from tests.bench import reader_queries
from tests.integration.conftest import installed

BIG = {"dossier", "dossier_event", "document", "document_delivery", "service_kpi"}


@pytest.fixture(scope="module")
def filled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a store with generated rows, as a reader."""
    installation = installed(server, tmp_path_factory.mktemp("generated"), {})
    with psycopg.connect(store.url(installation.settings), autocommit=True) as connection:
        reader_queries.fill(connection, 50_000)
        connection.execute("set role lgsp_reader")
        yield connection


def test_there_are_fifteen_questions() -> None:
    assert len({question["question"] for question in reader_queries.questions()}) == 15


@pytest.mark.parametrize("question", reader_queries.questions(), ids=lambda question: question["question"])
def test_a_question_is_answered_by_its_index(question: dict[str, str], filled: psycopg.Connection[Any]) -> None:
    plan = reader_queries.plan(filled, question["sql"])
    assert question["index"] in plan.indexes and not plan.whole_tables & BIG


def test_every_added_index_answers_a_question() -> None:
    assert set(reader_queries.INDEXES) <= {question["index"] for question in reader_queries.questions()}


def test_a_question_without_its_index_reads_the_table(filled: psycopg.Connection[Any]) -> None:
    query = "select * from shared.dossier where fee_vnd = 1"
    assert reader_queries.plan(filled, query).whole_tables == {"dossier"}, "the plans above could show it"
