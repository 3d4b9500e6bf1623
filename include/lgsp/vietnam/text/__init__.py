"""Repairs Vietnamese text for reading, and makes keys from it for comparing."""

from lgsp.vietnam.text.comparison_key import key
from lgsp.vietnam.text.repair import Repaired, clean, is_garbled, repair
from lgsp.vietnam.text.syllables import one_tone_style

__all__ = ["Repaired", "clean", "is_garbled", "key", "one_tone_style", "repair"]
