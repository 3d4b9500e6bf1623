"""Run the read API with Uvicorn, on loopback, with TLS, or behind a proxy that ends TLS."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from lgsp.errors import SettingError
from lgsp.serve.service import application
from lgsp.settings import Settings

PORT = 8090
STOP_SECONDS = 20


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until the process is stopped.

    Raises SettingError for an address other machines can reach without TLS, and for a public address that is no URL.
    """
    certificate, key = (settings.environment.get(f"LGSP_SERVE_{name}") for name in ("CERTIFICATE", "KEY"))
    proxies = settings.environment.get("LGSP_SERVE_PROXIES")
    if not (is_loopback(host) or certificate or proxies):
        raise SettingError(
            f"{host} can be reached from other machines: set LGSP_SERVE_CERTIFICATE and LGSP_SERVE_KEY, or "
            "LGSP_SERVE_PROXIES to the addresses of the proxy that ends TLS"
        )
    for variable, name in (("LGSP_SERVE_CERTIFICATE", certificate), ("LGSP_SERVE_KEY", key)):
        if name and not Path(name).is_file():
            raise SettingError(f"{variable}: there is no file {name}")
    uvicorn.run(
        application(settings, base_url(settings, host, port, bool(certificate))), host=host, port=port,
        ssl_certfile=certificate, ssl_keyfile=key, proxy_headers=bool(proxies), forwarded_allow_ips=proxies,
        server_header=False, log_level="info", timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip


def base_url(settings: Settings, host: str, port: int, has_tls: bool) -> str:
    """The public address: LGSP_BASE_URL, else that of the socket. Raises SettingError when it is no URL."""
    given = settings.environment.get("LGSP_BASE_URL")
    if not given:
        name = f"[{host}]" if ":" in host else host
        return f"{'https' if has_tls else 'http'}://{name}:{port}"
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingError(f"LGSP_BASE_URL must be an address such as https://data.example.vn, not {given!r}")
    return given


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
