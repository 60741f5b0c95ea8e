"""From what samples showed of each activation to the range it is quantized with.

In: :class:`RangeStatistics`, per sample and tensor the least and the largest value (statistics.py takes them in the
child), and for two of the methods a histogram. Out: ranges by tensor name, as the library wants them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError
from embedl_nb.quantizer.recipe import RangeMethod

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Histograms", "RangeStatistics", "Ranges", "ranges_of", "to_json"]

Ranges = dict[str, tuple[float, float]]
"""Least and largest value that an activation is quantized for, by tensor name."""

# ai-edge-quantizer's own: the newest sample weighs 5 %.
_SMOOTHING = 0.95
_CLIPPED_SHARE = 1e-4
_LEVELS = 255
_NUM_CLIPS = 48
_SMALLEST_CLIP = 0.1
_NUM_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histograms:
    """How often each value was seen, T tensors in B bins each.

    Attributes
    ----------
    exponents
        Shape (T,), int; a tensor's bins are ``2 ** exponent`` wide.
    firsts
        Shape (T,), int; its first bin begins at ``first * width``.
    counts
        Shape (T, B), int.
    """

    exponents: Array
    firsts: Array
    counts: Array

    def edges(self, tensor: int) -> Array:
        """Return where a tensor's bins begin, and where the last one ends; shape (B + 1,), float64."""
        import numpy as np

        bins = self.firsts[tensor] + np.arange(self.counts.shape[1] + 1)
        edges: Array = np.ldexp(bins.astype(np.float64), int(self.exponents[tensor]))
        return edges


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeStatistics:
    """What N samples showed of the T activations of one signature.

    Attributes
    ----------
    signature_key
        "" for a model without a signature.
    names
        Of the tensors.
    minima, maxima
        Shape (N, T), float32; least and largest value of each tensor in each sample. Values beyond 3e38 and NaN are
        left out, unless a tensor has no others.
    num_irregular
        Shape (T,), int; samples in which such values were left out.
    histograms
        Over all samples; None where they were not asked for.
    """

    signature_key: str
    names: tuple[str, ...]
    minima: Array
    maxima: Array
    num_irregular: Array
    histograms: Histograms | None = None

    @property
    def num_samples(self) -> int:
        """How many samples were seen."""
        return int(self.minima.shape[0])

    def first(self, num_samples: int) -> RangeStatistics:
        """Return what the first samples showed; without histograms, which are of all."""
        return replace(self, minima=self.minima[:num_samples], maxima=self.maxima[:num_samples], histograms=None)


def ranges_of(
    statistics: RangeStatistics | Sequence[RangeStatistics], method: RangeMethod = RangeMethod.MOVING_AVERAGE
) -> Ranges:
    """Return the range of every activation.

    Parameters
    ----------
    statistics
        Of one signature, or one of each signature, in the order in which they were observed.
    method
        The last two need histograms.

    Raises
    ------
    CalibrationError
        If there is no sample, an activation is never a finite number, or histograms are needed and missing.
    """
    every = [statistics] if isinstance(statistics, RangeStatistics) else list(statistics)
    ranges: Ranges = {}
    for one in every:
        _check(one)
        lows, highs = _METHODS[method](one)
        ranges.update({name: (float(low), float(high)) for name, low, high in zip(one.names, lows, highs, strict=True)})
    return ranges


def _check(statistics: RangeStatistics) -> None:
    import numpy as np

    if not statistics.num_samples:
        raise CalibrationError("there is no sample to calibrate with", hint="give at least one; 100 is usual")
    bad = ~np.isfinite(statistics.minima) | ~np.isfinite(statistics.maxima)
    if bad.any():
        sample, tensor = np.argwhere(bad)[0]
        others = f" (and in {int(bad.any(axis=1).sum()) - 1} other samples)" if bad.any(axis=1).sum() > 1 else ""
        raise CalibrationError(
            f"tensor {statistics.names[tensor]!r} holds no finite number in sample {sample}{others}",
            hint="leave such samples out, or check the float model on them",
        )


def _moving_average(statistics: RangeStatistics) -> tuple[Array, Array]:
    import numpy as np

    lows, highs = statistics.minima[0], statistics.maxima[0]
    keep, take = np.float32(_SMOOTHING), np.float32(1 - _SMOOTHING)
    for low, high in zip(statistics.minima[1:], statistics.maxima[1:], strict=True):
        lows, highs = keep * lows + take * low, keep * highs + take * high
    return lows, highs


def _min_max(statistics: RangeStatistics) -> tuple[Array, Array]:
    return statistics.minima.min(axis=0), statistics.maxima.max(axis=0)


def _percentile(statistics: RangeStatistics) -> tuple[Array, Array]:
    import numpy as np

    histograms = _histograms(statistics)
    lows, highs = (bounds.astype(np.float64) for bounds in _min_max(statistics))
    for tensor in range(len(statistics.names)):
        counts, edges = histograms.counts[tensor], histograms.edges(tensor)
        total = counts.sum()
        if not total:
            continue
        share = np.cumsum(counts) / total
        low = edges[int(np.searchsorted(share, _CLIPPED_SHARE, side="right"))]
        high = edges[int(np.searchsorted(share, 1 - _CLIPPED_SHARE, side="left")) + 1]
        lows[tensor], highs[tensor] = max(low, lows[tensor]), min(high, highs[tensor])
    return lows, highs


def _least_squares(statistics: RangeStatistics) -> tuple[Array, Array]:
    import numpy as np

    histograms = _histograms(statistics)
    lows, highs = (bounds.astype(np.float64) for bounds in _min_max(statistics))
    for tensor in range(len(statistics.names)):
        used = np.flatnonzero(histograms.counts[tensor])
        edges, counts = histograms.edges(tensor), histograms.counts[tensor][used].astype(np.float64)
        spread = _Spread(lefts=edges[used], rights=edges[used + 1], counts=counts)
        lows[tensor], highs[tensor] = spread.clipped(min(lows[tensor], 0.0), max(highs[tensor], 0.0))
    return lows, highs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Spread:
    """How the values of one tensor are spread: the bins that hold any."""

    lefts: Array
    rights: Array
    counts: Array

    def clipped(self, least: float, largest: float) -> tuple[float, float]:
        """Return the range within [least, largest] of least squared error; each end is tried in turn."""
        import numpy as np

        clips = np.geomspace(_SMALLEST_CLIP, 1.0, _NUM_CLIPS)
        low, high = least, largest
        for _ in range(_NUM_ROUNDS):
            high = float(largest * clips[self._errors(low, largest * clips[:, None]).argmin()])
            low = float(least * clips[self._errors(least * clips[:, None], high).argmin()])
        return low, high

    def _errors(self, low: float | Array, high: float | Array) -> Array:
        """Return the summed square of what rounding and clipping to 8 bits in [low, high] change; one value a range."""
        import numpy as np

        centres = (self.lefts + self.rights) / 2
        beyond = np.maximum(centres - high, 0) + np.maximum(low - centres, 0)
        # Exact zeros, as a ReLU makes them, are quantized without an error; they are in the bin that begins at 0.
        rounding = np.where(self.lefts == 0, 0.0, ((high - low) / _LEVELS) ** 2 / 12)
        errors: Array = np.where(beyond > 0, beyond**2, rounding) @ self.counts
        return errors


def _histograms(statistics: RangeStatistics) -> Histograms:
    if statistics.histograms is None:
        raise CalibrationError(
            "percentile and mse ranges need histograms of the activations", hint="observe with histograms=True"
        )
    return statistics.histograms


_METHODS = {
    RangeMethod.MOVING_AVERAGE: _moving_average,
    RangeMethod.MIN_MAX: _min_max,
    RangeMethod.PERCENTILE: _percentile,
    RangeMethod.MSE: _least_squares,
}


def to_json(ranges: Mapping[str, tuple[float, float]]) -> dict[str, list[float]]:
    """Return ranges as they are sent to the child."""
    return {name: [low, high] for name, (low, high) in ranges.items()}
