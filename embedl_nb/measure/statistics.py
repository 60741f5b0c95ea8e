"""From raw samples to figures: percentiles, the interval of the median, trends and modes. Knows numbers only.

Samples come as one sequence a process, in the order they were taken, ms. Iterations within a process resemble each
other more than those of two processes (memory layout, clocks), so the process is the unit that counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.measure.benchmark import Latency
from embedl_nb.runtime.raw_run import TimesSummary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Drift", "TwoModes", "bootstrap_ci95_ms", "find_drift", "find_two_modes", "join_summaries", "summarize"]

Samples = Sequence[Sequence[float]]

_NUM_RESAMPLES = 1000
_CHUNK_DRAWS = 2_000_000

_NUM_BLOCKS = 10
_MIN_BLOCK = 4
_DRIFT_CHANGE = 0.03
_DRIFT_LEVEL = 0.01

_MODE_MIN_SAMPLES = 30
_MODE_SHARE = 0.10
_MODE_DISTANCE = 0.05
_MODE_SEPARATION = 3.0
_MODE_VALLEY = 0.4


def summarize(samples_ms: Samples, *, seed: int = 0) -> Latency:
    """Summarize the timed iterations of all processes.

    Parameters
    ----------
    samples_ms
        One sequence a process, each with at least one sample, ms.
    seed
        Of the bootstrap.
    """
    import numpy as np

    pooled = np.concatenate([np.asarray(process, dtype=np.float64) for process in samples_ms])
    p50, p90, p95, p99 = (float(value) for value in np.percentile(pooled, (50, 90, 95, 99)))
    return Latency(
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=float(pooled.mean()),
        std_ms=float(pooled.std(ddof=1)) if pooled.size > 1 else 0.0,
        ci95_ms=bootstrap_ci95_ms(samples_ms, seed=seed),
        n=int(pooled.size),
        num_processes=len(samples_ms),
        samples_ms=tuple(tuple(float(value) for value in process) for process in samples_ms),
    )


def join_summaries(summaries: Sequence[TimesSummary], *, seed: int = 0) -> Latency:
    """Summarize processes of which only a summary each is known.

    Percentiles cannot be joined: p50 and p95 are the medians of the processes' own, which are alike where the processes
    are. Mean and standard deviation are exact.
    """
    import numpy as np

    counts = np.array([each.n for each in summaries], dtype=np.float64)
    means = np.array([each.mean_ms for each in summaries])
    stds = np.array([each.std_ms for each in summaries])
    n, mean = counts.sum(), float(np.average(means, weights=counts))
    squares = float((counts * (stds**2 + (means - mean) ** 2)).sum())
    return Latency(
        p50_ms=float(np.median([each.p50_ms for each in summaries])),
        p90_ms=None,
        p95_ms=float(np.median([each.p95_ms for each in summaries])),
        p99_ms=None,
        mean_ms=mean,
        std_ms=math.sqrt(squares / (n - 1)) if n > 1 else 0.0,
        ci95_ms=bootstrap_ci95_ms([(each.p50_ms,) for each in summaries], seed=seed),
        n=int(n),
        num_processes=len(summaries),
        samples_ms=(),
        process_p50s_ms=tuple(each.p50_ms for each in summaries),
    )


def bootstrap_ci95_ms(samples_ms: Samples, *, percentile: float = 50.0, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % interval of the pooled median, or of another percentile.

    Each resample draws processes with replacement, then iterations within each. With few processes that alone is far
    too narrow (three give 75 % instead of 95 %), because the spread of K processes underestimates the spread they
    come from by sqrt((K - 1) / K) and is itself uncertain: ratios to the middle are therefore raised to the
    power sqrt(K / (K - 1)) * t(0.975, K - 1) / z(0.975), which stretches small deviations by as much and keeps times
    positive. The interval ends where the samples do: nothing was seen beyond them. One process is resampled by its
    iterations only.

    Parameters
    ----------
    samples_ms
        One sequence a process, ms.
    percentile
        0 to 100.
    seed
        The same seed and samples give the same interval.

    Returns
    -------
    tuple of float
        Low and high end, ms.

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and their Application (1997), section 3.8: hierarchical data.
    """
    import numpy as np

    processes = [np.asarray(process, dtype=np.float64) for process in samples_ms]
    middle = float(np.percentile(np.concatenate(processes), percentile))
    resampled = _resampled(processes, percentile, np.random.default_rng(seed))
    low, high = np.percentile(resampled, (2.5, 97.5))
    if middle <= 0:  # a clock that did not move
        return float(low), float(high)
    stretch = _small_sample_stretch(len(processes))
    shortest, longest = min(map(np.min, processes)), max(map(np.max, processes))
    return (
        max(float(shortest), middle * min(1.0, float(low) / middle) ** stretch),
        min(float(longest), middle * max(1.0, float(high) / middle) ** stretch),
    )


def _resampled(processes: list[Array], percentile: float, rng: np.random.Generator) -> Array:
    import numpy as np

    counts = np.array([process.size for process in processes])
    flat, starts = np.concatenate(processes), np.concatenate([[0], np.cumsum(counts)[:-1]])
    draws = max(1, round(float(counts.mean())))
    chunk = max(1, _CHUNK_DRAWS // (draws * len(processes)))
    found = []
    for begin in range(0, _NUM_RESAMPLES, chunk):
        num_resamples = min(chunk, _NUM_RESAMPLES - begin)
        picked = rng.integers(len(processes), size=(num_resamples, len(processes), 1))
        within = (rng.random((num_resamples, len(processes), draws)) * counts[picked]).astype(np.int64)
        drawn = flat[starts[picked] + within].reshape(num_resamples, -1)
        found.append(np.percentile(drawn, percentile, axis=1))
    return np.concatenate(found)


def _small_sample_stretch(num_processes: int) -> float:
    if num_processes < 2:
        return 1.0
    z = 1.959964
    return math.sqrt(num_processes / (num_processes - 1)) * _t_quantile_975(num_processes - 1) / z


def _t_quantile_975(degrees: int) -> float:
    """Return Student's t at 0.975; exact to 0.001 (a table, then Cornish and Fisher's expansion)."""
    table = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
    if degrees <= len(table):
        return table[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A trend within processes.

    Attributes
    ----------
    change
        From the first tenth of the iterations to the last, as a share of the median; negative where it got faster.
    process
        Number of the process, from 0; None where all of them show it together.
    start_ms, end_ms
        Medians of the first and the last tenth.
    """

    change: float
    process: int | None
    start_ms: float
    end_ms: float


def find_drift(samples_ms: Samples) -> Drift | None:
    """Find the largest trend that is both real (Mann-Kendall on medians of blocks, 1 %) and worth saying (3 %)."""
    import numpy as np

    blocks = [_block_medians(np.asarray(process, dtype=np.float64)) for process in samples_ms]
    candidates: list[tuple[int | None, Array]] = [(i, block) for i, block in enumerate(blocks) if block.size]
    if not candidates:
        return None
    if len(candidates) > 1:
        candidates.append((None, np.mean([block for _, block in candidates], axis=0)))
    level = _DRIFT_LEVEL / len(candidates)
    found = [
        Drift(
            change=float((block[-1] - block[0]) / np.median(block)),
            process=process,
            start_ms=float(block[0]),
            end_ms=float(block[-1]),
        )
        for process, block in candidates
        if _has_trend(block, level)
    ]
    worth_saying = [drift for drift in found if abs(drift.change) >= _DRIFT_CHANGE]
    # What all processes show together says more than the worst of them.
    return max(worth_saying, key=lambda drift: (drift.process is None, abs(drift.change)), default=None)


def _block_medians(process: Array) -> Array:
    import numpy as np

    if process.size < _NUM_BLOCKS * _MIN_BLOCK:
        return np.empty(0)
    return np.array([np.median(block) for block in np.array_split(process, _NUM_BLOCKS)])


def _has_trend(block: Array, level: float) -> bool:
    import numpy as np

    later, earlier = np.triu_indices(block.size, k=1)[::-1]
    score = float(np.sign(block[later] - block[earlier]).sum())
    variance = block.size * (block.size - 1) * (2 * block.size + 5) / 18
    z = (abs(score) - 1) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2)) < level


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoModes:
    """Two speeds instead of one.

    Attributes
    ----------
    fast_ms, slow_ms
        Median of each.
    slow_share
        Of the iterations, 0 to 1.
    """

    fast_ms: float
    slow_ms: float
    slow_share: float


def find_two_modes(samples_ms: Samples) -> TwoModes | None:
    """Find two speeds, each of at least a tenth of the iterations, 5 % apart, with a valley between them.

    The best split in two (least squares, on samples without the slowest 5 %) must separate the groups by Ashman's
    D > 3 and fall where samples are rare: skewed and flat distributions have no such valley.
    """
    import numpy as np

    pooled = np.sort(np.concatenate([np.asarray(process, dtype=np.float64) for process in samples_ms]))
    if pooled.size < _MODE_MIN_SAMPLES:
        return None
    clipped = np.minimum(pooled, np.percentile(pooled, 95))
    split = _best_split(clipped)
    fast, slow = clipped[:split], clipped[split:]
    if min(fast.size, slow.size) < max(2, _MODE_SHARE * pooled.size):
        return None
    fast_ms, slow_ms = float(np.median(fast)), float(np.median(slow))
    distance = slow_ms - fast_ms
    spread = math.sqrt(float(fast.var() + slow.var()) / 2)
    if distance < _MODE_DISTANCE * fast_ms or distance < _MODE_SEPARATION * spread:
        return None
    if not _has_valley(clipped, fast_ms, slow_ms):
        return None
    return TwoModes(fast_ms=fast_ms, slow_ms=slow_ms, slow_share=slow.size / pooled.size)


def _best_split(ordered: Array) -> int:
    """Return where to cut sorted samples so that the two groups have the least variance (Otsu)."""
    import numpy as np

    left = np.arange(1, ordered.size)
    sums = np.cumsum(ordered)
    mean_left = sums[:-1] / left
    mean_right = (sums[-1] - sums[:-1]) / (ordered.size - left)
    between: Any = left * (ordered.size - left) * (mean_right - mean_left) ** 2
    return int(np.argmax(between)) + 1


def _has_valley(ordered: Array, fast_ms: float, slow_ms: float) -> bool:
    import numpy as np

    reach = (slow_ms - fast_ms) / 6

    def count(center_ms: float) -> int:
        begin, end = np.searchsorted(ordered, (center_ms - reach, center_ms + reach), side="left")
        return int(end - begin)

    middle = count((fast_ms + slow_ms) / 2)
    return middle <= _MODE_VALLEY * min(count(fast_ms), count(slow_ms))
