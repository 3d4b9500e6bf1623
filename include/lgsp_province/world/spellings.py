"""Lists the unofficial spellings of an agency's name that people use: about ten per agency."""

import functools

from lgsp_province.world import agencies
from lgsp_province.world.agencies import Agency

_KINDS = {"thành phố ": "TP", "thị xã ": "TX", "huyện ": "H", "phường ": "P", "thị trấn ": "TT", "xã ": "X"}


def _kind(name: str) -> str:
    """The type of territory in a committee's name, with the trailing space; empty for a department."""
    rest = name.removeprefix("UBND ")
    return next((kind for kind in _KINDS if rest.startswith(kind) and rest != name), "")


def _committee_variants(agency: Agency) -> list[str]:
    """Spellings of a people's committee, with different abbreviations of its type of territory."""
    kind, full_name = _kind(agency.name), agency.name.replace("UBND", "Ủy ban nhân dân")
    names = [
        agency.name.replace("UBND", "Uỷ ban nhân dân"),
        full_name,
        full_name.upper(),
        full_name.replace("Ủy ban nhân dân", "Ủy Ban Nhân Dân"),
    ]
    if kind:
        short = _KINDS[kind]
        names += [agency.name.replace(kind, f"{short}{gap}", 1) for gap in (". ", " ")]
        names.append(agency.name.replace(kind, f"{short[0]}{short[1:].lower()} ", 1).replace("UBND", "Uỷ ban nhân dân"))
        names.append(agency.name.replace(kind, kind.capitalize(), 1))
    if agency.parent is not None and agency.level == agencies.COMMUNE:
        above = agencies.load()[agency.parent].name.removeprefix("UBND ")
        if kind_above := _kind(f"UBND {above}"):
            names.append(f"{agency.name} - {above.replace(kind_above, f'{_KINDS[kind_above]} ', 1)}")
            names.append(f"{agency.name}, {above}")
    return names


def _with_place(agency: Agency) -> str:
    """A department's name with the province, or with the city in its abbreviated form."""
    if agency.name.endswith(" thành phố Đà Nẵng"):
        return agency.name.replace(" thành phố Đà Nẵng", " TP Đà Nẵng")
    return f"{agency.name.removesuffix(' tỉnh Quảng Nam')} tỉnh Quảng Nam"


@functools.cache
def variants(agency: Agency) -> tuple[str, ...]:
    """Misspellings and abbreviations of an agency's name, without duplicates and without the official name."""
    names = [agency.short_name, agency.name.upper(), agency.name.replace(" ", "  ", 1), f" {agency.name} "]
    if agency.name.startswith("UBND "):
        names += _committee_variants(agency)
    else:
        names += [
            agency.name.lower(),
            agency.name.replace(" và ", " & "),
            agency.short_name.replace("&", " & "),
            _with_place(agency),
        ]
    return tuple(dict.fromkeys(name for name in names if name != agency.name))
