"""The errors of the read API: a status, a stable code and a message in Vietnamese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The status of each code.
STATUSES = {
    "InvalidQuery": 400, "UnknownColumn": 400, "WrongType": 400, "QueryTooLarge": 400, "Unauthorized": 401, "Forbidden": 403,
    "NotFound": 404, "MethodNotAllowed": 405, "NotAcceptable": 406, "SnapshotGone": 410, "UrlTooLong": 414,
    "RangeNotSatisfiable": 416, "TooManyRequests": 429, "Internal": 500, "NotImplemented": 501, "QueryTooSlow": 503, "NoSnapshot": 503,
}  # fmt: skip


class ApiError(Exception):
    """An answer that is an error; `target` names the part of the request, such as `$filter`."""

    def __init__(
        self,
        code: str,
        english: str,
        vietnamese: str,
        target: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, str] | None = None,
        challenges: Sequence[str] = (),
    ) -> None:
        super().__init__(english)
        self.code = code
        self.status = STATUSES[code]
        self.messages = {"en": english, "vi": vietnamese}
        self.target = target
        self.headers = dict(headers or {})
        self.details = dict(details or {})
        self.challenges = tuple(challenges)

    def document(self, language: str, request_id: str) -> dict[str, Any]:
        """The error in OData's form, in a language (`vi` or `en`)."""
        details = [{"code": code, "message": message} for code, message in self.details.items()]
        target = {"target": self.target} if self.target else {}
        return {
            "error": {
                "code": self.code,
                "message": self.messages[language],
                **target,
                "details": [{"code": "RequestId", "message": request_id}, *details],
            }
        }


def invalid(english: str, vietnamese: str, target: str | None = None) -> ApiError:
    """A request that is not well formed."""
    return ApiError("InvalidQuery", english, vietnamese, target)


def unknown_column(table: str, column: str, target: str) -> ApiError:
    """A request that names a column the set does not have."""
    return ApiError("UnknownColumn", f"{table} has no column {column}", f"{table} không có cột {column}", target)


def wrong_type(english: str, vietnamese: str, target: str | None = None) -> ApiError:
    """A value or an operand whose type does not fit."""
    return ApiError("WrongType", english, vietnamese, target)


def too_large(limit: str, limit_vi: str, target: str | None = None) -> ApiError:
    """A query above a limit."""
    return ApiError("QueryTooLarge", f"the query has more than {limit}", f"truy vấn vượt quá {limit_vi}", target)


def not_implemented(what: str, target: str | None = None) -> ApiError:
    """A part of OData that this service does not have."""
    return ApiError("NotImplemented", f"{what} is not available here", f"{what} chưa được hỗ trợ", target)


def not_found(what: str, vietnamese: str) -> ApiError:
    """A set, row or path that does not exist, or that the account may not see."""
    return ApiError("NotFound", what, vietnamese)


def language(accepted: str | None) -> str:
    """The language of messages for an `Accept-Language` header: Vietnamese where preferred, else English."""
    best, quality = "en", 0.0
    for item in (accepted or "").split(","):
        tag, _, rest = item.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        try:
            weight = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        if name in ("vi", "en") and weight > quality:
            best, quality = name, weight
    return best
