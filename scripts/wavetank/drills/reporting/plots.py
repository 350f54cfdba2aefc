"""Plots as SVG for a page: colours and fonts are the page's own, so that they follow its light and dark mode."""

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import pygal
from markupsafe import Markup

from wavetank.drills.reporting.series import Points

WIDTH, HEIGHT = 960, 250
# Of a group of bars.
ROW_HEIGHT = 36
# Marks nearer to each other than this share of the axis would be one blur.
APART = 0.03
MOST_X_LABELS, MOST_Y_LABELS = 12, 5
LABEL_WIDTH = 6
# Nothing takes no time at all, and a logarithm has no zero.
LEAST_LOGARITHMIC = 0.01


@dataclass(frozen=True)
class Line:
    """One line of a plot; `colour` is one of the page's, by its name. A dashed one says so without colour, too."""

    title: str
    points: Points
    colour: str
    dashed: bool = False

    @property
    def kind(self) -> str:
        """The classes of the page's style that draw it."""
        return f"line-{self.colour}{' dashed' if self.dashed else ''}"


@dataclass(frozen=True)
class Band:
    """A span of the horizontal axis that means something; `kind` is a class of the page's style."""

    from_x: float
    to_x: float
    kind: str


@dataclass(frozen=True)
class Mark:
    """A place on the horizontal axis with a short text above it."""

    at_x: float
    text: str


def over_time(  # noqa: PLR0913 - all but the first two are named
    lines: Sequence[Line],
    unit: str,
    *,
    x_range: tuple[float, float],
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    logarithmic: bool = False,
) -> Markup:
    """Draw lines over seconds since the storm, `unit` being the vertical axis's name."""
    scale = _logarithm if logarithmic else float
    values = [scale(value) for line in lines for _, value in line.points if value is not None]
    chart = pygal.XY(
        **_SHAPE, xrange=x_range, x_labels=_steps(x_range[0], x_range[1], MOST_X_LABELS), y_title=unit,
        x_title="seconds since the storm began", value_formatter=_padded,
        **(_decades(values) if logarithmic else _from_zero(values)),
    )  # fmt: skip
    for line in lines:
        points = [(at, None if value is None else scale(value)) for at, value in line.points]
        chart.add(line.title, points)
    chart.add_xml_filter(functools.partial(_annotate, chart, lines, bands, marks))
    return _inline(chart)


# The page has heading, key and style.
_SHAPE = {
    "width": WIDTH, "height": HEIGHT, "js": [], "disable_xml_declaration": True, "show_legend": False,
    "show_x_guides": False, "show_dots": False, "allow_interruptions": True, "margin": 4, "margin_top": 22,
    "spacing": 8,
}  # fmt: skip


def _logarithm(value: float) -> float:
    return math.log10(max(value, LEAST_LOGARITHMIC))


def _decades(values: Sequence[float]) -> dict[str, Any]:
    """Return an axis of powers of ten that holds these logarithms: the library's own would bend both axes."""
    low = math.floor(min(values, default=0))
    high = max(low + 1, math.ceil(max(values, default=1)))
    labels = [{"value": power, "label": _padded(10.0**power)} for power in range(low, high + 1)]
    return {"range": (low, high), "y_labels": labels}


def _from_zero(values: Sequence[float]) -> dict[str, Any]:
    top = (max(values, default=0) or 1) * 1.05
    return {"range": (0, top), "y_labels": _steps(0, top, MOST_Y_LABELS)}


def _steps(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from low to high: 1, 2 or 5 times a power of ten apart, and at most so many."""
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    return [round(at * step, 6) for at in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _padded(value: float | tuple[float, float]) -> str:
    """Return a number as wide as any: the axes of all figures on a page begin at the same place."""
    number = value[1] if isinstance(value, tuple) else value
    return f"{number:g}".rjust(LABEL_WIDTH, "\N{FIGURE SPACE}")


def _annotate(
    chart: pygal.XY, lines: Sequence[Line], bands: Sequence[Band], marks: Sequence[Mark], root: Element
) -> Element:
    """Give lines their classes, put bands behind them and marks over them, on the axes that the chart has chosen."""
    _as_ours([line.kind for line in lines], root)
    plot = next(each for each in root.iter() if each.get("class") == "plot")
    plot.insert(1, _drawn_bands(chart, bands))
    plot.append(_drawn_marks(chart, marks))
    return root


def _as_ours(kinds: Sequence[str], root: Element) -> Element:
    """Leave of the library's drawing what is drawn, each series with the class of the page's style."""
    graph = next(each for each in root if each.tag == "g")
    for part in [each for each in root if each is not graph]:
        root.remove(part)
    # Its overlays are for its script.
    for part in [each for each in graph if " " in (each.get("class") or "") or each.get("class") == "legends"]:
        graph.remove(part)
    plot = next(each for each in graph if each.get("class") == "plot")
    for drawn in plot:
        # Horizontal bars are drawn from the last to the first.
        if series := re.search(r"\bserie-(\d+)", drawn.get("class") or ""):
            drawn.set("class", kinds[int(series[1])])
    return root


def _drawn_bands(chart: pygal.XY, bands: Sequence[Band]) -> Element:
    group = Element("g")
    for band in bands:
        left, right = chart.view.x(band.from_x), chart.view.x(band.to_x)
        SubElement(group, "rect", {
            "x": f"{left:.1f}", "y": "0", "width": f"{max(1.0, right - left):.1f}",
            "height": f"{chart.view.height:.1f}", "class": f"band-{band.kind}",
        })  # fmt: skip
    return group


def _drawn_marks(chart: pygal.XY, marks: Sequence[Mark]) -> Element:
    group = Element("g", {"class": "marks"})
    for mark in marks:
        at = f"{chart.view.x(mark.at_x):.1f}"
        SubElement(group, "line", {"x1": at, "x2": at, "y1": "-4", "y2": f"{chart.view.height:.1f}"})
        SubElement(group, "text", {"x": at, "y": "-8"}).text = mark.text
    return group


def _inline(chart: pygal.Graph) -> Markup:
    """Return a chart as a part of a page: without namespaces, comments and whatever could be fetched."""
    drawn = str(chart.render(is_unicode=True))
    drawn = re.sub(r"<!--.*?-->", "", drawn, flags=re.DOTALL)
    # HTML needs no namespaces, and one page has several plots.
    drawn = re.sub(r'\s(xmlns(:\w+)?|id)="[^"]*"', "", drawn)
    # What is drawn is made of numbers and of our own names, escaped by the library.
    return Markup(drawn)  # noqa: S704


@dataclass(frozen=True)
class Bars:
    """One value for each name of a plot; None and infinity have no bar."""

    title: str
    values: Sequence[float | None]
    colour: str

    @property
    def kind(self) -> str:
        """The class of the page's style that draws them."""
        return f"bar-{self.colour}"


@dataclass(frozen=True)
class BarPlot:
    """A drawn plot, and what its key needs."""

    bars: Sequence[Bars]
    plot: Markup


def bars(names: Sequence[str], groups: Sequence[Bars], unit: str) -> BarPlot:
    """Draw a group of horizontal bars for each name, the first on top; `unit` is the axis's name."""
    finite = [value for group in groups for value in group.values if value is not None and math.isfinite(value)]
    axis = _from_zero(finite)
    chart = pygal.HorizontalBar(
        **{**_SHAPE, "height": ROW_HEIGHT * len(names) + 60, "margin_top": 4}, x_title=unit,
        x_labels=list(reversed(names)), value_formatter=lambda value: f"{value:g}", **axis,
    )  # fmt: skip
    for group in groups:
        values = [value if value is not None and math.isfinite(value) else None for value in group.values]
        chart.add(group.title, list(reversed(values)))
    chart.add_xml_filter(functools.partial(_as_ours, [group.kind for group in groups]))
    return BarPlot(groups, _inline(chart))
