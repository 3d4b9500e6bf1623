"""A TCP proxy before PostgreSQL that makes the network what networks are: slow, reset, or cut at the worst moment."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

COMMIT, LOCK = b"COMMIT\0", b"pg_advisory_lock"


@dataclass
class Proxy:
    """What happens on the way to a server; may be altered while it runs."""

    url: str
    cut_at_commit: Literal["delivered", "lost"] | None = None
    latency_seconds: float = 0.0
    reset_chance: float = 0.0
    cuts: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(31))

    async def serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry one connection there and back until either side, or a fault, ends it."""
        address = urlsplit(self.url)
        server, forth = await asyncio.open_connection(address.hostname, address.port)
        ways = [asyncio.create_task(self._forth(client, forth, back)), asyncio.create_task(self._carry(server, back))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for writer in (forth, back):
            writer.close()

    async def _forth(
        self, client: asyncio.StreamReader, forth: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        has_turn = False
        while data := await client.read(65536):
            has_turn = has_turn or LOCK in data
            if self.cut_at_commit and has_turn and COMMIT in data:
                if self.cut_at_commit == "delivered":
                    forth.write(data)
                    await forth.drain()
                self.cut_at_commit, self.cuts = None, self.cuts + 1
                back.transport.abort()
                return
            await self._deliver(data, forth)

    async def _carry(self, server: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await server.read(65536):
            await self._deliver(data, back)

    async def _deliver(self, data: bytes, to: asyncio.StreamWriter) -> None:
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        if self._chance.random() < self.reset_chance:
            self.cuts += 1
            to.transport.abort()
            raise ConnectionResetError
        to.write(data)
        await to.drain()


@contextmanager
def before(url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of an address, and the address by which it is reached; gone afterwards."""
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
