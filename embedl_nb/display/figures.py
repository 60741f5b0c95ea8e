"""Figures by name, so that a result can draw itself without knowing who draws.

The charts package stands above the results; it is found by name here, when a figure is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["draw"]

_CHARTS = "embedl_nb.charts"


def draw(kind: str, result: Any) -> Any:
    """Draw ``result`` as the figure ``kind``.

    Parameters
    ----------
    kind
        A name in ``embedl_nb.charts.FIGURES``: ``"waterfall"`` (plotly), ``"waterfall_svg"`` (text) ...
    result
        What is drawn.

    Returns
    -------
    Any
        A ``plotly.graph_objects.Figure``, or SVG markup as ``str`` for kinds that end in ``_svg``.
    """
    return importlib.import_module(_CHARTS).draw(kind, result)
