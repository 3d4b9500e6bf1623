"""`lgsp serve`: the read API of the published dataset."""

from __future__ import annotations

import click

from lgsp import install
from lgsp.cli.options import handles_errors
from lgsp.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@handles_errors
def serve(host: str, port: int) -> None:
    """Serve the read API.

    Answers OData 4.0 below /v1/ until it is stopped. Other machines are served with TLS only: LGSP_SERVE_CERTIFICATE and
    LGSP_SERVE_KEY, or behind a proxy (LGSP_SERVE_PROXIES).
    """
    from lgsp import serve as api  # takes half a second to import

    settings = Settings.from_env()
    if not settings.environment.get("LGSP_SERVE_DATABASE_URL"):  # such a login may not upgrade the store
        install.ensure(settings)
    api.run(settings, host, port)
