"""The read API listens where its tokens are safe, and its links have the public address."""

from __future__ import annotations

from typing import Any

import pytest
import uvicorn

from lgsp.errors import SettingError
from lgsp.serve import server
from lgsp.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options with which Uvicorn was started."""
    options: list[dict[str, Any]] = []
    monkeypatch.setattr(uvicorn, "run", lambda _, **given: options.append(given))
    return options


def test_other_machines_are_served_with_tls_only(started: list[dict[str, Any]], tmp_path: Any) -> None:
    home = {"LGSP_HOME": str(tmp_path)}
    for host in ("0.0.0.0", "10.1.2.3", "data.example.vn"):
        with pytest.raises(SettingError, match="LGSP_SERVE_CERTIFICATE"):
            server.run(Settings.from_env(home), host, 8090)
    with pytest.raises(SettingError, match="there is no file"):
        server.run(Settings.from_env({**home, "LGSP_SERVE_CERTIFICATE": "/none.pem"}), "0.0.0.0", 8090)
    assert started == []
    server.run(Settings.from_env({**home, "LGSP_SERVE_PROXIES": "10.0.0.1"}), "0.0.0.0", 8090)
    server.run(Settings.from_env(home), "127.0.0.1", 8090)
    assert [(each["proxy_headers"], each["forwarded_allow_ips"]) for each in started] == [
        (True, "10.0.0.1"),
        (False, None),
    ]


def test_the_public_address_is_a_setting(tmp_path: Any) -> None:
    def base(url: str = "", host: str = "127.0.0.1", has_tls: bool = False) -> str:
        return server.base_url(Settings.from_env({"LGSP_HOME": str(tmp_path), "LGSP_BASE_URL": url}), host, 1, has_tls)

    assert base() == "http://127.0.0.1:1" and base(host="::1", has_tls=True) == "https://[::1]:1"
    assert base("https://data.example.vn/lgsp") == "https://data.example.vn/lgsp"
    for wrong in ("data.example.vn", "ftp://x", "https://x?y"):
        with pytest.raises(SettingError, match="LGSP_BASE_URL"):
            base(wrong)
