"""The page 'Data Docs' needs a login and serves no file outside its folder."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def home(tmp_path, monkeypatch):
    page = tmp_path / "data_docs" / "documents" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<h1>All rules passed</h1>")
    (tmp_path / "token.key").write_text("a secret")
    (tmp_path / "data_docs" / "way_out").symlink_to(tmp_path / "token.key")
    monkeypatch.setenv("LGSP_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("path", ["/data-docs/", "/data-docs/documents/index.html", "/data-docs/nothing"])
def test_a_request_without_a_login_is_refused(server, home, path):
    assert server.get(path).status_code == 401


def test_a_reader_finds_the_page_of_a_source(server, home, reader):
    assert "documents/index.html" in server.get("/data-docs/", headers=reader).text
    response = server.get("/data-docs/documents/index.html", headers=reader)
    assert response.status_code == 200
    assert "All rules passed" in response.text
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    "path", ["%2e%2e/token.key", "..%2ftoken.key", "documents/%2e%2e/%2e%2e/token.key", "way_out", "a%00b"]
)
def test_nothing_outside_the_folder_is_served(server, home, reader, path):
    assert server.get(f"/data-docs/{path}", headers=reader).status_code == 404


def test_the_navigation_has_a_link_to_the_page(server, reader):
    response = server.get("/api/v2/plugins", headers=reader)
    if response.status_code == 403:
        pytest.skip("a reader may not list plugins")
    views = [view for plugin in response.json()["plugins"] for view in plugin["external_views"]]
    assert {"Data Docs"} <= {view["name"] for view in views}
