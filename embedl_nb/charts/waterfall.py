"""Benchmark -> per-layer waterfall (plotly): one bar a layer, in the order they ran, from its start on."""

from __future__ import annotations

from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import colour_of
from embedl_nb.charts.timeline import (
    REMAINDER_NAME,
    Remainder,
    caption,
    layer_label,
    profiled,
    remainder_of,
    title,
    unit_label,
)
from embedl_nb.measure.benchmark import Layer
from embedl_nb.units import Provenance

__all__ = ["waterfall_figure"]

_ROW_PX = 16
_MAX_PLOT_PX = 1100
_DIGITS = 5
# In a hover plotly's %{x} is where the bar ends, not how long it is: the lengths come from the custom data.
_HOVER = (
    "<b>%{customdata[0]}</b>  #%{customdata[1]}<br>%{customdata[2]}<br>kernel  %{customdata[3]}<br>"
    "start  %{customdata[4]:.4~f} ms<br>mean  %{customdata[5]:.4~f} ms<br>"
)
_HOVER_PERCENTILES = "p50  %{customdata[6]:.4~f} ms<br>p95  %{customdata[7]:.4~f} ms<br>"
_HOVER_END = "share  %{customdata[8]:.1%}<br>unit  "


def waterfall_figure(result: Any) -> Any:
    """Draw the layers against time.

    Parameters
    ----------
    result
        A Benchmark that was measured with ``profile=True``.

    Returns
    -------
    plotly.graph_objects.Figure
        One horizontal bar a layer from ``start_ms`` on, ``mean_ms`` long, first layer on top, one trace a compute
        unit; hatched where it was not measured. One more trace holds the single bar of what no layer explains.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark or has no layers.
    """
    benchmark = profiled(result)
    layers = benchmark.layer_table
    labels = [f"{place} · {plain(layer_label(layer))}" for place, layer in enumerate(layers)]
    traces = [
        _unit_trace(
            unit,
            [(label, layer) for label, layer in zip(labels, layers, strict=True) if layer.compute_unit == unit],
            benchmark.provenance,
        )
        for unit in dict.fromkeys(layer.compute_unit for layer in layers)
    ]
    remainder = remainder_of(benchmark)
    if remainder is not None:
        labels.append(REMAINDER_NAME)
        traces.append(_remainder_trace(remainder))
    return canvas.build(traces, title=f"{title(benchmark)}: layers", caption=caption(benchmark), layout=_layout(labels))


def _unit_trace(unit: str, rows: list[tuple[str, Layer]], provenance: Provenance) -> Spec:
    name = plain(unit_label(unit, provenance))
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "showlegend": True,
        "y": [label for label, _ in rows],
        "base": [round(layer.start_ms, _DIGITS) for _, layer in rows],
        "x": [round(layer.mean_ms, _DIGITS) for _, layer in rows],
        "customdata": [_details(layer) for _, layer in rows],
        "marker": canvas.marker(colour_of(unit), provenance),
        "hovertemplate": f"{_hover(rows)}{name}<extra></extra>",
    }


def _details(layer: Layer) -> list[str | float | None]:
    fused = f" (+{layer.num_operators - 1} fused)" if layer.num_operators > 1 else ""
    return [
        f"{plain(layer.operator)}{fused}",
        layer.index,
        plain(layer.source or layer.name),
        plain(layer.kernel),
        round(layer.start_ms, _DIGITS),
        round(layer.mean_ms, _DIGITS),
        _rounded(layer.p50_ms),
        _rounded(layer.p95_ms),
        round(layer.share, _DIGITS),
    ]


def _hover(rows: list[tuple[str, Layer]]) -> str:
    """Return what is said of each layer; a phone's tool gives means only."""
    has_percentiles = all(layer.p50_ms is not None for _, layer in rows)
    return _HOVER + (_HOVER_PERCENTILES if has_percentiles else "") + _HOVER_END


def _rounded(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms, _DIGITS)


def _remainder_trace(remainder: Remainder) -> Spec:
    return {
        "type": "bar",
        "orientation": "h",
        "name": REMAINDER_NAME,
        "showlegend": True,
        "y": [REMAINDER_NAME],
        "base": [round(remainder.start_ms, _DIGITS)],
        "x": [round(remainder.length_ms, _DIGITS)],
        "customdata": [[round(remainder.length_ms, _DIGITS), round(remainder.share, _DIGITS)]],
        "marker": canvas.REMAINDER_MARKER,
        "hovertemplate": f"<b>{REMAINDER_NAME}</b><br>"
        "%{customdata[0]:.4~f} ms, %{customdata[1]:.1%} of the profiled mean<br>"
        "belongs to no layer: gaps and copies in between<extra></extra>",
    }


def _layout(labels: list[str]) -> Spec:
    plot_px = min(_MAX_PLOT_PX, max(120, _ROW_PX * len(labels)))
    return {
        "height": plot_px + canvas.HEAD_PX + 52,
        # Bars stay apart while there is room; of thousands each keeps all the height it has.
        "bargap": 0.18 if _ROW_PX * len(labels) <= _MAX_PLOT_PX else 0,
        "barmode": "overlay",
        # Anywhere in its row, also where the bar is a hair's breadth.
        "hovermode": "y unified",
        "xaxis": canvas.axis("time since the inference began [ms]", rangemode="tozero"),
        "yaxis": canvas.axis(
            "layer, in the order they ran",
            type="category",
            categoryorder="array",
            categoryarray=labels,
            # The first layer is on top; a range set here saves plotly a pass over all bars.
            range=[len(labels) - 0.5, -0.5],
            showgrid=False,
            showspikes=False,
            tickfont={"size": 10},
            **({"dtick": 1} if len(labels) * _ROW_PX <= _MAX_PLOT_PX else {}),
        ),
    }
