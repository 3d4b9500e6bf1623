"""Colours that can be read: the ink for a ground, and the steps of a heat map."""

from __future__ import annotations

INK, PAPER = "#050d15", "#ffffff"
GREY = "#d5dbe1"
# From light to dark, in steps of a tenth of the share; both ends bear text.
STEPS = (
    "#eef5fb", "#dcebf6", "#c6dff0", "#abcfe8", "#8bbbdd", "#69a4cf", "#4a8cbf", "#2f74ab", "#1b5c93", "#0d4477",
)  # fmt: skip


def luminance(colour: str) -> float:
    """How light a colour `#rrggbb` is to the eye, from 0 to 1, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21; text needs 4.5."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def ink(ground: str) -> str:
    """The colour of text on a ground: dark or white, whichever is read better."""
    return max((INK, PAPER), key=lambda colour: contrast(colour, ground))


def heat(ratio: float | None) -> str:
    """The ground of a share in a heat map; grey where it is not known."""
    return GREY if ratio is None else STEPS[min(int(ratio * len(STEPS)), len(STEPS) - 1)]
