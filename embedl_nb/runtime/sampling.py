"""When a measurement has seen enough: warm-up, chunks of timed iterations, and the median that settles.

Knows a function that runs once and returns ns, and nothing of models. The rule: the 95 % confidence interval of the
median, from order statistics (no assumption on the distribution), is narrower than a given share of the median.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.runtime.raw_run import MeasureRequest

__all__ = ["Samples", "check_request", "is_settled", "measure_samples", "median_interval", "warm_up"]

Run = Callable[[], int]

_CHUNK = 10
_Z_95 = 1.959964
_WARMUP_RUNS, _WARMUP_S, _MOST_WARMUP_RUNS = 5, 0.1, 200
_FEWEST_SAMPLES = 3
# Whoever draws the progress takes processor time from the measurement, so there is little of it.
_NEWS_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Timed iterations in order; ``settled`` is None where their number was given."""

    times_ns: tuple[int, ...]
    settled: bool | None


def check_request(request: MeasureRequest) -> None:
    """Refuse numbers that cannot be meant.

    Raises
    ------
    InputError
        Naming the field, its value and what it may be.
    """
    limits: tuple[tuple[str, float | None, float], ...] = (
        ("iterations", request.iterations, 1),
        ("warmup", request.warmup, 0),
        ("min_iterations", request.min_iterations, 1),
        ("max_iterations", request.max_iterations, request.min_iterations),
        ("budget_s", request.budget_s, 0),
        ("settle_ratio", request.settle_ratio, 0),
    )
    for name, value, least in limits:
        if value is not None and not (math.isfinite(value) and value >= least):
            raise InputError(f"{name} is {value}", hint=f"give at least {least:g}")


def warm_up(run: Run, request: MeasureRequest) -> tuple[int, ...]:
    """Run without counting, and return the times in ns.

    ``request.warmup`` times; where that is None, until 5 runs and 0.1 s are over (caches, threads and the processor's
    clock need both), 200 at the most, and never beyond half the budget.
    """
    if request.warmup is not None:
        return tuple(run() for _ in range(request.warmup))
    times: list[int] = []
    spent_ns = 0
    while len(times) < _MOST_WARMUP_RUNS and spent_ns < request.budget_s * 0.5e9:
        if len(times) >= _WARMUP_RUNS and spent_ns >= _WARMUP_S * 1e9:
            break
        times.append(run())
        spent_ns += times[-1]
    return tuple(times)


def measure_samples(run: Run, request: MeasureRequest) -> Samples:
    """Time iterations until the median settles or the budget ends; exactly ``request.iterations`` where given.

    The budget leaves at least 3 samples, however slow the model is. Python's garbage collector rests meanwhile.
    """
    fixed = request.iterations
    most = fixed if fixed is not None else request.max_iterations
    deadline = time.monotonic() + request.budget_s
    next_news = time.monotonic() + _NEWS_S
    times: list[int] = []
    settled = False
    with _garbage_collector_resting():
        while len(times) < most and not settled:
            for _ in range(min(_CHUNK, most - len(times))):
                times.append(run())
                if fixed is None and len(times) >= _FEWEST_SAMPLES and time.monotonic() > deadline:
                    return Samples(times_ns=tuple(times), settled=is_settled(times, request))
            settled = fixed is None and is_settled(times, request)
            if time.monotonic() > next_news:
                latest = progress.Reading(latency_ms=statistics.median(times[-_CHUNK:]) / 1e6)
                progress.emit("measure", done=len(times), total=fixed, reading=latest)
                next_news = time.monotonic() + _NEWS_S
    return Samples(times_ns=tuple(times), settled=settled if fixed is None else None)


def is_settled(times: list[int], request: MeasureRequest) -> bool:
    """Say whether the median is known well enough."""
    if len(times) < request.min_iterations:
        return False
    interval = median_interval(times)
    if interval is None:
        return False
    low, high = interval
    return high - low <= request.settle_ratio * (low + high) / 2


def median_interval(times: list[int]) -> tuple[int, int] | None:
    """Return the 95 % confidence interval of the median; None for fewer than 6 samples, which have none.

    Its ends are the order statistics of rank ``n/2 -/+ z sqrt(n)/2`` (rounded outwards), z = 1.96.

    References
    ----------
    Conover, W. J. (1999), Practical Nonparametric Statistics, 3rd ed., section 3.2.
    """
    n = len(times)
    half_width = _Z_95 * math.sqrt(n) / 2
    low_rank, high_rank = math.floor(n / 2 - half_width), math.ceil(n / 2 + 1 + half_width)
    if low_rank < 1 or high_rank > n:
        return None
    ordered = sorted(times)
    return ordered[low_rank - 1], ordered[high_rank - 1]


@contextmanager
def _garbage_collector_resting() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
