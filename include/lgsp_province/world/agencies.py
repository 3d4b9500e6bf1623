"""Lists the agencies of the simulated province: departments, districts and communes, before and after the 2025 merger."""

import csv
import functools
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from lgsp.vietnam import territories, territory_versions

_DATA = Path(str(files("lgsp_province"))) / "data" / "agencies.csv"
_UNITS = territory_versions.FOLDER / "admin_units_2024_to_2025.csv"

PROVINCE, DISTRICT, COMMUNE = "TINH", "HUYEN", "XAPHUONG"
_KIND_ABBREVIATIONS = {
    "Thành phố ": "TP.",
    "Thị xã ": "TX.",
    "Huyện ": "H.",
    "Phường ": "P.",
    "Thị trấn ": "TT.",
    "Xã ": "X.",
}
LEVELS = {PROVINCE: "province", DISTRICT: "district", COMMUNE: "commune"}

_FIRST_DISTRICT_NUMBER = 20
_FIRST_COMMUNE_NUMBER = 14  # gives xã Cẩm Thanh, the twelfth commune of Hội An, the code 000.25.20.H47
_OFFLINE_DISTRICTS = {"510", "512", "519", "511", "504", "505", "506"}
_SILENT_COMMUNES = {"505": 7, "510": 8, "504": 7, "511": 2}
_FIRST_NEW_NUMBER = 101  # H47.101 to H47.178
CODES_VALID_FROM = date(2016, 4, 1)


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency; `index` is its position in `load()`, and dossiers and documents refer to the agency by it.

    It receives dossiers from `valid_from` to the day before `valid_to`. `region` is the code of the district
    that contains its territory, or contained it before the merger.
    """

    index: int
    code: str
    name: str
    short_name: str
    notation: str
    level: str
    kind: str
    parent: int | None
    weight: float
    is_offline: bool
    is_silent: bool
    unit_code: str
    district_code: str
    region: str = ""
    valid_from: date = CODES_VALID_FROM
    valid_to: date | None = None
    successor: int | None = None

    @property
    def new_code(self) -> str:
        """The new-style identifier: the highest level first, without zero groups."""
        if self.code.startswith("H47"):
            return self.code
        return "H47" + "".join(f".{part}" for part in self.code.split(".")[2:0:-1] if part != "00")

    @property
    def wire_id(self) -> str:
        """The internal id of the agency in the one-stop-shop."""
        return f"5f39f4a9{self.index:016x}"


def _departments() -> list[Agency]:
    with _DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    positions = {row["number"]: index for index, row in enumerate(rows)}
    return [
        Agency(
            index,
            f"000.00.{row['number']}.H47",
            row["name"],
            row["short_name"],
            row["notation"],
            PROVINCE,
            row["kind"],
            positions.get(row["parent"]),
            float(row["weight"]),
            row["is_offline"] == "1",
            False,
            "49",
            "",
        )
        for index, row in enumerate(rows)
    ]


def _unit_name(name: str) -> str:
    """A unit's name as written inside an agency's name: `Xã Cẩm Thanh` becomes `xã Cẩm Thanh`."""
    return name[0].lower() + name[1:]


def _districts(units: list[dict[str, str]], first: int) -> list[Agency]:
    names = {row["a_district_code"]: row["a_district"] for row in units}
    order = sorted(names, key=lambda code: (code != "503", code))
    return [
        Agency(
            first + n,
            f"000.00.{_FIRST_DISTRICT_NUMBER + n}.H47",
            f"UBND {_unit_name(names[code])}",
            f"UBND {_abbreviated(names[code])}",
            "UBND",
            DISTRICT,
            "peoples_committee",
            0,
            1.0,
            code in _OFFLINE_DISTRICTS,
            False,
            code,
            code,
        )
        for n, code in enumerate(order)
    ]


def _abbreviated(name: str) -> str:
    for long, short in _KIND_ABBREVIATIONS.items():
        name = name.replace(long, short)
    return name


def _communes(units: list[dict[str, str]], districts: list[Agency], first: int) -> list[Agency]:
    by_code = {district.district_code: district for district in districts}
    counts_by_district: Counter[str] = Counter()
    agencies: list[Agency] = []
    for row in units:
        district = by_code[row["a_district_code"]]
        position = counts_by_district[district.district_code]
        counts_by_district[district.district_code] += 1
        number = _FIRST_COMMUNE_NUMBER + position
        is_silent = position >= 3 and position - 3 < _SILENT_COMMUNES.get(district.district_code, 0)
        agencies.append(
            Agency(
                first + len(agencies),
                f"000.{number}{district.code[6:]}",
                f"UBND {_unit_name(row['a_ward'])}",
                f"UBND {_abbreviated(row['a_ward'])}",
                "UBND",
                COMMUNE,
                "peoples_committee",
                district.index,
                1.0,
                False,
                is_silent,
                row["a_ward_code"],
                district.district_code,
            )
        )
    return agencies


@functools.cache
def before_merger() -> tuple[Agency, ...]:
    """The agencies of the years before 2025, the province first, parents before children; `valid_to` is not set."""
    with _UNITS.open(encoding="utf-8", newline="") as file:
        units = [row for row in csv.DictReader(file) if row["a_province"] == "49"]
    units.sort(key=lambda row: row["a_ward_code"])
    departments = _departments()
    districts = _districts(units, len(departments))
    communes = _communes(units, districts, len(departments) + len(districts))
    return tuple(replace(a, region=a.district_code) for a in (*departments, *districts, *communes))


@functools.cache
def load() -> tuple[Agency, ...]:
    """All agencies of all times: those before the merger in their order, then the communes of July 2025."""
    old = before_merger()
    new = _new_communes(old)
    index_by_unit = {(agency.unit_code, agency.valid_from): agency.index for agency in new}
    index_by_unit |= {(agency.unit_code, CODES_VALID_FROM): agency.index for agency in old if agency.level != PROVINCE}
    return tuple(_with_end(agency, index_by_unit) for agency in (*old, *new))


def _with_end(agency: Agency, index_by_unit: dict[tuple[str, date], int]) -> Agency:
    """The agency with the day on which its territory ended under its code, and the agency that succeeded it."""
    if agency.level == PROVINCE or agency.valid_from == territory_versions.MERGER:
        return agency
    for day, valid_from in (
        (territory_versions.FIRST_CHANGE, CODES_VALID_FROM),
        (territory_versions.MERGER, territory_versions.MERGER),
    ):
        unit = territory_versions.unit_at(agency.unit_code, day - timedelta(days=1))
        following = territories.successor(unit) if unit and unit.valid_to == day else unit
        if following is None or day == territory_versions.MERGER or following.code != agency.unit_code:
            successor = index_by_unit[following.code, valid_from] if following else None
            return replace(agency, valid_to=day, successor=successor)
    raise ValueError(f"the province: no end date found for agency {agency.name}, territory {agency.unit_code}")


def _new_communes(old: tuple[Agency, ...]) -> list[Agency]:
    """The communes of July 2025, directly under the province.

    A commune is silent if more than half of its predecessors were. In each district that accepted no online dossiers,
    one commune is offline, provided that the district has another active commune for online applicants.
    """
    rows = [row for row in territory_versions.read_rows("crosswalk_2025") if row["old_province_code"] == "49"]
    names = {row["new_ward_code"]: row["new_ward"] for row in rows}
    regions = {row["new_ward_code"]: row["old_district_code"] for row in rows}
    silent_old_codes = {agency.unit_code for agency in old if agency.is_silent}
    silent_codes = {
        c
        for c in names
        if _share(silent_old_codes, [r["old_ward_code"] for r in rows if r["new_ward_code"] == c]) > 0.5
    }
    active_codes = [code for code in sorted(names) if code not in silent_codes]
    offline_codes = {code for code in active_codes if _is_first_of_several(code, active_codes, regions)}
    return [
        Agency(
            len(old) + n,
            f"H47.{_FIRST_NEW_NUMBER + n}",
            f"UBND {_unit_name(names[code])}",
            f"UBND {_abbreviated(names[code])}",
            "UBND",
            COMMUNE,
            "peoples_committee",
            0,
            1.0,
            code in offline_codes and regions[code] in _OFFLINE_DISTRICTS,
            code in silent_codes,
            code,
            "",
            regions[code],
            territory_versions.MERGER,
        )
        for n, code in enumerate(sorted(names))
    ]


def _is_first_of_several(code: str, codes: list[str], regions: dict[str, str]) -> bool:
    neighbours = [other for other in codes if regions[other] == regions[code]]
    return len(neighbours) > 1 and neighbours[0] == code


def _share(subset: set[str], codes: list[str]) -> float:
    return sum(code in subset for code in codes) / len(codes)


@functools.cache
def listed(day: date) -> tuple[Agency, ...]:
    """The agencies in the systems' lists on a day: those in force and those that ended before it."""
    return tuple(agency for agency in load() if agency.valid_from <= day)


@functools.cache
def in_force(day: date) -> tuple[Agency, ...]:
    """The agencies that receive dossiers and issue documents on a day."""
    return tuple(agency for agency in listed(day) if agency.valid_to is None or day < agency.valid_to)


def address(agency: Agency) -> tuple[tuple[str, str], ...]:
    """Name and code of the province, district and commune of an agency, valid in its period; empty where it has none."""
    day = max(agency.valid_from, CODES_VALID_FROM)
    province = "49" if agency.valid_from < territory_versions.MERGER else "48"
    units = (territory_versions.unit_at(code, day) for code in (province, agency.district_code, agency.unit_code))
    return tuple((unit.name, unit.code) if unit else ("", "") for unit in units)


@functools.cache
def unit_names() -> dict[str, str]:
    """Names of districts and communes by code, as of the years before 2025."""
    with _UNITS.open(encoding="utf-8", newline="") as file:
        units = [row for row in csv.DictReader(file) if row["a_province"] == "49"]
    names = {row["a_ward_code"]: row["a_ward"] for row in units}
    return names | {row["a_district_code"]: row["a_district"] for row in units}


def name_variants(agency: Agency) -> tuple[str, ...]:
    """Misspellings and abbreviations of an agency's name that the document system sends."""
    full_name = agency.name.replace("UBND", "Ủy ban nhân dân")
    variants = [
        agency.short_name,
        full_name,
        full_name.replace("Ủy", "Uỷ"),
        agency.name.upper(),
        agency.name.replace(" ", "  ", 1),
    ]
    return tuple(dict.fromkeys(name for name in variants if name != agency.name))
