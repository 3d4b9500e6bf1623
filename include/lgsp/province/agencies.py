"""The agencies of the simulated province: departments, districts, communes, with codes of both styles."""

import csv
import functools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_DATA = Path(__file__).parent / "data" / "agencies.csv"
_UNITS = Path(__file__).parent.parent / "reference" / "admin_units_2024_to_2025.csv"

PROVINCE, DISTRICT, COMMUNE = "TINH", "HUYEN", "XAPHUONG"
_SHORT_KINDS = {
    "Thành phố ": "TP.",
    "Thị xã ": "TX.",
    "Huyện ": "H.",
    "Phường ": "P.",
    "Thị trấn ": "TT.",
    "Xã ": "X.",
}
LEVELS = {PROVINCE: "province", DISTRICT: "district", COMMUNE: "commune"}

_FIRST_DISTRICT_NUMBER = 20
_FIRST_COMMUNE_NUMBER = 14  # so that xã Cẩm Thanh, twelfth of Hội An, is 000.25.20.H47
_OFFLINE_DISTRICTS = {"510", "512", "519", "511", "504", "505", "506"}
_SILENT_COMMUNES = {"505": 7, "510": 8, "504": 7, "511": 2}


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency; `index` is its place in the list and the value that facts carry."""

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

    @property
    def new_code(self) -> str:
        """The new-style identifier: general first, without zero groups."""
        return "H47" + "".join(f".{part}" for part in self.code.split(".")[2:0:-1] if part != "00")

    @property
    def wire_id(self) -> str:
        """The one-stop's internal id of the agency."""
        return f"5f39f4a9{self.index:016x}"


def _departments() -> list[Agency]:
    with _DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places = {row["number"]: index for index, row in enumerate(rows)}
    return [
        Agency(
            index,
            f"000.00.{row['number']}.H47",
            row["name"],
            row["short_name"],
            row["notation"],
            PROVINCE,
            row["kind"],
            places.get(row["parent"]),
            float(row["weight"]),
            row["is_offline"] == "1",
            False,
            "49",
            "",
        )
        for index, row in enumerate(rows)
    ]


def _unit_name(name: str) -> str:
    """`Xã Cẩm Thanh` as it stands inside an agency's name."""
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
    for long, short in _SHORT_KINDS.items():
        name = name.replace(long, short)
    return name


def _communes(units: list[dict[str, str]], districts: list[Agency], first: int) -> list[Agency]:
    by_code = {district.district_code: district for district in districts}
    seen: Counter[str] = Counter()
    agencies: list[Agency] = []
    for row in units:
        district = by_code[row["a_district_code"]]
        rank = seen[district.district_code]
        seen[district.district_code] += 1
        number = _FIRST_COMMUNE_NUMBER + rank
        is_silent = rank >= 3 and rank - 3 < _SILENT_COMMUNES.get(district.district_code, 0)
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
def load() -> tuple[Agency, ...]:
    """All agencies, the province first, parents before children."""
    with _UNITS.open(encoding="utf-8", newline="") as file:
        units = [row for row in csv.DictReader(file) if row["a_province"] == "49"]
    units.sort(key=lambda row: row["a_ward_code"])
    departments = _departments()
    districts = _districts(units, len(departments))
    communes = _communes(units, districts, len(departments) + len(districts))
    return (*departments, *districts, *communes)


@functools.cache
def unit_names() -> dict[str, str]:
    """Names of districts and communes by code, as of the years before 2025."""
    with _UNITS.open(encoding="utf-8", newline="") as file:
        units = [row for row in csv.DictReader(file) if row["a_province"] == "49"]
    names = {row["a_ward_code"]: row["a_ward"] for row in units}
    return names | {row["a_district_code"]: row["a_district"] for row in units}


def spellings(agency: Agency) -> tuple[str, ...]:
    """Ways in which the sources misspell or abbreviate an agency's name."""
    long = agency.name.replace("UBND", "Ủy ban nhân dân")
    found = [
        agency.short_name,
        long,
        long.replace("Ủy", "Uỷ"),
        agency.name.upper(),
        agency.name.replace(" ", "  ", 1),
    ]
    return tuple(dict.fromkeys(name for name in found if name != agency.name))
