"""Where a value lies in the picture: plotly's axes, linear, logarithmic or of categories, on their part of the plot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.svg_bars import nice_step

__all__ = ["Axis", "axis", "numbers"]

_ROOM = 0.06
_MANY_CATEGORIES = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis.

    Attributes
    ----------
    first, last
        The values at its two ends; where they are categories, places among them.
    start, end
        Where these two ends are, px.
    categories
        Its categories in their order; empty on an axis of numbers.
    """

    first: float
    last: float
    start: float
    end: float
    categories: tuple[str, ...] = ()
    is_log: bool = False
    tick_format: str = ""

    def at(self, value: Any) -> float:
        """Return the place of ``value``, px."""
        return self.start + (self._number(value) - self.first) / ((self.last - self.first) or 1) * (
            self.end - self.start
        )

    def _number(self, value: Any) -> float:
        if isinstance(value, str):
            return float(self.categories.index(value))
        if self.is_log:
            return math.log10(value) if value > 0 else min(self.first, self.last)
        return float(value)

    @property
    def step_px(self) -> float:
        """The room between two neighbours, px."""
        return abs(self.end - self.start) / (abs(self.last - self.first) or 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return places, px, and their labels; of very many categories none, since none could be read."""
        if self.categories:
            shown = self.categories if len(self.categories) <= _MANY_CATEGORIES else ()
            return [(self.at(name), name) for name in shown]
        low, high = sorted((self.first, self.last))
        if self.is_log:
            powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
            return [(self.at(10.0**power), f"{10.0**power:g}") for power in powers]
        step = nice_step(high - low)
        first = math.ceil(low / step - 1e-9)
        values = [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]
        return [(self.at(value), self._label(value)) for value in values]

    def _label(self, value: float) -> str:
        return f"{value:.0%}" if self.tick_format.endswith("%") else f"{round(value, 10):g}"


def axis(options: dict[str, Any], values: Sequence[Any], *, start: float, end: float, from_zero: bool) -> Axis:
    """Lay out an axis.

    Parameters
    ----------
    options
        As in plotly's layout.
    values
        Everything that is drawn on it.
    start, end
        Where its lowest and its highest value are, px.
    from_zero
        Whether 0 belongs to it, as where bars stand on it.
    """
    is_reversed = options.get("autorange") == "reversed"
    names = [value for value in values if isinstance(value, str)]
    if names or options.get("type") == "category":
        categories = tuple(dict.fromkeys((*options.get("categoryarray", ()), *names)))
        first, last = options.get("range") or (-0.5, len(categories) - 0.5)
        ends = (last, first) if is_reversed else (first, last)
        return Axis(first=ends[0], last=ends[1], start=start, end=end, categories=categories)
    is_log = options.get("type") == "log"
    if options.get("range"):
        first, last = options["range"]
    else:
        from_zero = from_zero or options.get("rangemode") == "tozero"
        first, last = _extent(numbers(values), is_log=is_log, from_zero=from_zero)
    first, last = (last, first) if is_reversed else (first, last)
    tick_format = options.get("tickformat", "")
    return Axis(first=first, last=last, start=start, end=end, is_log=is_log, tick_format=tick_format)


def numbers(values: Iterable[Any]) -> list[float]:
    """Return the values that can be drawn on an axis of numbers."""
    return [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]


def _extent(values: list[float], *, is_log: bool, from_zero: bool) -> tuple[float, float]:
    if is_log:
        powers = [math.log10(value) for value in values if value > 0] or [0.0]
        room = (max(powers) - min(powers)) * _ROOM or 0.5
        return min(powers) - room, max(powers) + room
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * _ROOM or abs(high) or 1.0
    return (low if from_zero and low == 0 else low - room), (high if from_zero and high == 0 else high + room)
