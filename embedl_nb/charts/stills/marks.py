"""What stands on the axes: bars, points, lines and cells of a figure's traces, as SVG."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL
from embedl_nb.charts.stills.axes import Axis
from embedl_nb.charts.stills.words import lines
from embedl_nb.charts.svg_frame import text
from embedl_nb.display.markup import Markup, element, join

__all__ = ["Bar", "bars", "cells", "colour", "points", "swatch"]

_DASHES = {"dash": "6 4", "dot": "2 3", "dashdot": "6 3 2 3"}
_RGB = re.compile(r"rgba?\(([^)]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar: along its value from ``begin`` to ``end``, and across from ``low`` to ``high`` px."""

    begin: float
    end: float
    low: float
    high: float
    fill: str
    is_hatched: bool = False
    label: str = ""
    label_inside: bool = False
    spread: tuple[float, float] | None = None


def bars(shown: list[Bar], values: Axis, *, is_horizontal: bool) -> Markup:
    """Draw bars; those of one look are one path, so that thousands stay small."""
    looks: dict[tuple[str, bool], list[str]] = {}
    rest: list[Markup] = []
    for bar in shown:
        x0, x1 = sorted((values.at(bar.begin), values.at(bar.end)))
        box = (x0, bar.low, x1 - x0, bar.high - bar.low)
        x, y, width, height = box if is_horizontal else (box[1], box[0], box[3], box[2])
        looks.setdefault((bar.fill, bar.is_hatched), []).append(
            f"M{x:.1f} {y:.1f}h{max(width, 0.3):.1f}v{max(height, 0.3):.1f}h{-max(width, 0.3):.1f}z"
        )
        rest += _beside(bar, values, is_horizontal=is_horizontal)
    drawn = (_path(" ".join(parts), fill, is_hatched=is_hatched) for (fill, is_hatched), parts in looks.items())
    return join((*drawn, *rest))


def _path(drawn: str, fill: str, *, is_hatched: bool) -> Markup:
    # What was not measured is hollow and dashed: a pattern would need an id that is unique in the page.
    if is_hatched:
        return element(
            "path", d=drawn, fill=fill, fill_opacity=0.3, stroke=fill, stroke_width=1.0, stroke_dasharray="3 2"
        )
    return element("path", d=drawn, fill=fill)


def _beside(bar: Bar, values: Axis, *, is_horizontal: bool) -> Iterator[Markup]:
    middle, end = (bar.low + bar.high) / 2, values.at(bar.end)
    if bar.spread is not None:
        low, high = (values.at(value) for value in bar.spread)
        yield _line((low, middle), (high, middle)) if is_horizontal else _line((middle, low), (middle, high))
    if bar.label:
        words = " ".join(lines(bar.label))
        if is_horizontal:
            yield text(end + (-5 if bar.label_inside else 5), middle + 4, words, text_anchor=_anchor(bar))
        else:
            yield text(middle, end + (14 if bar.label_inside else -5), words, text_anchor="middle")


def _anchor(bar: Bar) -> str:
    return "end" if bar.label_inside else "start"


def _line(begin: tuple[float, float], end: tuple[float, float], stroke: str = "currentColor") -> Markup:
    return element("line", x1=begin[0], y1=begin[1], x2=end[0], y2=end[1], stroke=stroke, stroke_width=1.5)


def points(trace: dict[str, Any], x: Axis, y: Axis) -> Markup:
    """Draw a scatter trace: its line, its markers, their error bars and words."""
    mode = trace.get("mode", "lines+markers")
    places = [
        (place, x.at(across), y.at(up))
        for place, (across, up) in enumerate(zip(trace["x"], trace["y"], strict=True))
        if _is_drawable(across) and _is_drawable(up)
    ]
    parts: list[Markup] = []
    if "lines" in mode:
        parts.append(_curve(trace, places))
    parts += _errors(trace, places, x, y)
    marker = trace.get("marker", {})
    if "markers" in mode:
        parts += [_dot(marker, place, across, up) for place, across, up in places]
    if "text" in mode:
        words = trace.get("text") or ""
        parts += [
            text(across, up - 7, " ".join(lines(_each(words, place))), text_anchor="middle")
            for place, across, up in places
            if _each(words, place)
        ]
    return join(parts)


def _is_drawable(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))


def _curve(trace: dict[str, Any], places: list[tuple[int, float, float]]) -> Markup:
    line = trace.get("line", {})
    is_step = str(line.get("shape", "")) == "hv"
    drawn, previous = "", None
    for place, across, up in places:
        # A point that is missing is a gap, as in the interactive figure.
        joined = previous == place - 1
        drawn += (f"H{across:.1f}V{up:.1f}" if is_step else f"L{across:.1f} {up:.1f}") if joined else ""
        drawn += "" if joined else f"M{across:.1f} {up:.1f}"
        previous = place
    stroke = line.get("color") or trace.get("marker", {}).get("color") or FIRST_SERIES
    return element(
        "path",
        d=drawn or "M0 0",
        fill="none",
        stroke=stroke if isinstance(stroke, str) else FIRST_SERIES,
        stroke_width=float(line.get("width", 2)),
        stroke_dasharray=_DASHES.get(line.get("dash", "")),
    )


def _errors(trace: dict[str, Any], places: list[tuple[int, float, float]], x: Axis, y: Axis) -> Iterator[Markup]:
    for name, scale in (("error_x", x), ("error_y", y)):
        error = trace.get(name) or {}
        above = error.get("array")
        if above is None:
            continue
        below = error.get("arrayminus") or above
        for place, across, up in places:
            value = trace["x" if name == "error_x" else "y"][place]
            low, high = scale.at(value - (below[place] or 0)), scale.at(value + (above[place] or 0))
            ends = ((low, up), (high, up)) if name == "error_x" else ((across, low), (across, high))
            yield _line(*ends, stroke=NEUTRAL)


def _dot(marker: dict[str, Any], place: int, x: float, y: float) -> Markup:
    half = max(1.5, float(_each(marker.get("size", 6), place)) / 2)
    symbol = str(_each(marker.get("symbol", "circle"), place))
    stroke = colour(_each(marker.get("color"), place))
    look: dict[str, str | float] = {"fill": "none" if symbol.endswith("-open") else stroke}
    look |= {"stroke": stroke, "stroke_width": 1.5}
    if symbol.startswith("circle"):
        return element("circle", cx=float(x), cy=float(y), r=half, **look)
    if symbol.startswith("square"):
        return element("rect", x=x - half, y=y - half, width=2 * half, height=2 * half, **look)
    down, across = f"l{half:.1f} {half:.1f}", f"l{-half:.1f} {half:.1f}"
    return element("path", d=f"M{x:.1f} {y - half:.1f}{down}{across}l{-half:.1f} {-half:.1f}z", **look)


def cells(trace: dict[str, Any], x: Axis, y: Axis) -> Markup:
    """Draw a heat map: a box a cell, its words in it."""
    width, height = x.step_px - trace.get("xgap", 0), y.step_px - trace.get("ygap", 0)
    parts: list[Markup] = []
    for row, up in enumerate(trace["y"]):
        for column, across in enumerate(trace["x"]):
            value, words = trace["z"][row][column], _each(_each(trace.get("text", ""), row), column)
            middle, centre = x.at(across), y.at(up)
            if value is not None:
                share = (value - trace.get("zmin", 0)) / ((trace.get("zmax", 1) - trace.get("zmin", 0)) or 1)
                box = {"x": middle - width / 2, "y": centre - height / 2, "width": width, "height": height}
                parts.append(element("rect", **box, fill=_between(trace["colorscale"], share)))
            parts.append(text(middle, centre + 4, " ".join(lines(words)), text_anchor="middle"))
    return join(parts)


def _between(scale: Any, share: float) -> str:
    ends = [_rgba(scale[0][1]), _rgba(scale[-1][1])]
    red, green, blue, alpha = (low + (high - low) * min(1.0, max(0.0, share)) for low, high in zip(*ends, strict=True))
    return f"rgba({red:.0f},{green:.0f},{blue:.0f},{alpha:.2f})"


def _rgba(written: str) -> tuple[float, float, float, float]:
    found = _RGB.fullmatch(written.replace(" ", ""))
    if found:
        red, green, blue, *alpha = (float(part) for part in found[1].split(","))
        return red, green, blue, alpha[0] if alpha else 1.0
    red, green, blue = (float(int(written[place : place + 2], 16)) for place in (1, 3, 5))
    return red, green, blue, 1.0


def colour(given: Any) -> str:
    """Return a colour as SVG takes it; of a list, the first."""
    if isinstance(given, list | tuple):
        given = given[0] if given else None
    return given if isinstance(given, str) else FIRST_SERIES


def _each(given: Any, place: int) -> Any:
    return given[place] if isinstance(given, list | tuple) else given


def swatch(trace: dict[str, Any], x: float, y: float) -> Markup:
    """Draw what stands beside a trace's name in the legend."""
    marker, line = trace.get("marker", {}), trace.get("line", {})
    fill = colour(marker.get("color") or line.get("color"))
    if trace["type"] == "scatter" and "markers" not in trace.get("mode", "lines+markers"):
        dash = _DASHES.get(line.get("dash", ""))
        return element(
            "path", d=f"M{x:.1f} {y - 4:.1f}h14", fill="none", stroke=fill, stroke_width=2, stroke_dasharray=dash
        )
    if trace["type"] == "scatter":
        return _dot(marker | {"size": 9}, 0, x + 7, y - 4)
    return _path(f"M{x + 2:.1f} {y - 9:.1f}h10v10h-10z", fill, is_hatched=bool(marker.get("pattern")))
