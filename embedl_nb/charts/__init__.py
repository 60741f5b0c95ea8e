"""Pure functions from results to figures; nothing here measures or stores. plotly loads with the first figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from embedl_nb.charts.breakdown import operators_figure
from embedl_nb.charts.comparison import comparison_figure, comparison_picture
from embedl_nb.charts.fidelity import fidelity_figure
from embedl_nb.charts.fidelity_svg import fidelity_picture
from embedl_nb.charts.latency import latency_figure
from embedl_nb.charts.layer_diff import layer_diff_figure, layer_diff_picture
from embedl_nb.charts.over_time import over_time_figure
from embedl_nb.charts.pareto import pareto_figure, pareto_picture
from embedl_nb.charts.placement import placement_matrix_figure, placement_strip_figure
from embedl_nb.charts.sustained import sustained_figure
from embedl_nb.charts.tradeoff import tradeoff_figure
from embedl_nb.charts.treemap import treemap_figure
from embedl_nb.charts.waterfall import waterfall_figure
from embedl_nb.charts.waterfall_svg import waterfall_picture
from embedl_nb.errors import UnknownNameError

__all__ = ["FIGURES", "draw"]

FIGURES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "waterfall": waterfall_figure,
        "operators": operators_figure,
        "treemap": treemap_figure,
        "latency": latency_figure,
        "over_time": over_time_figure,
        "sustained": sustained_figure,
        "fidelity": fidelity_figure,
        "tradeoff": tradeoff_figure,
        "comparison": comparison_figure,
        "layer_diff": layer_diff_figure,
        "pareto": pareto_figure,
        "placement": placement_strip_figure,
        "placement_matrix": placement_matrix_figure,
        "waterfall_svg": waterfall_picture,
        "pareto_svg": pareto_picture,
        "fidelity_svg": fidelity_picture,
        "comparison_svg": comparison_picture,
        "layer_diff_svg": layer_diff_picture,
    }
)
"""Every figure by name; those that end in ``_svg`` return markup, the others a plotly Figure."""


def draw(kind: str, result: Any) -> Any:
    """Draw ``result`` as the figure ``kind``.

    Raises
    ------
    UnknownNameError
        If no figure has this name.
    InputError
        If the figure cannot be drawn from ``result``.
    """
    if kind not in FIGURES:
        raise UnknownNameError.among("figure", kind, FIGURES)
    return FIGURES[kind](result)
