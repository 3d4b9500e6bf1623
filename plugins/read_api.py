"""The link 'Read API' in the UI: to the OData service, which asks for an account of its own."""

from __future__ import annotations

from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin

from lgsp.local import stack
from lgsp.settings import Settings


def address(settings: Settings) -> str | None:
    """The root of the read API: of LGSP_BASE_URL, else of the stack on this machine; None when neither is known."""
    base = settings.environment.get("LGSP_BASE_URL", "")
    if urlsplit(base).scheme in ("http", "https"):
        return f"{base.rstrip('/')}/v1/"
    local = stack.load(settings.home)
    return local.api_url if local.api_port else None


ADDRESS = address(Settings.from_env())


class ReadApi(AirflowPlugin):
    """Adds the link to the navigation.

    The service is linked and not mounted: its accounts are those of readers, and a slow query of theirs must not delay the UI.
    """

    name = "lgsp_read_api"
    external_views = [{"name": "Read API", "href": ADDRESS, "destination": "nav"}] if ADDRESS else []
