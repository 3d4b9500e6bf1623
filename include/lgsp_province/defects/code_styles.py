"""Writes the code of a dossier or document in another style, as people and systems do when they name it."""

import re

_OLD = re.compile(r"^(\d{3})\.(\d{2})\.(\d{2})\.([A-Z]\d{2})(?=[-,])")
_NEW = re.compile(r"^([A-Z]\d{2})(?:\.(\d{2}))?(?:\.(\d{2}))?(?=[-,])")
_EMPTY_GROUPS = re.compile(r"(?:\.0+)+(?=[-,])")


def restyled(code: str, kind: int) -> str:
    """A dossier code or document id with the agency in the other style, in small letters, or with other signs."""
    match kind % 6:
        case 0:
            return _other_agency_style(code)
        case 1:
            return code.lower()
        case 2:
            return code.replace("-", "–")
        case 3:
            return f"{code[:5]}\u200b{code[5:]}\u00a0"
        case 4:
            return f" {_other_agency_style(code).lower()} "
    return code.replace("-", " – ")


def renumbered(code: str, kind: int) -> str:
    """The number and notation of a document with a leading zero, in small letters, or with Word's dash."""
    number, _, notation = code.partition("/")
    return (f"0{number}/{notation}", f"{number} / {notation}", f"{number}/{notation.replace('-', '–')}", code.lower())[
        kind % 4
    ]


def _other_agency_style(code: str) -> str:
    if match := _OLD.match(code):
        return _EMPTY_GROUPS.sub("", ".".join(reversed(match.groups())) + code[match.end() :], count=1)
    if match := _NEW.match(code):
        province, district, office = match[1], match[2] or "00", match[3] or "00"
        return f"000.{office}.{district}.{province}{code[match.end() :]}"
    return code
