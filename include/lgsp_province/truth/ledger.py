"""Computes the ledger of the truth: injected defects, records to quarantine or ignore, and links between records."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lgsp_province.defects.rates import BIT, BY_NATION_CODE, BY_OTHER_CODE, BY_RECEIPT, DEFECT, NOT_LINKED, outcome
from lgsp_province.defects.record_damage import ONE_STOP_IMPOSSIBLE, PORTAL_IMPOSSIBLE, Flaw, flaw
from lgsp_province.defects.text_damage import to_new_tones
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.systems.one_stop_shop_records import dossier_id
from lgsp_province.world import agencies
from lgsp_province.world.lifecycles import ACCEPTED, PAUSES
from lgsp_province.world.view import DossierState, SystemView, View
from lgsp_province.world.world import World

_DATA = "applicant.data"

# The fields that a mark changes in every record that has it, whatever their values.
_ONE_STOP_FIELDS: Mapping[str, tuple[str, ...]] = {
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
_PORTAL_FIELDS: Mapping[str, tuple[str, ...]] = {
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
_LINK_RULES = {
    NOT_LINKED: "same_code",
    BY_OTHER_CODE: "other_code",
    BY_NATION_CODE: "nation_code",
    BY_RECEIPT: "receipt",
}

_Row = tuple[str, str, Flaw]


def source_key(state: DossierState, source: str) -> str:
    """The key of a dossier in a source."""
    return dossier_id(state.row, state.submitted) if source == "one_stop_shop" else state.portal_code


def _record_table(rows: list[tuple[str, str, str]]) -> pa.Table:
    return pa.table(
        {
            "source": pa.array([row[0] for row in rows], pa.string()),
            "source_key": pa.array([row[1] for row in rows], pa.string()),
            "defect": pa.array([row[2] for row in rows], pa.string()),
        }
    )


def _marked_flaws(state: DossierState, fields: Mapping[str, tuple[str, ...]]) -> list[Flaw]:
    flaws = []
    for mark, paths in fields.items():
        if state.bits & BIT[mark]:
            flaws += [flaw(DEFECT[mark], path) for path in paths]
    return flaws


def _one_stop_flaws(state: DossierState) -> list[Flaw]:
    flaws = _marked_flaws(state, _ONE_STOP_FIELDS)
    if state.bits & BIT["D20"]:
        roles = {"agency": state.agency, "competentAgency": one_stop_shop_records.competent_agency(state)}
        all_agencies = agencies.load()
        flaws += [
            flaw("D20", f"{role}.code")
            for role, index in roles.items()
            if all_agencies[index].code != all_agencies[index].other_code
        ]
    if state.bits & BIT["due-null"] and state.reached_at(ACCEPTED) is not None:
        flaws.append(flaw("due-null", "dueDate"))
    return flaws


def _portal_flaws(state: DossierState) -> list[Flaw]:
    flaws = _marked_flaws(state, _PORTAL_FIELDS)
    if state.bits & BIT["submitted-overwritten"] and state.reached_at(ACCEPTED) is not None:
        flaws.append(flaw("submitted-overwritten", "NgayNopHoSo"))
    if state.link != NOT_LINKED:
        flaws.append(flaw("D19", "MaHoSo"))
    if state.events[-1][1] in PAUSES:
        flaws.append(flaw("D30", "TrangThaiHoSo"))
    if state.due < 0 and state.reached_at(ACCEPTED) is not None:
        flaws.append(flaw("closed-at-receipt", "TrangThaiHoSo"))
    return flaws


def _tone_style_flaws(
    state: DossierState, names: Callable[[DossierState], dict[str, str]], overwritten: set[str]
) -> list[Flaw]:
    """D06 in the names that change with the new tone style; not every name has a syllable that does."""
    if state.bits & BIT["D24"]:
        return []
    return [
        flaw("D06", field)
        for field, name in names(state).items()
        if field not in overwritten and to_new_tones(name) != name
    ]


def _system_rows(
    view: View,
    system: SystemView,
    source: str,
    marked_flaws: Callable[[DossierState], list[Flaw]],
    rendered_flaws: Callable[[DossierState], list[Flaw]],
    names: Callable[[DossierState], dict[str, str]],
) -> Iterator[_Row]:
    for state in view.iter_dossier_states(system, np.flatnonzero(system.visible > 0)):
        flaws = rendered_flaws(state)
        if not any(each.defect == "poison" and not each.field for each in flaws):
            flaws += marked_flaws(state)
            if state.bits & BIT["D06"]:
                flaws += _tone_style_flaws(state, names, {each.field for each in flaws if each.defect in _OVERWRITING})
        if flaws:
            key = source_key(state, source)
            yield from ((source, key, each) for each in flaws)


def _document_rows(world: World, as_of: int) -> Iterator[_Row]:
    """The defects of each document, once for every message id under which it is listed."""
    listed = (m for m in world.document_data.messages if m.status is None and m.created_at <= as_of)
    for doc_id, index in {message.doc_id: message.document for message in listed}.items():
        defects = sorted(world.document_data.documents[index].defects)
        yield from (("documents", doc_id, Flaw(name, "", outcome(name))) for name in defects)


def defects(world: World, view: View) -> pa.Table:
    """Every defect visible at the view's instant: its record, its field, and how a correct pipeline handles it."""
    renderer = one_stop_shop_records.Renderer()
    rows = [
        *_system_rows(
            view,
            view.one_stop,
            "one_stop_shop",
            _one_stop_flaws,
            renderer.flaws,
            one_stop_shop_records.names_by_field,
        ),
        *_system_rows(
            view,
            view.portal,
            "online_services",
            _portal_flaws,
            online_services_records.flaws,
            online_services_records.names_by_field,
        ),
        *_document_rows(world, view.as_of),
    ]
    columns = {
        "source": [source for source, _, _ in rows],
        "source_key": [key for _, key, _ in rows],
        "defect": [each.defect for _, _, each in rows],
        "field": [each.field for _, _, each in rows],
        "outcome": [each.outcome for _, _, each in rows],
    }
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    return table.append_column("is_repairable", pa.array([each.is_repairable for _, _, each in rows], pa.bool_()))


def _reason(bits: int) -> str:
    """The defect for which a record is quarantined; an unreadable record shows no other defect."""
    reasons = {DEFECT[name] for name, bit in BIT.items() if bits & bit}
    return "poison" if "poison" in reasons else min(reasons)


def quarantined(world: World, view: View, is_quarantined: Mapping[str, NDArray[np.bool_]]) -> pa.Table:
    """The records that must not be published, with the defect: impossible records, and secret documents and work files.

    `is_quarantined` holds one flag per dossier for each side, `one-stop` and `portal`. A record that is not a JSON
    object has no key, so its key here is `?`.
    """
    rows = []
    for source, side, system, bits in (
        ("one_stop_shop", "one-stop", view.one_stop, ONE_STOP_IMPOSSIBLE),
        ("online_services", "portal", view.portal, PORTAL_IMPOSSIBLE),
    ):
        for state in view.iter_dossier_states(system, np.flatnonzero(is_quarantined[side])):
            reason = _reason(state.bits & bits)
            is_keyless = bool(state.bits & BIT[f"poison-element-{side}"])
            rows.append((source, "?" if is_keyless else source_key(state, source), reason))
    data, now = world.document_data, view.as_of
    rows += [("documents", d.doc_id, d.excluded_by) for d in data.documents if d.excluded_by and d.sent_at <= now]
    rows += [("documents", f.code, "secret") for f in data.work_files if f.is_secret and f.opened_at <= now]
    return _record_table(rows)


def ignored(view: View, is_test: NDArray[np.bool_]) -> pa.Table:
    """The test records of both dossier systems, with the defect that marks them."""
    rows = []
    for source, system in (("one_stop_shop", view.one_stop), ("online_services", view.portal)):
        for state in view.iter_dossier_states(system, np.flatnonzero(is_test & (system.visible > 0))):
            rows.append((source, source_key(state, source), "D24" if state.bits & BIT["D24"] else "D21"))
    return _record_table(rows)


def links(view: View, rows: NDArray[np.int64], in_both: NDArray[np.bool_]) -> pa.Table:
    """Pairs of records of the same dossier, one from each system, with the rule by which they match."""
    pairs = [
        (dossier_id(state.row, state.submitted), state.code, state.portal_code, _LINK_RULES[state.link])
        for state in view.iter_dossier_states(view.one_stop, rows[in_both])
    ]
    names = ("one_stop_id", "one_stop_code", "portal_code", "rule")
    return pa.table({name: pa.array([pair[n] for pair in pairs], pa.string()) for n, name in enumerate(names)})
