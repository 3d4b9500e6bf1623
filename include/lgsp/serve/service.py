"""The read API as an ASGI application: who asks, what for, and whether the limits allow it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lgsp.serve import accounts, metadata, model, openapi, paths, publications, query, snapshots
from lgsp.serve.accounts import Account
from lgsp.serve.database import Connection, Database
from lgsp.serve.errors import ApiError
from lgsp.serve.exchange import Exchange
from lgsp.serve.limits import Limits
from lgsp.serve.paths import Path
from lgsp.serve.reads import Reader, snapshot_headers
from lgsp.serve.tokens import Tokens
from lgsp.settings import Settings

log = logging.getLogger(__name__)


class Service:
    """The service of one installation; `base_url` is its public address."""

    def __init__(self, settings: Settings, base_url: str) -> None:
        self.settings, self.root = settings, f"{base_url.rstrip('/')}/{model.VERSION}/"
        self.database, self.tokens, self.limits = Database(settings), Tokens(settings), Limits()

    def answer(self, request: Request) -> Response:
        """The answer to a request; every refusal is an answer too."""
        exchange = Exchange(request)
        path = None
        try:
            exchange.check()
            path = paths.parse(exchange.raw_path)
            if path.kind in paths.PUBLIC:
                return self._public(exchange, path)
            with ExitStack() as stack:
                connection = stack.enter_context(self.database.reading())
                account = self._account(exchange, connection)
                exchange.headers |= self.limits.enter(account.name)
                stack.callback(self.limits.leave, account.name)
                return self._private(exchange, path, account, connection, stack)
        except ApiError as error:
            if error.code == "SnapshotGone" and path is not None:
                error.headers["Location"] = self._on_the_newest(exchange, path)
            return exchange.error(error)

    def _private(
        self, exchange: Exchange, path: Path, account: Account, connection: Connection, stack: ExitStack
    ) -> Response:
        if path.entity_set is not None:
            return Reader(
                exchange, path, path.entity_set, account, self.database, connection, self.tokens, self.root, stack
            ).answer()
        if path.kind in (paths.MANIFEST, paths.SIGNATURE, paths.FILE):
            return publications.file(self.settings, exchange, path, account, connection)
        given = query.options(exchange.query_string, query.OF_DOCUMENT)
        if path.snapshot is not None:
            latest = snapshots.newest(connection)
            snapshot = snapshots.named(connection, path.snapshot, latest)
            snapshots.check_retained(snapshot, latest, account)
            exchange.headers |= snapshot_headers(snapshot)
        exchange.headers["OData-Version"] = "4.0"
        if path.kind == paths.METADATA:
            chosen = exchange.choose(given.get("$format"), ("xml",))
            return exchange.body(metadata.csdl(), chosen.content_type)
        chosen = exchange.choose(given.get("$format"), ("json", "lgsp"))
        readable = [each for each in model.sets().values() if account.scope == "all" or not each.is_fact]
        root = f"{self.root}at/{path.snapshot}/" if path.snapshot else self.root
        return exchange.json(metadata.service_document(root, readable), chosen)

    def _public(self, exchange: Exchange, path: Path) -> Response:
        if path.kind == paths.CATALOG:
            return publications.catalog(self.settings, exchange, self.root, self.database)
        given = query.options(exchange.query_string, query.OF_DOCUMENT)
        if path.kind == paths.CONTRACT and path.entity_set is not None:
            chosen = exchange.choose(given.get("$format"), ("yaml", "json"))
            document = metadata.contract_document(path.entity_set.name, chosen.name == "yaml")
            if isinstance(document, bytes):
                return exchange.body(document, chosen.content_type)
            return exchange.json(document, chosen)
        chosen = exchange.choose(given.get("$format"), ("json",))
        if path.kind == paths.OPENAPI:
            return exchange.json(openapi.document(self.root), chosen)
        return publications.health(exchange, self.database)

    def _account(self, exchange: Exchange, connection: Connection) -> Account:
        try:
            return accounts.find(connection, exchange.request.headers.get("authorization"))
        except ApiError:
            client = exchange.request.client
            self.limits.failed(client.host if client else "")
            raise

    def _on_the_newest(self, exchange: Exchange, path: Path) -> str:
        """The address of the same request on the newest snapshot; of changes, the whole set."""
        segments = exchange.raw_path.decode("latin-1").removeprefix(f"/{model.VERSION}/")
        if path.snapshot is not None:
            segments = segments.split("/", 2)[2] if segments.count("/") > 1 else ""
        if path.kind in (paths.MANIFEST, paths.SIGNATURE, paths.FILE):
            with self.database.reading() as connection:
                return f"{self.root}at/{snapshots.newest(connection).name}/{segments}"
        kept = [
            part for part in exchange.query_string.decode("latin-1").split("&")
            if part and part.partition("=")[0].lower() not in ("$skiptoken", "%24skiptoken", "$deltatoken", "%24deltatoken")
        ]  # fmt: skip
        return f"{self.root}{segments}" + (f"?{'&'.join(kept)}" if kept else "")


def application(settings: Settings, base_url: str) -> FastAPI:
    """The application of an installation with a public address. It connects to the database when it is started.

    LGSP_SERVE_ORIGINS has the origins, separated by blanks, whose pages may read in a browser; by default none.
    """
    service = Service(settings, base_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.database.start()
        yield
        service.database.stop()

    def refused(request: Request, error: Exception) -> Response:
        """A method that no route has."""
        code = "MethodNotAllowed" if isinstance(error, HTTPException) and error.status_code == 405 else "NotFound"
        headers = {"Allow": "GET, HEAD"} if code == "MethodNotAllowed" else {}
        return Exchange(request).error(
            ApiError(code, "only GET and HEAD are allowed", "chỉ cho phép GET và HEAD", headers=headers)
        )

    def failed(request: Request, error: Exception) -> Response:
        """An error of the program: the log has it, the answer only its request id."""
        exchange = Exchange(request)
        log.error("request %s failed", exchange.id, exc_info=error)
        return exchange.error(ApiError("Internal", "the request failed; its id is in the log", "yêu cầu thất bại"))

    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        routes=[Route("/{path:path}", service.answer)],
    )
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, failed)
    if origins := settings.environment.get("LGSP_SERVE_ORIGINS", "").split():
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "HEAD"], allow_headers=["*"], expose_headers=["*"],
        )  # fmt: skip
    return app
