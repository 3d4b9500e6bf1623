"""Messages that replace several documents are found by their ids, however many documents a publication speaks of."""

from __future__ import annotations

from lgsp import install, store
from lgsp.publish import link_documents
from tests.integration.conftest import Installation

BEFORE = "create index document_4 on record.document using gin (also_replaces)"
DEFINED = "select indexdef from pg_indexes where schemaname = 'record' and indexname = 'document_4'"


def test_an_index_over_all_messages_is_made_again_over_those_that_replace_several(installation: Installation) -> None:
    wanted = installation.query(DEFINED)
    with store.connect(installation.settings) as connection:
        connection.execute("drop index record.document_4")
        connection.execute(BEFORE)
        connection.execute("update ledger.installation set made_of = 'an older version'")
    assert installation.query(DEFINED) != wanted
    install.ensure(installation.settings)
    assert installation.query(DEFINED) == wanted and "WHERE" in wanted[0]["indexdef"]


def test_an_index_that_is_as_it_should_be_is_left_alone(installation: Installation) -> None:
    files = "select relname, pg_relation_filenode(oid) as file from pg_class where relnamespace = 'record'::regnamespace order by 1"
    before = installation.query(files)
    install.init(installation.settings)
    assert installation.query(files) == before


def test_each_id_is_looked_up_in_the_index(installation: Installation) -> None:
    with store.connect(installation.settings) as connection:
        for told in ("scope_document (document_id)", "scope_told (told_id)"):
            connection.execute(f"create temporary table {told} as select 'id' || n from generate_series(1, 5000) n")
        connection.execute(
            "insert into record.document (source, source_key, also_replaces) select 'documents', n::text, "
            "case n when 3 then array['id17', 'id18'] when 4 then array['id5001'] end from generate_series(1, 5000) n"
        )
        for way in ("seqscan", "hashjoin", "mergejoin"):
            connection.execute(f"set local enable_{way} = off")
        plan = connection.execute(f"explain {link_documents.REPLACING}").fetchall()
        found = connection.execute(f"select distinct source_key from ({link_documents.REPLACING}) r").fetchall()
        connection.rollback()
    assert any("Bitmap Index Scan on document_4" in str(row) for row in plan)
    assert [row["source_key"] for row in found] == ["3"]
