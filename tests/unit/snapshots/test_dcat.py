"""The catalogue of a snapshot is DCAT 3 that anybody's tools read, and says what the contracts and the manifest say."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import pyshacl
import pytest
from rdflib import DCTERMS, RDF, XSD, BNode, Graph, Literal, Namespace, URIRef

from lgsp.schema import contract
from lgsp.snapshots import dcat

BASE = "https://example.org/snapshots/17/catalog.json"
CSVW, SPDX = Namespace("http://www.w3.org/ns/csvw#"), Namespace("http://spdx.org/rdf/terms#")
DCAT = Namespace("http://www.w3.org/ns/dcat#")  # rdflib knows the second version only
SHA = "ab" * 32
MONTHS = ("2025-12", "2026-02")

# What DCAT-AP 3 makes mandatory, and what it says of the kinds of values.
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix spdx: <http://spdx.org/rdf/terms#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
[] a sh:NodeShape ; sh:targetClass dcat:Catalog ;
   sh:property [ sh:path dct:title ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:description ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
               [ sh:path dct:issued ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] ,
               [ sh:path dcat:dataset ; sh:minCount 1 ; sh:class dcat:Dataset ] .
[] a sh:NodeShape ; sh:targetClass dcat:Dataset ;
   sh:property [ sh:path dct:title ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:description ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:identifier ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
               [ sh:path dcat:keyword ; sh:minCount 1 ; sh:datatype rdf:langString ] ,
               [ sh:path dcat:version ; sh:minCount 1 ; sh:maxCount 1 ; sh:nodeKind sh:Literal ] ,
               [ sh:path dct:conformsTo ; sh:minCount 1 ; sh:class dct:Standard ] ,
               [ sh:path dct:accrualPeriodicity ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dct:temporal ; sh:class dct:PeriodOfTime ] ,
               [ sh:path dcat:distribution ; sh:minCount 2 ; sh:class dcat:Distribution ] .
[] a sh:NodeShape ; sh:targetClass dct:PeriodOfTime ;
   sh:property [ sh:path dcat:startDate ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:date ] ,
               [ sh:path dcat:endDate ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:date ] .
[] a sh:NodeShape ; sh:targetClass dcat:Distribution ;
   sh:property [ sh:path dcat:accessURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:downloadURL ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:mediaType ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:byteSize ; sh:maxCount 1 ; sh:datatype xsd:nonNegativeInteger ] ,
               [ sh:path spdx:checksum ; sh:maxCount 1 ; sh:class spdx:Checksum ] .
[] a sh:NodeShape ; sh:targetClass spdx:Checksum ;
   sh:property [ sh:path spdx:algorithm ; sh:minCount 1 ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path spdx:checksumValue ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:hexBinary ] .
"""


def _file(path: str, part: str) -> dict[str, Any]:
    return {"path": path, "part": part, "rows": 5, "bytes": 1000, "sha256": SHA}


def _manifest() -> dict[str, Any]:
    """Tables that are cut by month have two months, the others one file, and one table is empty."""
    tables = {}
    for shared in contract.every():
        months = MONTHS if shared.partition else ()
        files = [_file(f"{shared.name}/month={month}/{SHA[:32]}.parquet", month) for month in months]
        tables[shared.name] = {"rows": 10, "files": files or [_file(f"{shared.name}/{SHA[:32]}.parquet", "all")]}
    tables["document"] = {"rows": 0, "files": [_file(f"document/{SHA[:32]}.parquet", "empty")]}
    return {"snapshot_id": 17, "as_of": "2026-08-11 00:00:00+07", "tables": tables}


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """What a tool without a network reads out of it."""

    def refuse(*_: Any) -> None:
        raise AssertionError("parsing a catalogue must not ask the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return Graph().parse(data=dcat.document(_manifest()), format="json-ld", publicID=BASE)


def test_it_keeps_the_shapes_of_dcat_ap_and_would_not_without_its_publisher(graph: Graph) -> None:
    conforms, _, why = pyshacl.validate(graph, shacl_graph=Graph().parse(data=SHAPES, format="turtle"))
    assert conforms, why
    graph.remove((None, DCTERMS.publisher, None))
    conforms, _, _ = pyshacl.validate(graph, shacl_graph=Graph().parse(data=SHAPES, format="turtle"))
    assert not conforms


def test_every_table_is_a_dataset_of_this_snapshot_and_of_its_contract(graph: Graph) -> None:
    found = {str(graph.value(dataset, DCTERMS.identifier)) for dataset in graph.subjects(RDF.type, DCAT.Dataset)}
    assert found == {f"lgsp.{name}" for name in contract.names()}
    for shared in contract.every():
        dataset = URIRef(f"{BASE}#{shared.name}")
        standard = graph.value(dataset, DCTERMS.conformsTo)
        assert graph.value(dataset, DCAT.version) == Literal("17")
        assert graph.value(standard, DCAT.version) == Literal(shared.version)
        assert (dataset, DCTERMS.title, Literal(shared.meaning_vi, lang="vi")) in graph
        assert (dataset, DCTERMS.description, Literal(shared.description, lang="en")) in graph


def test_every_column_is_described_in_both_languages_and_in_order(graph: Graph) -> None:
    for shared in contract.every():
        schema = graph.value(URIRef(f"{BASE}#{shared.name}"), CSVW.tableSchema)
        columns = list(graph.items(graph.value(schema, CSVW.column)))  # type: ignore[arg-type]
        told = [
            (str(graph.value(column, CSVW.name)), {str(text) for text in graph.objects(column, DCTERMS.description)})
            for column in columns
        ]
        assert told == [(column.name, {column.description, column.meaning_vi}) for column in shared.columns]
        assert [str(key) for key in graph.items(graph.value(schema, CSVW.primaryKey))] == list(shared.key)  # type: ignore[arg-type]


def test_one_file_is_told_with_its_checksum_and_many_as_their_folder(graph: Graph) -> None:
    one, many = URIRef(f"{BASE}#organisation-parquet"), URIRef(f"{BASE}#dossier-parquet")
    folder = BASE.removesuffix("catalog.json")
    assert graph.value(one, DCAT.downloadURL) == URIRef(f"{folder}organisation/{SHA[:32]}.parquet")
    assert str(graph.value(graph.value(one, SPDX.checksum), SPDX.checksumValue)) == SHA
    assert graph.value(many, DCAT.accessURL) == URIRef(f"{folder}dossier/")
    assert graph.value(many, DCAT.downloadURL) is None and graph.value(many, SPDX.checksum) is None
    assert graph.value(many, DCAT.byteSize) == Literal(2000, datatype=XSD.nonNegativeInteger)
    assert str(graph.value(many, DCAT.mediaType)).endswith("application/vnd.apache.parquet")


def test_a_table_cut_by_month_covers_its_first_to_its_last_and_an_empty_one_nothing(graph: Graph) -> None:
    period = graph.value(URIRef(f"{BASE}#dossier"), DCTERMS.temporal)
    assert isinstance(period, BNode)
    assert graph.value(period, DCAT.startDate) == Literal("2025-12-01", datatype=XSD.date)
    assert graph.value(period, DCAT.endDate) == Literal("2026-02-28", datatype=XSD.date)
    for name in ("document", "organisation"):
        assert graph.value(URIRef(f"{BASE}#{name}"), DCTERMS.temporal) is None


def test_the_same_manifest_gives_the_same_bytes_and_no_place_of_this_machine() -> None:
    told = dcat.document(_manifest())
    assert told == dcat.document(orjson.loads(orjson.dumps(_manifest(), option=orjson.OPT_SORT_KEYS)))
    assert b"file:" not in told and b"localhost" not in told and b'"/' not in told


def test_a_snapshot_without_data_of_its_own_time_says_no_time() -> None:
    told = orjson.loads(dcat.document(_manifest() | {"as_of": None, "published_at": "2026-08-11T01:02:03+00:00"}))
    assert "dct:modified" not in told and told["dct:issued"] == "2026-08-11T01:02:03+00:00"
