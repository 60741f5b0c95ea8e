"""Fidelity -> error along the network as one small SVG: for GitHub, print and viewers without JavaScript.

The same line, markers and names as the interactive figure, at a size that hardly grows with the network: all markers
are one path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.fidelity import caption, drawable, heights, marked_layer, worst_layers
from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL, SECOND_SERIES
from embedl_nb.charts.svg_bars import nice_step
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.display.markup import Markup, element
from embedl_nb.model.fidelity import LEAST_SQNR_DB
from embedl_nb.model.fidelity_rows import LayerFidelity

__all__ = ["fidelity_picture"]

_LEFT, _TOP, _PLOT_HEIGHT, _FOOT, _LINE = 40, 66, 200, 38, 15


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a layer and a figure lie in the plot."""

    num_layers: int
    lowest_db: float
    highest_db: float

    def x(self, place: int) -> float:
        return _LEFT + 6 + (WIDTH - _LEFT - 24) * place / max(1, self.num_layers - 1)

    def y(self, value_db: float) -> float:
        return _TOP + _PLOT_HEIGHT * (self.highest_db - value_db) / (self.highest_db - self.lowest_db)


def fidelity_picture(result: Any, *, uid: str | None = None) -> Markup:
    """Draw the error of every layer as SVG.

    Parameters
    ----------
    result
        A Fidelity with layers.
    uid
        Begins the ids in the picture; by default a digest of what is drawn, so that equal pictures are equal text.

    Returns
    -------
    Markup
        One ``<svg>``.

    Raises
    ------
    InputError
        If ``result`` is no Fidelity or has no layers.
    """
    fidelity = drawable(result)
    layers = fidelity.layers
    network, made = heights(layers)
    known = [value for value in (*network, *made) if value is not None] or [LEAST_SQNR_DB]
    scale = _Scale(len(layers), min(*known, LEAST_SQNR_DB) - 3, max(*known, LEAST_SQNR_DB) + 3)
    worst = worst_layers(layers)
    height = _TOP + _PLOT_HEIGHT + _FOOT + _LINE * len(worst)
    heading, words = "Error along the network", caption(fidelity)
    return framed(
        _legend(),
        _grid(scale),
        element("path", d=_line(network, scale), stroke=FIRST_SERIES, stroke_width=2, fill="none"),
        element("path", d=_diamonds(made, scale), fill=SECOND_SERIES),
        *_names(layers, made, worst, scale),
        kind="fidelity",
        heading=heading,
        shown_heading=heading,
        words=words,
        height=height,
        uid=uid or digest(layers, words),
    )


def _line(values: list[float | None], scale: _Scale) -> str:
    """Return a path that breaks where a layer has no error."""
    parts = []
    for place, value in enumerate(values):
        if value is not None:
            follows = place > 0 and values[place - 1] is not None
            parts.append(f"{'L' if follows else 'M'}{scale.x(place):.1f} {scale.y(value):.1f}")
    return "".join(parts)


def _diamonds(values: list[float | None], scale: _Scale) -> str:
    return "".join(
        f"M{scale.x(place):.1f} {scale.y(value) - 4:.1f}l4 4l-4 4l-4 -4z"
        for place, value in enumerate(values)
        if value is not None
    )


def _legend() -> Markup:
    return element(
        "g",
        element("path", d="M0 44h18", stroke=FIRST_SERIES, stroke_width=2),
        text(24, 48, "in the network"),
        element("path", d="M124 40l4 4l-4 4l-4 -4z", fill=SECOND_SERIES),
        text(134, 48, "made here"),
    )


def _grid(scale: _Scale) -> Markup:
    step = max(1.0, nice_step(scale.highest_db - scale.lowest_db))
    first, last = math.ceil(scale.lowest_db / step), math.floor(scale.highest_db / step)
    ticks = [step * place for place in range(first, last + 1)]
    lines = "".join(f"M{_LEFT} {scale.y(tick):.1f}H{WIDTH}" for tick in ticks)
    floor, bottom = scale.y(LEAST_SQNR_DB), _TOP + _PLOT_HEIGHT
    floor_words = f"floor of the outputs, {LEAST_SQNR_DB:.0f} dB"
    return element(
        "g",
        element("path", d=lines, stroke="currentColor", stroke_opacity=0.16, fill="none"),
        element("path", d=f"M{_LEFT} {floor:.1f}H{WIDTH}", stroke=NEUTRAL, stroke_dasharray="6 4"),
        *(text(_LEFT - 6, scale.y(tick) + 4, f"{tick:.0f}", text_anchor="end", opacity=0.75) for tick in ticks),
        text(WIDTH, floor - 4, floor_words, text_anchor="end", opacity=0.75),
        text(0, _TOP - 4, "SQNR [dB]", opacity=0.75),
        text(WIDTH, bottom + 14, "layers, in the order they run", text_anchor="end", opacity=0.75),
    )


def _names(
    layers: tuple[LayerFidelity, ...], made: list[float | None], worst: list[LayerFidelity], scale: _Scale
) -> list[Markup]:
    """Return a number at the marker of each of the worst layers, and its name below the plot."""
    texts = []
    for number, layer in enumerate(worst, start=1):
        place = layers.index(layer)
        value = made[place]
        if value is not None:
            x, y = scale.x(place), scale.y(value) - 7
            texts.append(text(x, y, str(number), text_anchor="middle", font_weight=600))
        below = _TOP + _PLOT_HEIGHT + _FOOT - 8 + _LINE * (number - 1)
        texts.append(text(_LEFT, below, f"{number}  {marked_layer(layer)}"))
    return texts
