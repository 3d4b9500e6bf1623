"""Draw the charts of the reports as inline SVG with real text; the same numbers give the same bytes.

Each chart is drawn twice, wide and narrow, so that its text is readable on a phone; the style sheet shows one of the two.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lgsp.report.formatting import Numbers

INK, MUTED, LINE = "#14202b", "#51606f", "#e3e8ee"
ACCENT, SECOND = "#0d4477", "#b4530a"
PIXELS_PER_INCH = 72  # of an SVG by matplotlib
SIZES = {"wide": (552, 268), "narrow": (340, 250)}
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "lgsp", "font.family": "DejaVu Sans", "font.size": 12, "axes.edgecolor": LINE,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False, "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.major.size": 0, "ytick.major.size": 0, "text.color": INK, "text.parse_math": False,
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and one value for each day; None where there is no value."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart with its previous value; the label is the value unless another text is given."""

    name: str
    value: float | None
    before: float | None
    label: str | None = None


def lines(name: str, description: str, days: Sequence[date], series: Sequence[Line], numbers: Numbers) -> Markup:
    """A line chart of ratios over days; the last value of each line is written at its end."""

    def draw(axes: Axes, width: int) -> None:
        known = [value for line in series for value in line.values if value is not None]
        top = max(0.1, min(1.0, -(-max(known, default=0.1) * 1.15 // 0.1) * 0.1))
        highest = max((line.values[-1] or 0.0 for line in series), default=0.0)
        for line, colour, style in zip(series, (ACCENT, SECOND), ("-", (0, (4, 2))), strict=False):
            values = [float("nan") if value is None else value for value in line.values]
            axes.plot(range(len(days)), values, color=colour, linewidth=2.5, linestyle=style, solid_capstyle="round")
            if line is series[0]:
                axes.fill_between(range(len(days)), values, color=colour, alpha=0.07, linewidth=0)
            positions = [at for at, value in enumerate(line.values) if value is not None]
            if positions:
                last = positions[-1]
                axes.plot([last], [values[last]], "o", color=colour, markersize=7)
                axes.annotate(
                    numbers.percent(values[last]), (last, values[last]), (0, 9 if values[last] == highest else -19),
                    textcoords="offset points", ha="right", color=colour, weight="bold", size=13,
                )  # fmt: skip
        step = max(1, -(-len(days) // (6 if width > 400 else 4)))
        shown = list(range(len(days) - 1, -1, -step))[::-1]
        axes.tick_params(axis="x", pad=9)
        axes.set_xticks(shown, [numbers.short_day(days[at]) for at in shown])
        axes.set_xlim(-0.3, max(len(days) - 1, 1) + 0.3)
        axes.set_ylim(0, top)
        ticks = [top * part / 4 for part in range(5)]
        axes.set_yticks(ticks, [numbers.percent(tick, 0) for tick in ticks])
        axes.grid(axis="y", color=LINE, linewidth=1)
        axes.set_axisbelow(True)

    return _wide_and_narrow(name, description, draw)


def bars(name: str, description: str, items: Sequence[Bar], numbers: Numbers) -> Markup:
    """A bar chart of ratios with their values; a mark shows each previous value."""

    def draw(axes: Axes, width: int) -> None:
        for at, bar in enumerate(items):
            axes.barh(at, 1, color="#eef2f6", height=0.34)
            axes.barh(at, bar.value or 0, color=ACCENT if at == 0 or bar.label else "#4a8cbf", height=0.34)
            if bar.before is not None:
                axes.plot([bar.before] * 2, [at - 0.27, at + 0.27], color=SECOND, linewidth=2.5)
            axes.text(
                0, at - 0.3, bar.name, va="bottom", color=INK, weight="bold" if at == 0 and not bar.label else "normal"
            )
            axes.text(
                1, at - 0.3, bar.label or numbers.percent(bar.value), va="bottom", ha="right", weight="bold", size=13
            )
        axes.set_ylim(len(items) - 0.6, -0.75)
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        ticks = (0, 0.5, 1) if width < 400 else (0, 0.25, 0.5, 0.75, 1)
        axes.set_xticks(ticks, [numbers.percent(tick, 0) for tick in ticks])
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.get_xticklabels()[-1].set_horizontalalignment("right")

    return _wide_and_narrow(name, description, draw)


def _wide_and_narrow(name: str, description: str, draw: Callable[[Axes, int], None]) -> Markup:
    return Markup().join(_svg(f"{name}-{size}", size, description, draw) for size in SIZES)


def _svg(name: str, size: str, description: str, draw: Callable[[Axes, int], None]) -> Markup:
    width, height = SIZES[size]
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH, layout="constrained"
        )
        draw(figure.add_subplot(), width)
        figure.patch.set_visible(False)
        figure.axes[0].patch.set_visible(False)
        buffer = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=metadata)
    return _inline(buffer.getvalue(), name, size, description, width, height)


def _inline(text: str, name: str, size: str, description: str, width: int, height: int) -> Markup:
    """An SVG file as a part of a page: without prolog and global styles, with unique ids and the font of the page."""
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r'\s(?:xlink:)?href="#', f' href="#{name}-', body)
    body = re.sub(r"'DejaVu Sans'(?:, [^;\"]*)?", "system-ui, sans-serif", body)
    opening = (
        f'<svg class="chart {size}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}" '
        'stroke-linejoin="round" stroke-linecap="butt">'
    )
    body = re.sub(r"\s*\n\s*", " ", body).strip()
    return Markup(f"{opening}{body}</svg>")  # noqa: S704 - matplotlib escapes all texts
