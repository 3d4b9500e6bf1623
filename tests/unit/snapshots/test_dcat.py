"""The catalogue of a snapshot is valid DCAT 3 and agrees with the contracts and the manifest."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import pyshacl
import pytest
from rdflib import DCTERMS, RDF, XSD, BNode, Graph, Literal, Namespace, URIRef

from lgsp.schema import contract
from lgsp.schema.installation import Installation
from lgsp.snapshots import dcat

pytestmark = pytest.mark.slow

BASE = "https://example.org/snapshots/17/catalog.json"
CSVW, SPDX = Namespace("http://www.w3.org/ns/csvw#"), Namespace("http://spdx.org/rdf/terms#")
DCAT = Namespace("http://www.w3.org/ns/dcat#")  # rdflib has version 2 only
SHA = "ab" * 32
ROOT, API = "https://lgsp.example/v1", "https://data.example.gov.vn/v1"
SERVED = Installation(
    base_url="https://data.example.gov.vn", contact="lgsp@example.gov.vn", licence="https://example.gov.vn/licence"
)
UNREAD = {"as_of": None, "published_at": "2026-08-11T01:02:03+00:00"}
EU = "http://publications.europa.eu/resource/authority"
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
MONTHS = ("2025-12", "2026-02")

# The mandatory properties of DCAT-AP 3, and the types of their values.
SHAPES = """
@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix dcat: <http://www.w3.org/ns/dcat#> . @prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> . @prefix spdx: <http://spdx.org/rdf/terms#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> . @prefix vcard: <http://www.w3.org/2006/vcard/ns#> .
[] a sh:NodeShape ; sh:targetClass dcat:Catalog ;
   sh:property [ sh:path dct:title ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:description ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
               [ sh:path dct:issued ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] ,
               [ sh:path dct:spatial ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:contactPoint ; sh:minCount 1 ; sh:class vcard:Organization ] ,
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
               [ sh:path dct:format ; sh:minCount 1 ; sh:maxCount 1 ; sh:pattern "^http://publications.europa.eu/resource/authority/file-type/" ] ,
               [ sh:path dct:license ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dct:rights ; sh:minCount 1 ; sh:class dct:RightsStatement ] ,
               [ sh:path dcat:downloadURL ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:mediaType ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:byteSize ; sh:maxCount 1 ; sh:datatype xsd:nonNegativeInteger ] ,
               [ sh:path spdx:checksum ; sh:maxCount 1 ; sh:class spdx:Checksum ] .
[] a sh:NodeShape ; sh:targetClass dcat:DataService ;
   sh:property [ sh:path dct:title ; sh:minCount 2 ; sh:uniqueLang true ; sh:datatype rdf:langString ] ,
               [ sh:path dcat:endpointURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path dcat:servesDataset ; sh:minCount 1 ; sh:class dcat:Dataset ] .
[] a sh:NodeShape ; sh:targetClass spdx:Checksum ;
   sh:property [ sh:path spdx:algorithm ; sh:minCount 1 ; sh:maxCount 1 ; sh:nodeKind sh:IRI ] ,
               [ sh:path spdx:checksumValue ; sh:minCount 1 ; sh:maxCount 1 ; sh:datatype xsd:hexBinary ] .
"""


def _file(path: str, part: str) -> dict[str, Any]:
    return {"path": path, "part": part, "rows": 5, "bytes": 1000, "sha256": SHA}


def _manifest() -> dict[str, Any]:
    """Two files (months) for each partitioned table, one file for each other table; `document` is empty."""
    tables = {}
    for shared in contract.every():
        months = MONTHS if shared.partition else ()
        files = [_file(f"{shared.name}/month={month}/{SHA[:32]}.parquet", month) for month in months]
        tables[shared.name] = {"rows": 10, "files": files or [_file(f"{shared.name}/{SHA[:32]}.parquet", "all")]}
    tables["document"] = {"rows": 0, "files": [_file(f"document/{SHA[:32]}.parquet", "empty")]}
    previous = {"snapshot_id": 16, "epoch": 1, "manifest_sha256": SHA}
    return {"snapshot_id": 17, "epoch": 2, "as_of": "2026-08-11 00:00:00+07", "previous": previous, "tables": tables}


def _parsed(installation: Installation) -> Graph:
    return Graph().parse(data=dcat.document(_manifest(), installation), format="json-ld", publicID=BASE)


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The catalogue as a tool without a network parses it."""

    def refuse(*_: Any) -> None:
        raise AssertionError("parsing a catalogue must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return _parsed(Installation())


def test_the_catalogue_conforms_to_the_shapes_of_dcat_ap(graph: Graph) -> None:
    for described in (graph, _parsed(SERVED)):
        conforms, _, report = pyshacl.validate(described, shacl_graph=Graph().parse(data=SHAPES, format="turtle"))
        assert conforms, report
    graph.remove((None, DCTERMS.publisher, None))
    conforms, _, _ = pyshacl.validate(graph, shacl_graph=Graph().parse(data=SHAPES, format="turtle"))
    assert not conforms, "a catalogue without a publisher is invalid"


def test_every_table_is_a_dataset_with_snapshot_and_contract(graph: Graph) -> None:
    identifiers = {str(graph.value(dataset, DCTERMS.identifier)) for dataset in graph.subjects(RDF.type, DCAT.Dataset)}
    assert identifiers == {f"lgsp.{name}" for name in contract.names()}
    for shared in contract.every():
        dataset = URIRef(f"{ROOT}/{shared.name}")
        standard = graph.value(dataset, DCTERMS.conformsTo)
        assert graph.value(dataset, DCAT.version) == Literal("17")
        assert graph.value(standard, DCAT.version) == Literal(shared.version)
        assert (dataset, DCTERMS.title, Literal(shared.meaning_vi, lang="vi")) in graph
        assert (dataset, DCTERMS.description, Literal(shared.description, lang="en")) in graph


def test_every_column_is_described_in_two_languages_in_order(graph: Graph) -> None:
    for shared in contract.every():
        schema = graph.value(URIRef(f"{ROOT}/{shared.name}"), CSVW.tableSchema)
        columns = list(graph.items(graph.value(schema, CSVW.column)))  # type: ignore[arg-type]
        described = [
            (str(graph.value(column, CSVW.name)), {str(text) for text in graph.objects(column, DCTERMS.description)})
            for column in columns
        ]
        assert described == [(column.name, {column.description, column.meaning_vi}) for column in shared.columns]
        assert [str(key) for key in graph.items(graph.value(schema, CSVW.primaryKey))] == list(shared.key)  # type: ignore[arg-type]


def test_a_single_file_has_a_checksum_and_several_files_a_folder(graph: Graph) -> None:
    single, several = URIRef(f"{ROOT}/organisation#parquet"), URIRef(f"{ROOT}/dossier#parquet")
    folder = BASE.removesuffix("catalog.json")
    assert graph.value(single, DCAT.downloadURL) == URIRef(f"{folder}organisation/{SHA[:32]}.parquet")
    assert str(graph.value(graph.value(single, SPDX.checksum), SPDX.checksumValue)) == SHA
    assert graph.value(several, DCAT.accessURL) == URIRef(f"{folder}dossier/")
    assert graph.value(several, DCAT.downloadURL) is None and graph.value(several, SPDX.checksum) is None
    assert graph.value(several, DCAT.byteSize) == Literal(2000, datatype=XSD.nonNegativeInteger)
    assert str(graph.value(several, DCAT.mediaType)).endswith("application/vnd.apache.parquet")


def test_a_partitioned_table_covers_its_first_to_last_month(graph: Graph) -> None:
    period = graph.value(URIRef(f"{ROOT}/dossier"), DCTERMS.temporal)
    assert isinstance(period, BNode)
    assert graph.value(period, DCAT.startDate) == Literal("2025-12-01", datatype=XSD.date)
    assert graph.value(period, DCAT.endDate) == Literal("2026-02-28", datatype=XSD.date)
    for name in ("document", "organisation"):
        assert graph.value(URIRef(f"{ROOT}/{name}"), DCTERMS.temporal) is None


def test_equal_manifests_give_equal_bytes_without_local_paths() -> None:
    place = Installation()
    catalog = dcat.document(_manifest(), place)
    assert catalog == dcat.document(orjson.loads(orjson.dumps(_manifest(), option=orjson.OPT_SORT_KEYS)), place)
    assert b"file:" not in catalog and b"localhost" not in catalog and b'"/' not in catalog


def test_a_snapshot_without_as_of_has_no_modified_time() -> None:
    catalog = orjson.loads(dcat.document(_manifest() | UNREAD, Installation()))
    assert "dct:modified" not in catalog and catalog["dct:issued"] == "2026-08-11T01:02:03+00:00"


def test_identifiers_are_the_same_in_every_snapshot(graph: Graph) -> None:
    later = _manifest() | {"snapshot_id": 18}
    parsed = Graph().parse(data=dcat.document(later, Installation()), format="json-ld", publicID=BASE)  # type: ignore[arg-type]
    kinds = (DCAT.Catalog, DCAT.Dataset, DCAT.Distribution)
    for kind in kinds:
        assert set(parsed.subjects(RDF.type, kind)) == set(graph.subjects(RDF.type, kind))
    dataset = URIRef(f"{ROOT}/dossier")
    assert graph.value(dataset, DCAT.hasVersion) == URIRef(f"{ROOT}/at/2-17/dossier")
    assert graph.value(dataset, DCAT.previousVersion) == URIRef(f"{ROOT}/at/1-16/dossier")


def test_without_a_base_url_no_read_api_is_described(graph: Graph) -> None:
    assert not list(graph.subjects(RDF.type, DCAT.DataService))
    addresses = [*graph.objects(None, DCAT.accessURL), *graph.objects(None, DCAT.downloadURL)]
    assert addresses and not any(str(address).startswith(ROOT) for address in addresses)
    assert not list(graph.objects(None, DCTERMS.license)), "no licence is stated unless the province names one"


def test_with_a_base_url_the_addresses_are_those_of_the_read_api() -> None:
    graph = _parsed(SERVED)
    (service,) = graph.subjects(RDF.type, DCAT.DataService)
    assert graph.value(service, DCAT.endpointURL) == URIRef(f"{API}/")
    assert len(set(graph.objects(service, DCAT.servesDataset))) == len(contract.names())
    single, several = URIRef(f"{API}/organisation#parquet"), URIRef(f"{API}/dossier#parquet")
    path = f"organisation/{SHA[:32]}.parquet"
    assert graph.value(single, DCAT.downloadURL) == URIRef(f"{API}/at/2-17/files/{path}")
    assert graph.value(several, DCAT.accessURL) == URIRef(f"{API}/at/2-17/manifest.json")
    assert graph.value(single, DCTERMS.license) == URIRef("https://example.gov.vn/licence")
    assert graph.value(single, DCTERMS.format) == URIRef(f"{EU}/file-type/PARQUET")
    contact = graph.value(URIRef(f"{API}/catalog"), DCAT.contactPoint)
    assert graph.value(contact, VCARD.hasEmail) == URIRef("mailto:lgsp@example.gov.vn")
    standard = graph.value(URIRef(f"{API}/dossier"), DCTERMS.conformsTo)
    assert standard == URIRef(f"{API}/contracts/dossier")
