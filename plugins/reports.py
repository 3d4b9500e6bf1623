"""The UI page 'Báo cáo tuần': the weekly digests and Index 766 reports, for signed-in users only."""

from __future__ import annotations

from html import escape
from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse

from lgsp.settings import Settings
from wiring import folders

PREFIX = "/reports"
TITLES = {
    "weekly": "Báo cáo tuần", "index/month": "Bộ chỉ số 766, tháng", "index/quarter": "Bộ chỉ số 766, quý",
    "index/half_year": "Bộ chỉ số 766, nửa năm",
}  # fmt: skip
LINK_TEXTS = {".vi.html": "tiếng Việt", ".vi.xlsx": "Excel", ".en.html": "English", ".en.xlsx": "Excel (English)"}
STYLE = "body{font:16px/1.7 system-ui,sans-serif;margin:2rem;color:#14202b}a{color:#0b4f96}"

# Without this dependency a plugin's routes need no login.
app = FastAPI(title="Báo cáo", dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])


@app.get("/")
def reports() -> HTMLResponse:
    """The page that lists all reports, the newest first."""
    root = Settings.from_env().reports
    body = "".join(
        f"<h2>{title}</h2><ul>{items}</ul>" for name, title in TITLES.items() if (items := _list_items(root, name))
    )
    return HTMLResponse(
        f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>Báo cáo</title><style>{STYLE}</style><h1>Báo cáo</h1>'
        + (body or "<p>Chưa có báo cáo nào.</p>")
    )


@app.get("/{path:path}")
def report(path: str) -> FileResponse:
    """One HTML or XLSX file of the reports folder; 404 for anything outside it."""
    file = folders.inside(Settings.from_env().reports.resolve(), path)
    if file is None or file.suffix not in (".html", ".xlsx"):
        raise HTTPException(404, "no such report")
    return FileResponse(file)


def _list_items(root: Path, name: str) -> str:
    items = []
    for folder in sorted(root.joinpath(name).glob("????-??-??"), reverse=True):
        links = " · ".join(
            f'<a href="{PREFIX}/{name}/{escape(folder.name)}/{escape(path.name)}">{text}</a>'
            for ending, text in LINK_TEXTS.items()
            for path in sorted(folder.glob(f"[a-z]*{ending}"))
        )
        items.append(f"<li>{escape(folder.name)}: {links}</li>")
    return "".join(items)


class Reports(AirflowPlugin):
    """Adds the page to the navigation."""

    name = "lgsp_reports"
    fastapi_apps = [{"app": app, "url_prefix": PREFIX, "name": "Báo cáo tuần"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {"name": "Báo cáo tuần", "href": f"{PREFIX}/", "destination": "nav", "url_route": "reports"}
    ]
