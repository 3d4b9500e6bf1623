"""The UI links to the read API where its address is known."""

from __future__ import annotations

from lgsp.local import stack
from lgsp.local.stack import Stack
from lgsp.settings import Settings


def test_the_link_is_the_public_or_the_local_address(server, tmp_path):
    from read_api import address

    home = {"LGSP_HOME": str(tmp_path)}
    assert address(Settings.from_env(home)) is None
    stack.save(tmp_path, Stack(stack.READY, airflow_port=1, api_port=8091))
    assert address(Settings.from_env(home)) == "http://127.0.0.1:8091/v1/"
    public = Settings.from_env({**home, "LGSP_BASE_URL": "https://data.example.vn/lgsp/"})
    assert address(public) == "https://data.example.vn/lgsp/v1/"
