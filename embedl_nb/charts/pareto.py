"""Choice -> every candidate by the objective and by what the budget limits first, the front joined; plotly and one SVG.

The winner is a diamond, what is not on the front is pale, what was not measured is hollow; dashed lines are the budget.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from embedl_nb.analysis.budget import Candidate, label_of, value_text
from embedl_nb.analysis.choice import Axis, Choice, pareto_front
from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import NEUTRAL, TEXT, colour_of, is_hatched
from embedl_nb.charts.svg_bars import clipped, nice_step
from embedl_nb.charts.svg_frame import digest, framed, text
from embedl_nb.charts.timeline import unit_label
from embedl_nb.display.markup import Markup, element
from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError
from embedl_nb.units import Provenance

__all__ = ["pareto_figure", "pareto_picture"]

_PLOT_PX = 360
_PALE = 0.45
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 700, 64, 264
_ROOM = 1.12
_NAME_CHARS, _NAME_PX, _LINE_PX = 30, 190, 13


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """From values to places of the SVG."""

    least: float
    most: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        return self.begin + (self.end - self.begin) * (value - self.least) / (self.most - self.least)

    @property
    def ticks(self) -> list[float]:
        step = nice_step(self.most - self.least)
        return [step * place for place in range(math.ceil(self.least / step), math.floor(self.most / step) + 1)]


def pareto_figure(result: Any) -> Any:
    """Draw the candidates of a choice.

    Parameters
    ----------
    result
        A Choice.

    Returns
    -------
    plotly.graph_objects.Figure
        x is the objective, y what the budget limits first, both with their units; one trace a compute unit.

    Raises
    ------
    InputError
        If ``result`` is no Choice, or no candidate has both values.
    """
    choice, shown, (across, upward) = _checked(result)
    front = list(choice.front_candidates)
    kinds = dict.fromkeys((each.result.placement.got, each.result.provenance) for each in shown)
    traces = [_path(pareto_front(shown, (across, upward)), across, upward)]
    traces += [_dots(choice, front, [each for each in shown if _kind(each) == kind], kind) for kind in kinds]
    layout: Spec = {
        "height": _PLOT_PX + canvas.HEAD_PX + 52,
        "hovermode": "closest",
        "xaxis": canvas.axis(_title(across), rangemode="tozero", zeroline=False),
        "yaxis": canvas.axis(_title(upward), rangemode="tozero", zeroline=False),
        "shapes": [
            _line(axis, bound, is_across=axis is across) for axis in (across, upward) for bound in _bounds(choice, axis)
        ],
    }
    return canvas.build(traces, title=_heading(choice), caption=choice.sentence, layout=layout)


def pareto_picture(result: Any, *, uid: str | None = None) -> Markup:
    """Draw the same as SVG.

    Raises
    ------
    InputError
        If ``result`` is no Choice, or no candidate has both values.
    """
    choice, shown, (across, upward) = _checked(result)
    points = [(each, each.value(across.name), each.value(upward.name)) for each in shown]
    x_scale = _scale([x for _, x, _ in points], _bounds(choice, across), begin=_LEFT, end=_RIGHT)
    y_scale = _scale([y for _, _, y in points], _bounds(choice, upward), begin=_BOTTOM, end=_TOP)

    def at(x: float, y: float) -> tuple[float, float]:
        return x_scale.at(x), y_scale.at(y)

    front, joined = choice.front_candidates, pareto_front(shown, (across, upward))
    named = _ids(front) | _ids(choice.meeting[:1])
    path = "L".join("{:.1f} {:.1f}".format(*at(each.value(across.name), each.value(upward.name))) for each in joined)
    lines = [f"M{x_scale.at(bound):.1f} {_TOP}V{_BOTTOM}" for bound in _bounds(choice, across)]
    lines += [f"M{_LEFT} {y_scale.at(bound):.1f}H{_RIGHT}" for bound in _bounds(choice, upward)]
    return framed(
        _grid(across, upward, x_scale, y_scale),
        element(
            "path", d="".join(lines), stroke="currentColor", stroke_opacity=0.6, stroke_dasharray="4 3", fill="none"
        ),
        element("path", d=f"M{path}" if path else "", stroke=NEUTRAL, fill="none"),
        *(_dot(choice, each, at(x, y), is_on_front=id(each) in _ids(front)) for each, x, y in points),
        *_names((each, *at(x, y)) for each, x, y in points if id(each) in named),
        kind="pareto",
        heading=_heading(choice),
        shown_heading=clipped(_heading(choice), 120),
        words=clipped(choice.sentence, 150),
        height=_BOTTOM + 44,
        uid=uid or digest(choice.sentence, [(each.name, x, y) for each, x, y in points]),
    )


def _checked(result: Any) -> tuple[Choice, list[Candidate], tuple[Axis, Axis]]:
    if not isinstance(result, Choice):
        raise InputError(
            f"this figure draws a choice, not a {type(result).__name__}", hint="draw what enb.pick returned"
        )
    axes = result.axes[:2]
    shown = list(result.drawn)
    if len(axes) < 2 or not shown:
        names = " and ".join(label_of(axis.name) for axis in axes)
        raise InputError(f"no candidate has a {names} to be drawn by", hint="limit in where= what was measured")
    return result, shown, (axes[0], axes[1])


def _kind(candidate: Candidate) -> tuple[str, Provenance]:
    return candidate.result.placement.got, candidate.result.provenance


def _path(front: Sequence[Candidate], across: Axis, upward: Axis) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [each.value(across.name) for each in front],
        "y": [each.value(upward.name) for each in front],
        "line": {"color": NEUTRAL, "width": 1},
        "hoverinfo": "skip",
    }


def _dots(choice: Choice, front: list[Candidate], group: list[Candidate], kind: tuple[str, Provenance]) -> Spec:
    across, upward = choice.axes[:2]
    colour, named = colour_of(kind[0]), _ids(front) | _ids(choice.meeting[:1])
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": plain(unit_label(*kind)),
        "x": [each.value(across.name) for each in group],
        "y": [each.value(upward.name) for each in group],
        "error_x": _whiskers(group, across),
        "error_y": _whiskers(group, upward),
        "text": [plain(each.name) if id(each) in named else "" for each in group],
        "textposition": "top center",
        "textfont": {"color": TEXT},
        "customdata": [[plain(_words(choice, each))] for each in group],
        "hovertemplate": "%{customdata[0]}<extra></extra>",
        "marker": {
            "size": [14 if _is_picked(choice, each) else 10 for each in group],
            "symbol": [_symbol(choice, each) for each in group],
            "color": colour,
            "opacity": [1 if id(each) in named else _PALE for each in group],
            "line": {"color": colour, "width": 2},
        },
    }


def _whiskers(group: list[Candidate], axis: Axis) -> Spec:
    values = [each.value(axis.name) for each in group]
    ends = [each.interval(axis.name) or (value, value) for each, value in zip(group, values, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high - value) for value, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [max(0.0, value - low) for value, (low, _) in zip(values, ends, strict=True)],
        "color": TEXT,
        "thickness": 1,
    }


def _symbol(choice: Choice, each: Candidate) -> str:
    shape = "diamond" if _is_picked(choice, each) else "circle"
    return f"{shape}-open" if is_hatched(each.result.provenance) else shape


def _words(choice: Choice, each: Candidate) -> str:
    figures = ", ".join(f"{label_of(a.name)} {value_text(a.name, each.value(a.name))}" for a in choice.axes[:2])
    return f"{each.label}: {figures} ({each.result.provenance})"


def _bounds(choice: Choice, axis: Axis) -> tuple[float, ...]:
    return tuple(bound for name, bound in choice.bounds if name == axis.name)


def _line(axis: Axis, bound: float, *, is_across: bool) -> Spec:
    ours, other = ("x", "y") if is_across else ("y", "x")
    place = {f"{ours}0": bound, f"{ours}1": bound, f"{other}0": 0, f"{other}1": 1, f"{other}ref": f"{other} domain"}
    return {
        "type": "line",
        **place,
        "line": {"color": NEUTRAL, "width": 1, "dash": "dash"},
        "label": {"text": plain(value_text(axis.name, bound)), "font": {"color": TEXT, "size": 11}},
    }


def _heading(choice: Choice) -> str:
    return f"{label_of(choice.axes[0].name)} against {label_of(choice.axes[1].name)}"


def _title(axis: Axis) -> str:
    units = {"ms": "ms", "mib": "MiB", "bytes": "bytes", "mj": "mJ", "db": "dB"}
    unit = units.get(axis.name.rpartition("_")[2])
    return f"{label_of(axis.name)}{f' [{unit}]' if unit else ''}, {'less' if axis.is_minimized else 'more'} is better"


def _scale(values: Sequence[float], bounds: Sequence[float], *, begin: float, end: float) -> _Scale:
    """Return a scale that has 0 and all of these, with room beyond them."""
    least, most = (pick(0.0, *values, *bounds) * _ROOM for pick in (min, max))
    return _Scale(least=least, most=most if most > least else least + 1.0, begin=begin, end=end)


def _grid(across: Axis, upward: Axis, x_scale: _Scale, y_scale: _Scale) -> Markup:
    xs, ys = ([(scale.at(tick), f"{tick:.6g}") for tick in scale.ticks] for scale in (x_scale, y_scale))
    lines = "".join(f"M{x:.1f} {_TOP}V{_BOTTOM}" for x, _ in xs)
    lines += "".join(f"M{_LEFT} {y:.1f}H{_RIGHT}" for y, _ in ys)
    return element(
        "g",
        element("path", d=lines, stroke="currentColor", stroke_opacity=0.16, fill="none"),
        *(text(x, _BOTTOM + 15, label, text_anchor="middle", opacity=0.75) for x, label in xs),
        *(text(_LEFT - 6, y + 4, label, text_anchor="end", opacity=0.75) for y, label in ys),
        text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, _title(across), text_anchor="middle"),
        text(_LEFT, _TOP - 8, _title(upward)),
    )


def _dot(choice: Choice, each: Candidate, place: tuple[float, float], *, is_on_front: bool) -> Markup:
    (x, y), colour, is_picked = place, colour_of(each.result.placement.got), _is_picked(choice, each)
    fill = "none" if is_hatched(each.result.provenance) else colour
    opacity = 1.0 if is_on_front or is_picked else _PALE
    look: dict[str, str | float] = {"fill": fill, "stroke": colour, "stroke_width": 2, "opacity": opacity}
    shape = (
        element("path", d=f"M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z", **look)
        if is_picked
        else element("circle", cx=x, cy=y, r=5.0, **look)
    )
    return element("g", element("title", _words(choice, each)), shape)


def _names(points: Iterable[tuple[Candidate, float, float]]) -> Iterator[Markup]:
    """Write the names of points beside them, each above those that it would cover."""
    written: list[tuple[float, float]] = []
    for each, x, y in sorted(points, key=lambda point: -point[1]):
        height = y - 6
        while any(abs(x - left) < _NAME_PX and abs(height - other) < _LINE_PX for left, other in written):
            height -= _LINE_PX
        written.append((x, height))
        yield text(x + 10, height, shortened(each.name, _NAME_CHARS))


def _is_picked(choice: Choice, each: Candidate) -> bool:
    return bool(choice.meeting) and each is choice.meeting[0]


def _ids(candidates: Sequence[Candidate]) -> set[int]:
    return {id(each) for each in candidates}
