"""Fidelity -> error along the network as one small SVG: for GitHub, print and viewers without JavaScript.

The same line, markers and names as the interactive figure, at a size that hardly grows with the network: all markers
are one path.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.fidelity import caption, drawable, heights, marked_layer, worst_layers
from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL, SECOND_SERIES
from embedl_nb.display.markup import Markup, element
from embedl_nb.model.fidelity import LEAST_SQNR_DB
from embedl_nb.model.fidelity_rows import LayerFidelity

__all__ = ["fidelity_picture"]

_WIDTH, _PLOT_HEIGHT, _MARGIN = 920, 200, 8
_LEFT, _TOP, _FOOT, _LINE = 40, 66, 38, 15
_MAX_TICKS = 6
# Only where the picture is a document of its own is the svg element the root.
_STYLE = Markup(
    "svg.embedl-fidelity:root{color:#1f2328;background:#ffffff}"
    "@media screen and (prefers-color-scheme:dark){svg.embedl-fidelity:root{color:#e6edf3;background:#0f141a}}"
)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a layer and a figure lie in the plot."""

    num_layers: int
    lowest_db: float
    highest_db: float

    def x(self, place: int) -> float:
        return _LEFT + 6 + (_WIDTH - _LEFT - 24) * place / max(1, self.num_layers - 1)

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
    prefix = uid or f"embedl-{_digest(layers, words)}"
    return element(
        "svg",
        element("title", heading, id=f"{prefix}-title"),
        element("desc", words, id=f"{prefix}-desc"),
        element("style", _STYLE),
        _text(0, 14, heading, font_size=13, font_weight=600),
        _text(0, 31, words, opacity=0.75),
        _legend(),
        _grid(scale),
        element("path", d=_line(network, scale), stroke=FIRST_SERIES, stroke_width=2, fill="none"),
        element("path", d=_diamonds(made, scale), fill=SECOND_SERIES),
        *_names(layers, made, worst, scale),
        xmlns="http://www.w3.org/2000/svg",
        class_="embedl-fidelity",
        viewBox=f"{-_MARGIN} {-_MARGIN} {_WIDTH + 2 * _MARGIN} {height + 2 * _MARGIN}",
        width=_WIDTH + 2 * _MARGIN,
        height=height + 2 * _MARGIN,
        role="img",
        aria_labelledby=f"{prefix}-title {prefix}-desc",
        font_family="system-ui, sans-serif",
        font_size=11,
        fill="currentColor",
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
        _text(24, 48, "in the network"),
        element("path", d="M124 40l4 4l-4 4l-4 -4z", fill=SECOND_SERIES),
        _text(134, 48, "made here"),
    )


def _grid(scale: _Scale) -> Markup:
    span = scale.highest_db - scale.lowest_db
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, math.inf) if span / step <= _MAX_TICKS)
    first = math.ceil(scale.lowest_db / step) if step < math.inf else 0
    ticks = [first * step + i * step for i in range(_MAX_TICKS + 1)] if step < math.inf else []
    ticks = [tick for tick in ticks if tick <= scale.highest_db]
    lines = "".join(f"M{_LEFT} {scale.y(tick):.1f}H{_WIDTH}" for tick in ticks)
    floor, bottom = scale.y(LEAST_SQNR_DB), _TOP + _PLOT_HEIGHT
    floor_words = f"floor of the outputs, {LEAST_SQNR_DB:.0f} dB"
    return element(
        "g",
        element("path", d=lines, stroke="currentColor", stroke_opacity=0.16, fill="none"),
        element("path", d=f"M{_LEFT} {floor:.1f}H{_WIDTH}", stroke=NEUTRAL, stroke_dasharray="6 4"),
        *(_text(_LEFT - 6, scale.y(tick) + 4, f"{tick:.0f}", text_anchor="end", opacity=0.75) for tick in ticks),
        _text(_WIDTH, floor - 4, floor_words, text_anchor="end", opacity=0.75),
        _text(0, _TOP - 4, "SQNR [dB]", opacity=0.75),
        _text(_WIDTH, bottom + 14, "layers, in the order they run", text_anchor="end", opacity=0.75),
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
            texts.append(_text(x, y, str(number), text_anchor="middle", font_weight=600))
        below = _TOP + _PLOT_HEIGHT + _FOOT - 8 + _LINE * (number - 1)
        texts.append(_text(_LEFT, below, f"{number}  {marked_layer(layer)}"))
    return texts


def _text(x: float, y: float, words: str, **attributes: str | float) -> Markup:
    return element("text", words, x=float(x), y=float(y), **attributes)


def _digest(layers: tuple[LayerFidelity, ...], words: str) -> str:
    return hashlib.sha256(repr((layers, words)).encode("utf-8", "backslashreplace")).hexdigest()[:10]
