"""Energy of one inference, from a phone's own meters: a long loop, less an idle window of the same length.

What comes out is good for comparing models on one phone; where no meter can tell, there is an error that says why.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb import progress, stopping
from embedl_nb.device.power import MetersPower, PowerReading
from embedl_nb.device.watch import Watch
from embedl_nb.errors import BenchmarkError
from embedl_nb.measure.duration import format_duration
from embedl_nb.measure.gauges import (
    ENOUGH_UPDATES,
    GAUGES,
    ContradictionError,
    EnergySource,
    Powers,
    UnfitError,
    num_updates,
    refusal_of,
)
from embedl_nb.runtime.raw_run import OutputsFor

if TYPE_CHECKING:
    from embedl_nb.device import Device
    from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

__all__ = ["Energy", "judge", "meter"]

WINDOW_S, LONGEST_S = 60.0, 180.0
"""Of the idle window, and of the loop after it: as long as a slow gauge needs."""
EVERY_S = 1.0
"""Between readings, which cost power themselves: the same in both windows."""
MOST_ITERATIONS = 10_000_000
"""Not reached: the loop ends by the clock."""

_SETTLING, _ENDING = 0.2, 0.1
_Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy of one inference.

    Attributes
    ----------
    energy_mj
        Of one inference, the idle phone's subtracted.
    uncertainty_mj
        Half the width of its 95 % interval, from how the meter's values scatter and how coarse they are. The error of
        the meter itself is not known and comes on top.
    power_mw, idle_power_mw
        While it ran, and while it did not: of the whole phone, or of the rails that feed what computes.
    n
        Inferences of the loop.
    num_readings
        In the loop and in the idle window, those that count.
    window_s
        How long each of the two was.
    source
        Which meter told.
    method
        In words.
    """

    energy_mj: float
    uncertainty_mj: float
    power_mw: float
    idle_power_mw: float
    n: int
    num_readings: int
    window_s: float
    source: EnergySource
    method: str

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Energy:
        """Rebuild from plain JSON data."""
        return cls(**{**record, "source": EnergySource(record["source"])})


def meter(target: Device, request: MeasureRequest) -> Energy:
    """Measure the energy of one inference; takes two windows of a minute, or of 3 where the phone's gauge is slow.

    Parameters
    ----------
    target
        The device; whoever calls holds its lease.
    request
        What to run; how long is chosen here, and nothing is profiled or asked for its outputs.

    Raises
    ------
    BenchmarkError
        If no meter of the device can tell, naming the device and the reason: at once where that is known beforehand.
    DeviceError
        If the device goes away.
    """
    where = f"{target.info.name} ({target.info.address})"
    if not isinstance(target, MetersPower):
        raise BenchmarkError(
            f"nothing meters one process on {where}",
            hint='measure energy on a phone that is not charging: device="adb://*"',
        )
    try:
        window_s, idle = _idle(target)
        progress.emit("energy", f"running for {format_duration(window_s)}", done=1, total=2)
        with Watch(target.power, every_s=EVERY_S) as watch:
            run = target.run(_loop(request, window_s))
        progress.emit("energy", "", done=2, total=2)
        n, mean_ms = _timed(run)
        busy = _settled(watch.readings, init_s=(run.load_ms + run.compile_ms) / 1e3)
        return judge(idle, busy, mean_ms=mean_ms, n=n, window_s=window_s)
    except UnfitError as err:
        raise BenchmarkError(f"{where}: {err}", hint=err.hint) from err


def judge(
    idle: Sequence[PowerReading], busy: Sequence[PowerReading], *, mean_ms: float, n: int, window_s: float
) -> Energy:
    """Make an energy of readings.

    The energy of an inference is the power above the idle phone's times the mean time of the inferences, which follow
    each other without a pause.

    Parameters
    ----------
    idle, busy
        Taken while nothing ran, and during the loop.
    mean_ms, n
        Of the loop's inferences.

    Raises
    ------
    UnfitError
        If no meter can tell.
    """
    powers = _read(idle, busy)
    net_mw = powers.busy.mean_mw - powers.idle.mean_mw
    error_mw = _Z95 * math.hypot(powers.idle.error_mw, powers.busy.error_mw)
    if net_mw <= error_mw:
        raise UnfitError(
            f"the model's own draw, {net_mw:.0f} mW, is lost in the uncertainty of the {powers.source}, "
            f"{error_mw:.0f} mW",
            hint="measure a model that draws more, with nothing else going on at the phone",
        )
    return Energy(
        energy_mj=net_mw * mean_ms / 1e3,
        uncertainty_mj=error_mw * mean_ms / 1e3,
        power_mw=powers.busy.mean_mw,
        idle_power_mw=powers.idle.mean_mw,
        n=n,
        num_readings=len(idle) + len(busy),
        window_s=window_s,
        source=powers.source,
        method=powers.method,
    )


def _read(idle: Sequence[PowerReading], busy: Sequence[PowerReading]) -> Powers:
    """Return what the first meter says that can tell."""
    reasons: dict[str, str] = {}
    for gauge in GAUGES:
        try:
            return gauge(idle, busy)
        except ContradictionError:
            raise
        except UnfitError as err:
            reasons[str(err)] = err.hint
    raise UnfitError("; ".join(filter(None, reasons)), hint=next(filter(None, reasons.values()), ""))


def _idle(target: MetersPower) -> tuple[float, Sequence[PowerReading]]:
    """Leave the phone alone until its meters have told enough; return how long that took and what they said."""
    readings = [target.power()]
    refusal = refusal_of(readings[0])
    if refusal is not None:
        raise refusal
    started_s = now_s = time.monotonic()
    progress.emit("energy", f"idle for {format_duration(WINDOW_S)} or more", done=0, total=2)
    while now_s - started_s < WINDOW_S or num_updates(_settled(readings)) < ENOUGH_UPDATES:
        if now_s - started_s >= LONGEST_S:
            raise UnfitError(
                f"its meters are too slow: {num_updates(_settled(readings))} different values in "
                f"{format_duration(LONGEST_S)}, where {ENOUGH_UPDATES} are needed"
            )
        stopping.check()
        time.sleep(EVERY_S)
        readings.append(target.power())
        now_s = time.monotonic()
    return now_s - started_s, _settled(readings)


def _loop(request: MeasureRequest, window_s: float) -> MeasureRequest:
    return replace(
        request,
        profile=False,
        iterations=None,
        warmup=0,
        min_iterations=MOST_ITERATIONS,
        max_iterations=MOST_ITERATIONS,
        budget_s=window_s,
        outputs_for=OutputsFor.NOTHING,
    )


def _settled(readings: Sequence[PowerReading], *, init_s: float = 0.0) -> Sequence[PowerReading]:
    """Leave out the beginning, while gauge, phone and runtime settle, and the end, when the loop may be over."""
    times_s = [reading.time_s for reading in readings if reading.time_s is not None]
    num_init = sum(time_s - times_s[0] < init_s for time_s in times_s)
    begin = max(num_init, math.ceil(_SETTLING * len(readings)))
    return readings[begin : len(readings) - math.floor(_ENDING * len(readings))]


def _timed(run: RawRun) -> tuple[int, float]:
    if run.summary is not None:
        return run.summary.n, run.summary.mean_ms
    return len(run.samples_ms), statistics.fmean(run.samples_ms)
