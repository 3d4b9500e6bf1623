"""Every defect shows on the wire where the truth says so, and nowhere else."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime
from functools import cache

import orjson
import pytest

from lgsp_province import World
from lgsp_province.defects.rates import BIT, DEFECT, RATES, chosen, mark
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.truth import ledger, truth
from lgsp_province.world import wording
from lgsp_province.world.calendar import midnight

START, END, SEED = date(2026, 6, 1), date(2026, 6, 10), 5
AS_OF = midnight(date(2026, 6, 11))
ONE_STOP, PORTAL = "one_stop_shop", "online_services"
OF_DOCUMENTS = {"D32", "D36", "D37", "redelivered", "uuid-document-id", "secret", "status-form", "private-subject"}
OF_CALLS = {"D38"}
OF_LISTS = {"D18", "D19"}  # these change the lists and the keys, not a field
DEFECTS = sorted(RATES.keys() - OF_DOCUMENTS - OF_CALLS)
UNMARKED = {"D30", "closed-at-receipt"}  # the portal's own way of telling, in every world


@cache
def world(ids="none"):
    if ids == "none":
        return World.generate("tiny", SEED, START, END, dossiers_count=1_200, defects_chosen=ids)
    clean, rates = world(), chosen(ids)
    return replace(clean, rates=rates, marks=mark(SEED, clean.dossiers, rates))


@cache
def records(chosen="none"):
    """Every record by source and row, as a client reads it off the wire."""
    view, renderer = world(chosen).view(AS_OF), one_stop_shop_records.Renderer()
    systems = ((ONE_STOP, view.one_stop, renderer.dossier), (PORTAL, view.portal, online_services_records.dossier))
    return {
        (source, seen.row): json.loads(orjson.dumps(render(seen)))
        for source, system, render in systems
        for seen in view.each(system, system.listing.rows)
    }


@cache
def told(chosen):
    """The truth's ledger of the dossier systems: flaws by source and row."""
    view = world(chosen).view(AS_OF)
    keys = {
        (ONE_STOP, one_stop_shop_records.dossier_id(s.row, s.submitted)): s.row
        for s in view.each(view.one_stop, view.one_stop.listing.rows)
    }
    keys |= {(PORTAL, s.portal_code): s.row for s in view.each(view.portal, view.portal.listing.rows)}
    found = defaultdict(list)
    for flaw in ledger.defects(world(chosen), view).to_pylist():
        if flaw["source"] != "documents" and flaw["defect"] not in UNMARKED:
            found[flaw["source"], keys[flaw["source"], flaw["source_key"]]].append(flaw)
    return dict(found)


def changes(clean, spoilt, path=""):
    """The dotted paths at which two values differ."""
    if isinstance(clean, dict) and isinstance(spoilt, dict):
        return {
            change
            for key in clean.keys() | spoilt.keys()
            for change in changes(clean.get(key, ...), spoilt.get(key, ...), f"{path}.{key}".removeprefix("."))
        }
    if isinstance(clean, list) and isinstance(spoilt, list) and len(clean) == len(spoilt):
        return {change for one, other in zip(clean, spoilt, strict=True) for change in changes(one, other, path)}
    return set() if clean == spoilt and type(clean) is type(spoilt) else {path}


def is_within(path, field):
    return not field or path == field or path.startswith(f"{field}.")


@pytest.mark.parametrize("defect", [name for name in DEFECTS if name not in OF_LISTS])
def test_a_defect_shows_in_the_fields_that_the_truth_names(defect):
    clean, spoilt, flaws = records(), records(defect), told(defect)
    assert flaws and {flaw["defect"] for found in flaws.values() for flaw in found} == {defect}
    for key, record in spoilt.items():
        if key not in flaws:
            assert record == clean[key]
            continue
        changed, fields = changes(clean[key], record), {flaw["field"] for flaw in flaws[key]}
        assert all(any(is_within(path, field) for field in fields) for path in changed), (key, changed, fields)
        assert all(any(is_within(path, field) for path in changed) for field in fields), (key, changed, fields)


def test_a_doubled_record_is_listed_twice_and_a_second_code_stands_in_the_portal_alone():
    view = world("D18").view(AS_OF)
    assert len(view.one_stop.listing.rows) > len(set(view.one_stop.listing.rows.tolist()))
    clean, spoilt, flaws = records(), records("D19"), told("D19")
    assert flaws and {source for source, _ in flaws} == {PORTAL}
    assert all(clean[key]["MaHoSo"] != spoilt[key]["MaHoSo"] for key in flaws)


@cache
def everything_marked():
    return mark(SEED, world().dossiers, RATES | {"schema-drift": 0.005})


@pytest.mark.parametrize("mark", sorted(BIT))
def test_switching_one_defect_off_moves_no_other(mark):
    alone = world(DEFECT[mark])
    assert alone.marks.has(mark).any()
    assert (alone.marks.has(mark) == everything_marked().has(mark)).all()


@pytest.mark.parametrize("defect", ["D02", "D03"])
def test_old_encodings_come_from_a_few_communes(defect):
    spoilt = world(defect)
    assert 1 <= len(set(spoilt.dossiers.agency[spoilt.marks.has(defect)].tolist())) <= 6


def test_lists_stay_in_order_whatever_befalls_their_records():
    for (source, _), record in records("all").items():
        if isinstance(record, dict):
            at = {key.lower(): value for key, value in record.items()}
            name, read = (
                ("modifieddate", wording.from_iso) if source == ONE_STOP else ("ngaycapnhat", wording.from_compact)
            )
            assert read(at[name]) <= AS_OF


def test_dates_in_other_forms_tell_the_same_instant():
    for (source, row), flaws in told("D11").items():
        accepted, clean = records("D11")[source, row]["appliedDate"], records()[source, row]["appliedDate"]
        assert int(accepted) == wording.from_iso(clean) * 1000 and flaws
    for key in told("D09"):
        spoilt, clean = records("D09")[key]["NgayNopHoSo"], records()[key]["NgayNopHoSo"]
        forms = ("%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S")
        form = forms["/.-".index(next(sign for sign in spoilt if not sign.isdigit()))]
        assert datetime.strptime(spoilt, form) == datetime.strptime(clean, "%Y%m%d%H%M%S")


def test_empty_dates_are_filled_only_where_nothing_was():
    for key, flaws in told("D14").items():
        assert all(not records()[key][flaw["field"]] for flaw in flaws)


def test_poison_comes_in_every_kind():
    whole = json.dumps(list(records("poison").values()))
    assert "\\ud800" in whole and "\\u0000" in whole and "9" * 400 in whole and "[" * 200 in whole
    assert any(not isinstance(record, dict) for record in records("poison").values())


def test_the_outcomes_are_those_of_the_quarantine_and_of_the_ignored():
    table = world("all").truth(AS_OF)
    flaws = [flaw for found in told("all").values() for flaw in found]
    ignored = {(f["source"], f["source_key"]) for f in flaws if f["outcome"] == "ignored"}
    assert ignored == {(row["source"], row["source_key"]) for row in table.ignored.to_pylist()}
    lost = {(f["source"], f["source_key"]) for f in flaws if f["outcome"] == "quarantined" and f["defect"] != "poison"}
    named = {(r["source"], r["source_key"]) for r in table.quarantined.to_pylist() if r["source"] != "documents"}
    unreadable = {(ONE_STOP, "?"), (PORTAL, "?")}
    assert unreadable <= named and named - unreadable <= lost and lost - ignored <= named
    assert all(flaw["is_repairable"] == (flaw["outcome"] in ("repaired", "linked", "reconciled")) for flaw in flaws)


def test_a_dossier_stays_when_only_one_of_its_records_is_in_quarantine():
    found = world("unknown-status")
    rows = {row["dossier_id"]: row for row in found.truth(AS_OF).dossiers.to_pylist()}
    is_bad = found.marks.has("unknown-status-one-stop") & found.dossiers.in_one_stop
    view = found.view(AS_OF)
    for row in is_bad.nonzero()[0].tolist():
        code = found.dossiers.code(row)
        assert (code in rows) == bool(view.portal.visible[row])
        assert code not in rows or not rows[code]["in_one_stop"]


@pytest.mark.parametrize("defect", ["D25", "D26", "D28", "unknown-status"])
def test_a_daily_reader_never_sees_a_quarantined_record_as_it_was_before(defect):
    found = world(defect)
    marks = [name for name in BIT if DEFECT[name] == defect]
    for day in range(2, 12):
        view = found.view(midnight(date(2026, 6, day)))
        for side, system in (("one-stop", view.one_stop), ("portal", view.portal)):
            has_mark = found.marks.has(*(name for name in marks if name.endswith(side)))
            assert not (has_mark & (system.visible > 0) & ~truth.quarantined(view, side)).any()


def test_drift_and_error_pages_are_off_unless_named():
    assert chosen("all")["schema-drift"] == chosen("all")["D38"] == 0
    assert chosen("schema-drift")["schema-drift"] > 0 and chosen("D38")["D38"] > 0
