"""The whole picture: axes laid out, traces on them, shapes and words over them, in the frame of all our pictures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from embedl_nb.charts.canvas import HEAD_PX
from embedl_nb.charts.palette import GRID, NEUTRAL
from embedl_nb.charts.stills.axes import Axis, axis, numbers
from embedl_nb.charts.stills.boxes import Box, boxes
from embedl_nb.charts.stills.marks import Bar, bars, cells, colour, points, swatch
from embedl_nb.charts.stills.words import LETTER_PX, clipped, lines
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.display.markup import Markup, element, join

__all__ = ["DRAWABLE", "still"]

DRAWABLE = frozenset({"bar", "heatmap", "scatter", "treemap"})
"""The types of traces that a picture can be made of."""

_LONGEST_LABEL_PX = 250.0
_RIGHT, _FOOT = 24.0, 44.0
_DEFAULT_HEIGHT = 450.0
_Spec = dict[str, Any]


def still(figure: Any, *, uid: str | None = None) -> Markup:
    """Draw a figure of this package as SVG.

    Parameters
    ----------
    figure
        A ``plotly.graph_objects.Figure`` made of bars, scatter traces, heat maps and treemaps.
    uid
        Begins the ids in the picture; by default a digest of what is drawn, so that equal pictures are equal text.

    Returns
    -------
    Markup
        One ``<svg>``, as high as the figure.
    """
    spec = figure.to_plotly_json()
    traces, layout = list(spec["data"]), spec["layout"]
    plot = _Plot(traces, layout)
    title = layout.get("title", {})
    heading = " ".join(lines(title.get("text")))
    caption = " ".join(lines(title.get("subtitle", {}).get("text")))
    return framed(
        _legend(traces, layout),
        *(plot.axis_drawn(name) for name in plot.axes),
        *(plot.shape(shape) for shape in layout.get("shapes", ()) if shape.get("layer") == "below"),
        *(plot.drawn(trace) for trace in traces),
        *(plot.shape(shape) for shape in layout.get("shapes", ()) if shape.get("layer") != "below"),
        *(plot.note(note) for note in layout.get("annotations", ())),
        kind="still",
        heading=heading,
        shown_heading=clipped(heading, WIDTH),
        words=clipped(caption, WIDTH),
        height=plot.height,
        uid=uid or digest(spec),
    )


class _Plot:
    """The plot's own rectangle, and the axes on it by plotly's names for them: ``x``, ``y``, ``y2`` ..."""

    def __init__(self, traces: list[_Spec], layout: _Spec) -> None:
        self._traces, self._layout = traces, layout
        self.height = float(layout.get("height") or _DEFAULT_HEIGHT)
        foot = max(_FOOT, float(layout.get("margin", {}).get("b", 0)))
        self._top, self._bottom = float(HEAD_PX), self.height - foot
        self._left, self._right = self._left_margin(), WIDTH - _RIGHT - (40 if self._options("y2") else 0)
        placed = [trace for trace in traces if trace["type"] != "treemap"]
        names = [name for trace in placed for name in (trace.get("xaxis", "x"), trace.get("yaxis", "y"))]
        self.axes = {name: self._axis(name) for name in dict.fromkeys(names)}

    def _options(self, name: str) -> _Spec:
        options: _Spec = self._layout.get(f"{name[0]}axis{name[1:]}") or {}
        return options

    def _values(self, name: str) -> list[Any]:
        """Return everything that is drawn on an axis, also where its bars end."""
        side, found = name[0], []
        for trace in self._of(name):
            given = [value for value in trace.get(side, ()) if value is not None]
            found += given
            if trace["type"] == "bar" and (trace.get("orientation", "v") == "h") == (side == "x"):
                bases = trace.get("base") or [0.0] * len(given)
                found += [base + length for base, length in zip(bases, given, strict=True)]
            error = trace.get(f"error_{side}") or {}
            for sign, spread in ((1, error.get("array")), (-1, error.get("arrayminus") or error.get("array"))):
                found += [value + sign * (more or 0) for value, more in zip(given, spread or (), strict=False)]
        return found

    def _of(self, name: str) -> Iterable[_Spec]:
        side = name[0]
        return (trace for trace in self._traces if trace.get(f"{side}axis", side) == name)

    def _left_margin(self) -> float:
        """Return the room that the longest of the labels at the left needs."""
        options = self._options("y")
        names = [*options.get("categoryarray", ()), *(value for value in self._values("y") if isinstance(value, str))]
        longest = max((len(line) for name in names for line in lines(name)), default=6)
        return 34 + min(_LONGEST_LABEL_PX, longest * (LETTER_PX + 0.8))

    def _axis(self, name: str) -> Axis:
        options, values = self._options(name), self._values(name)
        start, end = (self._left, self._right) if name[0] == "x" else self._rows(name, options)
        stands = any(
            trace["type"] == "bar" and (trace.get("orientation", "v") == "h") == (name[0] == "x")
            for trace in self._of(name)
        )
        return axis(options, values, start=start, end=end, from_zero=stands)

    def _rows(self, name: str, options: _Spec) -> tuple[float, float]:
        """Return the bottom and the top of an axis: plots in rows share the height."""
        grid = self._layout.get("grid", {})
        count = int(grid.get("rows", 1))
        if count == 1 or options.get("overlaying"):
            return self._bottom, self._top
        each = (self._bottom - self._top) / count
        top = self._top + each * (int(name[1:] or 1) - 1)
        return top + each * (1 - float(grid.get("ygap", 0.1))), top

    def axis_drawn(self, name: str) -> Markup:
        """Draw an axis: its lines across the plot, its labels, its title."""
        scale, options = self.axes[name], self._options(name)
        title = lines(options.get("title", {}).get("text"))
        has_grid = options.get("showgrid", True) and not options.get("overlaying")
        if name[0] == "x":
            return self._across(scale, title, has_grid=has_grid, on_top=options.get("side") == "top")
        return self._upright(scale, title, has_grid=has_grid, at_right=options.get("side") == "right")

    def _across(self, scale: Axis, title: list[str], *, has_grid: bool, on_top: bool) -> Markup:
        low = self._top - 6 if on_top else self._bottom + 16
        room = scale.step_px if scale.categories else WIDTH
        parts = [
            text(place, low + 13 * number, clipped(line, room), text_anchor="middle", opacity=0.75)
            for place, label in scale.ticks()
            for number, line in enumerate(lines(label))
        ]
        if has_grid:
            parts += [_grid(place, self._top, place, self._bottom) for place, _ in scale.ticks()]
        middle = (self._left + self._right) / 2
        return join((*parts, text(middle, self._bottom + 34, " ".join(title), text_anchor="middle")))

    def _upright(self, scale: Axis, title: list[str], *, has_grid: bool, at_right: bool) -> Markup:
        side, anchor = (self._right + 6, "start") if at_right else (self._left - 6, "end")
        parts = [
            text(side, place + 4, clipped(" ".join(lines(label)), _LONGEST_LABEL_PX), text_anchor=anchor, opacity=0.75)
            for place, label in scale.ticks()
        ]
        if has_grid:
            parts += [_grid(self._left, place, self._right, place) for place, _ in scale.ticks()]
        x, y = (WIDTH - 4 if at_right else 10), (scale.start + scale.end) / 2
        turned = (
            text(x + 12 * number, y, line, text_anchor="middle", transform=f"rotate(-90 {x + 12 * number:.0f} {y:.0f})")
            for number, line in enumerate(title)
        )
        return join((*parts, *turned))

    def drawn(self, trace: _Spec) -> Markup:
        """Draw one trace."""
        if trace["type"] == "treemap":
            top = self._top - 24
            return boxes(trace, Box(0, top, WIDTH, self.height - top - 8))
        x, y = self.axes[trace.get("xaxis", "x")], self.axes[trace.get("yaxis", "y")]
        if trace["type"] == "bar":
            return self._bars(trace, x, y)
        return cells(trace, x, y) if trace["type"] == "heatmap" else points(trace, x, y)

    def _bars(self, trace: _Spec, x: Axis, y: Axis) -> Markup:
        is_horizontal = trace.get("orientation", "v") == "h"
        values, places = (x, y) if is_horizontal else (y, x)
        lengths, names = (trace["x"], trace["y"]) if is_horizontal else (trace["y"], trace["x"])
        marker, words = trace.get("marker", {}), trace.get("text")
        half = self._half_width(trace, places, names)
        shift = self._group_shift(trace, half)
        shown = []
        for place, (name, length) in enumerate(zip(names, lengths, strict=True)):
            if length is None:
                continue
            base = trace["base"][place] if isinstance(trace.get("base"), list | tuple) else self._below(trace, name)
            middle = places.at(name) + shift[0]
            given = marker.get("color")
            shown.append(
                Bar(
                    begin=base,
                    end=base + length,
                    low=middle - shift[1],
                    high=middle + shift[1],
                    fill=colour(given[place] if isinstance(given, list | tuple) else given),
                    is_hatched=bool(marker.get("pattern")),
                    label=words[place] if isinstance(words, list | tuple) else words or "",
                    label_inside=trace.get("textposition") in ("inside", "auto"),
                    spread=_spread(trace, base + length, place, is_horizontal=is_horizontal),
                )
            )
        return bars(shown, values, is_horizontal=is_horizontal)

    def _half_width(self, trace: _Spec, places: Axis, names: list[Any]) -> float:
        width = trace.get("width")
        if isinstance(width, int | float):
            return float(width) * places.step_px / 2
        known = sorted(set(numbers(names)))
        apart = min((high - low for low, high in pairwise(known)), default=1.0)
        return places.step_px * apart * (1 - float(self._layout.get("bargap", 0.2))) / 2

    def _group_shift(self, trace: _Spec, half: float) -> tuple[float, float]:
        """Return how far a bar stands beside its place, and half of its width."""
        siblings = [each for each in self._traces if each["type"] == "bar"]
        if self._layout.get("barmode", "group") != "group" or len(siblings) < 2 or self._layout.get("grid"):
            return 0.0, half
        own = half / len(siblings)
        place = next(number for number, each in enumerate(siblings) if each is trace)
        return -half + own * (2 * place + 1), own

    def _below(self, trace: _Spec, name: Any) -> float:
        """Return where a stacked bar begins: on those of the traces before it."""
        if self._layout.get("barmode") not in ("stack", "relative"):
            return 0.0
        side, other = ("x", "y") if trace.get("orientation", "v") == "h" else ("y", "x")
        total = 0.0
        for earlier in self._traces:
            if earlier is trace:
                break
            total += sum(
                length for at, length in zip(earlier[other], earlier[side], strict=True) if at == name and length
            )
        return total

    def shape(self, shape: _Spec) -> Markup:
        """Draw a line or a rectangle."""
        x0, x1 = (self._x(shape[name], shape.get("xref", "x")) for name in ("x0", "x1"))
        y0, y1 = (self._y(shape[name], shape.get("yref", "y")) for name in ("y0", "y1"))
        line = shape.get("line", {})
        if shape["type"] == "rect":
            box = {"x": min(x0, x1), "y": min(y0, y1), "width": abs(x1 - x0), "height": abs(y1 - y0)}
            return element("rect", **box, fill=shape.get("fillcolor", "none"), fill_opacity=shape.get("opacity"))
        label = " ".join(lines(shape.get("label", {}).get("text")))
        drawn = element(
            "line",
            x1=x0,
            y1=y0,
            x2=x1,
            y2=y1,
            stroke=line.get("color", NEUTRAL),
            stroke_width=float(line.get("width", 1)),
            stroke_dasharray="6 4" if line.get("dash") else None,
        )
        if not label:
            return drawn
        x, y, is_upright = (x0 + x1) / 2, (y0 + y1) / 2, x0 == x1
        turn = f"rotate(-90 {x - 4:.0f} {y:.0f})" if is_upright else "rotate(0)"
        place = (x - 4, y) if is_upright else (x, y - 4)
        return join((drawn, text(*place, label, text_anchor="middle", transform=turn)))

    def note(self, note: _Spec) -> Markup:
        """Write an annotation, with its arrow."""
        x = self._x(note.get("x", 0), note.get("xref", "x"))
        y = self._y(note.get("y", 0), note.get("yref", "y"))
        arrow = None
        if note.get("showarrow", True):
            ax, ay = float(note.get("ax", 0)), float(note.get("ay", -30))
            arrow = element("line", x1=x, y1=y, x2=x + ax, y2=y + ay, stroke=NEUTRAL, stroke_width=1.0)
            x, y = x + ax, y + ay
        x, y = x + float(note.get("xshift", 0)), y - float(note.get("yshift", 0))
        words = lines(note.get("text"))
        anchor = {"left": "start", "right": "end"}.get(note.get("xanchor", ""), "middle")
        if anchor == "middle" and note.get("xref") == "paper" and note.get("xanchor") is None:
            anchor = "start" if note.get("x", 0) == 0 else "end" if note.get("x") == 1 else "middle"
        first = y + {"top": 12.0, "bottom": 13 - 13.0 * len(words) - 4}.get(note.get("yanchor", ""), 4.0)
        written = (text(x, first + 13 * number, line, text_anchor=anchor) for number, line in enumerate(words))
        return join((arrow, *written))

    def _x(self, value: Any, reference: str) -> float:
        if reference in self.axes:
            return self.axes[reference].at(value)
        return self._left + float(value) * (self._right - self._left)

    def _y(self, value: Any, reference: str) -> float:
        if reference in self.axes:
            return self.axes[reference].at(value)
        return self._bottom - float(value) * (self._bottom - self._top)


def _spread(trace: _Spec, end: float, place: int, *, is_horizontal: bool) -> tuple[float, float] | None:
    error = trace.get("error_x" if is_horizontal else "error_y") or {}
    above = error.get("array")
    if above is None:
        return None
    below = error.get("arrayminus") or above
    return end - (below[place] or 0), end + (above[place] or 0)


def _grid(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=GRID, stroke_width=1.0)


def _legend(traces: list[_Spec], layout: _Spec) -> Markup:
    shown = [trace for trace in traces if trace.get("showlegend", True) and trace.get("name")]
    if not layout.get("showlegend", len(shown) > 1 or any(trace.get("showlegend") for trace in traces)):
        return Markup()
    parts, x = [], 0.0
    for trace in shown:
        name = " ".join(lines(trace["name"]))
        parts += [swatch(trace, x, 52.0), text(x + 20, 52, name)]
        x += 36 + LETTER_PX * len(name)
    return join(parts)
