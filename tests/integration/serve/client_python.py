"""A program with python-odata, which runs it in an environment of its own, and prints what it read as JSON.

python client_python.py ROOT TOKEN DELTA_LINK
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import requests
from odata import ODataService  # type: ignore[import-not-found]


def main(root: str, token: str, delta_link: str) -> None:
    """Read the metadata, pages, filters, counts, single rows and changes."""
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {token}", "Prefer": "odata.maxpagesize=100"})
    service = ODataService(root, session=session, reflect_entities=True, quiet_progress=True)
    dossier, event, organisation = (
        service.entities[name] for name in ("dossier", "dossier_event", "organisation_current")
    )
    since = datetime.fromisoformat("2026-08-05T00:00:00+07:00")
    columns = [column.name for _, column in dossier.__new__(dossier).__odata__.properties]

    def query(entity: Any = dossier) -> Any:
        return service.query(entity)

    def value(row: Any, name: str) -> Any:
        """A value as the client has it; it reads a boolean that is null as false."""
        return None if row.__odata__[name] is None else getattr(row, name)

    def ids(rows: Any) -> list[str]:
        return [row.dossier_id for row in rows]

    first = query(event).first()
    found: dict[str, Any] = {
        "sets": sorted(service.entities),
        "columns": columns,
        "rows": [{name: value(row, name) for name in columns} for row in query()],
        "processing": ids(query().filter(dossier.status == "processing").order_by(dossier.fee_vnd.desc())),
        "late": ids(query().filter(dossier.received_at >= since).filter(dossier.fee_vnd > 0)),
        "either": ids(query().filter((dossier.fee_vnd == 0) | dossier.channel.startswith("on"))),
        "paid": query().filter(dossier.fee_vnd > 0).count(),
        "selected": query().select(dossier.dossier_id, dossier.status).limit(5).all(),
        "named": [row.name for row in query(organisation).filter(organisation.name.contains("Cẩm"))],
        "one": query().get(first.dossier_id).dossier_id,
        "event": query(event).get(dossier_id=first.dossier_id, event_seq=first.event_seq).status,
        "changes": [],
    }
    link: str | None = delta_link
    while link:
        page = service.default_context.connection.execute_get(link)
        found["changes"] += page["value"]
        link = page.get("@odata.nextLink")
    found["next"] = page["@odata.deltaLink"]
    print(json.dumps(found, default=lambda value: value.isoformat()))


if __name__ == "__main__":
    main(*sys.argv[1:])
