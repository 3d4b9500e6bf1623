"""A TCP proxy in front of PostgreSQL that simulates network faults: latency, resets, and a cut at the commit."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from lgsp.store.transaction import TAKE_PUBLISH_LOCK

COMMIT, LOCK = b"COMMIT\0", TAKE_PUBLISH_LOCK.encode()


@dataclass
class Proxy:
    """The faults on the way to a server; tests change them while it runs."""

    url: str
    cut_at_commit: Literal["delivered", "lost"] | None = None
    latency_seconds: float = 0.0
    reset_chance: float = 0.0
    cuts: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(31))

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Forward one connection in both directions until either side, or a fault, ends it."""
        address = urlsplit(self.url)
        server, to_server = await asyncio.open_connection(address.hostname, address.port)
        directions = [
            asyncio.create_task(self._to_server(client, to_server, to_client)),
            asyncio.create_task(self._to_client(server, to_client)),
        ]
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for direction in directions:
            direction.cancel()
        for writer in (to_server, to_client):
            writer.close()

    async def _to_server(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, to_client: asyncio.StreamWriter
    ) -> None:
        is_publisher = False
        while data := await client.read(65536):
            is_publisher = is_publisher or LOCK in data
            if self.cut_at_commit and is_publisher and COMMIT in data:
                if self.cut_at_commit == "delivered":
                    to_server.write(data)
                    await to_server.drain()
                self.cut_at_commit, self.cuts = None, self.cuts + 1
                to_client.transport.abort()
                return
            await self._deliver(data, to_server)

    async def _to_client(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        while data := await server.read(65536):
            await self._deliver(data, to_client)

    async def _deliver(self, data: bytes, to: asyncio.StreamWriter) -> None:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        if self._random.random() < self.reset_chance:
            self.cuts += 1
            to.transport.abort()
            raise ConnectionResetError
        to.write(data)
        await to.drain()


@contextmanager
def in_front_of(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of the server of a database URL, and the URL through the proxy, for the duration of the block."""
    proxy, loop, address = Proxy(url), asyncio.new_event_loop(), urlsplit(url)
    listening = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", 0))
    port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield proxy, urlunsplit(address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{port}"))
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
