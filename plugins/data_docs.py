"""The UI page 'Data Docs': what each check found, served from the platform's home to signed-in users only."""

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

# Without the dependency a plugin's routes answer anybody.
app = FastAPI(title="Data Docs", dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])


@app.get("/")
def sources() -> HTMLResponse:
    """The sources that have Data Docs."""
    titles = {name: descriptions.load(name).title for name in descriptions.names()}
    titles["publication"] = "Bộ dữ liệu dùng chung"
    pages = sorted(page.parent.name for page in Settings.from_env().docs.glob("*/index.html"))
    links = "".join(
        f'<li><a href="{PREFIX}/{escape(name)}/index.html">{escape(titles[name])}</a> ({escape(name)})</li>'
        for name in pages
        if name in titles
    )
    body = (
        f"<p>What the newest batches of each source, and the newest publications, were found to be.</p><ul>{links}</ul>"
    )
    return HTMLResponse(
        '<!doctype html><html lang="vi"><meta charset="utf-8"><title>Data Docs</title>'
        "<style>body{font:16px/1.6 system-ui,sans-serif;margin:2rem}</style><h1>Data Docs</h1>"
        + (body if links else "<p>No batch has been checked yet.</p>")
    )


@app.get("/{path:path}")
def page(path: str) -> FileResponse:
    """One file of the Data Docs folder; 404 for anything outside it."""
    root = Settings.from_env().docs.resolve()
    wanted = folders.inside(root, path)
    if wanted is None:
        raise HTTPException(404, "no such page")
    return FileResponse(wanted)


class DataDocs(AirflowPlugin):
    """Puts the page into the navigation."""

    name = "lgsp_data_docs"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Data Docs"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Data Docs", "href": f"{PREFIX}/", "destination": "nav", "url_route": "data-docs"}
    ]
