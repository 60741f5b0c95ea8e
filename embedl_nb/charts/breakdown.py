"""Benchmark -> time by operator type (plotly): where the milliseconds go."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import colour_of
from embedl_nb.charts.timeline import REMAINDER_NAME, caption, profiled, remainder_of, title, unit_label
from embedl_nb.measure.benchmark import Layer
from embedl_nb.units import Provenance, counted, format_ratio

__all__ = ["operators_figure"]

_ROW_PX = 30
_LABEL_ROOM = 1.2
_DIGITS = 5


def operators_figure(result: Any) -> Any:
    """Draw the time by operator type, longest on top, split by compute unit.

    Parameters
    ----------
    result
        A Benchmark that was measured with ``profile=True``.

    Returns
    -------
    plotly.graph_objects.Figure
        Horizontal bars from 0, ms, each labelled with its share of the profiled mean and its number of layers.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark or has no layers.
    """
    benchmark = profiled(result)
    layers = benchmark.layer_table
    groups: dict[str, dict[str, list[Layer]]] = defaultdict(lambda: defaultdict(list))
    for layer in layers:
        groups[layer.operator][layer.compute_unit].append(layer)
    operators = sorted(groups, key=lambda name: -sum(_time_ms(group) for group in groups[name].values()))
    traces = [
        _unit_trace(unit, operators, groups, benchmark.provenance)
        for unit in dict.fromkeys(layer.compute_unit for layer in layers)
    ]
    rows = [plain(operator) for operator in operators]
    longest_ms = max(sum(map(_time_ms, units.values())) for units in groups.values())
    remainder = remainder_of(benchmark)
    if remainder is not None:
        rows.append(REMAINDER_NAME)
        longest_ms = max(longest_ms, remainder.length_ms)
        traces.append(_remainder_trace(remainder.length_ms, remainder.share))
    return canvas.build(
        traces,
        title=f"{title(benchmark)}: operators",
        caption=caption(benchmark),
        layout=_layout(rows, longest_ms=longest_ms),
    )


def _layout(rows: list[str], *, longest_ms: float) -> Spec:
    return {
        "height": canvas.HEAD_PX + 52 + _ROW_PX * max(3, len(rows)),
        "bargap": 0.3,
        "barmode": "stack",
        # The longest bar leaves room for its own label.
        "xaxis": canvas.axis("time in one inference [ms]", range=[0, longest_ms * _LABEL_ROOM]),
        "yaxis": canvas.axis(
            "operator",
            type="category",
            categoryorder="array",
            categoryarray=rows,
            autorange="reversed",
            showgrid=False,
        ),
    }


def _time_ms(layers: list[Layer]) -> float:
    return sum(layer.mean_ms for layer in layers)


def _unit_trace(
    unit: str, operators: list[str], groups: dict[str, dict[str, list[Layer]]], provenance: Provenance
) -> Spec:
    present = [(operator, groups[operator][unit]) for operator in operators if unit in groups[operator]]
    name = plain(unit_label(unit, provenance))
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "showlegend": True,
        "y": [plain(operator) for operator, _ in present],
        "x": [round(_time_ms(layers), _DIGITS) for _, layers in present],
        "text": [_label(layers) for _, layers in present],
        "textposition": "outside" if all(len(groups[operator]) == 1 for operator in operators) else "auto",
        "cliponaxis": False,
        "marker": canvas.marker(colour_of(unit), provenance),
        "hovertemplate": f"<b>%{{y}}</b><br>%{{value:.4~f}} ms<br>%{{text}}<br>unit  {name}<extra></extra>",
    }


def _label(layers: list[Layer]) -> str:
    return f"{format_ratio(sum(layer.share for layer in layers))} ({counted(len(layers), 'layer')})"


def _remainder_trace(length_ms: float, share: float) -> Spec:
    return {
        "type": "bar",
        "orientation": "h",
        "name": REMAINDER_NAME,
        "showlegend": True,
        "y": [REMAINDER_NAME],
        "x": [round(length_ms, _DIGITS)],
        "text": [format_ratio(share)],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": canvas.REMAINDER_MARKER,
        "hovertemplate": f"<b>{REMAINDER_NAME}</b><br>%{{x:.4~f}} ms belong to no layer<extra></extra>",
    }
