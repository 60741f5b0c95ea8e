"""How a model holds up over minutes: short processes back to back, the device's heat read between them.

The curve that comes out tells when the device begins to throttle and how fast the model is once it is warm.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.measure.duration import format_duration
from embedl_nb.measure.in_words import in_words
from embedl_nb.runtime.raw_run import OutputsFor
from embedl_nb.units import format_ms, format_ratio

if TYPE_CHECKING:
    from embedl_nb.device import Device
    from embedl_nb.device.conditions import Conditions
    from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

__all__ = ["THROTTLING_STATUS", "Sustained", "SustainedPoint", "run_sustained"]

THROTTLING_STATUS = 2
"""Android's thermal status from which it slows a phone down: moderate."""

_POINTS = 20
_SHORTEST_S, _LONGEST_S = 0.5, 10.0
_MOST_ITERATIONS = 100_000
_STEADY_PART = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SustainedPoint:
    """One of the short processes.

    Attributes
    ----------
    time_s
        When it had ended, after the beginning of the first.
    p50_ms
        Of its ``n`` timed inferences.
    temperature_celsius, skin_celsius, thermal_status, clock_hz
        Read after it; None where the device does not say.
    """

    time_s: float
    p50_ms: float
    n: int
    temperature_celsius: float | None = None
    skin_celsius: float | None = None
    thermal_status: int | None = None
    clock_hz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sustained:
    """Latency over time.

    Attributes
    ----------
    duration_s
        How long it went on.
    points
        In order.
    start_p50_ms
        Of the first process.
    steady_p50_ms
        The steady state: the median of the points in the last fifth of the time.
    throttled_after_s, throttled_status
        When throttling was first seen, and Android's thermal status then; None where it was not, or where there is no
        such status.
    busy_share
        Of the time that went into timed inferences, 0 to 1: the rest is for starting processes and reading heat, and
        lets the device cool.
    cut_by
        What ended it before its time; empty where nothing did.
    """

    duration_s: float
    points: tuple[SustainedPoint, ...]
    start_p50_ms: float
    steady_p50_ms: float
    throttled_after_s: float | None
    throttled_status: int | None
    busy_share: float
    cut_by: str = ""

    @property
    def sentence(self) -> str:
        """What came of it, in one line."""
        change = self.steady_p50_ms / self.start_p50_ms - 1 if self.start_p50_ms else 0.0
        slower = f"{format_ratio(abs(change))} {'slower' if change > 0 else 'faster'} than at the start"
        throttling = "no throttling seen"
        if self.throttled_after_s is not None:
            status = f" (thermal status {self.throttled_status})" if self.throttled_status is not None else ""
            throttling = f"throttling from {format_duration(self.throttled_after_s)} on{status}"
        return (
            f"p50 {format_ms(self.steady_p50_ms)} in the last fifth of {format_duration(self.duration_s)}, {slower}; "
            f"{throttling}; busy {100 * self.busy_share:.0f} % of the time"
        )

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Sustained:
        """Rebuild from plain JSON data."""
        return cls(**{**record, "points": tuple(SustainedPoint(**point) for point in record["points"])})


def run_sustained(
    target: Device, request: MeasureRequest, *, duration_s: float, clock: Callable[[], float] = time.monotonic
) -> Sustained:
    """Run a model for ``duration_s``, and until the process that is running then has ended.

    What fails once there is a point ends it there, as Ctrl-C does: the curve up to then is kept and says what ended it.

    Parameters
    ----------
    target
        The device; whoever calls holds its lease.
    request
        What to run; how long each process runs is chosen here, and none is profiled or asked for its outputs.
    clock
        Returns seconds.
    """
    length_s = min(_LONGEST_S, max(_SHORTEST_S, duration_s / _POINTS))
    # So many iterations are not reached by what is worth sustaining: each process ends by the clock.
    each = replace(
        request,
        profile=False,
        iterations=None,
        warmup=0,
        min_iterations=_MOST_ITERATIONS,
        max_iterations=_MOST_ITERATIONS,
        budget_s=length_s,
        outputs_for=OutputsFor.NOTHING,
    )
    before, started_s, busy_s = target.conditions(), clock(), 0.0
    points: list[SustainedPoint] = []
    throttled: SustainedPoint | None = None
    cut_by = ""
    while not points or points[-1].time_s < duration_s:
        progress.emit("sustain", f"of {format_duration(duration_s)}", done=clock() - started_s, total=duration_s)
        try:
            run = target.run(each)
            after = target.conditions()
        except (Exception, KeyboardInterrupt) as err:
            if not points:
                raise
            cut_by = in_words(err)
            break
        points.append(_point(run, after, time_s=clock() - started_s))
        busy_s += _timed_s(run)
        if throttled is None and _is_throttled(before, after):
            throttled = points[-1]
    total_s = points[-1].time_s
    return Sustained(
        duration_s=total_s,
        points=tuple(points),
        start_p50_ms=points[0].p50_ms,
        steady_p50_ms=_steady_ms(points),
        throttled_after_s=throttled.time_s if throttled else None,
        throttled_status=throttled.thermal_status if throttled else None,
        busy_share=min(1.0, busy_s / total_s) if total_s > 0 else 1.0,
        cut_by=cut_by,
    )


def _point(run: RawRun, after: Conditions, *, time_s: float) -> SustainedPoint:
    return SustainedPoint(
        time_s=time_s,
        p50_ms=statistics.median(run.samples_ms) if run.summary is None else run.summary.p50_ms,
        n=len(run.samples_ms) if run.summary is None else run.summary.n,
        temperature_celsius=after.temperature_celsius,
        skin_celsius=after.skin_celsius,
        thermal_status=after.thermal_status,
        clock_hz=after.clock_hz,
    )


def _timed_s(run: RawRun) -> float:
    return (sum(run.samples_ms) if run.summary is None else run.summary.n * run.summary.mean_ms) / 1e3


def _is_throttled(before: Conditions, now: Conditions) -> bool:
    """Say whether the device slows itself down, by Android's status or by how often the CPU lowered its clock."""
    if now.thermal_status is not None:
        return now.thermal_status >= THROTTLING_STATUS
    return (now.num_throttle_events or 0) > (before.num_throttle_events or 0)


def _steady_ms(points: Sequence[SustainedPoint]) -> float:
    since_s = (1 - _STEADY_PART) * points[-1].time_s
    return statistics.median(point.p50_ms for point in points if point.time_s >= since_s)
