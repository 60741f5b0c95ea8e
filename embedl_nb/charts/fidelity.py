"""Fidelity -> error along the network (plotly): a line of what has gathered, a marker for what each layer adds.

The line falls where noise gathers and says how bad it is there; the markers say who made it. The three layers that
make most are numbered, and named below the plot.
"""

from __future__ import annotations

import math
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL, SECOND_SERIES
from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError
from embedl_nb.model.fidelity import LEAST_SQNR_DB, Fidelity
from embedl_nb.model.fidelity_rows import LayerFidelity
from embedl_nb.model.litert_model import LiteRTModel

__all__ = [
    "caption",
    "checked_fidelity",
    "drawable",
    "fidelity_figure",
    "heights",
    "marked_layer",
    "worst_layers",
]

_PLOT_PX = 340
_NUM_NAMED = 3
_LONGEST_LABEL = 60
_LINE_PX = 16
_DIGITS = 3
_HOVER = (
    "<b>%{customdata[0]}</b>  #%{customdata[1]}  %{customdata[2]}<br>%{customdata[3]}<br>"
    "in the network  %{customdata[4]}<br>made here  %{customdata[5]}<br>inherited  %{customdata[6]}<extra></extra>"
)


def fidelity_figure(result: Any) -> Any:
    """Draw the error of every layer, in the order they run.

    Parameters
    ----------
    result
        A Fidelity with layers.

    Returns
    -------
    plotly.graph_objects.Figure
        x is the layer's index, y its SQNR in dB. One trace is the quantized network against the float one; one is each
        operator alone, on the float network's values. A layer without any error has no point.

    Raises
    ------
    InputError
        If ``result`` is no Fidelity or has no layers.
    """
    fidelity = drawable(result)
    layers = fidelity.layers
    worst = worst_layers(layers)
    network, made = heights(layers)
    traces = [
        _trace(layers, "in the network", network)
        | {
            "mode": "lines+markers" if len(layers) == 1 else "lines",
            "line": {"color": FIRST_SERIES, "width": 2},
            "marker": {"color": FIRST_SERIES},
        },
        _trace(layers, "made here", made)
        | {
            "mode": "markers+text",
            "marker": {"color": SECOND_SERIES, "size": 7, "symbol": "diamond"},
            "text": _numbers(layers, worst),
            "textposition": "top center",
        },
    ]
    foot_px = 60 + _LINE_PX * len(worst)
    layout: Spec = {
        "height": _PLOT_PX + canvas.HEAD_PX + foot_px,
        "margin": {"l": 60, "r": 24, "t": canvas.HEAD_PX, "b": foot_px},
        "showlegend": True,
        "hovermode": "closest",
        "xaxis": canvas.axis("layer, in the order they run", showgrid=False, zeroline=False),
        "yaxis": canvas.axis("SQNR [dB], higher is nearer to float", zeroline=False),
        "shapes": [_floor()],
        "annotations": [_floor_label(), *([_names(worst)] if worst else [])],
    }
    return canvas.build(traces, title="Error along the network", caption=caption(fidelity), layout=layout)


def checked_fidelity(result: Any) -> Fidelity:
    """Return ``result`` if it is a Fidelity, or that of a quantized model.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if isinstance(result, LiteRTModel) and result.fidelity is not None:
        return result.fidelity
    if not isinstance(result, Fidelity):
        raise InputError(
            f"this figure is drawn from a Fidelity, not from {type(result).__name__}",
            hint="small = enb.quantize(model, data), then draw small.fidelity",
        )
    return result


def drawable(result: Any) -> Fidelity:
    """Return ``result`` if it is a Fidelity with layers.

    Raises
    ------
    InputError
        If it is anything else, or layers were not compared.
    """
    fidelity = checked_fidelity(result)
    if not fidelity.layers:
        raise InputError(
            "this fidelity has no layers: they were not compared", hint="quantize again: enb.quantize(model, data)"
        )
    return fidelity


def worst_layers(layers: tuple[LayerFidelity, ...], count: int = _NUM_NAMED) -> list[LayerFidelity]:
    """Return the layers that make most noise, relative to their own signal, worst first."""
    able = [(layer.made_here_db, layer) for layer in layers if layer.made_here_db is not None]
    noisy = [(made_db, layer) for made_db, layer in able if made_db < math.inf]
    return [layer for _, layer in sorted(noisy, key=lambda pair: pair[0])[:count]]


def heights(layers: tuple[LayerFidelity, ...]) -> tuple[list[float | None], list[float | None]]:
    """Return where each layer is drawn, in dB: in the network, and made here.

    None where there is no error, or where it is not known. What has nothing in common with its reference (-inf dB)
    lies below all others.
    """
    both = [layer.sqnr_db for layer in layers], [layer.made_here_db for layer in layers]
    finite = [value for values in both for value in values if value is not None and math.isfinite(value)]
    lowest = min(finite, default=0.0) - 3

    def height(value_db: float | None) -> float | None:
        if value_db is None or value_db == math.inf:
            return None
        return round(value_db if math.isfinite(value_db) else lowest, _DIGITS)

    network, made = both
    return [height(value) for value in network], [height(value) for value in made]


def _trace(layers: tuple[LayerFidelity, ...], name: str, values: list[float | None]) -> Spec:
    return {
        "type": "scatter",
        "name": name,
        "x": [layer.index for layer in layers],
        "y": values,
        "customdata": [_details(layer) for layer in layers],
        "hovertemplate": _HOVER,
    }


def _details(layer: LayerFidelity) -> list[str | int]:
    name = plain(layer.source or layer.name)
    words = [_words(value) for value in (layer.sqnr_db, layer.made_here_db, layer.inherited_db)]
    return [plain(layer.operator), layer.index, layer.precision, name, *words]


def _words(value_db: float | None) -> str:
    if value_db is None:
        return "not known"
    return "no error" if value_db == math.inf else f"{value_db:.1f} dB"


def caption(fidelity: Fidelity) -> str:
    """Return on which samples the figures were taken, and what the markers are."""
    made = "made here: the operator alone, on the float network's values"
    return f"{fidelity.sentence}; {made}"


def _floor() -> Spec:
    line = {"width": 1, "color": NEUTRAL, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": LEAST_SQNR_DB, "y1": LEAST_SQNR_DB, "line": line}


def _floor_label() -> Spec:
    text = f"floor of the outputs, {LEAST_SQNR_DB:.0f} dB"
    where = {"xref": "paper", "x": 1, "xanchor": "right", "y": LEAST_SQNR_DB, "yanchor": "bottom"}
    return where | {"text": text, "showarrow": False, "font": {"size": 10}}


def _numbers(layers: tuple[LayerFidelity, ...], worst: list[LayerFidelity]) -> list[str]:
    numbers = {layer.index: f"<b>{place}</b>" for place, layer in enumerate(worst, start=1)}
    return [numbers.get(layer.index, "") for layer in layers]


def _names(worst: list[LayerFidelity]) -> Spec:
    """Name the worst below the plot, where there is room whatever its width."""
    lines = [f"<b>{place}</b>  {plain(marked_layer(layer))}" for place, layer in enumerate(worst, start=1)]
    where = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": 0, "yanchor": "top", "yshift": -48}
    return where | {"text": "<br>".join(lines), "align": "left", "showarrow": False, "font": {"size": 11}}


def marked_layer(layer: LayerFidelity) -> str:
    """Return what one of the worst layers is called, and how much noise it makes."""
    return f"{shortened(layer.source or layer.name, _LONGEST_LABEL)}  {layer.operator}, {_words(layer.made_here_db)}"
