"""Describe a snapshot as a DCAT 3 catalogue in JSON-LD, for data portals and for people who search for data.

Everything in it comes from the contracts and the manifest, so the same snapshot always gives the same bytes. Addresses
are relative to the catalogue, so they stay correct where the snapshot's folder is copied or served.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from lgsp.schema import contract
from lgsp.schema.contract import Column, Contract
from lgsp.snapshots.manifest import Manifest, ManifestFile

PARQUET = "https://www.iana.org/assignments/media-types/application/vnd.apache.parquet"
EU = "http://publications.europa.eu/resource/authority"

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
        "dcat:accessURL", "dcat:downloadURL", "dcat:mediaType", "dcat:theme", "dct:accrualPeriodicity", "dct:language",
        "dct:spatial", "spdx:algorithm",
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
# No licence is stated: the province decides how others may use the data; sharing between state bodies is not open data.
RIGHTS = (
    "Shared between state bodies by default; contains no personal name, phone number, address or identity number",
    "Dùng chung mặc định giữa các cơ quan nhà nước; không chứa họ tên, số điện thoại, địa chỉ, số định danh cá nhân",
)
KEYWORDS = (("administrative procedures", "thủ tục hành chính"), ("public services", "dịch vụ công"))


def document(manifest: Manifest) -> bytes:
    """The catalogue of the snapshot that a manifest describes, as JSON-LD: the content of `catalog.json`.

    `dct:issued` is the manifest's `published_at` and `dct:modified` its `as_of`, the time up to which the data reach.
    """
    tables = manifest["tables"]
    catalog = {
        "@context": CONTEXT,
        "@id": "#catalog",
        "@type": "dcat:Catalog",
        "dct:title": _texts(*TITLE),
        "dct:description": _texts(*DESCRIPTION),
        "dct:publisher": {"@id": "#publisher", "@type": "foaf:Agent", "foaf:name": _texts(*PUBLISHER)},
        "dct:language": [f"{EU}/language/VIE", f"{EU}/language/ENG"],
        "dct:accessRights": {"@type": "dct:RightsStatement", "rdfs:label": _texts(*RIGHTS)},
        "dcat:version": str(manifest["snapshot_id"]),
        **_times(manifest),
        "dcat:dataset": [_dataset(shared, manifest) for shared in contract.every() if shared.name in tables],
    }
    return orjson.dumps(catalog, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _dataset(shared: Contract, manifest: Manifest) -> dict[str, Any]:
    snapshot_id, table = manifest["snapshot_id"], manifest["tables"][shared.name]
    english = shared.name.replace("_", " ")
    keywords = (*KEYWORDS, (english, shared.meaning_vi.lower()))
    return {
        "@id": f"#{shared.name}",
        "@type": "dcat:Dataset",
        "dct:identifier": f"lgsp.{shared.name}",
        "dct:title": _texts(english, shared.meaning_vi),
        "dct:description": _texts(shared.description, shared.meaning_vi),
        "dct:publisher": {"@id": "#publisher"},
        "dcat:keyword": [word for pair in keywords for word in _texts(*pair)],
        "dcat:theme": f"{EU}/data-theme/GOVE",
        "dcat:version": str(snapshot_id),
        "adms:versionNotes": _texts(
            "The number of the snapshot; all tables of a catalogue have the same number",
            "Số thứ tự lần công bố; mọi bảng trong danh mục có cùng số",
        ),
        "dct:accrualPeriodicity": f"{EU}/frequency/DAILY",
        "dct:conformsTo": {
            "@type": "dct:Standard", "dct:identifier": f"lgsp.{shared.name}", "dct:title": f"lgsp.{shared.name} {shared.version}",
            "dcat:version": shared.version,
        },
        "dct:extent": {"@type": "dct:SizeOrDuration", "rdf:value": table["rows"], "rdfs:label": f"{table['rows']} rows"},
        **_times(manifest),
        **_temporal(table["files"]),
        "csvw:tableSchema": {
            "@type": "csvw:Schema", "csvw:primaryKey": list(shared.key), "csvw:column": [_column(c) for c in shared.columns],
        },
        "dcat:distribution": [_parquet(shared, table["files"]), _sql(shared, snapshot_id)],
    }  # fmt: skip


def _parquet(shared: Contract, files: Sequence[ManifestFile]) -> dict[str, Any]:
    description = ("Parquet files, zstd", "Tệp Parquet, nén zstd")
    if shared.partition:
        column = shared.partition.name
        description = (
            f"Parquet files, zstd, partitioned by the local month of {column} into folders month=YYYY-MM",
            f"Tệp Parquet, nén zstd, chia theo tháng của {column} vào thư mục month=YYYY-MM",
        )
    distribution: dict[str, Any] = {
        "@id": f"#{shared.name}-parquet",
        "@type": "dcat:Distribution",
        "dct:title": _texts(f"{shared.name} in Parquet", f"{shared.name} ở dạng Parquet"),
        "dct:description": _texts(*description),
        "dcat:mediaType": PARQUET,
        "dcat:accessURL": f"{shared.name}/",
        "dcat:byteSize": sum(file["bytes"] for file in files),
    }
    if len(files) == 1:
        (file,) = files
        distribution["dcat:downloadURL"] = file["path"]
        distribution["spdx:checksum"] = {
            "@type": "spdx:Checksum",
            "spdx:algorithm": "spdx:checksumAlgorithm_sha256",
            "spdx:checksumValue": file["sha256"],
        }
    return distribution


def _sql(shared: Contract, snapshot_id: int) -> dict[str, Any]:
    table = f"shared.{shared.name}"
    as_of = f"history.{shared.name}_as_of({snapshot_id})"
    return {
        "@id": f"#{shared.name}-sql",
        "@type": "dcat:Distribution",
        "dct:title": _texts(f"{shared.name} in SQL", f"{shared.name} ở dạng SQL"),
        "dct:description": _texts(
            f"Table {table} in PostgreSQL shows the newest snapshot; {as_of} shows this one",
            f"Bảng {table} trong PostgreSQL là dữ liệu của lần công bố mới nhất; {as_of} là dữ liệu của lần công bố này",
        ),
        "dct:format": "PostgreSQL",
        "dcat:accessURL": f"urn:lgsp:sql:{table}",
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
        "dct:description": _texts(column.description, column.meaning_vi),
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
