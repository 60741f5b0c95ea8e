"""Whether one latency is really another than a second: the interval of their ratio. Knows numbers only, not what ran.

The method. Iterations within a process resemble each other more than those of two processes (memory layout, clocks), so
the process is the unit that counts: each gives the logarithm of its median. Where the processes of both results took
turns (A B B A ...), each pair of neighbours gives one difference, in which a drift of the machine cancels, and the
interval is Student's over the pairs. Where the results were measured apart, it is Welch's over the processes of each,
widened by what a machine changes between two measurements, which neither of them has seen: 2 % (one standard deviation
of a latency). Processes of which only a summary is known get the widest spread that their interval allows.

The verdict. "No difference larger than X %" where the whole interval lies within X % of 1; "different" where the
interval leaves 1 out; otherwise nobody can tell yet. Each comparison is at 95 % by itself.

References
----------
B. L. Welch, The generalization of 'Student's' problem when several different population variances are involved,
Biometrika 34 (1947).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.measure.benchmark import Latency
from embedl_nb.measure.statistics import t_quantile_975

__all__ = ["MARGIN", "More", "Verdict", "judge"]

MARGIN = 0.02
"""A difference below this is none, unless the caller says otherwise."""

_Z = 1.959964
_BETWEEN_MEASUREMENTS = 0.02
_MOST_PROCESSES = 100
_MOST_ITERATIONS = 100_000
# Mean range of so many draws from a normal distribution, in standard deviations; more draws have a greater one.
_RANGE_OF = {2: 1.128, 3: 1.693, 4: 2.059, 5: 2.326, 6: 2.534, 7: 2.704, 8: 2.847, 9: 2.970, 10: 3.078}


@dataclass(frozen=True, slots=True, kw_only=True)
class More:
    """What would tell, if the spread stays as it is.

    Attributes
    ----------
    count
        How many more of each result; 0 where no number within reason would.
    what
        ``"iterations"`` in each process, or ``"processes"``.
    """

    count: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What two latencies are to each other.

    Attributes
    ----------
    ratio
        The first over the second: how many times as fast the second is. None where they are not compared.
    ci95
        95 % interval of the ratio; None with it, or where a single process says nothing of the next.
    is_different
        True, False for "no difference larger than ``margin``", None where nobody can tell.
    margin
        Share of the latency below which a difference is none.
    reason
        Why nobody can tell; empty where somebody can.
    more
        What would tell; None where that is known already, or cannot be said.
    method
        How the interval was made.
    """

    ratio: float | None
    ci95: tuple[float, float] | None
    is_different: bool | None
    margin: float
    reason: str = ""
    more: More | None = None
    method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spread:
    """Of the logarithms of the processes' medians.

    Attributes
    ----------
    within
        The part of the variance that more iterations in each process would make smaller.
    """

    mean: float
    variance: float
    num_processes: int
    within: float = 0.0


def judge(first: Latency, second: Latency, *, are_interleaved: bool = False, margin: float = MARGIN) -> Verdict:
    """Judge how many times as fast the second is.

    Parameters
    ----------
    are_interleaved
        Whether process i of both ran side by side, in turns.
    margin
        Share of the latency, > 0, below which a difference is none.
    """
    if min(_fastest_ms(first), _fastest_ms(second)) <= 0:
        return Verdict(
            ratio=None,
            ci95=None,
            is_different=None,
            margin=margin,
            reason="a latency of 0 ms is below the clock's step",
        )
    if min(first.num_processes, second.num_processes) < 2:
        return Verdict(
            ratio=first.p50_ms / second.p50_ms,
            ci95=None,
            is_different=None,
            margin=margin,
            reason="one process says nothing of the next",
            more=More(count=3 - min(first.num_processes, second.num_processes), what="processes"),
        )
    if are_interleaved and 1 < len(first.samples_ms) == len(second.samples_ms):
        return _judge_pairs(first, second, margin)
    return _judge_apart(first, second, margin)


def _judge_pairs(first: Latency, second: Latency, margin: float) -> Verdict:
    pairs = [
        math.log(statistics.median(a) / statistics.median(b))
        for a, b in zip(first.samples_ms, second.samples_ms, strict=True)
    ]
    within = _within(first.samples_ms) + _within(second.samples_ms)
    spread = _Spread(
        mean=statistics.fmean(pairs), variance=statistics.variance(pairs), num_processes=len(pairs), within=within
    )
    half = t_quantile_975(len(pairs) - 1) * math.sqrt(spread.variance / len(pairs))
    words = f"Student's interval over {len(pairs)} pairs of processes that took turns (A B B A ...)"
    return _verdict(
        spread,
        half=half,
        extra=0.0,
        margin=margin,
        method=words,
        iterations=min(_iterations(first), _iterations(second)),
    )


def _judge_apart(first: Latency, second: Latency, margin: float) -> Verdict:
    a, b = _spread(first), _spread(second)
    extra = 2 * _BETWEEN_MEASUREMENTS**2
    parts = (a.variance / a.num_processes, b.variance / b.num_processes)
    squares = sum(part**2 / (each.num_processes - 1) for part, each in zip(parts, (a, b), strict=True))
    degrees = max(1, math.floor(sum(parts) ** 2 / squares)) if squares > 0 else 1
    seen, unseen = t_quantile_975(degrees) * math.sqrt(sum(parts)), _Z * math.sqrt(extra)
    count = min(a.num_processes, b.num_processes)
    spread = _Spread(mean=a.mean - b.mean, variance=sum(parts) * count, num_processes=count, within=a.within + b.within)
    words = (
        f"Welch's interval over {a.num_processes} and {b.num_processes} processes, measured apart: "
        f"{_BETWEEN_MEASUREMENTS * 100:g} % is allowed for what changes between two measurements"
    )
    if not (first.samples_ms and second.samples_ms):
        words += "; a tool kept summaries only, so their spread is taken at its widest"
    return _verdict(
        spread,
        half=math.hypot(seen, unseen),
        extra=extra,
        margin=margin,
        method=words,
        iterations=min(_iterations(first), _iterations(second)),
    )


def _verdict(spread: _Spread, *, half: float, extra: float, margin: float, method: str, iterations: int) -> Verdict:
    low, high = math.exp(spread.mean - half), math.exp(spread.mean + half)
    reach = math.log1p(margin)
    is_different: bool | None = None
    if math.log(high) < reach and math.log(low) > -reach:
        is_different = False
    elif not low <= 1 <= high:
        is_different = True
    more = None
    if is_different is None:
        target = max(abs(spread.mean), reach - abs(spread.mean))
        more = _more(spread, target=target, extra=extra, iterations=iterations)
    return Verdict(
        ratio=math.exp(spread.mean),
        ci95=(low, high),
        is_different=is_different,
        margin=margin,
        reason="" if is_different is not None else "the interval holds both 1 and differences that matter",
        more=more,
        method=method,
    )


def _more(spread: _Spread, *, target: float, extra: float, iterations: int) -> More:
    """Return what brings the half width of the interval below ``target``, if the spread stays."""
    n, t = spread.num_processes, t_quantile_975(spread.num_processes - 1)
    room = target**2 - _Z**2 * extra
    if room <= 0:
        return More(count=0, what="processes")
    # More iterations shrink their own part of the variance only.
    left = n * room / t**2 - max(0.0, spread.variance - spread.within)
    if iterations and 2 * spread.within > spread.variance and left > 0:
        needed = math.ceil(iterations * spread.within / left)
        if iterations < needed <= _MOST_ITERATIONS:
            return More(count=needed - iterations, what="iterations")
    for count in range(n + 1, _MOST_PROCESSES + 1):
        if t_quantile_975(count - 1) ** 2 * spread.variance / count <= room:
            return More(count=count - n, what="processes")
    return More(count=0, what="processes")


def _spread(latency: Latency) -> _Spread:
    if not latency.samples_ms:
        return _summarized_spread(latency)
    medians = [math.log(statistics.median(process)) for process in latency.samples_ms]
    return _Spread(
        mean=statistics.fmean(medians),
        variance=statistics.variance(medians),
        num_processes=len(medians),
        within=_within(latency.samples_ms),
    )


def _summarized_spread(latency: Latency) -> _Spread:
    """Return the greatest spread of the processes that fits the interval of their median.

    That interval ends at the fastest and at the slowest process at the latest, so its width is either their range or
    less, and then 2 t standard errors.
    """
    low, high = latency.ci95_ms
    count = latency.num_processes
    width = math.log(high / low)
    of_range = width / _RANGE_OF[min(count, max(_RANGE_OF))]
    of_error = width * math.sqrt(count) / (2 * t_quantile_975(count - 1))
    return _Spread(mean=math.log(latency.p50_ms), variance=max(of_range, of_error) ** 2, num_processes=count)


def _within(samples_ms: Sequence[Sequence[float]]) -> float:
    """Return the variance of a process's median that its own few iterations cause, mean of the processes."""
    return statistics.fmean(_variance_of_median(process) for process in samples_ms)


def _variance_of_median(process: Sequence[float]) -> float:
    """Estimate it from the order statistics that hold the median with 95 %, on a logarithmic scale."""
    ordered, n = sorted(process), len(process)
    reach = 0.98 * math.sqrt(n)
    low, high = ordered[max(0, math.floor(n / 2 - reach))], ordered[min(n - 1, math.ceil(n / 2 + reach))]
    return (math.log(high / low) / (2 * _Z)) ** 2


def _fastest_ms(latency: Latency) -> float:
    return min((min(process) for process in latency.samples_ms), default=latency.ci95_ms[0])


def _iterations(latency: Latency) -> int:
    return min((len(process) for process in latency.samples_ms), default=0)
