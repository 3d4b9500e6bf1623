"""From landed bytes to rows in one language: nothing unknown passes in silence, nothing broken brings it down."""

from __future__ import annotations

import copy
import random
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lgsp import check, ledger, records, sources
from lgsp.errors import ContractError
from lgsp.storage import Batch, Pack
from lgsp.workbench import Workbench
from tests.samples import AGENCY, DAY, LISTS, one_stop, online

SAMPLES = {"one_stop_shop": one_stop, "online_services": online}
PLACES = {"one_stop_shop": "content", "online_services": "result"}


class Harmonised:
    """What became of some records: staged rows, what was told about the fields, what was undone."""

    def __init__(self, bench: Workbench, folder: Path) -> None:
        self.rows: list[dict[str, Any]] = pq.read_table(folder / "harmonised" / "dossier.parquet").to_pylist()
        self.aliases = pq.read_table(folder / "harmonised" / "organisation_alias.parquet").to_pylist()
        self.drift = {drift.of: drift for drift in bench.drift}
        self.unmatched = bench.unmatched
        self.repairs = {(field, treatment): count for of, field, treatment, count in bench.repairs if of == "dossiers"}

    @property
    def row(self) -> dict[str, Any]:
        """The only row."""
        (row,) = self.rows
        return row


def harmonise(
    source: str, *pages: list[Any], source_changes: dict[str, Any] | None = None, raw: bytes | None = None
) -> Harmonised:
    """Harmonise the records of some pages by themselves, without a store."""
    with TemporaryDirectory() as name:
        return Harmonised(*_harmonise(Path(name), source, pages, source_changes or {}, raw))


def _harmonise(
    folder: Path, source: str, pages: tuple[list[Any], ...], changes: dict[str, Any], raw: bytes | None
) -> tuple[Workbench, Path]:
    pack = Pack(folder / "landed")
    answers: list[tuple[str, bytes]] = [(name, orjson.dumps(answer)) for name, answer in LISTS[source].items()]
    answers += [("dossiers", raw or orjson.dumps({PLACES[source]: page})) for page in pages]
    for name, body in answers:
        pack.annotate(pack.append(name, name, 200, body, 0.0, False), is_whole=True)
    pack.seal({"declared": 0, "read": 0, "gap": 0})
    (folder / "harmonised").mkdir()
    told = sources.load(source)
    told = told if not changes else type(told)(**{**told.__dict__, **changes})
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        bench = Workbench(con, told, Batch.open(folder / "landed"), "b.1", DAY, folder / "harmonised", b"key")
        told.code("rows").harmonise(bench)
    return bench, folder


def judged(source: str, *pages: list[Any]) -> tuple[check.Checked, int]:
    """Harmonise and judge: the counts, and how many records came."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _harmonise(folder, source, pages, {}, None)
        (folder / "judged").mkdir()
        checked = check.Checked(ledger.Batch("b.1", source, DAY, "harmonised", None, "", None, {}))
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'")
            check._check_kind(con, records.DOSSIER, folder, checked)
    return checked, sum(len(page) for page in pages)


def test_a_clean_record_is_not_touched() -> None:
    assert harmonise("one_stop_shop", [one_stop()]).row["repairs"] is None
    assert harmonise("online_services", [online()]).row["repairs"] is None


@pytest.mark.parametrize(
    ("source", "changes", "column", "value", "repair"),
    [
        ("one_stop_shop", {"acceptedDate": 1785719400000}, "received_at", datetime(2026, 8, 3, 1, 10, tzinfo=UTC), "acceptedDate:format"),
        ("one_stop_shop", {"acceptedDate": "/Date(1785719400000+0700)/"}, "received_at", datetime(2026, 8, 3, 1, 10, tzinfo=UTC), "acceptedDate:format"),
        ("one_stop_shop", {"returnedDate": "0001-01-01T00:00:00.000+0000"}, "returned_at", None, "returnedDate:sentinel"),
        ("one_stop_shop", {"feeTotal": "2.000 đ"}, "fee_vnd", 2000, "feeTotal:format"),
        ("one_stop_shop", {"receiptCode": "#N/A"}, "receipt_key", None, "receiptCode:filler"),
        ("one_stop_shop", {"code": f"{AGENCY}-260803-0001\u00a0\u200b"}, "source_code", f"{AGENCY}-260803-0001", "code:invisible"),
        ("one_stop_shop", {"agency": {"code": "", "name": "Uỷ ban nhân dân xa\u0303 Cẩm Thanh"}}, "receiving_organisation_id", "H47.20.25", "agency.name:nfc"),
        ("one_stop_shop", {"agency": {"code": "H47.20.25"}}, "receiving_organisation_id", "H47.20.25", None),
        ("one_stop_shop", {"procedure": {"code": "2.000815.000.00.00.H47.02"}}, "service_code", "2.000815", None),
        ("online_services", {"NgayTiepNhan": "03/08/2026 08:20"}, "received_at", datetime(2026, 8, 3, 1, 20, tzinfo=UTC), "NgayTiepNhan:format"),
        ("online_services", {"TaiKhoanDuocXacThucVoiVNeID": "Có"}, "is_identity_verified", True, "TaiKhoanDuocXacThucVoiVNeID:word"),
        ("online_services", {"DonViXuLy": "UBND x· CÈm Thanh", "MaDonViXuLy": ""}, "receiving_organisation_id", "H47.20.25", "DonViXuLy:tcvn3"),
        ("online_services", {"DinhDanhCHS": [{"SoDinhDanh": "4.9094E+10"}]}, "applicant_token", None, "DinhDanhCHS[*].SoDinhDanh:damaged"),
        ("online_services", {"DinhDanhCHS": [{"SoDinhDanh": "000000001"}]}, "applicant_token", None, "DinhDanhCHS[*].SoDinhDanh:dummy"),
    ],
)  # fmt: skip
def test_what_is_undone_is_told(
    source: str, changes: dict[str, Any], column: str, value: Any, repair: str | None
) -> None:
    row = harmonise(source, [SAMPLES[source](**changes)]).row
    assert (row[column], row["repairs"]) == (value, repair)


@pytest.mark.parametrize(
    ("source", "changes", "told"),
    [
        ("one_stop_shop", {"applyMethod": {"id": 9}}, "applyMethod.id 9 (codelists/channel.yml)"),
        ("one_stop_shop", {"applicant": {"data": {"applicantType": "x"}}}, "applicant.data.applicantType x (codelists/applicant_kind.yml)"),
        ("online_services", {"HinhThuc": "7"}, "HinhThuc 7 (codelists/return_method.yml)"),
        ("online_services", {"TienDo": [{"TrangThai": "77", "ThoiDiemXuLy": "20260803082000"}]}, "TienDo[*].TrangThai 77 (codelists/dossier_status.yml)"),
    ],
)  # fmt: skip
def test_an_unknown_code_stops_its_row_and_names_the_file_to_edit(
    source: str, changes: dict[str, Any], told: str
) -> None:
    checked, _ = judged(source, [SAMPLES[source](**changes)])
    (reason,) = checked.quarantine
    assert reason["rule_id"] == "DOS_CODE_KNOWN" and told in reason["reason"]


@pytest.mark.parametrize(
    ("field", "sent"),
    [("acceptedDate", "31/02/2026"), ("returnedDate", "hôm qua"), ("dueDate", "2026-13-45T00:00:00Z")],
)
def test_a_time_that_cannot_be_read_does_not_pass_for_none(field: str, sent: str) -> None:
    checked, _ = judged("one_stop_shop", [one_stop(**{field: sent})])
    assert "DOS_TIME_UNREADABLE" in {reason["rule_id"] for reason in checked.quarantine}


def test_a_renamed_field_is_told_as_gone_and_new_at_once() -> None:
    record = online()
    record["NgayHenTra2"] = record.pop("NgayHenTra")
    message = str(harmonise("online_services", [record]).drift["dossiers"])
    assert "new: NgayHenTra2" in message and "NgayHenTra seems to be NgayHenTra2 now" in message


def test_a_new_field_inside_a_list_is_noticed() -> None:
    step = {"TrangThai": "2", "ThoiDiemXuLy": "20260803082000", "MucDoKhan": "1"}
    assert harmonise("online_services", [online(TienDo=[step])]).drift["dossiers"].new == ["TienDo[*].MucDoKhan"]


def test_a_source_may_ask_to_be_stopped_by_a_new_field() -> None:
    with pytest.raises(ContractError, match=r"new: GhiChu.*source\.yml"):
        harmonise("online_services", [online(GhiChu="x")], source_changes={"unknown_field": "stop"})


@pytest.mark.parametrize("respelled", [str.upper, str.lower, lambda name: name[0].lower() + name[1:]])
def test_keys_in_another_case_are_the_same_keys(respelled: Any) -> None:
    plain = harmonise("online_services", [online()]).row
    found = harmonise("online_services", [{respelled(name): value for name, value in online().items()}])
    same = plain.keys() - {"raw_hash", "repairs"}
    assert {name: found.row[name] for name in same} == {name: plain[name] for name in same}
    assert found.row["repairs"] == "record:key_case" and not found.drift["dossiers"].new


def test_a_known_error_of_a_source_is_corrected_where_it_shows() -> None:
    from lgsp.fields import Correction

    correction = Correction(
        "dossiers",
        "procedure.code",
        "2.000851",
        "2.000815",
        "misprinted in the form",
        "2026-08-01",
        "open",
        {"agency.code": AGENCY},
    )
    changes = {"corrections": (correction,)}
    here = harmonise("one_stop_shop", [one_stop(procedure={"code": "2.000851"})], source_changes=changes).row
    elsewhere = harmonise(
        "one_stop_shop",
        [one_stop(procedure={"code": "2.000851"}, agency={"code": "000.00.20.H47"})],
        source_changes=changes,
    ).row
    assert (here["service_code"], here["repairs"]) == ("2.000815", "procedure.code:corrected")
    assert (elsewhere["service_code"], elsewhere["repairs"]) == ("UNKNOWN", None)


def test_a_spelling_nobody_knows_waits_for_a_person() -> None:
    found = harmonise("online_services", [online(MaDonViXuLy="", DonViXuLy="UBND xã Cẩm Thành")])
    assert found.row["receiving_organisation_id"] == "UNKNOWN"
    assert [(one.alias, one.records) for one in found.unmatched] == [("UBND xã Cẩm Thành", 1)]


weird = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from(["", ".", "#N/A", "\u0000", "0001-01-01T00:00:00", "1e999", "-1", "/Date(9999999999999999)/", "20221399999999", "\ufffd", "<p>", "&#0;", "đ", "9" * 40]),
    st.lists(st.text(max_size=3), max_size=3), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip


def _paths(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*above, key) for key, _ in items] + [path for key, item in items for path in _paths(item, (*above, key))]


@st.composite
def broken(draw: st.DrawFn, source: str, number: int) -> Any:
    """A good record with some fields replaced by anything, or anything at all in place of a record."""
    if draw(st.integers(0, 9)) == 0:
        return draw(weird)
    record = copy.deepcopy(SAMPLES[source]())
    record |= {"id": f"a{number}"} if source == "one_stop_shop" else {"MaHoSo": f"{AGENCY}-260803-{number:04d}"}
    for path in draw(st.lists(st.sampled_from(_paths(record)), min_size=1, max_size=3)):
        holder = record
        for key in path[:-1]:
            holder = holder[key] if isinstance(holder, dict) and key in holder else {}
        if isinstance(holder, dict):
            holder[path[-1]] = draw(weird)
    return record


@pytest.mark.parametrize("source", SAMPLES)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_record_is_too_broken_to_end_in_a_row_or_in_quarantine(source: str, data: st.DataObject) -> None:
    page = [data.draw(broken(source, number)) for number in range(60)]
    checked, count = judged(source, page)
    counts = checked.counts
    assert counts.accepted + counts.superseded + counts.duplicates + counts.quarantined + counts.ignored == count


@pytest.mark.parametrize("source", SAMPLES)
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 1000))
def test_harmonising_knows_no_order_and_no_second_time(source: str, data: st.DataObject, seed: int) -> None:
    page = [data.draw(broken(source, number)) for number in range(30)]
    shuffled = random.Random(seed).sample(page, len(page))

    def said(*pages: list[Any]) -> list[str]:
        rows = harmonise(source, *pages).rows
        return sorted(
            repr(sorted((name, value) for name, value in row.items() if name != "raw_pointer")) for row in rows
        )

    assert said(page) == said(page) == said(shuffled[:11], shuffled[11:])


@pytest.mark.parametrize(
    "poison", [b'"\\ud800"', b'"x\\u0000y"', b"9" * 400, b"1e999", b"NaN", b"[" * 3000 + b"]" * 3000]
)
def test_a_poisonous_value_harms_its_own_field_alone(poison: bytes) -> None:
    good = orjson.dumps(one_stop(id="a2"))
    bad = orjson.dumps(one_stop(note=None)).replace(b'"note":null', b'"note":' + poison)
    raw = b'{"content":[' + bad + b"," + good + b"]}"
    rows = harmonise("one_stop_shop", [], raw=raw).rows
    assert sorted(row["source_key"] for row in rows) == ["a1", "a2"]
    assert {row["received_at"] for row in rows} == {datetime(2026, 8, 3, 1, 20, tzinfo=UTC)}
