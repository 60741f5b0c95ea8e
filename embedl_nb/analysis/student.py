"""Quantiles of Student's t, without scipy: for whole degrees of freedom its distribution is a finite sum."""

from __future__ import annotations

import functools
import math

__all__ = ["t_quantile"]

_STEPS = 60


@functools.lru_cache(maxsize=1024)
def t_quantile(level: float, degrees: int) -> float:
    """Return the t within which ``level`` of the distribution lies, half of the rest on either side.

    Parameters
    ----------
    level
        Between 0 and 1: 0.95 for the quantile at 0.975.
    degrees
        Degrees of freedom, >= 1.

    References
    ----------
    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4.

    Examples
    --------
    >>> [round(t_quantile(0.95, degrees), 3) for degrees in (1, 2, 5, 30)]
    [12.706, 4.303, 2.571, 2.042]
    """
    low, high = 0.0, math.pi / 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < level else (low, middle)
    return math.sqrt(degrees) * math.tan(low)


def _within(angle: float, degrees: int) -> float:
    """Return how much lies within t = sqrt(degrees) tan(angle)."""
    is_odd = degrees % 2 == 1
    if degrees == 1:
        return 2 * angle / math.pi
    cosine, square = math.cos(angle), math.cos(angle) ** 2
    term = cosine if is_odd else 1.0
    total = term
    for number in range(3 if is_odd else 2, degrees - 1, 2):
        term *= square * (number - 1) / number
        total += term
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if is_odd else total
