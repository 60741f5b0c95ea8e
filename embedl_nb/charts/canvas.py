"""The plotly side that all figures share: transparent ground, neutral text, hatching, escaped names.

Plotly is imported when a figure is first built.
"""

from __future__ import annotations

from typing import Any

from embedl_nb.charts.palette import GRID, HOVER, NEUTRAL, TEXT, is_hatched
from embedl_nb.units import Provenance

__all__ = ["HEAD_PX", "REMAINDER_MARKER", "Spec", "axis", "build", "marker", "plain"]

HEAD_PX = 92
"""Room for the title, the caption and the legend."""

Spec = dict[str, Any]
"""A piece of plotly's own JSON."""

REMAINDER_MARKER: Spec = {"color": "rgba(127,127,127,0.15)", "line": {"width": 1, "color": NEUTRAL}}
"""The look of the bar of what no layer explains."""


def build(traces: list[Spec], *, title: str, caption: str, layout: Spec) -> Any:
    """Return a ``plotly.graph_objects.Figure`` that reads on light and dark pages."""
    from embedl_nb.charts.figure import Figure

    base: Spec = {
        # Without a template of its own a figure would carry 7 kB of defaults and light-only colours.
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": TEXT, "size": 12, "family": "system-ui, sans-serif"},
        "title": {
            "text": plain(title),
            "font": {"size": 15},
            "subtitle": {"text": plain(caption), "font": {"size": 12}},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 14, "l": 8},
        },
        "margin": {"l": 60, "r": 24, "t": HEAD_PX, "b": 52},
        "hoverlabel": {"align": "left", "bgcolor": HOVER, "bordercolor": NEUTRAL, "font": {"color": "#ffffff"}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "modebar": {
            "bgcolor": "rgba(0,0,0,0)",
            "color": TEXT,
            "activecolor": NEUTRAL,
            # plotly's own "Share chart..." would upload the figure.
            "remove": ["sendChartToCloud", "select2d", "lasso2d"],
        },
    }
    return Figure(data=traces, layout=base | layout)


def axis(title: str, **more: Any) -> Spec:
    """Return an axis with a title, a faint grid and no other lines."""
    return {
        "title": {"text": title, "standoff": 14},
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0,0,0,0)",
        "gridcolor": GRID,
        "zerolinecolor": GRID,
        "automargin": True,
        "showline": False,
        **more,
    }


def marker(colour: str, provenance: Provenance) -> Spec:
    """Return the look of a bar: plain where it was measured, hatched where it was not."""
    if not is_hatched(provenance):
        return {"color": colour, "line": {"width": 0}}
    pattern = {"shape": "/", "size": 6, "solidity": 0.45, "fillmode": "replace", "fgcolor": colour}
    return {"color": colour, "pattern": pattern, "line": {"width": 1, "color": colour}}


def plain(text: str) -> str:
    """Return ``text`` so that plotly shows it literally: it reads ``<b>`` and ``<a>`` in every text it draws."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
