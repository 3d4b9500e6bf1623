"""What a world's truth says of single source records: which dossier or document each is of, and what its texts mean."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import orjson

from lgsp_province.defects import rates, record_damage
from lgsp_province.score.dataset import Key
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.truth.ledger import source_key
from lgsp_province.truth.truth import Truth
from lgsp_province.world import agencies
from lgsp_province.world.calendar import instant
from lgsp_province.world.papers import REVOCATION, Document
from lgsp_province.world.view import Seen, View
from lgsp_province.world.world import World

_UNREADABLE = record_damage.POISON | rates.mask("D42-one-stop", "D42-portal")
_SPOILT = _UNREADABLE | record_damage.TEXTS | rates.mask("D17")


@dataclass
class Known:
    """The truth about a world, arranged by source record."""

    world: World
    view: View
    truth: Truth
    dossier_of: dict[Key, str] = field(default_factory=dict)
    agency_of: dict[Key, str] = field(default_factory=dict)
    competent_of: dict[str, str] = field(default_factory=dict)
    document_of: dict[Key, str] = field(default_factory=dict)
    papers: dict[Key, Document] = field(default_factory=dict)
    seen: dict[Key, Seen] = field(default_factory=dict)
    renderer: one_stop_shop_records.Renderer = field(default_factory=one_stop_shop_records.Renderer)

    @cached_property
    def dossiers(self) -> list[dict[str, Any]]:
        """The true dossiers."""
        return self.truth.dossiers.to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def defects(self) -> list[dict[str, Any]]:
        """Every defect that shows, in which field of which record."""
        return self.truth.defects.to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def spoilt(self) -> set[str]:
        """The dossiers and documents of which a record shows a defect."""
        records = {(row["source"], row["source_key"]) for row in self.defects}
        return {of[record] for of in (self.dossier_of, self.document_of) for record in records & of.keys()}

    @cached_property
    def leading(self) -> dict[str, Key]:
        """The record that leads each true dossier."""
        sides = {row["dossier_id"]: row["in_one_stop"] for row in self.dossiers}
        found = ((dossier_id, record) for record, dossier_id in self.dossier_of.items())
        return {i: record for i, record in found if sides.get(i) is (record[0] == "one_stop_shop")}

    def wording(self, record: Key, path: str) -> tuple[str, str]:
        """A name as it was sent, and as it was meant: the same record without what befell its texts."""
        seen = self.seen[record]
        sound = self._sent(record[0], seen._replace(bits=seen.bits & ~_SPOILT))
        return str(self.sent(record, path)), " ".join(str(_value(sound, path)).split())

    def sent(self, record: Key, path: str) -> Any:
        """What stood in a field, its key in the usual case; of a list, in its first element."""
        seen = self.seen[record]
        return _value(self._sent(record[0], seen._replace(bits=seen.bits & ~_UNREADABLE)), path)

    def _sent(self, source: str, seen: Seen) -> Any:
        rendered = self.renderer.dossier(seen) if source == "one_stop_shop" else online_services_records.dossier(seen)
        return orjson.loads(orjson.dumps(rendered))


def _value(record: Any, path: str) -> Any:
    value = record
    for part in path.split("."):
        value = value[part]
        value = value[0] if isinstance(value, list) else value
    return value["name"] if isinstance(value, dict) else value


def know(world: World, as_of: datetime) -> Known:
    """The truth as of an instant."""
    moment = instant(as_of)
    known = Known(world, world.view(moment), world.truth(moment))
    everyone = agencies.load()
    linked = {row["portal_code"]: row["one_stop_code"] for row in known.truth.links.to_pylist()}
    for source, system in (("one_stop_shop", known.view.one_stop), ("online_services", known.view.portal)):
        for seen in known.view.each(system, np.flatnonzero(system.visible > 0)):
            record = (source, source_key(seen, source))
            known.seen[record] = seen
            known.agency_of[record] = everyone[seen.agency].new_code
            if source == "one_stop_shop":
                known.dossier_of[record] = seen.code
                known.competent_of[seen.code] = everyone[one_stop_shop_records.competent(seen)].new_code
            else:
                known.dossier_of[record] = linked.get(seen.portal_code, seen.portal_code)
    documents = world.papers.documents
    for message in world.papers.messages:
        if message.status is None:
            document = documents[message.document]
            target = document.target if document.kind == REVOCATION else None
            known.document_of["documents", message.doc_id] = (document if target is None else documents[target]).key
            known.papers["documents", message.doc_id] = document
    return known
