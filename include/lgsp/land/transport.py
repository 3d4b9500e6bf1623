"""Makes the HTTP sessions to a source: its certificate authority, our certificate, its proxy; and explains their errors."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from lgsp.errors import LgspError, SettingError, SourceFailed, SourceRefused
from lgsp.land import deadline
from lgsp.settings import Endpoint, connection_variable

# OpenSSL's codes of X.509 verification errors.
_NOT_YET_VALID, _EXPIRED, _REVOKED = 9, 10, 23
_HOST_MISMATCH = (62, 64)
# Reasons of alerts with which a server refuses a client certificate, or the lack of one.
_CLIENT_ALERTS = (
    "CERTIFICATE_REQUIRED", "ALERT_UNKNOWN_CA", "BAD_CERTIFICATE", "ALERT_CERTIFICATE", "UNSUPPORTED_CERTIFICATE",
    "ALERT_ACCESS_DENIED", "CERTIFICATE_UNKNOWN", "CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "HANDSHAKE_FAILURE",
)  # fmt: skip


class Transport:
    """How a source is reached, from its connection. Raises SettingError when a value of `extra` is invalid."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._where = f"{connection_variable(endpoint.source)} (connection {endpoint.source})"
        self._proxy = self._proxy_url(endpoint.extra.get("proxy"))
        self._context = self._ssl_context(endpoint.extra.get("verify"), endpoint.extra.get("cert"))

    def session(self) -> requests.Session:
        """A session for one thread. No variable of the environment changes its proxy, its authorities or its login."""
        session = _Session()
        session.trust_env = False
        session.headers["Accept-Encoding"] = "gzip, deflate"
        if self._proxy:
            session.proxies.update({"http": self._proxy, "https": self._proxy})
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self._context))
        return session

    def explain(self, error: Exception, request_name: str) -> LgspError:
        """The error of this package for an error of a request; its text says what to correct.

        It is SourceRefused, with the name of the request, when a retry cannot help.
        """
        chain = list(_causes(error))
        address = f"{request_name}: {urlsplit(self._endpoint.base_url).netloc}"
        for cause in chain:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return SourceRefused(f"{address}: {self._explain_certificate(cause)}")
            if isinstance(cause, ssl.SSLError):
                return self._explain_tls(address, cause)
        if any(isinstance(cause, urllib3.exceptions.ProxyError | requests.exceptions.ProxyError) for cause in chain):
            return SourceFailed(
                f"the proxy {self._shown_proxy()} cannot be used ({_reason(chain)}): check extra.proxy in {self._where}"
            )
        if any(isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError) for cause in chain):  # fmt: skip
            return SourceFailed(
                f"no connection to {urlsplit(self._endpoint.base_url).netloc} ({_reason(chain)}); if it persists, check host and port in {self._where}"
            )
        is_cut = any(isinstance(cause, ConnectionError) for cause in chain) and self._endpoint.base_url.startswith(
            "https"
        )
        return SourceFailed(f"no complete answer ({type(error).__name__}{self._cut_hint() if is_cut else ''})")

    def _explain_certificate(self, error: ssl.SSLCertVerificationError) -> str:
        code, detail = error.verify_code, str(error.verify_message).rstrip(".")
        if code == _EXPIRED:
            return f"the source's certificate has expired ({detail}): its operator must renew it"
        if code == _NOT_YET_VALID:
            return f"the source's certificate is not valid yet ({detail}): check the clock of this server"
        if code == _REVOKED:
            return f"the source's certificate was revoked ({detail}): its operator must replace it"
        if code in _HOST_MISMATCH:
            return f"the source's certificate is for another host name ({detail}): correct host in {self._where}"
        return f"the source's certificate is from an unknown authority ({detail}): name the file of its CA certificate in extra.verify of {self._where}"

    def _explain_tls(self, address: str, error: ssl.SSLError) -> LgspError:
        reason = str(error.reason or error)
        if any(alert in reason for alert in _CLIENT_ALERTS):
            return SourceRefused(
                f"{address}: the source refuses our client certificate, or requires one ({reason}): check extra.cert of {self._where}"
            )
        if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"):
            return SourceRefused(f"{address}: does not use TLS ({reason}): set schema to http in {self._where}")
        return SourceFailed(f"the TLS connection failed ({reason}{self._cut_hint()})")

    def _cut_hint(self) -> str:
        """What to check when the source cuts a TLS connection: its alert may be lost with the connection."""
        return f"; if the source refuses our client certificate, or requires one: check extra.cert of {self._where}"

    def _ssl_context(self, verify: Any, cert: Any) -> ssl.SSLContext:
        context = create_urllib3_context()
        if verify in (None, "", True):
            context.load_verify_locations(certifi.where())
        elif isinstance(verify, str):
            is_folder = os.path.isdir(verify)
            self._load("verify", verify, lambda: context.load_verify_locations(
                capath=verify if is_folder else None, cafile=None if is_folder else verify))  # fmt: skip
        else:
            raise SettingError(
                f"{self._where}: extra.verify must be the path of a CA bundle; certificates are always verified"
            )
        if cert not in (None, ""):
            chain, key = self._cert_paths(cert)
            self._load("cert", " and ".join(filter(None, (chain, key))), lambda: context.load_cert_chain(
                chain, key, password=self._no_passphrase))  # fmt: skip
        return context

    def _cert_paths(self, cert: Any) -> tuple[str, str | None]:
        paths = [cert] if isinstance(cert, str) else cert
        if isinstance(paths, list) and 1 <= len(paths) <= 2 and all(path and isinstance(path, str) for path in paths):
            return paths[0], paths[1] if len(paths) > 1 else None
        raise SettingError(
            f'{self._where}: extra.cert must be the path of a PEM file, or ["certificate path", "key path"]'
        )

    def _no_passphrase(self) -> str:
        raise SettingError(f"{self._where}: the key of extra.cert has a passphrase; store the key without one")

    def _load(self, name: str, path: str, load: Any) -> None:
        try:
            load()
        except ssl.SSLError as error:
            why = "the key does not belong to it" if error.reason == "KEY_VALUES_MISMATCH" else "not in PEM form"
            raise SettingError(f"{self._where}: extra.{name} {path} is no valid certificate file ({why})") from None
        except OSError as error:
            raise SettingError(f"{self._where}: extra.{name} {path} cannot be read ({error.strerror})") from None

    def _proxy_url(self, proxy: Any) -> str | None:
        if proxy in (None, ""):
            return None
        try:
            parts = urlsplit(str(proxy).strip())
            is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_valid = False
        if not isinstance(proxy, str) or not is_valid:
            raise SettingError(
                f"{self._where}: extra.proxy must be an address such as http://proxy.example.gov.vn:3128"
            )
        return proxy.strip()

    def _shown_proxy(self) -> str:
        return urlsplit(self._proxy or "").netloc.rpartition("@")[2]  # it may hold a password


class _Session(requests.Session):
    """A session that does not look at redirects: requests would read their body without a limit."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: no redirect is followed or prepared."""
        return None


class _Adapter(HTTPAdapter):
    """Connections with a deadline and with our SSL context instead of requests' own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = deadline.POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context, proxy_ssl_context=self._context)
        manager.pool_classes_by_scheme = deadline.POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: requests would add its public authorities to those of the connection."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, also where a library passes the cause as an argument."""
    waiting, seen = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        nested = (getattr(cause, "reason", None), getattr(cause, "original_error", None), *cause.args)
        linked = (cause.__cause__, cause.__context__, *nested)
        waiting += [item for item in linked if isinstance(item, BaseException)]


def _reason(chain: list[BaseException]) -> str:
    """The most basic cause, such as `Connection refused`, on one line."""
    system = next((cause for cause in chain if isinstance(cause, OSError) and cause.strerror), None)
    return str(system.strerror if isinstance(system, OSError) else type(chain[-1]).__name__)[:120]
