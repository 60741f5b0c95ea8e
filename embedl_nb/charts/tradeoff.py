"""Fidelity -> accuracy against latency (plotly): one point a model, its area the file's size.

Times that are sums of prices are hollow; the chosen model and its neighbours are named, and so are both ends.
"""

from __future__ import annotations

import math
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.fidelity import checked_fidelity
from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL, SECOND_SERIES, is_hatched
from embedl_nb.errors import InputError
from embedl_nb.model.fidelity import Fidelity
from embedl_nb.model.fidelity_rows import CurvePoint
from embedl_nb.units import format_bytes, format_ms

__all__ = ["tradeoff_figure"]

_PLOT_PX = 360
_LARGEST_PX = 30
_SMALLEST_PX = 7
_HEADROOM = 0.08
_HOVER = (
    "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>latency  %{customdata[2]}<br>size  %{customdata[3]}<br>"
    "operators in float  %{customdata[4]}<extra></extra>"
)


def tradeoff_figure(result: Any) -> Any:
    """Draw accuracy against latency.

    Parameters
    ----------
    result
        A Fidelity with a curve.

    Returns
    -------
    plotly.graph_objects.Figure
        x is the latency in ms, y the user's metric where every point has one, else SQNR in dB. A model that is exactly
        equal to the float one stands above all others.

    Raises
    ------
    InputError
        If ``result`` is no Fidelity or has no curve.
    """
    fidelity = checked_fidelity(result)
    points = sorted(fidelity.curve, key=lambda point: (point.latency_ms, point.size_bytes))
    if not points:
        raise InputError(
            "there is no curve: no target was given, or the model meets it with all operators quantized",
            hint="ask for more than it has: enb.quantize(model, data, min_sqnr_db=...)",
        )
    has_metric = all(point.metric is not None for point in points)
    heights = _heights(points, has_metric=has_metric)
    is_higher_better = not has_metric or fidelity.evaluation is None or fidelity.evaluation.higher_is_better
    traces = [_path(points, heights, is_higher_better=is_higher_better)]
    for is_estimated in (True, False):
        pairs = [pair for pair in zip(points, heights, strict=True) if is_hatched(pair[0].provenance) is is_estimated]
        traces += [_dots(pairs, points, hollow=is_estimated)] if pairs else []
    layout: Spec = {
        "height": _PLOT_PX + canvas.HEAD_PX + 52,
        "showlegend": len(traces) > 1,
        "hovermode": "closest",
        "xaxis": canvas.axis(_latency_title(points), rangemode="tozero", zeroline=False),
        "yaxis": canvas.axis(_accuracy_title(fidelity, has_metric=has_metric), zeroline=False),
        "annotations": _names(points, heights),
    }
    return canvas.build(traces, title="Accuracy against latency", caption=_caption(points), layout=layout)


def _heights(points: list[CurvePoint], *, has_metric: bool) -> list[float]:
    values = [_value(point, has_metric=has_metric) for point in points]
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    room = (max(finite) - min(finite)) * _HEADROOM or 1.0
    limits = {math.inf: max(finite) + room, -math.inf: min(finite) - room}
    return [limits.get(value, value) for value in values]


def _value(point: CurvePoint, *, has_metric: bool) -> float:
    return point.metric if has_metric and point.metric is not None else point.sqnr_db


def _path(points: list[CurvePoint], heights: list[float], *, is_higher_better: bool) -> Spec:
    """Join the models that no other beats in both; one that is slower and worse stands beside the line."""
    merits = heights if is_higher_better else [-height for height in heights]
    front = [place for place, merit in enumerate(merits) if merit > max(merits[:place], default=-math.inf)]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [points[place].latency_ms for place in front],
        "y": [heights[place] for place in front],
        "line": {"color": NEUTRAL, "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _dots(pairs: list[tuple[CurvePoint, float]], points: list[CurvePoint], *, hollow: bool) -> Spec:
    largest = max(point.size_bytes for point in points) or 1
    colours = [SECOND_SERIES if point.is_chosen else FIRST_SERIES for point, _ in pairs]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "latency estimated" if hollow else "latency measured",
        "x": [point.latency_ms for point, _ in pairs],
        "y": [height for _, height in pairs],
        "customdata": [_details(point) for point, _ in pairs],
        "hovertemplate": _HOVER,
        "marker": {
            # By area: a file of half the size covers half the ground.
            "size": [max(_SMALLEST_PX, _LARGEST_PX * math.sqrt(point.size_bytes / largest)) for point, _ in pairs],
            "symbol": [_symbol(point, hollow=hollow) for point, _ in pairs],
            "color": colours,
            "opacity": 1,
            "line": {"color": colours, "width": 2},
        },
    }


def _symbol(point: CurvePoint, *, hollow: bool) -> str:
    shape = "diamond" if point.is_chosen else "circle"
    return f"{shape}-open" if hollow else shape


def _details(point: CurvePoint) -> list[str | int]:
    chosen = ", chosen" if point.is_chosen else ""
    latency = f"{format_ms(point.latency_ms)} ({point.provenance})"
    return [
        f"{plain(point.label)}{chosen}",
        _accuracy(point),
        latency,
        format_bytes(point.size_bytes),
        point.num_float_operators,
    ]


def _accuracy(point: CurvePoint) -> str:
    words = ["exactly equal to float" if point.sqnr_db == math.inf else f"{point.sqnr_db:.1f} dB"]
    words += [] if point.top1_agreement is None else [f"{point.top1_agreement * 100:.0f} % of top-1 kept"]
    words += [] if point.metric is None else [f"metric {point.metric:.4g}"]
    return ", ".join(words)


def _latency_title(points: list[CurvePoint]) -> str:
    sources = {str(point.provenance) for point in points}
    return f"latency of one inference [ms], {sources.pop()}" if len(sources) == 1 else "latency of one inference [ms]"


def _accuracy_title(fidelity: Fidelity, *, has_metric: bool) -> str:
    if not has_metric:
        return "SQNR [dB], higher is nearer to float"
    evaluation = fidelity.evaluation
    if evaluation is None:
        return "metric"
    return f"{plain(evaluation.metric)}, {'higher' if evaluation.higher_is_better else 'lower'} is better"


def _caption(points: list[CurvePoint]) -> str:
    smallest, largest = min(p.size_bytes for p in points), max(p.size_bytes for p in points)
    sizes = f"area: size of the file, {format_bytes(smallest)} to {format_bytes(largest)}"
    chosen = next((point for point in points if point.is_chosen), None)
    if chosen is None:
        return sizes
    return f"chosen: {chosen.label}, {_accuracy(chosen)}, {format_ms(chosen.latency_ms)}; {sizes}"


def _names(points: list[CurvePoint], heights: list[float]) -> list[Spec]:
    """Name the chosen point, its neighbours, both ends and what is all quantized."""
    last = len(points) - 1
    at = next((place for place, point in enumerate(points) if point.is_chosen), 0)
    whole = {place for place, point in enumerate(points) if not point.num_float_operators}
    named = sorted({0, at - 1, at, at + 1, last, *whole} & set(range(len(points))))
    half_ms = points[-1].latency_ms / 2
    return [
        _name(points[place], heights[place], place - at, is_left=place == last or points[place].latency_ms > half_ms)
        for place in named
    ]


def _name(point: CurvePoint, height: float, steps: int, *, is_left: bool) -> Spec:
    text = f"<b>{plain(point.label)}</b> (chosen)" if point.is_chosen else plain(point.label)
    exact = "<br>exactly equal" if point.sqnr_db == math.inf else ""
    return {
        "x": point.latency_ms,
        "y": height,
        "text": f"{text}{exact}",
        "showarrow": True,
        "arrowhead": 0,
        "arrowcolor": NEUTRAL,
        # Towards the side with more room; what is all float stands highest and has it below only.
        "ax": -30 if is_left else 30,
        "ay": _drop_px(point, steps, is_left=is_left),
        "xanchor": "right" if is_left else "left",
        "font": {"size": 11},
    }


def _drop_px(point: CurvePoint, steps: int, *, is_left: bool) -> int:
    """Return how far below its point a name stands, so that those of neighbours do not meet."""
    if point.sqnr_db == math.inf:
        return 40
    if steps == 0:
        return 34
    return -22 if is_left and steps > 0 and point.num_float_operators else 22
