"""The ledger of the truth: injected defects, what to quarantine or ignore, and what belongs together."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lgsp.province.defects import BIT, BY_NATION_CODE, BY_OTHER_CODE, BY_RECEIPT, NOT_LINKED
from lgsp.province.lives import ACCEPTED, FINISHED, PAUSES
from lgsp.province.one_stop_shop import dossier_id
from lgsp.province.view import Seen, SystemView, View

if TYPE_CHECKING:
    from lgsp.province.world import World

_ANYWHERE = ("D01", "D08", "D17", "D22", "D24", "D34")
_IN_ONE_STOP = (
    *_ANYWHERE,
    "D18-one-stop",
    "D26",
    "status-as-text",
    "name-as-object",
    "due-null",
    "channel-conflict",
)
_IN_PORTAL = (*_ANYWHERE, "D15", "D18-portal", "submitted-overwritten", "abstract-missing")
_WHEN = {"D26": FINISHED, "due-null": ACCEPTED, "submitted-overwritten": ACCEPTED}
_RULES = {
    NOT_LINKED: "same_code",
    BY_OTHER_CODE: "other_code",
    BY_NATION_CODE: "nation_code",
    BY_RECEIPT: "receipt",
}


def source_key(seen: Seen, source: str) -> str:
    """The key by which a source knows a dossier."""
    return dossier_id(seen.row, seen.submitted) if source == "one_stop_shop" else seen.portal_code


def _triples(rows: list[tuple[str, str, str]]) -> pa.Table:
    return pa.table(
        {
            "source": pa.array([row[0] for row in rows], pa.string()),
            "source_key": pa.array([row[1] for row in rows], pa.string()),
            "defect": pa.array([row[2] for row in rows], pa.string()),
        }
    )


def _shown(seen: Seen, source: str, names: tuple[str, ...]) -> list[str]:
    shown = [
        name for name in names if seen.bits & BIT[name] and (name not in _WHEN or seen.when(_WHEN[name]) is not None)
    ]
    if source == "online_services":
        if seen.link != NOT_LINKED:
            shown.append("D19")
        if seen.events[-1][1] in PAUSES:
            shown.append("D30")
        if seen.due < 0 and seen.when(ACCEPTED) is not None:
            shown.append("closed-at-receipt")
    return [name.removesuffix("-one-stop").removesuffix("-portal") for name in shown]


def _of_system(view: View, system: SystemView, source: str, names: tuple[str, ...]) -> list[tuple[str, str, str]]:
    found = []
    for seen in view.each(system, np.flatnonzero(system.visible > 0)):
        shown = _shown(seen, source, names)
        if shown:
            key = source_key(seen, source)
            found += [(source, key, name) for name in shown]
    return found


def defects(world: "World", view: View) -> pa.Table:
    """Every defect that shows by now: source, source key, defect."""
    found = _of_system(view, view.one_stop, "one_stop_shop", _IN_ONE_STOP)
    found += _of_system(view, view.portal, "online_services", _IN_PORTAL)
    for document in world.papers.documents:
        if document.sent_at <= view.as_of:
            found += [("documents", document.doc_id, name) for name in sorted(document.defects)]
    return _triples(found)


def quarantined(world: "World", view: View, is_impossible: NDArray[np.bool_]) -> pa.Table:
    """What must not be published: impossible dates, and secrets where none may be."""
    rows = np.flatnonzero(is_impossible & ~view.marks.has("D24"))
    found = [("one_stop_shop", source_key(seen, "one_stop_shop"), "D26") for seen in view.seen(view.one_stop, rows)]
    papers, now = world.papers, view.as_of
    found += [("documents", d.doc_id, "secret") for d in papers.documents if d.is_secret and d.sent_at <= now]
    found += [("documents", f.code, "secret") for f in papers.work_files if f.is_secret and f.opened_at <= now]
    return _triples(found)


def ignored(view: View) -> pa.Table:
    """Test records, in either system."""
    is_test = view.marks.has("D24")
    found = []
    for source, system in (("one_stop_shop", view.one_stop), ("online_services", view.portal)):
        rows = np.flatnonzero(is_test & (system.visible > 0))
        found += [(source, source_key(seen, source), "D24") for seen in view.seen(system, rows)]
    return _triples(found)


def links(view: View, rows: NDArray[np.int64], in_both: NDArray[np.bool_]) -> pa.Table:
    """Pairs of records that are one dossier, and what tells."""
    pairs = [
        (dossier_id(seen.row, seen.submitted), seen.code, seen.portal_code, _RULES[seen.link])
        for seen in view.each(view.one_stop, rows[in_both])
    ]
    names = ("one_stop_id", "one_stop_code", "portal_code", "rule")
    return pa.table({name: pa.array([pair[n] for pair in pairs], pa.string()) for n, name in enumerate(names)})
