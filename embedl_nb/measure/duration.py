"""How long something is to go on, as people write it: ``"90s"``, ``"10m"``, ``"1h"``."""

from __future__ import annotations

import re

from embedl_nb.errors import InputError

__all__ = ["format_duration", "parse_duration"]

_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?P<number>[0-9]{1,6}(\.[0-9]{1,3})?)\s*(?P<unit>s|m|min|h)")
_LEAST_S, _MOST_S = 1.0, 24 * 3600.0


def parse_duration(option: str, value: object) -> float:
    """Return a duration in seconds.

    Parameters
    ----------
    option
        What it is given for, as errors name it.
    value
        A number and its unit: s, m (or min), h.

    Raises
    ------
    InputError
        If it is no such text, or not between a second and a day.

    Examples
    --------
    >>> parse_duration("sustain", "10m")
    600.0
    """
    hint = f'give a number and its unit: {option}="90s", {option}="10m" or {option}="1h"'
    match = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        raise InputError(f"{option}={value!r} is no duration", hint=hint)
    seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if not _LEAST_S <= seconds <= _MOST_S:
        raise InputError(f"{option}={value!r} is out of range", hint="give between 1s and 24h")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration as a person reads it: ``"45 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``.

    Examples
    --------
    >>> format_duration(200)
    '3 min 20 s'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != whole else f"{whole} s"
    large, small, units = (whole // 60, whole % 60, ("min", "s")) if whole < 3600 else _hours(whole)
    return f"{large} {units[0]} {small} {units[1]}" if small else f"{large} {units[0]}"


def _hours(whole: int) -> tuple[int, int, tuple[str, str]]:
    return whole // 3600, whole % 3600 // 60, ("h", "min")
