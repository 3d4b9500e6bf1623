"""Repairs Vietnamese text for reading, and makes keys from it for comparing."""

from lgsp.vietnam.text.comparison_key import key, one_tone_style
from lgsp.vietnam.text.repair import Repaired, clean, is_garbled, repair

__all__ = ["Repaired", "clean", "is_garbled", "key", "one_tone_style", "repair"]
