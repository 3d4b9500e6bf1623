"""Landed bytes become rows in one language: unknown values are reported, and broken values do not fail the batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import orjson
import pyarrow.parquet as pq
import pytest

from lgsp.check import stage
from lgsp.check.row_rules import Decisions
from lgsp.errors import ContractError
from lgsp.harmonise import field_sql
from lgsp.harmonise.context import HarmoniseContext
from lgsp.harmonise.organisations import directory
from lgsp.land.archive import Batch, Pack
from lgsp.schema import corrections, records, sources
from lgsp.store import ledger
from tests.samples import AGENCY, DAY, LISTS, one_stop, online

pytestmark = pytest.mark.slow

SAMPLES: dict[str, Callable[..., dict[str, Any]]] = {"one_stop_shop": one_stop, "online_services": online}
PLACES = {"one_stop_shop": "content", "online_services": "result"}


class Harmonised:
    """The result for some records: staged rows, drift of the fields, and repairs."""

    def __init__(self, context: HarmoniseContext, folder: Path) -> None:
        self.rows: list[dict[str, Any]] = pq.read_table(folder / "harmonised" / "dossier.parquet").to_pylist()
        self.aliases = pq.read_table(folder / "harmonised" / "organisation_alias.parquet").to_pylist()
        self.drift = {drift.list_name: drift for drift in context.drift}
        self.unmatched = context.unmatched
        self.repairs = {
            (field, treatment): count for name, field, treatment, count in context.repairs if name == "dossiers"
        }

    def in_order(self) -> list[dict[str, Any]]:
        """The rows in the order in which they were sent."""
        return sorted(self.rows, key=lambda row: int(row["raw_pointer"].split(":")[-1]))

    @property
    def row(self) -> dict[str, Any]:
        """The only row."""
        (row,) = self.rows
        return row


def harmonise(
    source: str, *pages: list[Any], source_changes: dict[str, Any] | None = None, raw: bytes | None = None
) -> Harmonised:
    """Harmonise the records of some pages, without a store."""
    with TemporaryDirectory() as name:
        return Harmonised(*_harmonise(Path(name), source, pages, source_changes or {}, raw))


def _harmonise(
    folder: Path, source: str, pages: tuple[list[Any], ...], changes: dict[str, Any], raw: bytes | None
) -> tuple[HarmoniseContext, Path]:
    pack = Pack(folder / "landed")
    answers: list[tuple[str, bytes]] = [(name, orjson.dumps(answer)) for name, answer in LISTS[source].items()]
    answers += [("dossiers", raw or json.dumps({PLACES[source]: page}).encode()) for page in pages]
    for name, body in answers:
        pack.annotate(pack.append(name, name, 200, body, 0.0, False), is_whole=True)
    pack.seal({"declared": 0, "read": 0, "gap": 0})
    (folder / "harmonised").mkdir()
    described = sources.load(source)
    described = described if not changes else type(described)(**{**described.__dict__, **changes})
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        landed = Batch.open(folder / "landed")
        context = HarmoniseContext(con, described, landed, "b.1", DAY, folder / "harmonised", b"key")
        described.code("rows").harmonise(context)
    return context, folder


def judged(source: str, *pages: list[Any]) -> tuple[stage.BatchCheck, int]:
    """Harmonise and check; returns the result of the check and the number of records."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _harmonise(folder, source, pages, {}, None)
        (folder / "judged").mkdir()
        checked = stage.BatchCheck(ledger.Batch("b.1", source, DAY, "harmonised", None, "", None, {}))
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'")
            stage.check_rows(
                con, checked, records.DOSSIER, folder / "harmonised" / "dossier.parquet", folder / "judged", Decisions()
            )
    return checked, sum(len(page) for page in pages)


def test_a_clean_record_is_not_repaired() -> None:
    assert harmonise("one_stop_shop", [one_stop()]).row["repairs"] is None
    assert harmonise("online_services", [online()]).row["repairs"] is None


REPAIRED: list[tuple[str, dict[str, Any], str, Any, str | None]] = [
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
]  # fmt: skip
UNKNOWN: list[tuple[str, dict[str, Any], str]] = [
    ("one_stop_shop", {"applyMethod": {"id": 9}}, "applyMethod.id 9 (codelists/channel.yml)"),
    ("one_stop_shop", {"applicant": {"data": {"applicantType": "x"}}}, "applicant.data.applicantType x (codelists/applicant_kind.yml)"),
    ("online_services", {"HinhThuc": "7"}, "HinhThuc 7 (codelists/return_method.yml)"),
    ("online_services", {"TienDo": [{"TrangThai": "77", "ThoiDiemXuLy": "20260803082000"}]}, "TienDo[*].TrangThai 77 (codelists/dossier_status.yml)"),
]  # fmt: skip


@pytest.mark.parametrize("source", SAMPLES)
def test_every_repair_is_reported(source: str) -> None:
    cases = [case[1:] for case in REPAIRED if case[0] == source]
    rows = harmonise(source, [SAMPLES[source](**changes) for changes, *_ in cases]).in_order()
    for (changes, column, value, repair), row in zip(cases, rows, strict=True):
        assert (row[column], row["repairs"]) == (value, repair), changes


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        ({"appliedDate": "2026-08-01T01:00:00.000+0000"}, 3),  # received on 3 August
        ({"appliedDate": "2026-08-01T01:00:00.000+0000", "acceptedDate": None}, 1),
        ({"appliedDate": "2026-08-01T01:00:00.000+0000", "acceptedDate": "2027-09-07T01:20:00.000+0000"}, 1),
        ({"appliedDate": "2027-09-07T01:00:00.000+0000", "acceptedDate": "2027-09-07T01:20:00.000+0000"}, 4),
        ({"appliedDate": None, "acceptedDate": "2026-08-03T16:59:59.000+0000"}, 3),
        ({"appliedDate": None, "acceptedDate": "2026-08-03T17:00:00.000+0000"}, 4),
    ],
)
def test_a_quarantined_record_has_a_day_in_its_window(changes: dict[str, Any], day: int) -> None:
    invalid = {"dossierStatus": {"id": 77}, "completedDate": None, "modifiedDate": "2026-08-04T03:00:00.000+0000"}
    checked, _ = judged("one_stop_shop", [one_stop(**invalid, **changes)])
    assert {reason["occurred_on"] for reason in checked.quarantine} == {date(2026, 8, day)}


@pytest.mark.parametrize("source", SAMPLES)
def test_an_unknown_code_is_quarantined_and_names_its_file(source: str) -> None:
    cases = [case for case in UNKNOWN if case[0] == source]
    key = "id" if source == "one_stop_shop" else "MaHoSo"
    page = [SAMPLES[source](**changes, **{key: f"{AGENCY}-260803-000{n}"}) for n, (_, changes, _) in enumerate(cases)]
    checked, _ = judged(source, page)
    for (_, changes, message), reason in zip(
        cases, sorted(checked.quarantine, key=lambda r: r["source_key"]), strict=True
    ):
        assert reason["rule_id"] == "DOS_CODE_KNOWN" and message in reason["reason"], changes


def test_an_unreadable_time_is_not_treated_as_missing() -> None:
    sent = {"acceptedDate": "31/02/2026", "returnedDate": "hôm qua", "dueDate": "2026-13-45T00:00:00Z"}
    checked, _ = judged("one_stop_shop", [one_stop(id=field, **{field: text}) for field, text in sent.items()])
    assert {r["source_key"] for r in checked.quarantine if r["rule_id"] == "DOS_TIME_UNREADABLE"} == set(sent)


def test_f17_a_renamed_field_is_reported_as_gone_and_new() -> None:
    record = online()
    record["NgayHenTra2"] = record.pop("NgayHenTra")
    message = str(harmonise("online_services", [record]).drift["dossiers"])
    assert "new: NgayHenTra2" in message and "NgayHenTra seems to be NgayHenTra2 now" in message


def test_a_new_field_inside_a_list_is_reported() -> None:
    step = {"TrangThai": "2", "ThoiDiemXuLy": "20260803082000", "MucDoKhan": "1"}
    assert harmonise("online_services", [online(TienDo=[step])]).drift["dossiers"].new == ["TienDo[*].MucDoKhan"]


def test_a_new_field_stops_a_source_with_the_policy_stop() -> None:
    with pytest.raises(ContractError, match=r"new: GhiChu.*source\.yml"):
        harmonise("online_services", [online(GhiChu="x")], source_changes={"unknown_field": "stop"})


def test_keys_in_another_case_are_the_same_keys() -> None:
    cases: list[Callable[[str], str]] = [str, str.upper, str.lower, lambda name: name[0].lower() + name[1:]]
    harmonised = harmonise(
        "online_services", [{respelled(n): value for n, value in online().items()} for respelled in cases]
    )
    plain, *others = harmonised.in_order()
    for other in others:
        same = plain.keys() - {"raw_hash", "raw_pointer", "repairs"}
        assert {name: other[name] for name in same} == {name: plain[name] for name in same}
        assert other["repairs"] == "record:key_case"
    assert not harmonised.drift["dossiers"].new


def test_an_unreadable_fee_makes_the_total_unknown() -> None:
    fees = [[{"Gia": "2000"}, {"Gia": "3.000 đ"}], [], [{"Gia": "miễn"}, {"Gia": "2000"}]]
    rows = harmonise("online_services", [online(DanhSachLePhi=fee) for fee in fees]).in_order()
    assert [row["fee_vnd"] for row in rows] == [5000, 0, None]


def test_a_known_error_of_a_source_is_corrected() -> None:
    misprints = [
        {"code": code, "sector": {"code": sector}}
        for code, sector in (("2.000848.H47", "G15-TP08"), ("2.000848", "G15-XX"), ("2.000884", "G15-TP08"))
    ]
    rows = harmonise("one_stop_shop", [one_stop(procedure=procedure) for procedure in misprints]).in_order()
    assert [row["service_source"] for row in rows] == ["2.000884", "2.000848", "2.000884"]
    assert [row["repairs"] for row in rows] == ["procedure.code:corrected", None, None]


@pytest.mark.parametrize("name", sources.names())
def test_every_correction_has_a_list_a_pattern_and_a_reason(name: str) -> None:
    described = {
        list_name: field_sql.load_list(list_name, declared, name, ())
        for list_name, declared in sources.load(name).lists.items()
    }
    for correction in sources.load(name).corrections:
        assert correction.list in described and correction.reason and correction.status in ("open", "fixed")
        re.compile(correction.says)


def test_a_deleted_record_is_accepted_even_when_it_is_damaged() -> None:
    gone = {"deletedDate": "2026-08-03T03:00:00.000+0000", "appliedDate": "hôm qua", "applyMethod": {"id": 77}}
    checked, _ = judged("one_stop_shop", [one_stop(**gone)])
    assert (checked.counts.accepted, checked.quarantine) == (1, [])


def test_a_row_with_personal_data_is_quarantined_without_them() -> None:
    page = [
        online(),
        online(MaHoSo="Nguyễn Văn An 049094000123"),
        online(MaHoSo=f"{AGENCY}-260803-0002", HinhThuc="0905 123 456"),
    ]
    checked, _ = judged("online_services", page)
    assert (checked.counts.accepted, checked.counts.quarantined) == (1, 2)
    reasons = str(checked.quarantine)
    assert "Nguyễn" not in reasons and "049094000123" not in reasons and "0905" not in reasons


def test_an_invalid_code_of_the_other_system_is_left_out() -> None:
    rows = harmonise(
        "online_services", [online(MaHoSoKhac="049094000123"), online(MaHoSoKhac=f"{AGENCY}-260803-0009")]
    ).in_order()
    assert [(row["other_code"], row["is_other_code_odd"]) for row in rows] == [
        (None, True),
        (f"{AGENCY}-260803-0009", False),
    ]


def test_a_value_outside_its_range_is_left_empty() -> None:
    rows = harmonise(
        "online_services", [online(DanhGia="9"), online(MucDo="1"), online(DanhSachLePhi=[{"Gia": "-5"}]), online()]
    ).in_order()
    assert [(row["satisfaction"], row["online_level"], row["fee_vnd"]) for row in rows] == [
        (None, 4, None),
        (5, None, None),
        (5, 4, None),
        (5, 4, None),
    ]
    assert [row["is_out_of_range"] for row in rows] == [True, True, True, False]


def test_a_record_without_dates_is_still_one_row() -> None:
    days = dict.fromkeys(("appliedDate", "acceptedDate", "modifiedDate", "appointmentDate", "completedDate"))
    assert (
        len(harmonise("one_stop_shop", [one_stop(agency={"code": "", "name": "UBND xã Cẩm Thanh"}, **days)]).rows) == 1
    )


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        ({"field": "dossierStatuss.id"}, "names dossierStatuss.id"), ({"field": "task[*].name"}, "names"), ({"says": "("}, "not a regular expression"),
    ],
)  # fmt: skip
def test_an_invalid_correction_is_refused_with_its_file(correction: dict[str, str], message: str) -> None:
    line = {
        "list": "dossiers",
        "field": "dossierStatus.id",
        "says": "44",
        "means": "4",
        "reason": "x",
        "reported_on": "x",
        "status": "open",
    }
    changes = {"corrections": (corrections.Correction(**{**line, **correction}),)}
    with pytest.raises(ContractError, match=rf"corrections\.yml.*{message}"):
        harmonise("one_stop_shop", [one_stop()], source_changes=changes)


def test_codes_and_names_can_be_corrected() -> None:
    line: dict[str, Any] = {"list": "dossiers", "reason": "x", "reported_on": "x", "status": "open"}
    changes = {"corrections": (
        corrections.Correction(**line, field="dossierStatus.id", says="44", means="4"),
        corrections.Correction(**line, field="agency.name", says="UBND Cẩm Than", means="UBND xã Cẩm Thanh"),
    )}  # fmt: skip
    row = harmonise(
        "one_stop_shop", [one_stop(dossierStatus={"id": 44}, agency={"name": "UBND Cẩm Than"})], source_changes=changes
    ).row
    assert (row["status"], row["unknown_codes"], row["receiving_organisation_id"]) == ("finished", None, "H47.20.25")


def test_an_unknown_level_is_reported_and_taken_from_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = json.loads(json.dumps(LISTS["one_stop_shop"]))
    listed["agencies"]["content"][0]["level"]["code"] = "QUAN"
    monkeypatch.setitem(LISTS, "one_stop_shop", listed)
    assert harmonise("one_stop_shop", [one_stop()]).drift["agencies"].unknown == [
        "level.code QUAN (codelists/level.yml)"
    ]
    assert directory.level("H47.20", None, "ủy ban nhân dân thành phố hội an") == "district"
    assert directory.level("H47.07", None, "sở thông tin và truyền thông") == "province"
    assert directory.level("H47", None, "ủy ban nhân dân tỉnh quảng nam") == "province"


def test_an_unknown_spelling_goes_to_the_review() -> None:
    harmonised = harmonise("online_services", [online(MaDonViXuLy="", DonViXuLy="UBND xã Cẩm Thành")])
    assert harmonised.row["receiving_organisation_id"] == "UNKNOWN"
    assert [(spelling.alias, spelling.records) for spelling in harmonised.unmatched] == [("UBND xã Cẩm Thành", 1)]


def test_s16_all_spellings_of_a_phone_give_one_token() -> None:
    written = ["+84763123456", "0763 123 456", "84763123456", "(+84) 763 123456", "01263123456", "0763.123.456"]
    page = [one_stop(applicant={"data": {"phoneNumber": number, "identityNumber": ""}}) for number in written]
    rows = harmonise("one_stop_shop", page).rows
    assert len({row["phone_token"] for row in rows}) == 1 and None not in {row["phone_token"] for row in rows}
    assert not any(
        "763" in str(value)
        for row in rows
        for value in row.values()
        if value not in (row["phone_token"], row["raw_hash"], row["content_hash"])
    )


def test_f37_a_malformed_value_affects_only_its_own_field() -> None:
    malformed = [b'"\\ud800"', b'"x\\u0000y"', b"9" * 400, b"1e999", b"NaN", b"[" * 3000 + b"]" * 3000]
    records = [orjson.dumps(one_stop(id=f"a{n}", note=None)) for n in range(len(malformed))]
    bad = [record.replace(b'"note":null', b'"note":' + value) for record, value in zip(records, malformed, strict=True)]
    rows = harmonise("one_stop_shop", [], raw=b'{"content":[' + b",".join(bad) + b"]}").rows
    assert sorted(row["source_key"] for row in rows) == [f"a{n}" for n in range(len(malformed))]
    assert {row["received_at"] for row in rows} == {datetime(2026, 8, 3, 1, 20, tzinfo=UTC)}
