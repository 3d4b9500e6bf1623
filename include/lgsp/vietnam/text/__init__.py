"""Vietnamese text: one form for reading, one for comparing, none with persons in it."""

from lgsp.vietnam.personal_data import GONE, persons_in, without_persons
from lgsp.vietnam.text.comparison_key import key, one_tone_style
from lgsp.vietnam.text.repair import Repaired, clean, is_garbled, repair

__all__ = [
    "GONE",
    "Repaired",
    "clean",
    "is_garbled",
    "key",
    "one_tone_style",
    "persons_in",
    "repair",
    "without_persons",
]
