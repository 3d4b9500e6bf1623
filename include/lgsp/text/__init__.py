"""Vietnamese text: one form for reading, one for comparing, none with persons in it."""

from lgsp.text.keys import key, one_tone_style
from lgsp.text.persons import GONE, persons_in, without_persons
from lgsp.text.treatment import Repaired, clean, is_garbled, repair

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
