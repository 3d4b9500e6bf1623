"""Lists the agencies of the simulated province: departments, districts and communes, before and after the mergers of 2025.

In March 2025 departments were merged; on 1 July 2025 the province became a part of the city of Đà Nẵng. Names and
successors follow the platform's list of successions. These are assumptions, because no source has them:

* the codes of new agencies; a department of the city has the number of the province's department of the same name;
* pairs and days that are marked as not verified in that list, for example a department of the city and its day;
* the new name of the board of Chu Lai in March 2025, so that earlier worlds stay the same; it had it since July 2021;
* the land registration branch of Tam Kỳ, which becomes a part of the city's registration office.

A department hands over all its duties to one successor: splits are not simulated.
"""

import csv
import functools
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from lgsp.vietnam import territories, territory_files, territory_versions

_DATA = Path(str(files("lgsp_province"))) / "data"
_UNITS = territory_files.FOLDER / "admin_units_2024_to_2025.csv"

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
_FIRST_NEW_NUMBER = 101  # H17.101 to H17.178
CODES_VALID_FROM = date(2016, 4, 1)
# Until this day some records still name agencies that ended in January 2025, so that earlier worlds stay the same.
SUCCESSORS_NAMED_FROM = date(2025, 3, 1)
CITY = "H17"  # the code of Đà Nẵng


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency; `index` is its position in `load()`, and dossiers and documents refer to the agency by it.

    It receives dossiers from `valid_from` to the day before `valid_to`. `region` is the code of the district
    that contains its territory, or contained it before the merger. An agency that `is_offline` receives online dossiers
    only of procedures that it took over from an agency that does.
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
        if not self.code.startswith("000."):
            return self.code
        return "H47" + "".join(f".{part}" for part in self.code.split(".")[2:0:-1] if part != "00")

    @property
    def other_code(self) -> str:
        """The code in the style that is not the usual one; a code with three digits in a group has no old style."""
        if self.code.startswith("000."):
            return self.new_code
        province, *groups = self.code.split(".")
        if any(len(group) != 2 for group in groups):
            return self.code
        return ".".join(("000", *(["00"] * (2 - len(groups))), *reversed(groups), province))

    @property
    def wire_id(self) -> str:
        """The internal id of the agency in the one-stop-shop."""
        return f"5f39f4a9{self.index:016x}"


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _departments() -> list[Agency]:
    rows = _rows("agencies")
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
    """All agencies of all times: those before the mergers in their order, the communes of July 2025, the departments of 2025."""
    old = before_merger()
    new = _new_communes(old)
    new += _new_departments(old, len(old) + len(new))
    city = next(agency.index for agency in new if agency.code == CITY)
    new = [replace(agency, parent=city) if agency.level == COMMUNE else agency for agency in new]
    index_by_code = {agency.new_code: agency.index for agency in (*old, *new)}
    handovers = {row.predecessor: (row.day, index_by_code[row.successor]) for row in successions()}
    index_by_unit = {(agency.unit_code, agency.valid_from): agency.index for agency in new if agency.level != PROVINCE}
    index_by_unit |= {(agency.unit_code, CODES_VALID_FROM): agency.index for agency in old if agency.level != PROVINCE}
    return tuple(
        replace(agency, valid_to=handovers[agency.new_code][0], successor=handovers[agency.new_code][1])
        if agency.new_code in handovers
        else _with_end(agency, index_by_unit)
        for agency in (*old, *new)
    )


@dataclass(frozen=True, slots=True)
class Succession:
    """One agency that hands over all its duties to another on a day; both by their code in the new style."""

    predecessor: str
    successor: str
    day: date


@functools.cache
def successions() -> tuple[Succession, ...]:
    """The successions of departments, in order of time."""
    rows = _rows("agency_successions")
    return tuple(Succession(r["predecessor"], r["successor"], date.fromisoformat(r["effective_on"])) for r in rows)


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
    """The communes of July 2025, directly under the city; the parent is not set.

    A commune is silent if more than half of its predecessors were. In each district that accepted no online dossiers,
    one commune is offline, provided that the district has another active commune for online applicants.
    """
    rows = [row for row in territory_files.shipped_rows("crosswalk_2025") if row["old_province_code"] == "49"]
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
            f"{CITY}.{_FIRST_NEW_NUMBER + n}",
            f"UBND {_unit_name(names[code])}",
            f"UBND {_abbreviated(names[code])}",
            "UBND",
            COMMUNE,
            "peoples_committee",
            None,
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


def _new_departments(old: tuple[Agency, ...], first: int) -> list[Agency]:
    """The departments of 2025 and the city's committee; one is offline if all its predecessors were, and theirs."""
    rows = _rows("agencies_2025")
    positions = {agency.new_code: agency.index for agency in old} | {r["code"]: first + n for n, r in enumerate(rows)}
    offline = {agency.new_code for agency in old if agency.is_offline} | {row["code"] for row in rows}
    for each in successions():
        if each.predecessor not in offline:
            offline.discard(each.successor)
    return [
        Agency(
            first + n,
            row["code"],
            row["name"],
            row["short_name"],
            row["notation"],
            PROVINCE,
            row["kind"],
            positions.get(row["parent"]),
            1.0,
            row["code"] in offline,
            False,
            "48" if row["code"].startswith(CITY) else "49",
            "",
            valid_from=date.fromisoformat(row["valid_from"]),
        )
        for n, row in enumerate(rows)
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


@functools.cache
def days_of_change() -> tuple[date, ...]:
    """The days on which agencies were succeeded by others, in order."""
    return tuple(sorted({agency.valid_to for agency in load() if agency.valid_to is not None}))


def successor_on(index: int, day: date) -> int | None:
    """The agency that has the duties of another on a day: itself while it is in force; None if it has no successor."""
    agency = load()[index]
    while agency.valid_to is not None and agency.valid_to <= day:
        if agency.successor is None:
            return None
        agency = load()[agency.successor]
    return agency.index


def seat(agency: Agency) -> str:
    """The province or city of an agency, as its address in the document system."""
    return "Thành phố Đà Nẵng" if agency.code.startswith(CITY) else "Tỉnh Quảng Nam"


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
