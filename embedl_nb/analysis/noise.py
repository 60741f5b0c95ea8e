"""Whether one latency is really another than a second: the interval of their ratio. Knows numbers only, not what ran.

The method. Iterations within a process resemble each other more than those of two processes (memory layout, clocks), so
the process is the unit that counts: each gives the logarithm of its median. Where the processes of both results took
turns (A B B A ...), each pair of neighbours gives one difference, in which a drift of the machine cancels, and the
interval is Student's over the pairs. Where the results were measured apart, it is Welch's over the processes of each,
widened by what a machine changes between two measurements, which neither of them has seen: 1 % of each latency, and
besides half of the spread between its processes (as standard deviations). Where only all processes together are known,
their spread is the widest that their interval allows.

The verdict. "No difference larger than X %" where the whole 95 % interval lies within X % of 1; "different" where the
98 % interval leaves 1 out; otherwise nobody can tell yet. That a difference takes 98 % keeps the false ones below 5 %
also on a machine whose noise is not quite that of the textbook: benchmarks/compare_a_against_a.py counts them. Each
comparison is by itself: of many, some are wrong.

References
----------
B. L. Welch, The generalization of 'Student's' problem when several different population variances are involved,
Biometrika 34 (1947).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from embedl_nb.analysis.student import t_quantile
from embedl_nb.measure.benchmark import Latency

__all__ = ["MARGIN", "More", "Verdict", "judge"]

MARGIN = 0.02
"""A difference below this is none, unless the caller says otherwise."""

_SHOWN, _CALLED = 0.95, 0.98
_Z = {_SHOWN: 1.959964, _CALLED: 2.326348}
# What a machine changes between two measurements, as standard deviations of a latency: of the latency, and of the
# spread between processes.
_BETWEEN_MEASUREMENTS, _BETWEEN_SHARE = 0.01, 0.5
_MOST_PROCESSES = 100
_FACTORS = (1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)
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
        ``"iterations"`` in each process, ``"processes"``, or ``"turns"``: only a measurement in turns would.
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
class _Times:
    """The logarithms of the processes' medians of one result.

    Attributes
    ----------
    within
        The part of the variance that more iterations in each process would make smaller.
    """

    mean: float
    variance: float
    num_processes: int
    within: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """The difference of two results' logarithms, and what makes it uncertain.

    Attributes
    ----------
    num_processes, num_iterations
        Of each result; the iterations are those of a process, 0 where they are not known.
    degrees
        Of freedom.
    variance, within
        Of a process or a pair of them; ``within`` is the part that more iterations would make smaller.
    fixed, floor
        Variances of the difference that no number of processes makes smaller: one as uncertain as the spread itself,
        and one that is known.
    """

    mean: float
    num_processes: int
    num_iterations: int
    degrees: int
    variance: float
    within: float
    method: str
    fixed: float = 0.0
    floor: float = 0.0

    def half(self, level: float) -> float:
        """Return half the width of the interval."""
        return self._half(level, self.degrees, self.variance / self.num_processes)

    def half_of(self, level: float, *, num_processes: int, variance: float) -> float:
        """Return it for other processes, on the same machine."""
        degrees = self.degrees + num_processes - self.num_processes
        return self._half(level, degrees, variance / num_processes)

    def _half(self, level: float, degrees: int, squared_error: float) -> float:
        spread = t_quantile(level, degrees) ** 2 * (squared_error + self.fixed)
        return math.sqrt(spread + _Z[level] ** 2 * self.floor)


def judge(first: Latency, second: Latency, *, are_interleaved: bool = False, margin: float = MARGIN) -> Verdict:
    """Judge how many times as fast the second is.

    Parameters
    ----------
    are_interleaved
        Whether process i of both ran side by side, in turns.
    margin
        Share of the latency, > 0, below which a difference is none.
    """
    latencies = [*_all_ms(first), *_all_ms(second)]
    if not all(map(math.isfinite, latencies)):
        return _none(margin, "a latency that is not a finite number was not measured")
    if min(latencies) <= 0:
        return _none(margin, "a latency of 0 ms is below the clock's step")
    if min(first.num_processes, second.num_processes) < 2:
        return Verdict(
            ratio=first.p50_ms / second.p50_ms,
            ci95=None,
            is_different=None,
            margin=margin,
            reason="one process says nothing of the next",
            more=More(count=3 - min(first.num_processes, second.num_processes), what="processes"),
        )
    are_pairs = are_interleaved and 1 < len(_medians_ms(first)) == len(_medians_ms(second))
    return _verdict(_in_turns(first, second) if are_pairs else _apart(first, second), margin)


def _none(margin: float, reason: str) -> Verdict:
    return Verdict(ratio=None, ci95=None, is_different=None, margin=margin, reason=reason)


def _in_turns(first: Latency, second: Latency) -> _Difference:
    pairs = [math.log(a / b) for a, b in zip(_medians_ms(first), _medians_ms(second), strict=True)]
    return _Difference(
        mean=statistics.fmean(pairs),
        num_processes=len(pairs),
        num_iterations=min(_num_iterations(first), _num_iterations(second)),
        degrees=len(pairs) - 1,
        variance=statistics.variance(pairs),
        within=_within(first.samples_ms) + _within(second.samples_ms),
        method=f"Student's interval over {len(pairs)} pairs of processes that took turns (A B B A ...)",
    )


def _apart(first: Latency, second: Latency) -> _Difference:
    a, b = _times(first), _times(second)
    parts = (a.variance / a.num_processes, b.variance / b.num_processes)
    squares = sum(part**2 / (each.num_processes - 1) for part, each in zip(parts, (a, b), strict=True))
    count = min(a.num_processes, b.num_processes)
    method = (
        f"Welch's interval over {a.num_processes} and {b.num_processes} processes that were measured apart, wider by "
        f"what a machine changes between two measurements ({_BETWEEN_MEASUREMENTS * 100:g} %, and half of the spread "
        "between processes)"
    )
    if not (_medians_ms(first) and _medians_ms(second)):
        method += "; single processes were not kept, so their spread is taken at its widest"
    return _Difference(
        mean=a.mean - b.mean,
        num_processes=count,
        num_iterations=min(_num_iterations(first), _num_iterations(second)),
        degrees=max(1, math.floor(sum(parts) ** 2 / squares)) if squares > 0 else count - 1,
        variance=sum(parts) * count,
        within=a.within + b.within,
        method=method,
        fixed=_BETWEEN_SHARE**2 * (a.variance + b.variance),
        floor=2 * _BETWEEN_MEASUREMENTS**2,
    )


def _verdict(found: _Difference, margin: float) -> Verdict:
    half, reach = found.half(_SHOWN), math.log1p(margin)
    is_different: bool | None = None
    if abs(found.mean) + half < reach:
        is_different = False
    elif abs(found.mean) > found.half(_CALLED):
        is_different = True
    is_close = half < abs(found.mean) and is_different is None
    reason = "a difference is called at 98 %" if is_close else "the interval holds 1 and differences that matter"
    return Verdict(
        ratio=math.exp(found.mean),
        ci95=(math.exp(found.mean - half), math.exp(found.mean + half)),
        is_different=is_different,
        margin=margin,
        reason=reason if is_different is None else "",
        more=_more(found, reach) if is_different is None else None,
        method=found.method,
    )


def _more(found: _Difference, reach: float) -> More:
    """Return the least that would tell, if the ratio and the spread stay as they are."""

    def would_tell(num_processes: int, variance: float) -> bool:
        called = found.half_of(_CALLED, num_processes=num_processes, variance=variance)
        shown = found.half_of(_SHOWN, num_processes=num_processes, variance=variance)
        return called < abs(found.mean) or abs(found.mean) + shown < reach

    n, iterations = found.num_processes, found.num_iterations
    # More iterations shrink their own part of the variance only.
    if iterations and 2 * found.within > found.variance:
        between = max(0.0, found.variance - found.within)
        for factor in _FACTORS:
            if would_tell(n, between + found.within / factor):
                return More(count=math.ceil(iterations * (factor - 1)), what="iterations")
    tried = range(n + 1, _MOST_PROCESSES + 1)
    enough = next((count for count in tried if would_tell(count, found.variance)), None)
    if enough is None and found.floor:
        return More(count=0, what="turns")
    return More(count=0 if enough is None else enough - n, what="processes")


def _times(latency: Latency) -> _Times:
    medians = [math.log(median_ms) for median_ms in _medians_ms(latency)]
    if not medians:
        return _summarized(latency)
    return _Times(
        mean=statistics.fmean(medians),
        variance=statistics.variance(medians),
        num_processes=len(medians),
        within=_within(latency.samples_ms),
    )


def _medians_ms(latency: Latency) -> tuple[float, ...]:
    """Return the median of each process; nothing where only all of them together are known."""
    return tuple(statistics.median(process) for process in latency.samples_ms) or latency.process_p50s_ms


def _summarized(latency: Latency) -> _Times:
    """Return the greatest spread of the processes that fits the interval of their median.

    That interval ends at the fastest and at the slowest process at the latest, so its width is either their range or
    less, and then 2 t standard errors.
    """
    low, high = latency.ci95_ms
    count = latency.num_processes
    width = math.log(high / low)
    of_range = width / _RANGE_OF[min(count, max(_RANGE_OF))]
    of_error = width * math.sqrt(count) / (2 * t_quantile(0.95, count - 1))
    return _Times(mean=math.log(latency.p50_ms), variance=max(of_range, of_error) ** 2, num_processes=count)


def _within(samples_ms: Sequence[Sequence[float]]) -> float:
    """Return the variance of a process's median that its own few iterations cause, mean of the processes."""
    return statistics.fmean(_variance_of_median(process) for process in samples_ms) if samples_ms else 0.0


def _variance_of_median(process: Sequence[float]) -> float:
    """Estimate it from the order statistics that hold the median with 95 %, on a logarithmic scale."""
    ordered, n = sorted(process), len(process)
    reach = 0.98 * math.sqrt(n)
    low, high = ordered[max(0, math.floor(n / 2 - reach))], ordered[min(n - 1, math.ceil(n / 2 + reach))]
    return (math.log(high / low) / (2 * _Z[_SHOWN])) ** 2


def _all_ms(latency: Latency) -> Iterator[float]:
    """Yield all latencies that a verdict is made of."""
    yield from (latency.p50_ms, *latency.ci95_ms, *latency.process_p50s_ms)
    for process in latency.samples_ms:
        yield from process


def _num_iterations(latency: Latency) -> int:
    return min((len(process) for process in latency.samples_ms), default=0)
