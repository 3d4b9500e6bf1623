"""Answer reads of one set: pages, streams, changes, counts and rows, each of exactly one snapshot."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from starlette.responses import Response

from lgsp.serve import deprecation, errors, formats, model, paths, query, snapshots
from lgsp.serve.accounts import Account
from lgsp.serve.database import STREAM_SECONDS, Connection, Database
from lgsp.serve.errors import ApiError
from lgsp.serve.exchange import DEFAULT_ROWS, Exchange
from lgsp.serve.formats import Format, Writer
from lgsp.serve.model import EntitySet
from lgsp.serve.paths import Path
from lgsp.serve.query import Query
from lgsp.serve.rows import Rows
from lgsp.serve.snapshots import Snapshot
from lgsp.serve.tokens import Tokens

VARY = "Accept, Accept-Encoding, Accept-Language, Authorization, Prefer"
DELTA_FORMATS = ("json", "lgsp", "ndjson")


@dataclass(frozen=True)
class Reader:
    """The read of one request, within one transaction; `stack` ends the transaction and the request."""

    exchange: Exchange
    path: Path
    entity_set: EntitySet
    account: Account
    database: Database
    connection: Connection
    tokens: Tokens
    root: str  # the address of the service with a slash at its end
    stack: ExitStack

    def answer(self) -> Response:
        """The answer to the request. Raises ApiError."""
        self.account.check(self.entity_set)
        if self.path.kind == paths.ROW:
            return self._row()
        if self.path.kind == paths.COUNT:
            return self._count()
        return self._rows()

    def _rows(self) -> Response:
        parsed = query.parse(self.entity_set, query.options(self.exchange.query_string, query.OF_ROWS))
        if parsed.delta_token is not None and not self.entity_set.is_published:
            raise errors.not_implemented(f"changes of {self.entity_set.name}", "$deltatoken")
        offered = DELTA_FORMATS if parsed.delta_token is not None else formats.OF_ROWS
        chosen = self.exchange.choose(parsed.options.get("$format"), offered)
        context = "\n".join((self.account.name, self.entity_set.name, self.path.snapshot or "", parsed.meaning))
        token = self.tokens.read(parsed.skip_token, context) if parsed.skip_token is not None else {}
        rows, latest = self._found(parsed, token.get("s"))
        if token and token["v"] != self._scope_version:
            raise snapshots.scope_changed(rows.snapshot, latest)
        since = self._since(rows, latest, token) if parsed.delta_token is not None else None
        self.exchange.headers |= deprecation.headers(self.entity_set, parsed.columns, self.root)
        if self._is_known(rows, chosen, since):
            return self.exchange.unchanged()
        if chosen.name in formats.STREAMS:
            if token:
                raise errors.invalid("a stream has no pages", "luồng không có trang", "$skiptoken")
            return self._stream(rows, chosen, since)
        page = self._changes(rows, since, chosen, token, context) if since else self._page(rows, chosen, token, context)
        return self.exchange.json(page, chosen)

    def _page(self, rows: Rows, chosen: Format, token: dict[str, Any], context: str) -> dict[str, Any]:
        parsed, size = rows.query, self._page_rows(token)
        left = token["n"] if token else parsed.top
        limit = size if left is None else min(size, left)
        found, last = rows.page(self.connection, token.get("a"), limit, 0 if token else parsed.skip)
        page: dict[str, Any] = {"@odata.context": self._context(parsed)}
        if parsed.has_count:
            page["@odata.count"] = count = token["c"] if token else rows.count(self.connection)
        writer = Writer(self.entity_set.contract, parsed.columns, chosen)
        page["value"] = [writer.object(row) for row in found]
        left = None if left is None else left - len(found)
        is_tracked = self._is_tracked(parsed, token)
        if last is not None and left != 0:
            more = {"n": left, "c": count if parsed.has_count else None, "t": is_tracked}
            page["@odata.nextLink"] = self._next(rows, size, last, context, more)
        elif is_tracked:
            page["@odata.deltaLink"] = self._delta_link(rows)
        return page

    def _changes(
        self, rows: Rows, since: Snapshot, chosen: Format, token: dict[str, Any], context: str
    ) -> dict[str, Any]:
        size = self._page_rows(token)
        found, last = rows.changes(self.connection, since, token.get("a"), size)
        writer = Writer(self.entity_set.contract, rows.query.columns, chosen)
        page = {
            "@odata.context": self._context(rows.query) + "/$delta",
            "value": [self._change(rows, writer, change) for change in found],
        }
        if last is not None:
            page["@odata.nextLink"] = self._next(rows, size, last, context, {"d": since.name})
        else:
            page["@odata.deltaLink"] = self._delta_link(rows)
        return page

    def _change(self, rows: Rows, writer: Writer, change: Sequence[Any]) -> dict[str, Any]:
        width = 1 + len(rows.query.columns)
        address = paths.row_id(self.entity_set, dict(zip(self.entity_set.key, change[width:], strict=True)))
        if change[0] is None:
            return {"@odata.id": address, **writer.object(change[1:width])}
        context = f"{self.root}$metadata#{self.entity_set.name}/$deletedEntity"
        return {"@odata.context": context, "id": address, "reason": change[0]}

    def _stream(self, rows: Rows, chosen: Format, since: Snapshot | None) -> Response:
        if rows.query.has_count:
            self.exchange.headers["LGSP-Count"] = str(rows.count(self.connection))
        if self.exchange.is_head:
            return self.exchange.stream([], chosen)
        self.connection.execute(f"set local statement_timeout = {STREAM_SECONDS * 1000}")
        writer = Writer(self.entity_set.contract, rows.query.columns, chosen)
        parts: Iterator[bytes]
        if since is not None:
            batches = rows.stream_changes(self.connection, since)
            parts = (
                line
                for batch in batches
                for line in formats.lines(self._change(rows, writer, change) for change in batch)
            )
        else:
            parts = writer.stream(rows.stream(self.connection))
        body = _within(self.stack.pop_all(), parts)
        first = next(body, b"")  # errors of the query are answered before the body begins
        return self.exchange.stream(itertools.chain([first], body), chosen)

    def _count(self) -> Response:
        parsed = query.parse(self.entity_set, query.options(self.exchange.query_string, query.OF_COUNT))
        chosen = Format("text")  # whatever is accepted: OData clients ask for JSON and know better
        rows, _ = self._found(parsed, None)
        if self._is_known(rows, chosen):
            return self.exchange.unchanged()
        return self.exchange.body(str(rows.count(self.connection)).encode(), chosen.content_type)

    def _row(self) -> Response:
        parsed = query.parse(self.entity_set, query.options(self.exchange.query_string, query.OF_ROW))
        chosen = self.exchange.choose(parsed.options.get("$format"), formats.OF_ROW)
        rows, _ = self._found(parsed, None)
        found = rows.one(self.connection, self.path.keys)
        if found is None:
            raise errors.not_found(
                f"{self.entity_set.name} has no such row", f"{self.entity_set.name} không có dòng này"
            )
        self.exchange.headers |= deprecation.headers(self.entity_set, parsed.columns, self.root)
        if self._is_known(rows, chosen):
            return self.exchange.unchanged()
        writer = Writer(self.entity_set.contract, parsed.columns, chosen)
        return self.exchange.json(
            {"@odata.context": self._context(parsed) + "/$entity", **writer.object(found)}, chosen
        )

    def _found(self, parsed: Query, named: str | None) -> tuple[Rows, Snapshot]:
        """The rows that the request is about, and the newest snapshot. Sets the headers of their snapshot."""
        latest = snapshots.newest(self.connection)
        name = self.path.snapshot or named
        snapshot = snapshots.named(self.connection, name, latest) if name else latest
        snapshots.check_retained(snapshot, latest, self.account)
        snapshots.check_published(self.connection, snapshot, self.entity_set)
        rows = Rows(self.entity_set, snapshot, parsed, self._agencies(snapshot), self.database.by_code_point)
        self.exchange.headers |= snapshot_headers(snapshot)
        return rows, latest

    def _agencies(self, snapshot: Snapshot) -> list[str] | None:
        if not self.entity_set.is_fact:
            return None
        return snapshots.agencies(self.connection, snapshot, self.account, model.sets()["organisation"])

    def _since(self, rows: Rows, latest: Snapshot, token: dict[str, Any]) -> Snapshot:
        """The snapshot from which changes are wanted. Raises ApiError (410) when all rows must be read again."""
        text = str(token.get("d") or rows.query.delta_token)
        name, _, version = text.partition(".")
        if not re.fullmatch(r"[0-9]+-[0-9]+(\.[0-9]+)?", text):
            raise errors.invalid(
                "$deltatoken must be a snapshot such as 1-15", "$deltatoken phải là một lần công bố", "$deltatoken"
            )
        since = snapshots.named(self.connection, name, latest)
        snapshots.check_retained(since, latest, self.account)
        if since.number > rows.snapshot.number:
            raise errors.invalid(
                "$deltatoken is newer than the snapshot", "$deltatoken mới hơn lần công bố", "$deltatoken"
            )
        is_other_scope = (
            snapshots.is_before_change(since, self.account) and version != self._scope_version and not token
        )
        if is_other_scope or self._agencies(since) != rows.agencies:
            raise snapshots.scope_changed(since, latest)
        return since

    @property
    def _scope_version(self) -> str:
        changed_at = self.account.changed_at
        return str(int(changed_at.timestamp() * 1_000_000)) if changed_at else ""

    def _is_known(self, rows: Rows, chosen: Format, since: Snapshot | None = None) -> bool:
        """Set the ETag and the hash of the table; whether the client has this answer already."""
        own = rows.snapshot.table_hash(self.connection, self.entity_set)
        decider, hashes = self.entity_set.decider, [own]
        if rows.agencies is not None and decider is not self.entity_set:
            hashes.append(rows.snapshot.table_hash(self.connection, decider))
        if own:
            self.exchange.headers["LGSP-Table-Hash"] = own
        about = [
            hashes if own else rows.snapshot.name, self.entity_set.contract.version, rows.agencies, chosen.content_type, rows.query.columns,
            [since.name, rows.snapshot.name] if since else None,
        ]  # fmt: skip
        etag = f'W/"{sha256(orjson.dumps(about)).hexdigest()[:32]}"'
        self.exchange.headers["ETag"] = etag
        return self.exchange.is_known(etag)

    def _page_rows(self, token: dict[str, Any]) -> int:
        preferred = self.exchange.page_rows
        if preferred is not None:
            self._apply(f"odata.maxpagesize={preferred}")
        return preferred or token.get("p") or DEFAULT_ROWS

    def _is_tracked(self, parsed: Query, token: dict[str, Any]) -> bool:
        """Whether the last page has a link to later changes."""
        if not self.entity_set.is_published or parsed.order or parsed.skip or parsed.top is not None:
            return False
        is_preferred = "track-changes" in self.exchange.preferences
        if is_preferred:
            self._apply("odata.track-changes")
        return is_preferred or bool(token.get("t"))

    def _apply(self, preference: str) -> None:
        applied = self.exchange.headers.get("Preference-Applied")
        self.exchange.headers["Preference-Applied"] = f"{applied}, {preference}" if applied else preference

    def _context(self, parsed: Query) -> str:
        pinned = f"at/{self.path.snapshot}/" if self.path.snapshot else ""
        columns = f"({','.join(parsed.columns)})" if parsed.is_selected else ""
        return f"{self.root}{pinned}$metadata#{self.entity_set.name}{columns}"

    def _next(self, rows: Rows, size: int, last: list[Any], context: str, more: dict[str, Any]) -> str:
        content = {"s": rows.snapshot.name, "p": size, "a": last, "v": self._scope_version, **more}
        pinned = f"at/{self.path.snapshot}/" if self.path.snapshot else ""
        token = {"$skiptoken": self.tokens.issue(content, context)}
        return f"{self.root}{pinned}{self.entity_set.name}?{rows.query.link(token, '$skiptoken')}"

    def _delta_link(self, rows: Rows) -> str:
        """The link to the changes after this snapshot. A copy read since the scope changed can be continued from."""
        version = f".{self._scope_version}" if snapshots.is_before_change(rows.snapshot, self.account) else ""
        changes = {"$deltatoken": rows.snapshot.name + version}
        return f"{self.root}{self.entity_set.name}?{rows.query.link(changes, '$skiptoken', '$deltatoken', '$count')}"


def snapshot_headers(snapshot: Snapshot) -> dict[str, str]:
    """The headers about the snapshot of an answer."""
    return {
        "OData-Version": "4.0", "LGSP-Snapshot": snapshot.name, "LGSP-Published-At": snapshot.published_at.isoformat(),
        **({"LGSP-As-Of": snapshot.as_of.isoformat()} if snapshot.as_of else {}),
        "Cache-Control": "private, no-cache", "Vary": VARY,
    }  # fmt: skip


def _within(stack: ExitStack, parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts, until the time of a stream is over; then its transaction ends."""
    deadline = time.monotonic() + STREAM_SECONDS
    with stack:
        for part in parts:
            if time.monotonic() > deadline:
                raise ApiError("QueryTooSlow", f"the stream took longer than {STREAM_SECONDS} s", "luồng quá lâu")
            yield part
