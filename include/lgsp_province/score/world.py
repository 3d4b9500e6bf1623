"""Indexes the truth of a world by source record: its dossier or document, its agency, and its texts before damage."""

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
from lgsp_province.truth.truth import Truth, truth_of
from lgsp_province.world import agencies
from lgsp_province.world.calendar import instant
from lgsp_province.world.document_data import REVOCATION, Document
from lgsp_province.world.view import DossierState, View
from lgsp_province.world.world import World

_UNREADABLE = record_damage.POISON | rates.mask("D42-one-stop", "D42-portal")
_TEXT_DAMAGE = _UNREADABLE | record_damage.TEXTS | rates.mask("D17")


@dataclass
class ExpectedDataset:
    """The truth of a world as of an instant, by source record."""

    world: World
    view: View
    truth: Truth
    dossier_of: dict[Key, str] = field(default_factory=dict)
    agency_of: dict[Key, str] = field(default_factory=dict)
    competent_of: dict[str, str] = field(default_factory=dict)
    document_of: dict[Key, str] = field(default_factory=dict)
    sent_documents: dict[Key, Document] = field(default_factory=dict)
    states: dict[Key, DossierState] = field(default_factory=dict)
    renderer: one_stop_shop_records.Renderer = field(default_factory=one_stop_shop_records.Renderer)

    @cached_property
    def dossiers(self) -> list[dict[str, Any]]:
        """The rows of the truth's dossiers."""
        return self.truth.dossiers.to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def defects(self) -> list[dict[str, Any]]:
        """The rows of the truth's defects: each visible defect with its record and field."""
        return self.truth.defects.to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def ids_with_defects(self) -> set[str]:
        """The ids of the dossiers and documents with a defect in at least one of their records."""
        records = {(row["source"], row["source_key"]) for row in self.defects}
        return {ids[record] for ids in (self.dossier_of, self.document_of) for record in records & ids.keys()}

    @cached_property
    def primary_record(self) -> dict[str, Key]:
        """The primary record of each published dossier, by dossier id."""
        in_one_stop = {row["dossier_id"]: row["in_one_stop"] for row in self.dossiers}
        records = ((dossier_id, record) for record, dossier_id in self.dossier_of.items())
        return {i: record for i, record in records if in_one_stop.get(i) is (record[0] == "one_stop_shop")}

    def sent_and_meant(self, record: Key, path: str) -> tuple[str, str]:
        """A name as it was sent, and as it is without the damage to the record's texts."""
        state = self.states[record]
        undamaged = self._rendered(record[0], state._replace(bits=state.bits & ~_TEXT_DAMAGE))
        return str(self.sent(record, path)), " ".join(str(_value(undamaged, path)).split())

    def sent(self, record: Key, path: str) -> Any:
        """The value that was sent in a field, with keys in their usual case; of a list, the first element."""
        state = self.states[record]
        return _value(self._rendered(record[0], state._replace(bits=state.bits & ~_UNREADABLE)), path)

    def _rendered(self, source: str, state: DossierState) -> Any:
        rendered = self.renderer.dossier(state) if source == "one_stop_shop" else online_services_records.dossier(state)
        return orjson.loads(orjson.dumps(rendered))


def _value(record: Any, path: str) -> Any:
    value = record
    for part in path.split("."):
        value = value[part]
        value = value[0] if isinstance(value, list) else value
    return value["name"] if isinstance(value, dict) else value


def expected_dataset(world: World, as_of: datetime) -> ExpectedDataset:
    """The truth of a world as of an instant, by source record."""
    moment = instant(as_of)
    expected = ExpectedDataset(world, world.view(moment), truth_of(world, moment))
    all_agencies = agencies.load()
    linked = {row["portal_code"]: row["one_stop_code"] for row in expected.truth.links.to_pylist()}
    for source, system in (("one_stop_shop", expected.view.one_stop), ("online_services", expected.view.portal)):
        for state in expected.view.iter_dossier_states(system, np.flatnonzero(system.visible > 0)):
            record = (source, source_key(state, source))
            expected.states[record] = state
            expected.agency_of[record] = all_agencies[state.agency].new_code
            if source == "one_stop_shop":
                expected.dossier_of[record] = state.code
                competent = one_stop_shop_records.competent_agency(state)
                expected.competent_of[state.code] = all_agencies[competent].new_code
            else:
                expected.dossier_of[record] = linked.get(state.portal_code, state.portal_code)
    documents = world.document_data.documents
    for message in world.document_data.messages:
        if message.status is None:
            document = documents[message.document]
            target = document.target if document.kind == REVOCATION else None
            expected.document_of["documents", message.doc_id] = (document if target is None else documents[target]).key
            expected.sent_documents["documents", message.doc_id] = document
    return expected
