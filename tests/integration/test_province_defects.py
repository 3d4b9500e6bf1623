"""Tests that every defect is sent in the fields that the truth lists, and in no other field."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import date, datetime
from functools import cache

import orjson
import pytest

from lgsp_province import World
from lgsp_province.defects.rates import BIT, DEFECT, RATES, draw_marks, parse_rates
from lgsp_province.systems import one_stop_shop_records, online_services_records
from lgsp_province.truth import dossiers, ledger
from lgsp_province.truth.truth import truth_of
from lgsp_province.world import wording
from lgsp_province.world.calendar import midnight
from tests.exhaustive import exhaustive

START, END, SEED = date(2026, 6, 1), date(2026, 6, 10), 5
AS_OF = midnight(date(2026, 6, 11))
ONE_STOP, PORTAL = "one_stop_shop", "online_services"
OF_DOCUMENTS = {
    "D32",
    "D36",
    "D37",
    "D50",
    "redelivered",
    "uuid-document-id",
    "secret",
    "status-form",
    "private-subject",
}
OF_CALLS = {"D38", "D43", "D44", "D48"}
OF_LISTS = {"D18", "D19"}  # these change the lists and the keys, not a field
DEFECTS = sorted(RATES.keys() - OF_DOCUMENTS - OF_CALLS)
UNMARKED = {"D30", "closed-at-receipt"}  # the portal reports so in every world


@cache
def world(ids="none"):
    if ids == "none":
        return World.generate("tiny", SEED, START, END, dossiers_count=1_200, defects_chosen=ids)
    clean, rates = world(), parse_rates(ids)
    return replace(clean, rates=rates, marks=draw_marks(SEED, clean.dossiers, rates))


@cache
def records(ids="none"):
    """Every record as a client receives it, by source and row."""
    view, renderer = world(ids).view(AS_OF), one_stop_shop_records.Renderer()
    systems = ((ONE_STOP, view.one_stop, renderer.dossier), (PORTAL, view.portal, online_services_records.dossier))
    return {
        (source, state.row): json.loads(orjson.dumps(render(state)))
        for source, system, render in systems
        for state in view.iter_dossier_states(system, system.listing.rows)
    }


@cache
def flaws_by_record(ids):
    """The truth's defects of the dossier systems, by source and row."""
    view = world(ids).view(AS_OF)
    keys = {
        (ONE_STOP, one_stop_shop_records.dossier_id(s.row, s.submitted)): s.row
        for s in view.iter_dossier_states(view.one_stop, view.one_stop.listing.rows)
    }
    keys |= {(PORTAL, s.portal_code): s.row for s in view.iter_dossier_states(view.portal, view.portal.listing.rows)}
    flaws = defaultdict(list)
    for flaw in ledger.defects(world(ids), view).to_pylist():
        if flaw["source"] != "documents" and flaw["defect"] not in UNMARKED:
            flaws[flaw["source"], keys[flaw["source"], flaw["source_key"]]].append(flaw)
    return dict(flaws)


def changes(clean, damaged, path=""):
    """The dotted paths at which two values differ."""
    if isinstance(clean, dict) and isinstance(damaged, dict):
        return {
            change
            for key in clean.keys() | damaged.keys()
            for change in changes(clean.get(key, ...), damaged.get(key, ...), f"{path}.{key}".removeprefix("."))
        }
    if isinstance(clean, list) and isinstance(damaged, list) and len(clean) == len(damaged):
        return {change for before, after in zip(clean, damaged, strict=True) for change in changes(before, after, path)}
    return set() if clean == damaged and type(clean) is type(damaged) else {path}


def is_within(path, field):
    return not field or path == field or path.startswith(f"{field}.")


IN_FIELDS = [name for name in DEFECTS if name not in OF_LISTS]


@pytest.mark.parametrize(
    "defect", [*IN_FIELDS[::4], *exhaustive(*(name for number, name in enumerate(IN_FIELDS) if number % 4))]
)
def test_a_defect_shows_in_the_fields_that_the_truth_names(defect):
    clean, damaged, flaws = records(), records(defect), flaws_by_record(defect)
    assert flaws and {flaw["defect"] for record_flaws in flaws.values() for flaw in record_flaws} == {defect}
    for key, record in damaged.items():
        if key not in flaws:
            assert record == clean[key]
            continue
        changed, fields = changes(clean[key], record), {flaw["field"] for flaw in flaws[key]}
        assert all(any(is_within(path, field) for field in fields) for path in changed), (key, changed, fields)
        assert all(any(is_within(path, field) for path in changed) for field in fields), (key, changed, fields)


def test_a_duplicated_record_is_listed_twice():
    view = world("D18").view(AS_OF)
    assert len(view.one_stop.listing.rows) > len(set(view.one_stop.listing.rows.tolist()))


def test_a_second_code_is_only_in_the_portal():
    clean, damaged, flaws = records(), records("D19"), flaws_by_record("D19")
    assert flaws and {source for source, _ in flaws} == {PORTAL}
    assert all(clean[key]["MaHoSo"] != damaged[key]["MaHoSo"] for key in flaws)


@cache
def everything_marked():
    return draw_marks(SEED, world().dossiers, RATES | {"schema-drift": 0.005, "D49": 0.2})


@pytest.mark.parametrize("mark", sorted(BIT))
def test_turning_one_defect_off_changes_no_other(mark):
    alone = world(DEFECT[mark])
    assert alone.marks.has(mark).any()
    assert (alone.marks.has(mark) == everything_marked().has(mark)).all()


@pytest.mark.parametrize("defect", ["D02", "D03"])
def test_old_encodings_come_from_a_few_communes(defect):
    damaged = world(defect)
    assert 1 <= len(set(damaged.dossiers.agency[damaged.marks.has(defect)].tolist())) <= 6


def test_no_damaged_record_is_modified_in_the_future():
    for (source, _), record in records("all").items():
        if isinstance(record, dict):
            values = {key.lower(): value for key, value in record.items()}
            name, parse = (
                ("modifieddate", wording.from_iso) if source == ONE_STOP else ("ngaycapnhat", wording.from_compact)
            )
            assert parse(values[name]) <= AS_OF


def test_dates_in_milliseconds_mean_the_same_instant():
    for source, row in flaws_by_record("D11"):
        damaged, clean = records("D11")[source, row]["appliedDate"], records()[source, row]["appliedDate"]
        assert int(damaged) == wording.from_iso(clean) * 1000


def test_dates_in_local_forms_mean_the_same_instant():
    for key in flaws_by_record("D09"):
        damaged, clean = records("D09")[key]["NgayNopHoSo"], records()[key]["NgayNopHoSo"]
        forms = ("%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S")
        form = forms["/.-".index(next(sign for sign in damaged if not sign.isdigit()))]
        assert datetime.strptime(damaged, form) == datetime.strptime(clean, "%Y%m%d%H%M%S")


def test_only_empty_dates_get_sentinels():
    for key, flaws in flaws_by_record("D14").items():
        assert all(not records()[key][flaw["field"]] for flaw in flaws)


def test_every_kind_of_poison_value_is_sent():
    whole = json.dumps(list(records("poison").values()))
    assert "\\ud800" in whole and "\\u0000" in whole and "9" * 400 in whole and "[" * 200 in whole
    assert any(not isinstance(record, dict) for record in records("poison").values())


def test_outcomes_agree_with_the_quarantined_and_ignored_tables():
    truth = truth_of(world("all"), AS_OF)
    flaws = [flaw for record_flaws in flaws_by_record("all").values() for flaw in record_flaws]
    ignored = {(f["source"], f["source_key"]) for f in flaws if f["outcome"] == "ignored"}
    assert ignored == {(row["source"], row["source_key"]) for row in truth.ignored.to_pylist()}
    quarantined = {
        (f["source"], f["source_key"])
        for f in flaws
        if f["outcome"] == "quarantined" and (f["defect"], f["field"]) != ("poison", "")  # it has no key
    }
    named = {(r["source"], r["source_key"]) for r in truth.quarantined.to_pylist() if r["source"] != "documents"}
    unreadable = {(ONE_STOP, "?"), (PORTAL, "?")}
    assert unreadable <= named and named - unreadable <= quarantined and quarantined - ignored <= named
    assert all(flaw["is_repairable"] == (flaw["outcome"] in ("repaired", "linked", "reconciled")) for flaw in flaws)


def test_a_dossier_with_one_quarantined_record_is_published():
    damaged = world("unknown-status")
    rows = {row["dossier_id"]: row for row in truth_of(damaged, AS_OF).dossiers.to_pylist()}
    is_bad = damaged.marks.has("unknown-status-one-stop") & damaged.dossiers.in_one_stop
    view = damaged.view(AS_OF)
    for row in is_bad.nonzero()[0].tolist():
        code = damaged.dossiers.code(row)
        assert (code in rows) == bool(view.portal.visible[row])
        assert code not in rows or not rows[code]["in_one_stop"]


@pytest.mark.parametrize("defect", ["D25", "D26", "D28", "unknown-status"])
def test_an_impossible_record_is_quarantined_on_every_day(defect):
    damaged = world(defect)
    marks = [name for name in BIT if DEFECT[name] == defect]
    for day in range(2, 12):
        view = damaged.view(midnight(date(2026, 6, day)))
        for side, system in (("one-stop", view.one_stop), ("portal", view.portal)):
            has_mark = damaged.marks.has(*(name for name in marks if name.endswith(side)))
            assert not (has_mark & (system.visible > 0) & ~dossiers.quarantined(view, side)).any()


def test_drift_and_error_pages_are_off_unless_requested():
    assert parse_rates("all")["schema-drift"] == parse_rates("all")["D38"] == 0
    assert parse_rates("schema-drift")["schema-drift"] > 0 and parse_rates("D38")["D38"] > 0
    assert parse_rates("all,D48") == {**parse_rates("all"), "D48": 1.0}
