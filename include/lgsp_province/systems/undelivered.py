"""Answers for documents that the gateway lists and never delivers (D50)."""

import gzip
from functools import cache

from lgsp_province.systems.http_server import Response
from lgsp_province.world.document_data import Document

KINDS = ("not found", "error", "too large", "cut")
_TOO_LARGE_MEGABYTES = 70  # more than a client of the gateway accepts


def kind(document: Document) -> str | None:
    """How the gateway does not deliver a document; None if it does."""
    return KINDS[document.bits >> 5 & 3] if "D50" in document.defects else None


def is_cut(document: Document) -> bool:
    """Whether the gateway delivers only the first half of the document's XML."""
    return kind(document) == "cut"


def answer(document: Document) -> Response | None:
    """The gateway's answer in place of a document; None if it delivers the document, whole or cut."""
    match kind(document):
        case "not found":
            return Response.json({"success": False, "message": "Không tìm thấy văn bản"}, 404)
        case "error":
            return Response.json({"message": "java.lang.OutOfMemoryError"}, 500)
        case "too large":
            return Response(200, _too_large(), headers={"Content-Encoding": "gzip"})
    return None


@cache
def _too_large() -> bytes:
    content = b"QUJD" * (_TOO_LARGE_MEGABYTES * 250_000)
    return gzip.compress(b'{"success":true,"message":"","data":{"edxml":"' + content + b'"}}')
