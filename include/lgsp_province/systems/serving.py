"""Runs the three servers for one world, and returns their connections."""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from lgsp_province.systems import certificates, documents_server, one_stop_shop_server, online_services_server
from lgsp_province.systems.clock import Clock
from lgsp_province.systems.documents_server import Documents
from lgsp_province.systems.faults import Fault
from lgsp_province.systems.http_server import System, listen
from lgsp_province.systems.one_stop_shop_server import OneStopShop
from lgsp_province.systems.online_services_server import OnlineServices
from lgsp_province.world.calendar import instant
from lgsp_province.world.world import World

NAMES = ("one_stop_shop", "online_services", "documents")

_CREDENTIALS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "one_stop_shop": (
        one_stop_shop_server.CLIENT_ID,
        one_stop_shop_server.CLIENT_SECRET,
        {"realm": one_stop_shop_server.REALM},
    ),
    "online_services": (
        online_services_server.USERNAME,
        online_services_server.PASSWORD,
        {"dstcode": online_services_server.DESTINATION, "madonvi": online_services_server.UNIT},
    ),
    "documents": (
        documents_server.USERNAME,
        documents_server.PASSWORD,
        {
            "application_code": documents_server.APPLICATION,
            "system_id": documents_server.SYSTEM_ID,
            "secret_key": documents_server.SECRET_KEY,
        },
    ),
}


def _connection(name: str, host: str, port: int, authority: certificates.Authority | None) -> dict[str, Any]:
    """One system's address and fake credentials, in Airflow's JSON format for connections."""
    login, password, extra = _CREDENTIALS[name]
    return {
        "conn_type": "http",
        "schema": "https" if authority else "http",
        "host": host,
        "port": port,
        "login": login,
        "password": password,
        "extra": {**extra, **({"verify": str(authority.path)} if authority else {})},
    }


def systems(world: World, clock: Clock, lifetimes: Mapping[str, float]) -> list[System]:
    """The three systems; `lifetimes` are token lifetimes in seconds by system name, where they differ from the default."""
    rate = world.rates["D38"]
    one_stop, portal, documents = NAMES
    return [
        OneStopShop(clock, world.catalogue, rate, lifetimes.get(one_stop, one_stop_shop_server.TOKEN_LIFETIME)),
        OnlineServices(clock, world.catalogue, rate, lifetimes.get(portal, online_services_server.SESSION_LIFETIME)),
        Documents(
            clock, world.document_data, world.seed, rate, lifetimes.get(documents, documents_server.TOKEN_LIFETIME)
        ),
    ]


@contextlib.contextmanager
def serving(
    world: World,
    *,
    as_of: datetime | None = None,
    faults: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    host: str = "127.0.0.1",
    ports: tuple[int, int, int] = (0, 0, 0),
    lifetimes: Mapping[str, float] | None = None,
) -> Iterator[dict[str, dict[str, Any]]]:
    """Serve the province while the block runs; yields the three connections by name.

    Each connection has the fields of Airflow's JSON format. Without `as_of`, the clock is frozen at the last local
    midnight. `faults` are plans by system name. Port 0 selects a free port.
    """
    clock = Clock(world.view, None if as_of is None else instant(as_of))
    clock.view()
    with contextlib.ExitStack() as stack:
        connections = {}
        authority = None
        if world.rates["D44"]:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="province-ca-"))
            authority = certificates.Authority.create(Path(folder))
        for system, port in zip(systems(world, clock, lifetimes or {}), ports, strict=True):
            system.plan.replace(Fault.parse(entry) for entry in (faults or {}).get(system.name, ()))
            system.gateway_rate = world.rates["D43"]
            system.lists_ended = not world.rates["D48"]
            listener, stop = listen(system, host, port, authority.server_context(host) if authority else None)
            stack.callback(stop)
            connections[system.name] = _connection(system.name, host, listener.server_address[1], authority)
        yield connections


def serve(world: World, **options: Any) -> contextlib.AbstractContextManager[dict[str, dict[str, Any]]]:
    """Alias of `serving`."""
    return serving(world, **options)
