"""What readings of a device's meters come to: the power of an idle window and of a busy one, or why it is not known.

Three meters, the better one first: supply rails, the battery's current, the charge left in the battery. The first that
can tell is the one that counts, and it is named.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from embedl_nb.device.power import PowerReading

__all__ = [
    "ENOUGH_UPDATES",
    "GAUGES",
    "ContradictionError",
    "EnergySource",
    "Power",
    "Powers",
    "UnfitError",
    "num_updates",
    "refusal_of",
]

ENOUGH_UPDATES = 5
"""New values that a meter must have told in each window: repeats of a slow gauge are no new readings."""

_HIGHEST_MA, _LOWEST_MA = 10_000, 1.0
_LIKENESS = 2.0

Readings = Sequence[PowerReading]


class EnergySource(StrEnum):
    """Which meter an energy comes from."""

    RAILS = "power rails"
    CURRENT = "battery current"
    CHARGE = "charge counter"


class UnfitError(Exception):
    """A meter cannot tell what the device draws: why, and what helps."""

    def __init__(self, why: str, *, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


class ContradictionError(UnfitError):
    """Two meters say what cannot both be: neither is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Mean power over a window, and the standard error of it."""

    mean_mw: float
    error_mw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What one meter says of both windows.

    Attributes
    ----------
    method
        How it was read, in words.
    """

    source: EnergySource
    method: str
    idle: Power
    busy: Power


def refusal_of(reading: PowerReading) -> UnfitError | None:
    """Return why no meter can tell anything while the device is as it is now; None where one may."""
    if reading.rails_mj is not None:
        return None  # they lie behind the charger as well as behind the battery
    return _refusal_of_battery(reading)


def _refusal_of_battery(reading: PowerReading) -> UnfitError | None:
    if reading.is_charging is None:
        return UnfitError("the phone does not say whether it is charging")
    if reading.is_charging:
        return UnfitError("the phone is charging", hint="unplug it, and reach it over Wi-Fi (adb connect)")
    if reading.voltage_mv is None:
        return UnfitError("the phone does not say its battery's voltage")
    if reading.current is None and reading.charge_uah is None:
        return UnfitError("the phone does not let its battery's current or charge be read")
    return None


def num_updates(readings: Readings) -> int:
    """Return how often the quickest meter was seen to say something new."""
    meters: list[list[float | None]] = [
        [reading.rails_mj for reading in readings],
        [reading.current for reading in readings],
        [reading.charge_uah for reading in readings],
    ]
    return max(_num_values(values) for values in meters)


def _rails(idle: Readings, busy: Readings) -> Powers:
    first = idle[0]
    if first.rails_mj is None:
        raise UnfitError("")  # as most phones, so it explains nothing
    if any(reading.rails != first.rails for reading in (*idle, *busy)):
        raise UnfitError("the phone did not name the same power rails each time")
    idle_power, busy_power = (
        _counted([reading.rails_mj or 0.0 for reading in window], window, EnergySource.RAILS) for window in (idle, busy)
    )
    method = f"{EnergySource.RAILS} ({', '.join(first.rails)}), idle subtracted"
    return Powers(source=EnergySource.RAILS, method=method, idle=idle_power, busy=busy_power)


def _current(idle: Readings, busy: Readings) -> Powers:
    both = (*idle, *busy)
    _check_battery(both)
    if any(reading.current is None for reading in both):
        raise UnfitError("the phone does not let its battery's current be read")
    if len({math.copysign(1, reading.current) for reading in both if reading.current}) > 1:
        raise UnfitError("the battery's current changes its sign though the phone says that it is not charging")
    for window in (idle, busy):
        _check_updates(_num_values([reading.current for reading in window]), EnergySource.CURRENT)
    # A loop draws more than 10 mA and less than 10 A, so the size of what the gauge says tells its unit.
    unit = "uA" if max(abs(reading.current or 0) for reading in busy) > _HIGHEST_MA else "mA"
    to_ma = 1e-3 if unit == "uA" else 1.0
    mean_ma = statistics.fmean(abs(reading.current or 0) * to_ma for reading in busy)
    if not _LOWEST_MA <= mean_ma <= _HIGHEST_MA:
        raise UnfitError(f"the battery's gauge says {mean_ma:g} mA, which no phone draws")
    idle_power, busy_power = (_scattered(window, to_ma=to_ma) for window in (idle, busy))
    _check_against_charge(busy_power, busy)
    method = f"{EnergySource.CURRENT} ({busy[0].current_source}, {unit}) x voltage, whole phone, idle subtracted"
    return Powers(source=EnergySource.CURRENT, method=method, idle=idle_power, busy=busy_power)


def _charge(idle: Readings, busy: Readings) -> Powers:
    both = (*idle, *busy)
    _check_battery(both)
    if any(reading.charge_uah is None for reading in both):
        raise UnfitError("the phone does not say how much charge is left")
    idle_power, busy_power = (_counted(_drawn_mj(window), window, EnergySource.CHARGE) for window in (idle, busy))
    step_uah = max(abs(step) for window in (idle, busy) for step in _steps([each.charge_uah or 0 for each in window]))
    method = f"{EnergySource.CHARGE} (steps of {step_uah:.0f} uAh) x voltage, whole phone, idle subtracted"
    return Powers(source=EnergySource.CHARGE, method=method, idle=idle_power, busy=busy_power)


GAUGES: tuple[Callable[[Readings, Readings], Powers], ...] = (_rails, _current, _charge)
"""Each takes the readings of the idle and of the busy window, and raises UnfitError; the better ones first."""


def _check_battery(readings: Readings) -> None:
    refusal = next(filter(None, map(_refusal_of_battery, readings)), None)
    if refusal is not None:
        raise refusal


def _check_updates(count: int, source: EnergySource) -> None:
    if count < ENOUGH_UPDATES:
        raise UnfitError(
            f"the {source} moves too rarely: {count} different values in a row, where {ENOUGH_UPDATES} are needed"
        )


def _check_against_charge(power: Power, readings: Readings) -> None:
    """Refuse a current that does not fit the charge that went: that of one of two cells, or in a unit of its own."""
    try:
        counted = _charge(readings, readings).busy
    except UnfitError:
        return  # no second opinion
    if not 1 / _LIKENESS <= power.mean_mw / max(1e-9, counted.mean_mw) <= _LIKENESS:
        raise ContradictionError(
            f"the battery's current makes {power.mean_mw:.0f} mW, what its charge lost {counted.mean_mw:.0f} mW"
        )


def _scattered(readings: Readings, *, to_ma: float) -> Power:
    """Return the mean of readings of the moment; its error comes from how they scatter."""
    powers_mw = [abs(reading.current or 0) * to_ma * (reading.voltage_mv or 0) / 1e3 for reading in readings]
    error_mw = statistics.stdev(powers_mw) / math.sqrt(_num_values([reading.current for reading in readings]))
    return Power(mean_mw=statistics.fmean(powers_mw), error_mw=error_mw)


def _counted(drawn_mj: Sequence[float], readings: Readings, source: EnergySource) -> Power:
    """Return the mean power from a counter; its error is that of a counter that moves in steps, at either end.

    The difference of two values that are each somewhere within a step is off by step / sqrt(6) (standard deviation).
    The largest step that was seen stands for all: it also covers a counter that is told late.
    """
    _check_updates(_num_values(drawn_mj), source)
    times_s = [reading.time_s for reading in readings if reading.time_s is not None]
    if len(times_s) < len(readings) or times_s[-1] <= times_s[0]:
        raise UnfitError("the phone does not say what time it is")
    steps, passed_s = _steps(drawn_mj), times_s[-1] - times_s[0]
    if min(step for step in steps if step) < 0:
        raise UnfitError(f"the {source} ran backwards")
    return Power(mean_mw=(drawn_mj[-1] - drawn_mj[0]) / passed_s, error_mw=max(steps) / math.sqrt(6) / passed_s)


def _drawn_mj(readings: Readings) -> list[float]:
    """Return the energy that has left the battery up to each reading; 1 uAh is 3.6 mC, and 1 mC x 1 V is 1 mJ."""
    drawn = [0.0]
    for one, other in itertools.pairwise(readings):
        lost_uah = (one.charge_uah or 0) - (other.charge_uah or 0)
        drawn.append(drawn[-1] + 3.6 * lost_uah * (other.voltage_mv or 0) / 1e3)
    return drawn


def _steps(values: Sequence[float]) -> list[float]:
    return [other - one for one, other in itertools.pairwise(values)]


def _num_values(values: Sequence[float | None]) -> int:
    """Return how many different values there were, one after the other."""
    return len(list(itertools.groupby(values)))
