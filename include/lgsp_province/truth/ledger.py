"""The ledger of the truth: injected defects, what to quarantine or ignore, and what belongs together."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lgsp_province.defects.rates import BIT, BY_NATION_CODE, BY_OTHER_CODE, BY_RECEIPT, DEFECT, NOT_LINKED, outcome
from lgsp_province.defects.record_damage import ONE_STOP_IMPOSSIBLE, PORTAL_IMPOSSIBLE, Flaw, flaw
from lgsp_province.defects.text_damage import to_new_tones
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.systems.one_stop_shop_records import dossier_id
from lgsp_province.world import agencies
from lgsp_province.world.lives import ACCEPTED, PAUSES
from lgsp_province.world.view import Seen, SystemView, View

if TYPE_CHECKING:
    from lgsp_province.world.world import World

_DATA = "applicant.data"

# The fields in which a mark shows by itself, whatever the record holds.
_IN_ONE_STOP: Mapping[str, tuple[str, ...]] = {
    "D08": ("agency.name", "competentAgency.name"),
    "D17": (f"{_DATA}.noidungyeucaugiaiquyet",),
    "D18-one-stop": ("",),
    "D22": (f"{_DATA}.identityNumber",),
    "D24": ("",),
    "D27": ("applyMethod",),
    "D33": (f"{_DATA}.phoneNumber",),
    "D34": ("procedure.code",),
    "status-as-text": ("dossierStatus.id",),
    "name-as-object": ("",),
    "channel-conflict": ("applyMethod",),
    "misprint": ("procedure.code",),
}
_IN_PORTAL: Mapping[str, tuple[str, ...]] = {
    "D08": ("DonViXuLy",),
    "D15": ("HoSoCoThanhPhanSoHoa", "TaiKhoanDuocXacThucVoiVNeID", "DuocThanhToanTrucTuyen"),
    "D17": ("TenTTHC", "TrichYeuHoSo"),
    "D18-portal": ("",),
    "D20": ("MaDonViXuLy",),
    "D22": ("DinhDanhCHS.LoaiDinhDanh", "DinhDanhCHS.SoDinhDanh"),
    "D24": ("",),
    "D27": ("KenhThucHien",),
    "D33": ("SoDienThoai",),
    "D34": ("MaTTHC",),
    "abstract-missing": ("TrichYeuHoSo",),
}
_OVERWRITING = ("D23", "D41", "poison")
_RULES = {
    NOT_LINKED: "same_code",
    BY_OTHER_CODE: "other_code",
    BY_NATION_CODE: "nation_code",
    BY_RECEIPT: "receipt",
}

_Row = tuple[str, str, Flaw]


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


def _by_mark(seen: Seen, fields: Mapping[str, tuple[str, ...]]) -> list[Flaw]:
    found = []
    for name, where in fields.items():
        if seen.bits & BIT[name]:
            found += [flaw(DEFECT[name], field) for field in where]
    return found


def _of_one_stop(seen: Seen) -> list[Flaw]:
    found = _by_mark(seen, _IN_ONE_STOP)
    if seen.bits & BIT["D20"]:
        roles = {"agency": seen.agency, "competentAgency": one_stop_shop_records.competent(seen)}
        everyone = agencies.load()
        found += [flaw("D20", f"{r}.code") for r, n in roles.items() if everyone[n].code != everyone[n].new_code]
    if seen.bits & BIT["due-null"] and seen.when(ACCEPTED) is not None:
        found.append(flaw("due-null", "dueDate"))
    return found


def _of_portal(seen: Seen) -> list[Flaw]:
    found = _by_mark(seen, _IN_PORTAL)
    if seen.bits & BIT["submitted-overwritten"] and seen.when(ACCEPTED) is not None:
        found.append(flaw("submitted-overwritten", "NgayNopHoSo"))
    if seen.link != NOT_LINKED:
        found.append(flaw("D19", "MaHoSo"))
    if seen.events[-1][1] in PAUSES:
        found.append(flaw("D30", "TrangThaiHoSo"))
    if seen.due < 0 and seen.when(ACCEPTED) is not None:
        found.append(flaw("closed-at-receipt", "TrangThaiHoSo"))
    return found


def _new_tones(seen: Seen, names: Callable[[Seen], dict[str, str]], overwritten: set[str]) -> list[Flaw]:
    """The names in which the other tone style shows: not every name has such a syllable."""
    if seen.bits & BIT["D24"]:
        return []
    told = names(seen).items()
    return [flaw("D06", field) for field, name in told if field not in overwritten and to_new_tones(name) != name]


def _of_system(
    view: View,
    system: SystemView,
    source: str,
    shown: Callable[[Seen], list[Flaw]],
    spoilt: Callable[[Seen], list[Flaw]],
    names: Callable[[Seen], dict[str, str]],
) -> Iterator[_Row]:
    for seen in view.each(system, np.flatnonzero(system.visible > 0)):
        found = spoilt(seen)
        if not any(one.defect == "poison" and not one.field for one in found):
            found += shown(seen)
            if seen.bits & BIT["D06"]:
                found += _new_tones(seen, names, {one.field for one in found if one.defect in _OVERWRITING})
        if found:
            key = source_key(seen, source)
            yield from ((source, key, one) for one in found)


def _of_documents(world: "World", as_of: int) -> Iterator[_Row]:
    """What shows in a document shows under every id by which it is listed."""
    listed = (m for m in world.papers.messages if m.status is None and m.created_at <= as_of)
    for doc_id, index in {message.doc_id: message.document for message in listed}.items():
        defects = sorted(world.papers.documents[index].defects)
        yield from (("documents", doc_id, Flaw(name, "", outcome(name))) for name in defects)


def defects(world: "World", view: View) -> pa.Table:
    """Every defect that shows by now: where, in which field, and what a perfect reader does about it."""
    renderer = one_stop_shop_records.Renderer()
    rows = [
        *_of_system(view, view.one_stop, "one_stop_shop", _of_one_stop, renderer.flaws, one_stop_shop_records.names),
        *_of_system(
            view,
            view.portal,
            "online_services",
            _of_portal,
            online_services_records.flaws,
            online_services_records.names,
        ),
        *_of_documents(world, view.as_of),
    ]
    columns = {
        "source": [source for source, _, _ in rows],
        "source_key": [key for _, key, _ in rows],
        "defect": [one.defect for _, _, one in rows],
        "field": [one.field for _, _, one in rows],
        "outcome": [one.outcome for _, _, one in rows],
    }
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return table.append_column("is_repairable", pa.array([one.is_repairable for _, _, one in rows], pa.bool_()))


def _reason(bits: int) -> str:
    """The defect for which a record is in quarantine; one that cannot be read shows nothing else."""
    reasons = {DEFECT[name] for name, bit in BIT.items() if bits & bit}
    return "poison" if "poison" in reasons else min(reasons)


def quarantined(world: "World", view: View, impossible: Mapping[str, NDArray[np.bool_]]) -> pa.Table:
    """What must not be published: impossible records, and secrets where none may be.

    A record that is no object tells no key, so it stands here as `?`.
    """
    found = []
    for source, side, system, bits in (
        ("one_stop_shop", "one-stop", view.one_stop, ONE_STOP_IMPOSSIBLE),
        ("online_services", "portal", view.portal, PORTAL_IMPOSSIBLE),
    ):
        for seen in view.each(system, np.flatnonzero(impossible[side])):
            reason = _reason(seen.bits & bits)
            found.append((source, "?" if reason == "poison" else source_key(seen, source), reason))
    papers, now = world.papers, view.as_of
    found += [("documents", d.doc_id, d.stopped_as) for d in papers.documents if d.stopped_as and d.sent_at <= now]
    found += [("documents", f.code, "secret") for f in papers.work_files if f.is_secret and f.opened_at <= now]
    return _triples(found)


def ignored(view: View, is_test: NDArray[np.bool_]) -> pa.Table:
    """Test records, in either system."""
    found = []
    for source, system in (("one_stop_shop", view.one_stop), ("online_services", view.portal)):
        for seen in view.each(system, np.flatnonzero(is_test & (system.visible > 0))):
            found.append((source, source_key(seen, source), "D24" if seen.bits & BIT["D24"] else "D21"))
    return _triples(found)


def links(view: View, rows: NDArray[np.int64], in_both: NDArray[np.bool_]) -> pa.Table:
    """Pairs of records that are one dossier, and what tells."""
    pairs = [
        (dossier_id(seen.row, seen.submitted), seen.code, seen.portal_code, _RULES[seen.link])
        for seen in view.each(view.one_stop, rows[in_both])
    ]
    names = ("one_stop_id", "one_stop_code", "portal_code", "rule")
    return pa.table({name: pa.array([pair[n] for pair in pairs], pa.string()) for n, name in enumerate(names)})
