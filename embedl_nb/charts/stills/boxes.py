"""A treemap as SVG: boxes in boxes, each as large as its value, squarish so that areas can be compared.

References
----------
M. Bruls, K. Huizing, J. van Wijk, "Squarified Treemaps", 2000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.stills.words import clipped, lines
from embedl_nb.charts.svg_frame import text
from embedl_nb.display.markup import Markup, element, join

__all__ = ["Box", "boxes"]

_HEAD = 15.0
_LEAST_NAMED = (36.0, 14.0)
_PAD = 1.0
_CAPITALS = 0.8  # names of operators are wider than other words


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, px."""

    x: float
    y: float
    width: float
    height: float


def boxes(trace: dict[str, Any], room: Box) -> Markup:
    """Draw a treemap into ``room``: names where they fit, the modules' above what is in them."""
    tree = _Tree(trace)
    return join(tree.drawn(root, room) for root in tree.children.get("", ()))


class _Tree:
    def __init__(self, trace: dict[str, Any]) -> None:
        self._trace = trace
        self._place = {name: place for place, name in enumerate(trace["ids"])}
        self.children: dict[str, list[str]] = {}
        for name, parent in zip(trace["ids"], trace["parents"], strict=True):
            self.children.setdefault(parent, []).append(name)
        self._totals: dict[str, float] = {}

    def _total(self, name: str) -> float:
        if name not in self._totals:
            inner = sum(self._total(child) for child in self.children.get(name, ()))
            self._totals[name] = self._trace["values"][self._place[name]] + inner
        return self._totals[name]

    def drawn(self, name: str, box: Box) -> Markup:
        """Draw a box, and in it its children."""
        if box.width < 1 or box.height < 1:
            return Markup()
        inner = self.children.get(name, [])
        place, marker = self._place[name], self._trace["marker"]
        is_hatched = bool(marker.get("pattern") and marker["pattern"]["shape"][place])
        drawn = element(
            "rect",
            x=box.x,
            y=box.y,
            width=box.width,
            height=box.height,
            fill=marker["colors"][place],
            # What was not measured is pale and dashed, as bars are.
            fill_opacity=0.3 if is_hatched else None,
            stroke=marker["colors"][place] if is_hatched else "currentColor",
            stroke_opacity=None if is_hatched else 0.3,
            stroke_dasharray="3 2" if is_hatched else None,
        )
        if box.width > _LEAST_NAMED[0] and box.height > _LEAST_NAMED[1]:
            words = clipped(" ".join(lines(self._trace["labels"][place])), (box.width - 8) * _CAPITALS)
            ink = "currentColor" if inner or is_hatched else "#ffffff"
            drawn = join((drawn, text(box.x + 4, box.y + 11, words, fill=ink)))
        if not inner:
            return drawn
        within = Box(box.x + 2, box.y + _HEAD, box.width - 4, box.height - _HEAD - 2)
        named = sorted(inner, key=self._total, reverse=True)
        placed = zip(named, _squarified([self._total(child) for child in named], within), strict=True)
        return join((drawn, *(self.drawn(child, _shrunk(each)) for child, each in placed)))


def _shrunk(box: Box) -> Box:
    return Box(box.x + _PAD, box.y + _PAD, max(0.0, box.width - 2 * _PAD), max(0.0, box.height - 2 * _PAD))


def _squarified(values: list[float], room: Box) -> list[Box]:
    """Lay values, largest first, in rows along the shorter side; a row ends where one more would make it longer."""
    scale = room.width * room.height / (sum(values) or 1.0) if room.width > 0 and room.height > 0 else 0.0
    areas = [value * scale for value in values]
    found: list[Box] = []
    while areas:
        short = min(room.width, room.height)
        count = 1
        while count < len(areas) and _worst(areas[: count + 1], short) <= _worst(areas[:count], short):
            count += 1
        row, areas = areas[:count], areas[count:]
        thick = sum(row) / short if short > 0 else 0.0
        along = 0.0
        for area in row:
            length = area / thick if thick > 0 else 0.0
            upright = room.width >= room.height
            found.append(
                Box(room.x, room.y + along, thick, length) if upright else Box(room.x + along, room.y, length, thick)
            )
            along += length
        room = (
            Box(room.x + thick, room.y, room.width - thick, room.height)
            if room.width >= room.height
            else Box(room.x, room.y + thick, room.width, room.height - thick)
        )
    return found


def _worst(row: list[float], short: float) -> float:
    """Return how far the longest of a row's boxes is from a square."""
    thick = sum(row) / short if short > 0 else 0.0
    if thick <= 0 or min(row) <= 0:
        return float("inf")
    return max(max(area / thick**2, thick**2 / area) for area in row)
