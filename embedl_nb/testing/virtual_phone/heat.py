"""How warm a virtual phone is and what that does to it: work warms it, time cools it, heat slows it. All made up."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["THRESHOLDS_CELSIUS", "Heat"]

_AT_REST_CELSIUS = 29.5
_COOLING_S = 120.0
# The skin's temperatures from which Android's thermal status is 1 (LIGHT), 2 (MODERATE) ... 6 (SHUTDOWN), and by what
# factor everything takes longer at status 0 to 6.
THRESHOLDS_CELSIUS = (39.0, 41.0, 43.0, 46.0, 50.0, 55.0)
_SLOWDOWN = (1.0, 1.1, 1.3, 1.7, 2.2, 3.0, 3.0)


class Heat:
    """The temperature of one phone's skin."""

    def __init__(self) -> None:
        self._above_rest_celsius = 0.0
        self._as_of_s = 0.0

    def skin_celsius(self, now_s: float) -> float:
        """Return its temperature."""
        self._cool(now_s)
        return _AT_REST_CELSIUS + self._above_rest_celsius

    def status(self, now_s: float) -> int:
        """Return Android's thermal status: 0 is NONE, 6 is SHUTDOWN."""
        skin = self.skin_celsius(now_s)
        return sum(skin >= threshold for threshold in THRESHOLDS_CELSIUS)

    def slowdown(self, now_s: float) -> float:
        """Return by what factor work takes longer than on a cool phone."""
        return _SLOWDOWN[self.status(now_s)]

    def work(self, times_ms: Iterable[float], now_s: float, *, celsius_per_busy_s: float) -> list[float]:
        """Return what inferences that take ``times_ms`` on a cool phone take on this one, which they warm."""
        taken: list[float] = []
        for time_ms in times_ms:
            taken.append(time_ms * self.slowdown(now_s))
            self._above_rest_celsius += celsius_per_busy_s * taken[-1] / 1e3
        return taken

    def _cool(self, now_s: float) -> None:
        passed_s = max(0.0, now_s - self._as_of_s)
        self._above_rest_celsius *= math.exp(-passed_s / _COOLING_S)
        self._as_of_s = now_s
