"""Readable colours: the text colour for a background, and the steps of the heat map."""

from __future__ import annotations

DARK, WHITE = "#050d15", "#ffffff"
GREY = "#d5dbe1"
# From light to dark, one step for each tenth of the share; text is readable on all of them.
STEPS = (
    "#eef5fb", "#dcebf6", "#c6dff0", "#abcfe8", "#8bbbdd", "#69a4cf", "#4a8cbf", "#2f74ab", "#1b5c93", "#0d4477",
)  # fmt: skip


def luminance(colour: str) -> float:
    """The relative luminance of a colour `#rrggbb` by WCAG, from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours by WCAG, from 1 to 21; text needs 4.5."""
    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def text_colour(background: str) -> str:
    """The text colour for a background: dark or white, the one with more contrast."""
    return max((DARK, WHITE), key=lambda colour: contrast(colour, background))


def heat_colour(ratio: float | None) -> str:
    """The background of a share in the heat map; grey for None."""
    return GREY if ratio is None else STEPS[min(int(ratio * len(STEPS)), len(STEPS) - 1)]
