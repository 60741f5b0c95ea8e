"""Horizontal bars for the small SVG pictures: the scale, its ticks, and a bar that is hatched without a pattern."""

from __future__ import annotations

import math

from embedl_nb.charts.svg_frame import text
from embedl_nb.display.markup import Markup, element, join

__all__ = ["BAR_LEFT", "BAR_WIDTH", "ROW", "bar", "clipped", "nice_step", "scale_of", "ticks"]

ROW, _BAR = 20, 12
BAR_LEFT, BAR_WIDTH = 226, 520


def scale_of(end_ms: float, *, width: float = BAR_WIDTH) -> float:
    """Return how wide a millisecond is, so that ``end_ms`` fits."""
    return width / end_ms if end_ms > 0 else 0.0


def bar(
    x: float, middle: float, width: float, *, colour: str, hatched: bool, hollow: bool = False, height: int = _BAR
) -> Markup:
    """Return a bar; stripes come from a dashed line, as a pattern needs an id that two pictures could share."""
    width = max(0.75, width)
    place = {"x": x, "y": middle - height / 2, "width": width, "height": height}
    if hollow:
        return element("rect", **place, fill=colour, fill_opacity=0.18, stroke=colour)
    if not hatched:
        return element("rect", **place, fill=colour)
    stripes = element(
        "path", d=f"M{x:.2f} {middle:.2f}h{width:.2f}", stroke=colour, stroke_width=height, stroke_dasharray="2 2"
    )
    return join((element("rect", **place, fill=colour, fill_opacity=0.25, stroke=colour), stripes))


def ticks(scale: float, *, top: float, bottom: float, left: float = BAR_LEFT, width: float = BAR_WIDTH) -> Markup:
    """Return grid lines with their times; 0 ms stands at the left edge."""
    end_ms = width / scale if scale else 0.0
    step = nice_step(end_ms)
    times_ms = [step * number for number in range(math.floor(end_ms / step + 1e-9) + 1)]
    lines = "".join(f"M{left + time_ms * scale:.1f} {top - 4}V{bottom}" for time_ms in times_ms)
    labels = (
        text(left + time_ms * scale, top - 9, f"{time_ms:.6g} ms", text_anchor="middle", opacity=0.75)
        for time_ms in times_ms
    )
    return element("g", element("path", d=lines, stroke="currentColor", stroke_opacity=0.16, fill="none"), *labels)


def nice_step(length: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that makes at most seven ticks along ``length``."""
    rough = max(length, 1e-9) / 6 * 0.999  # so that a length of 0.3 is not rounded out of steps of 0.05
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def clipped(words: str, letters: int) -> str:
    """Shorten a sentence at its end; names are told apart by theirs, see ``display.names``."""
    return words if len(words) <= letters else f"{words[: letters - 1]}…"
