"""How people write an agency's name: about ten ways, none of them the official one."""

import functools

from lgsp_province.world import agencies
from lgsp_province.world.agencies import Agency

_KINDS = {"thành phố ": "TP", "thị xã ": "TX", "huyện ": "H", "phường ": "P", "thị trấn ": "TT", "xã ": "X"}


def _kind(name: str) -> str:
    """The kind of territory in a committee's name, with its space; empty for a department."""
    rest = name.removeprefix("UBND ")
    return next((kind for kind in _KINDS if rest.startswith(kind) and rest != name), "")


def _of_committee(agency: Agency) -> list[str]:
    """The ways of a people's committee, whose kind is abbreviated with a stop, a space, both or neither."""
    kind, long = _kind(agency.name), agency.name.replace("UBND", "Ủy ban nhân dân")
    found = [
        agency.name.replace("UBND", "Uỷ ban nhân dân"),
        long,
        long.upper(),
        long.replace("Ủy ban nhân dân", "Ủy Ban Nhân Dân"),
    ]
    if kind:
        short = _KINDS[kind]
        found += [agency.name.replace(kind, f"{short}{gap}", 1) for gap in (". ", " ")]
        found.append(agency.name.replace(kind, f"{short[0]}{short[1:].lower()} ", 1).replace("UBND", "Uỷ ban nhân dân"))
        found.append(agency.name.replace(kind, kind.capitalize(), 1))
    if agency.parent is not None and agency.level == agencies.COMMUNE:
        above = agencies.load()[agency.parent].name.removeprefix("UBND ")
        if of := _kind(f"UBND {above}"):
            found.append(f"{agency.name} - {above.replace(of, f'{_KINDS[of]} ', 1)}")
            found.append(f"{agency.name}, {above}")
    return found


@functools.cache
def of(agency: Agency) -> tuple[str, ...]:
    """Ways in which the sources misspell or abbreviate an agency's name."""
    found = [agency.short_name, agency.name.upper(), agency.name.replace(" ", "  ", 1), f" {agency.name} "]
    if agency.name.startswith("UBND "):
        found += _of_committee(agency)
    else:
        found += [
            agency.name.lower(),
            agency.name.replace(" và ", " & "),
            agency.short_name.replace("&", " & "),
            f"{agency.name.removesuffix(' tỉnh Quảng Nam')} tỉnh Quảng Nam",
        ]
    return tuple(dict.fromkeys(name for name in found if name != agency.name))
