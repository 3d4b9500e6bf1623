"""Tests of the index that finds messages which replace several documents."""

from __future__ import annotations

from lgsp import install, store
from lgsp.publish import link_documents
from tests.integration.conftest import Installation


def test_an_index_that_is_up_to_date_is_not_replaced(installation: Installation) -> None:
    files = "select relname, pg_relation_filenode(oid) as file from pg_class where relnamespace = 'record'::regnamespace order by 1"
    before = installation.query(files)
    install.init(installation.settings)
    assert installation.query(files) == before


def test_the_query_for_replacing_messages_uses_the_index(installation: Installation) -> None:
    with store.connect(installation.settings) as connection:
        for table in ("scope_document (document_id)", "scope_message_id (told_id)"):
            connection.execute(f"create temporary table {table} as select 'id' || n from generate_series(1, 5000) n")
        connection.execute(
            "insert into record.document (source, source_key, also_replaces) select 'documents', n::text, "
            "case n when 3 then array['id17', 'id18'] when 4 then array['id5001'] end from generate_series(1, 5000) n"
        )
        for method in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(f"set local enable_{method} = off")
        plan = connection.execute(f"explain {link_documents.REPLACING}").fetchall()
        rows = connection.execute(f"select distinct source_key from ({link_documents.REPLACING}) r").fetchall()
        connection.rollback()
    assert any("Bitmap Index Scan on document_4" in str(row) for row in plan)
    assert [row["source_key"] for row in rows] == ["3"]
