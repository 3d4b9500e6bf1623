"""One dossier as each system sends it, and the lists that it refers to, for tests that change a field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import pyarrow as pa

from lgsp.schema.contract import Contract
from lgsp.vietnam.text import name_keys
from lgsp.window import Window

DAY = Window.of_days(date(2026, 8, 3), date(2026, 8, 3))
AGENCY = "000.25.20.H47"
LISTS: dict[str, dict[str, Any]] = {
    "one_stop_shop": {
        "agencies": {"content": [
            {"id": "1", "code": "000.00.20.H47", "name": [{"languageId": 228, "name": "UBND TP.Hội An"}], "level": {"code": "HUYEN"}, "parent": None},
            {"id": "2", "code": AGENCY, "name": [{"languageId": 228, "name": "UBND xã Cẩm Thanh"}], "level": {"code": "XAPHUONG"}, "parent": {"id": "1"}},
        ]},
        "procedures": {"content": [{"code": "2.000815.000.00.00.H47", "translate": [{"languageId": 228, "name": "Chứng thực"}],
                                    "procedureLevel": {"id": 4}, "agencyLevel": {"code": "XAPHUONG"}, "processingTime": 1, "processingTimeUnit": "d"}]},
    },
    "online_services": {
        "agencies": {"error_code": "0", "result": [{"MADONVI": AGENCY, "TENDONVI": "UBND xã Cẩm Thanh", "CAPDONVI": "XA", "MADONVICHA": ""}]},
        "procedures": {"error_code": "0", "result": [{"MATTHC": "2.000815", "TENTTHC": "Chứng thực", "MUCDO": "4", "MADONVI": AGENCY, "NGAYHIEULUC": "20200101"}]},
    },
    "documents": {"agencies": [{"orgCode": "000.00.07.H47", "orgName": "Sở Thông tin và Truyền thông", "parentCode": ""}]},
}  # fmt: skip


def one_stop(**changes: Any) -> dict[str, Any]:
    """A dossier of the one-stop shop, finished on its day; `changes` replace fields."""
    record = {
        "id": "a1", "code": f"{AGENCY}-260803-0001", "nationCode": "", "receiptCode": "BN-1",
        "procedure": {"code": "2.000815.000.00.00.H47"}, "applicant": {"data": {"identityNumber": "049094000000", "applicantType": 1}},
        "agency": {"code": AGENCY}, "procedureLevel": {"id": 4}, "applyMethod": {"id": 1}, "dossierStatus": {"id": 4},
        "appliedDate": "2026-08-03T01:00:00.000+0000", "acceptedDate": "2026-08-03T01:20:00.000+0000",
        "appointmentDate": "2026-08-03T10:00:00.000+0000", "dueDate": None, "completedDate": "2026-08-03T03:00:00.000+0000",
        "modifiedDate": "2026-08-03T03:00:00.000+0000", "deletedDate": None, "feeTotal": 2000,
    }  # fmt: skip
    return {**record, **changes}


def online(**changes: Any) -> dict[str, Any]:
    """The same dossier as the portal of online services sends it; `changes` replace fields."""
    record = {
        "MaHoSo": f"{AGENCY}-260803-0001", "MaHoSoKhac": "", "SoBienNhan": "BN-1", "MaTTHC": "2.000815", "KenhThucHien": "2", "MucDo": "4",
        "LoaiDoiTuong": "1", "NgayNopHoSo": "20260803080000", "NgayTiepNhan": "20260803082000", "NgayHenTra": "20260803170000",
        "NgayKetThucXuLy": "20260803100000", "TrangThaiHoSo": "9", "HinhThuc": "0", "MaDonViXuLy": AGENCY, "DonViXuLy": "UBND xã Cẩm Thanh",
        "NoiNopHoSo": "1", "TaiKhoanDuocXacThucVoiVNeID": "1", "DanhGia": "5", "NgayCapNhat": "20260803110000", "DaXoa": "0",
    }  # fmt: skip
    return {**record, **changes}


def arrow_rows(shared: Contract, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of a shared table as Arrow, with the keys of their names where the table has them."""
    has_keys = "name_sort" in shared.names
    keyed = ({**row, **asdict(name_keys.of(row["name"]))} if has_keys else dict(row) for row in rows)
    return pa.Table.from_pylist(list(keyed), schema=shared.arrow_schema())
