"""The UI page 'Data Docs': the check results of batches and publications, for signed-in users only."""

from __future__ import annotations

from html import escape

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse

from lgsp.schema import sources as descriptions
from lgsp.settings import Settings
from wiring import folders

PREFIX = "/data-docs"

# Without this dependency a plugin's routes need no login.
app = FastAPI(title="Data Docs", dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])


@app.get("/")
def sources() -> HTMLResponse:
    """The page that lists the sources with Data Docs."""
    titles = {name: descriptions.load(name).title for name in descriptions.names()}
    titles["publication"] = "Bộ dữ liệu dùng chung"
    pages = sorted(page.parent.name for page in Settings.from_env().docs.glob("*/index.html"))
    links = "".join(
        f'<li><a href="{PREFIX}/{escape(name)}/index.html">{escape(titles[name])}</a> ({escape(name)})</li>'
        for name in pages
        if name in titles
    )
    body = (
        f"<p>Kết quả kiểm tra các lô dữ liệu mới nhất của từng nguồn và các lần công bố mới nhất.</p><ul>{links}</ul>"
    )
    return HTMLResponse(
        '<!doctype html><html lang="vi"><meta charset="utf-8"><title>Data Docs</title>'
        "<style>body{font:16px/1.6 system-ui,sans-serif;margin:2rem}</style><h1>Data Docs</h1>"
        + (body if links else "<p>Chưa có lô dữ liệu nào được kiểm tra.</p>")
    )


@app.get("/{path:path}")
def page(path: str) -> FileResponse:
    """One file of the Data Docs folder; 404 for anything outside it."""
    root = Settings.from_env().docs.resolve()
    file = folders.inside(root, path)
    if file is None:
        raise HTTPException(404, "no such page")
    return FileResponse(file)


class DataDocs(AirflowPlugin):
    """Adds the page to the navigation."""

    name = "lgsp_data_docs"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Data Docs"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Data Docs", "href": f"{PREFIX}/", "destination": "nav", "url_route": "data-docs"}
    ]
