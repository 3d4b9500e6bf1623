"""Describe a snapshot as a DCAT-AP 3 catalogue in JSON-LD, for data portals and for people who search for data.

Everything in it comes from the contracts, the manifest and the settings, so the same snapshot always gives the same bytes.
Identifiers are those of the read API. With LGSP_BASE_URL so are the addresses; without it, addresses are relative to the
catalogue, so they stay correct where the snapshot's folder is copied or served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from lgsp.schema import contract, odcs
from lgsp.schema.column import Column
from lgsp.schema.contract import Contract
from lgsp.schema.installation import Installation
from lgsp.snapshots.descriptions import FOLDER
from lgsp.snapshots.manifest import Manifest, ManifestFile

PARQUET = "https://www.iana.org/assignments/media-types/application/vnd.apache.parquet"
EU = "http://publications.europa.eu/resource/authority"
COUNTRY = f"{EU}/country/VNM"
ODATA = "http://docs.oasis-open.org/odata/odata/v4.0/"
# Without LGSP_BASE_URL identifiers begin with an address that nobody can have (RFC 2606).
PLACEHOLDER = "https://lgsp.example"

# Inline, so that a reader without a network can parse it.
CONTEXT = {
    "adms": "http://www.w3.org/ns/adms#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "csvw:column": {"@container": "@list"},
    "csvw:primaryKey": {"@container": "@list"},
    "dcat:byteSize": {"@type": "xsd:nonNegativeInteger"},
    "dcat:startDate": {"@type": "xsd:date"},
    "dcat:endDate": {"@type": "xsd:date"},
    "dct:issued": {"@type": "xsd:dateTime"},
    "dct:modified": {"@type": "xsd:dateTime"},
    "spdx:checksumValue": {"@type": "xsd:hexBinary"},
} | {
    name: {"@type": "@id"}
    for name in (
        "dcat:accessURL", "dcat:downloadURL", "dcat:endpointDescription", "dcat:endpointURL", "dcat:hasVersion", "dcat:mediaType",
        "dcat:previousVersion", "dcat:theme", "dcat:themeTaxonomy", "dct:accessRights", "dct:accrualPeriodicity", "dct:format", "dct:language",
        "dct:license", "dct:spatial", "spdx:algorithm", "vcard:hasEmail", "vcard:hasURL",
    )
}  # fmt: skip

# The types of a contract and their names in CSV on the Web.
DATATYPES = {
    "text": "string", "text[]": "string", "boolean": "boolean", "integer": "int", "bigint": "long", "date": "date",
    "timestamptz": "dateTime", "double precision": "double",
}  # fmt: skip

TITLE = ("The shared dataset of the province", "Bộ dữ liệu dùng chung của tỉnh")
DESCRIPTION = (
    "Administrative procedures, official documents and indicators of all agencies, harmonised from three systems; "
    "all tables belong to one snapshot, in SQL and in Parquet",
    "Thủ tục hành chính, văn bản và chỉ số của mọi cơ quan, hợp nhất từ ba hệ thống; mọi bảng thuộc cùng một lần công bố, ở dạng SQL và Parquet",
)
PUBLISHER = ("The province that runs this installation", "Tỉnh vận hành hệ thống này")
CONTACT = ("The operators of this installation", "Đội vận hành hệ thống này")
SERVICE = ("Read API of the shared dataset", "API đọc bộ dữ liệu dùng chung")
# No licence is stated unless LGSP_LICENCE names one: the province decides how others may use the data; sharing between state bodies is not open data.
RIGHTS = (
    "Shared between state bodies by default; contains no personal name, phone number, address or identity number",
    "Dùng chung mặc định giữa các cơ quan nhà nước; không chứa họ tên, số điện thoại, địa chỉ, số định danh cá nhân",
)
KEYWORDS = (("administrative procedures", "thủ tục hành chính"), ("public services", "dịch vụ công"))


@dataclass(frozen=True)
class Catalogue:
    """A snapshot and the installation that published it: what all parts of its description share."""

    manifest: Manifest
    installation: Installation

    @property
    def root(self) -> str:
        """The address of the read API, below which everything has its identifier."""
        return f"{self.installation.base_url or PLACEHOLDER}/v1"

    @property
    def version(self) -> str:
        """The snapshot as the read API writes it."""
        return f"{self.manifest.get('epoch', 1)}-{self.manifest['snapshot_id']}"

    @property
    def previous(self) -> str | None:
        """The snapshot before; None for the first, and where its epoch was not recorded."""
        previous = self.manifest.get("previous")
        return f"{previous['epoch']}-{previous['snapshot_id']}" if previous and "epoch" in previous else None

    def address(self, path: str, in_api: str) -> str:
        """The address of something: in the read API if it has one, else its path in the snapshot's folder."""
        return f"{self.root}/{in_api}" if self.installation.base_url else path

    @property
    def responsible(self) -> dict[str, Any]:
        """Publisher, contact and access rights, as catalogue, datasets and service have them."""
        contact = {"@id": f"{self.root}/catalog#contact"}
        return {
            "dct:publisher": {"@id": f"{self.root}/catalog#publisher"}, "dcat:contactPoint": contact,
            "dct:accessRights": f"{EU}/access-right/RESTRICTED",
        }  # fmt: skip

    @property
    def terms(self) -> dict[str, Any]:
        """The licence, if the province states one, and the rights, as distributions and service have them."""
        licence = {"dct:license": self.installation.licence} if self.installation.licence else {}
        return {**licence, "dct:rights": {"@id": f"{self.root}/catalog#rights"}}


def document(manifest: Manifest, installation: Installation) -> bytes:
    """The catalogue of the snapshot that a manifest describes, as JSON-LD: the content of `catalog.json`.

    `dct:issued` is the manifest's `published_at` and `dct:modified` its `as_of`, the time up to which the data reach.
    """
    catalogue = Catalogue(manifest, installation)
    tables = [shared for shared in contract.every() if shared.name in manifest["tables"]]
    agent = {"@id": f"{catalogue.root}/catalog#publisher", "@type": "foaf:Agent", "foaf:name": _texts(*PUBLISHER)}
    rights = {"@id": f"{catalogue.root}/catalog#rights", "@type": "dct:RightsStatement", "rdfs:label": _texts(*RIGHTS)}
    every_file = [file for table in manifest["tables"].values() for file in table["files"]]
    described = {
        "@context": CONTEXT,
        "@id": f"{catalogue.root}/catalog",
        "@type": "dcat:Catalog",
        "dct:title": _texts(*TITLE),
        "dct:description": _texts(*DESCRIPTION),
        "dct:language": [f"{EU}/language/VIE", f"{EU}/language/ENG"],
        "dct:spatial": COUNTRY,
        "dcat:themeTaxonomy": f"{EU}/data-theme",
        **catalogue.responsible,
        **catalogue.terms,
        "dct:publisher": agent,
        "dct:rights": rights,
        "dcat:contactPoint": _contact(catalogue),
        "dcat:version": str(manifest["snapshot_id"]),
        **_times(manifest),
        **_temporal(every_file),
        "dcat:dataset": [_dataset(shared, catalogue) for shared in tables],
        **({"dcat:service": _service(catalogue, tables)} if installation.base_url else {}),
    }
    return orjson.dumps(described, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _contact(catalogue: Catalogue) -> dict[str, Any]:
    address = catalogue.installation.contact_address
    kind = "vcard:hasEmail" if address and address.startswith("mailto:") else "vcard:hasURL"
    contact = {"@id": f"{catalogue.root}/catalog#contact", "@type": "vcard:Organization", "vcard:fn": _texts(*CONTACT)}
    return {**contact, kind: address} if address else contact


def _service(catalogue: Catalogue, tables: Sequence[Contract]) -> dict[str, Any]:
    """The read API."""
    return {
        "@id": f"{catalogue.root}/",
        "@type": "dcat:DataService",
        "dct:title": _texts(*SERVICE),
        "dcat:endpointURL": f"{catalogue.root}/",
        "dcat:endpointDescription": f"{catalogue.root}/openapi.json",
        "dct:conformsTo": {"@id": ODATA, "@type": "dct:Standard", "dct:title": "OData 4.0"},
        "dcat:servesDataset": [{"@id": f"{catalogue.root}/{shared.name}"} for shared in tables],
        **catalogue.responsible,
        **catalogue.terms,
    }


def _dataset(shared: Contract, catalogue: Catalogue) -> dict[str, Any]:
    snapshot_id, table = catalogue.manifest["snapshot_id"], catalogue.manifest["tables"][shared.name]
    english = shared.name.replace("_", " ")
    keywords = (*KEYWORDS, (english, shared.meaning_vi.lower()))
    return {
        "@id": f"{catalogue.root}/{shared.name}",
        "@type": "dcat:Dataset",
        "dct:identifier": f"lgsp.{shared.name}",
        "dct:title": _texts(english, shared.meaning_vi),
        "dct:description": _texts(shared.description, shared.meaning_vi),
        **catalogue.responsible,
        "dct:language": [f"{EU}/language/VIE", f"{EU}/language/ENG"],
        "dct:spatial": COUNTRY,
        "dcat:keyword": [word for pair in keywords for word in _texts(*pair)],
        "dcat:theme": f"{EU}/data-theme/GOVE",
        **_versions(shared, catalogue),
        "adms:versionNotes": _texts(
            "The number of the snapshot; all tables of a catalogue have the same number",
            "Số thứ tự lần công bố; mọi bảng trong danh mục có cùng số",
        ),
        "dct:accrualPeriodicity": f"{EU}/frequency/DAILY",
        "dct:conformsTo": {
            "@id": catalogue.address(f"{FOLDER}/{shared.name}{odcs.SUFFIX}", f"contracts/{shared.name}"),
            "@type": "dct:Standard", "dct:identifier": f"lgsp.{shared.name}", "dct:title": f"lgsp.{shared.name} {shared.version}",
            "dcat:version": shared.version,
        },
        "dct:extent": {"@type": "dct:SizeOrDuration", "rdf:value": table["rows"], "rdfs:label": f"{table['rows']} rows"},
        **_times(catalogue.manifest),
        **_temporal(table["files"]),
        "csvw:tableSchema": {
            "@type": "csvw:Schema", "csvw:primaryKey": list(shared.key), "csvw:column": [_column(c) for c in shared.columns],
        },
        "dcat:distribution": [_parquet(shared, catalogue, table["files"]), _sql(shared, catalogue, snapshot_id)],
    }  # fmt: skip


def _versions(shared: Contract, catalogue: Catalogue) -> dict[str, Any]:
    """The number of the snapshot, and the identifiers of this version of the table and of the one before."""
    versions: dict[str, Any] = {
        "dcat:version": str(catalogue.manifest["snapshot_id"]),
        "dcat:hasVersion": f"{catalogue.root}/at/{catalogue.version}/{shared.name}",
    }
    if catalogue.previous:
        versions["dcat:previousVersion"] = f"{catalogue.root}/at/{catalogue.previous}/{shared.name}"
    return versions


def _parquet(shared: Contract, catalogue: Catalogue, files: Sequence[ManifestFile]) -> dict[str, Any]:
    description = ("Parquet files, zstd", "Tệp Parquet, nén zstd")
    if shared.partition:
        column = shared.partition.name
        description = (
            f"Parquet files, zstd, partitioned by the local month of {column} into folders month=YYYY-MM",
            f"Tệp Parquet, nén zstd, chia theo tháng của {column} vào thư mục month=YYYY-MM",
        )
    distribution: dict[str, Any] = {
        "@id": f"{catalogue.root}/{shared.name}#parquet",
        "@type": "dcat:Distribution",
        "dct:title": _texts(f"{shared.name} in Parquet", f"{shared.name} ở dạng Parquet"),
        "dct:description": _texts(*description),
        "dct:format": f"{EU}/file-type/PARQUET",
        "dcat:mediaType": PARQUET,
        # the manifest lists the files of a table; the read API has no folders
        "dcat:accessURL": catalogue.address(f"{shared.name}/", f"at/{catalogue.version}/manifest.json"),
        "dcat:byteSize": sum(file["bytes"] for file in files),
        **_times(catalogue.manifest),
        **catalogue.terms,
    }
    if catalogue.installation.base_url:
        distribution["dcat:accessService"] = {"@id": f"{catalogue.root}/"}
    if len(files) == 1:
        (file,) = files
        distribution["dcat:downloadURL"] = catalogue.address(
            file["path"], f"at/{catalogue.version}/files/{file['path']}"
        )
        distribution["spdx:checksum"] = {
            "@type": "spdx:Checksum",
            "spdx:algorithm": "spdx:checksumAlgorithm_sha256",
            "spdx:checksumValue": file["sha256"],
        }
    return distribution


def _sql(shared: Contract, catalogue: Catalogue, snapshot_id: int) -> dict[str, Any]:
    table, place = f"shared.{shared.name}", catalogue.installation
    as_of = f"history.{shared.name}_as_of({snapshot_id})"
    return {
        "@id": f"{catalogue.root}/{shared.name}#sql",
        "@type": "dcat:Distribution",
        "dct:title": _texts(f"{shared.name} in SQL", f"{shared.name} ở dạng SQL"),
        "dct:description": _texts(
            f"Table {table} in PostgreSQL shows the newest snapshot; {as_of} shows this one",
            f"Bảng {table} trong PostgreSQL là dữ liệu của lần công bố mới nhất; {as_of} là dữ liệu của lần công bố này",
        ),
        "dct:identifier": table,
        "dct:format": f"{EU}/file-type/SQL",
        "dcat:accessURL": f"postgresql://{place.host}:{place.port}/{place.database}",
        **_times(catalogue.manifest),
        **catalogue.terms,
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "@type": "csvw:Column",
        "csvw:name": column.name,
        "csvw:required": column.is_required or column.is_key,
        "csvw:datatype": {
            "@type": "csvw:Datatype", "csvw:base": DATATYPES[column.type], "rdfs:label": column.type,
        },
        "dct:title": _texts(column.name.replace("_", " "), column.meaning_vi),
        "dct:description": _texts(column.note, column.note_vi),
    }  # fmt: skip


def _times(manifest: Manifest) -> dict[str, str]:
    times = {"dct:issued": manifest.get("published_at"), "dct:modified": manifest.get("as_of")}
    return {name: datetime.fromisoformat(time).isoformat() for name, time in times.items() if time}


def _temporal(files: Sequence[ManifestFile]) -> dict[str, Any]:
    """The period from the first to the last month with a file; empty for a table that is not partitioned by month."""
    months = sorted(file["part"] for file in files if re.fullmatch(r"\d{4}-\d{2}", file["part"]))
    if not months:
        return {}
    first, last = (date.fromisoformat(f"{month}-01") for month in (months[0], months[-1]))
    end = (last + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    period = {"@type": "dct:PeriodOfTime", "dcat:startDate": first.isoformat(), "dcat:endDate": end.isoformat()}
    return {"dct:temporal": period}


def _texts(english: str, vietnamese: str) -> list[dict[str, str]]:
    return [{"@language": "vi", "@value": vietnamese}, {"@language": "en", "@value": english}]
