"""Read the query of a request: every option is known and valid, or the request is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from lgsp.serve import errors, filter_sql
from lgsp.serve.filter_parser import LONGEST_FILTER, MOST_VALUES, Parser
from lgsp.serve.filter_tree import Node
from lgsp.serve.model import EntitySet

MOST_SKIPPED, LARGEST_NUMBER = 10_000, 10**15 - 1
OF_ROWS = (
    "$filter",
    "$select",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$format",
    "$search",
    "$skiptoken",
    "$deltatoken",
)
OF_COUNT = ("$filter", "$search")
OF_ROW = ("$select", "$format")
OF_DOCUMENT = ("$format",)
# OData has them, this service does not.
OTHERS = ("$expand", "$apply", "$compute", "$levels", "$index", "$schemaversion", "$id", "$batch")
NOT_WITH_DELTA = ("$top", "$skip", "$orderby", "$count")
SAFE = "$@,()':/*;=!-._~"


@dataclass(frozen=True)
class Query:
    """The options of a request; `columns` are those that the answer has."""

    columns: tuple[str, ...]
    is_selected: bool = False
    condition: Node | None = None
    words: tuple[str, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()  # column, and whether it is descending
    top: int | None = None
    skip: int = 0
    has_count: bool = False
    skip_token: str | None = None
    delta_token: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def link(self, changes: Mapping[str, str], *removed: str) -> str:
        """The query of a link with other options, encoded."""
        kept = {name: value for name, value in self.options.items() if name not in removed} | dict(changes)
        return "&".join(f"{quote(name, safe=SAFE)}={quote(value, safe=SAFE)}" for name, value in kept.items())

    @property
    def meaning(self) -> str:
        """The options that decide which rows come in which order: a skip token is valid for these only."""
        names = ("$filter", "$search", "$orderby", "$deltatoken")
        return self.link({}, *(name for name in self.options if name not in names and not name.startswith("@")))


def options(query_string: bytes, allowed: tuple[str, ...]) -> dict[str, str]:
    """The options of a query by name, decoded. Raises ApiError for an unknown, repeated or unavailable one."""
    found: dict[str, str] = {}
    for part in query_string.split(b"&"):
        if not part:
            continue
        name, _, value = (_decoded(each) for each in part.partition(b"="))
        if name in OTHERS:
            raise errors.not_implemented(name, name)
        if name not in allowed and not (name.startswith("@") and "$filter" in allowed):
            raise errors.invalid(
                f"the option {name[:40]!r} is unknown here", f"tùy chọn {name[:40]!r} không có ở đây", name[:40]
            )
        if name in found:
            raise errors.invalid(f"{name} is given twice", f"{name} bị lặp", name)
        found[name] = value
    return found


def parse(entity_set: EntitySet, given: Mapping[str, str]) -> Query:
    """The query that options of a set make. Raises ApiError when one is not valid."""
    columns = _selected(entity_set, given["$select"]) if "$select" in given else entity_set.names
    if "$deltatoken" in given:
        for name in NOT_WITH_DELTA:
            if name in given:
                raise errors.invalid(f"{name} cannot be used for changes", f"{name} không dùng được với thay đổi", name)
    skip = _number(given, "$skip")
    if skip > MOST_SKIPPED:
        raise errors.too_large(f"{MOST_SKIPPED:,} rows to skip", f"{MOST_SKIPPED} dòng bỏ qua", "$skip")
    return Query(
        columns=columns, is_selected="$select" in given, condition=_condition(entity_set, given),
        words=_words(entity_set, given["$search"]) if "$search" in given else (),
        order=_order(entity_set, given["$orderby"]) if "$orderby" in given else (),
        top=_number(given, "$top") if "$top" in given else None, skip=skip, has_count=_boolean(given, "$count"),
        skip_token=given.get("$skiptoken"), delta_token=given.get("$deltatoken"), options=given,
    )  # fmt: skip


def _decoded(text: bytes) -> str:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", text):
        raise errors.invalid("a percent sign is not followed by two digits", "ký tự % không hợp lệ")
    try:
        decoded = unquote_to_bytes(text.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise errors.invalid("the query is not UTF-8", "truy vấn không phải UTF-8") from None
    if "\0" in decoded:
        raise errors.invalid("the query has a null character", "truy vấn có ký tự rỗng")
    return decoded


def _condition(entity_set: EntitySet, given: Mapping[str, str]) -> Node | None:
    aliases = {name: value for name, value in given.items() if name.startswith("@")}
    parser = Parser(entity_set, given["$filter"], "$filter", aliases) if "$filter" in given else None
    node = parser.filter() if parser else None
    for name in aliases.keys() - (parser.used if parser else set()):
        raise errors.invalid(f"nothing uses {name[:40]}", f"{name[:40]} không được dùng", name[:40])
    return node


def _selected(entity_set: EntitySet, text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if names == ["*"]:
        return entity_set.names
    for name in names:
        _known(entity_set, name, "$select")
    return tuple(dict.fromkeys(names))


def _order(entity_set: EntitySet, text: str) -> tuple[tuple[str, bool], ...]:
    found: dict[str, bool] = {}
    for item in text.split(","):
        if "(" in item:
            raise errors.not_implemented("an order by other things than columns", "$orderby")
        name, *direction = item.split()[:3] or [""]
        if direction not in ([], ["asc"], ["desc"]) or name in found:
            raise errors.invalid(
                f"$orderby cannot be read near {item[:40]!r}", f"không đọc được $orderby: {item[:40]!r}", "$orderby"
            )
        _known(entity_set, name, "$orderby")
        if entity_set.columns[name].type == "text[]":
            raise errors.wrong_type(f"{name} is a list", f"{name} là danh sách", "$orderby")
        found[name] = direction == ["desc"]
    return tuple(found.items())


def _known(entity_set: EntitySet, name: str, target: str) -> None:
    if name in entity_set.columns:
        return
    if not name:
        raise errors.invalid(f"{target} has an empty name", f"{target} có tên trống", target)
    if "/" in name or "." in name or "(" in name:
        raise errors.not_implemented(name[:40], target)
    raise errors.unknown_column(entity_set.name, name[:60], target)


def _words(entity_set: EntitySet, text: str) -> tuple[str, ...]:
    """The words and phrases that must occur, in the form of `filter_sql.plain`."""
    if not entity_set.searched:
        raise errors.not_implemented(f"$search in {entity_set.name}", "$search")
    if len(text) > LONGEST_FILTER:
        raise errors.too_large(f"{LONGEST_FILTER} characters", f"{LONGEST_FILTER} ký tự", "$search")
    terms = re.findall(r'"[^"]*"|[^\s"]+', text)
    if text.count('"') % 2:
        raise errors.invalid("$search has a quote without its end", "$search thiếu dấu ngoặc kép", "$search")
    if {"OR", "NOT"} & set(terms) or any(re.match(r"[()]", term) for term in terms):
        raise errors.not_implemented("OR, NOT and parentheses in $search", "$search")
    words = [plain for term in terms if term != "AND" and (plain := filter_sql.plain(term))]
    if not words:
        raise errors.invalid("$search has no word", "$search không có từ nào", "$search")
    if len(words) > MOST_VALUES:
        raise errors.too_large(f"{MOST_VALUES} words", f"{MOST_VALUES} từ", "$search")
    return tuple(words)


def _number(given: Mapping[str, str], name: str) -> int:
    text = given.get(name, "0")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise errors.invalid(f"{name} must be a whole number, not {text[:40]!r}", f"{name} phải là số nguyên", name)
    return int(text)


def _boolean(given: Mapping[str, str], name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise errors.invalid(
            f"{name} must be true or false, not {text[:40]!r}", f"{name} phải là true hoặc false", name
        )
    return text == "true"
