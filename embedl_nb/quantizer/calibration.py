"""CalibrationReport: what the samples were worth, one row a tensor. Its record and its sentence go into the Fidelity.

In: what was observed of each activation in each sample. Out: a frozen result that says which samples set a tensor's
range, which of those stand apart from all others, and whether fewer samples would have done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.source_names import source_module
from embedl_nb.quantizer.ranges import RangeStatistics, ranges_of
from embedl_nb.quantizer.recipe import RangeMethod
from embedl_nb.units import format_ratio

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["CalibrationReport", "TensorRange", "report_calibration"]

SCHEMA_VERSION = 1
# Fewer samples have no 99th percentile worth the name.
_LEAST_SAMPLES = 10
_PERCENTILE = 99.0
# A sample stands apart if it widens the range that the others need by this share of it.
_FAR = 0.5
_ENOUGH = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRange:
    """What was seen of one activation.

    Attributes
    ----------
    tensor, source
        Its name, and the source module that makes it ("" where the name does not tell).
    min, max
        Of all samples, in the tensor's own unit.
    min_sample, max_sample
        Which sample showed them, counted from 0 in the order of observation.
    is_outlier
        Whether one sample alone sets the range, far beyond the 99th percentile of the others' extremes: the range of
        all others is widened by more than half. False with fewer than 10 samples.
    num_irregular
        Samples in which it held NaN or infinity.
    half_change
        By how much of its width the quantized range would move with only the first half of the samples; None with
        fewer than 10.
    """

    tensor: str
    source: str
    min: float
    max: float
    min_sample: int
    max_sample: int
    is_outlier: bool
    num_irregular: int = 0
    half_change: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationReport:
    """What calibration saw.

    Attributes
    ----------
    num_samples
        How many were run, in all signatures.
    method
        How ranges follow from them.
    tensors
        One row an activation; :meth:`Fidelity.calibration_frame` shows them.
    """

    num_samples: int
    method: RangeMethod
    tensors: tuple[TensorRange, ...]
    schema_version: int = SCHEMA_VERSION

    @property
    def outliers(self) -> tuple[TensorRange, ...]:
        """Tensors whose range one sample sets."""
        return tuple(row for row in self.tensors if row.is_outlier)

    @property
    def half_change(self) -> float | None:
        """By how much the ranges would move with half of the samples: the share that 95 % of them stay within."""
        changes = sorted(row.half_change for row in self.tensors if row.half_change is not None)
        return changes[min(len(changes) - 1, int(0.95 * len(changes)))] if changes else None

    @property
    def fewer_would_do(self) -> bool | None:
        """Whether half of the samples give practically the same ranges; None where too few tell."""
        return None if self.half_change is None else self.half_change <= _ENOUGH

    @property
    def sentence(self) -> str:
        """One line for people."""
        parts = [f"{_many(self.num_samples, 'sample')}, ranges of {_many(len(self.tensors), 'tensor')}"]
        if self.outliers:
            samples = Counter(sample for row in self.outliers for sample in _setting(row))
            sample, count = samples.most_common(1)[0]
            parts.append(f"{len(self.outliers)} set by one far sample alone (sample {sample} sets {count})")
        irregular = sum(row.num_irregular > 0 for row in self.tensors)
        if irregular:
            parts.append(f"{irregular} held NaN or infinity")
        if self.half_change is not None:
            verdict = "half of them would have done" if self.fewer_would_do else "more samples may change them"
            parts.append(f"{verdict} (ranges move by {format_ratio(self.half_change)})")
        return "; ".join(parts)

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "schema_version": self.schema_version,
            "num_samples": self.num_samples,
            "method": str(self.method),
            "tensors": [asdict(row) for row in self.tensors],
        }


def report_calibration(
    statistics: RangeStatistics | Sequence[RangeStatistics],
    graph: ModelGraph,
    *,
    method: RangeMethod = RangeMethod.MOVING_AVERAGE,
) -> CalibrationReport:
    """Say what the samples of one or several signatures were worth.

    Parameters
    ----------
    graph
        Of the model that was observed; it tells which module makes a tensor.
    method
        How ranges follow from the samples.

    Raises
    ------
    CalibrationError
        See :func:`~embedl_nb.quantizer.ranges.ranges_of`.
    """
    every = [statistics] if isinstance(statistics, RangeStatistics) else list(statistics)
    sources = _sources(graph)
    rows = [row for one in every for row in _rows(one, sources, method)]
    return CalibrationReport(num_samples=sum(one.num_samples for one in every), method=method, tensors=tuple(rows))


def _rows(statistics: RangeStatistics, sources: Mapping[str, str], method: RangeMethod) -> list[TensorRange]:
    import numpy as np

    lows, highs = statistics.minima, statistics.maxima
    outliers = _outliers(lows, highs)
    changes = _half_changes(statistics, method)
    return [
        TensorRange(
            tensor=name,
            source=sources.get(name, ""),
            min=float(lows[:, tensor].min()),
            max=float(highs[:, tensor].max()),
            min_sample=int(np.argmin(lows[:, tensor])),
            max_sample=int(np.argmax(highs[:, tensor])),
            is_outlier=bool(outliers[tensor]),
            num_irregular=int(statistics.num_irregular[tensor]),
            half_change=None if changes is None else float(changes[tensor]),
        )
        for tensor, name in enumerate(statistics.names)
    ]


def _outliers(lows: Array, highs: Array) -> Array:
    """Return for each tensor whether its outermost sample lies far beyond the 99th percentile of the others."""
    import numpy as np

    if len(lows) < _LEAST_SAMPLES:
        return np.zeros(lows.shape[1], bool)
    lows, highs = np.sort(-lows.astype(np.float64), axis=0), np.sort(highs.astype(np.float64), axis=0)
    # Of all but the outermost sample; minima are turned round, so that both ends look alike.
    low, high = (np.percentile(ends[:-1], _PERCENTILE, axis=0) for ends in (lows, highs))
    width = np.maximum(low + high, 0)
    beyond: Array = np.maximum(lows[-1] - low, highs[-1] - high) > _FAR * width
    is_wide: Array = highs[-1] + lows[-1] > 0
    return beyond & is_wide


def _half_changes(statistics: RangeStatistics, method: RangeMethod) -> Array | None:
    """Return by how much of its width each range moves if only the first half of the samples is used."""
    import numpy as np

    if statistics.num_samples < _LEAST_SAMPLES:
        return None
    # Histograms are not kept by sample: for ranges made of them, minimum and maximum have to do.
    method = method if method is RangeMethod.MOVING_AVERAGE else RangeMethod.MIN_MAX
    half = statistics.first(statistics.num_samples // 2)
    whole, part = (np.array(list(ranges_of(one, method).values())) for one in (statistics, half))
    width = np.maximum(whole[:, 1] - whole[:, 0], np.finfo(np.float32).tiny)
    changes: Array = np.abs(whole - part).max(axis=1) / width
    return changes


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _setting(row: TensorRange) -> tuple[int, ...]:
    """Return the samples that set a tensor's range."""
    return tuple({row.min_sample, row.max_sample})


def _sources(graph: ModelGraph) -> dict[str, str]:
    return {tensor.name: source_module(tensor.name) for subgraph in graph.subgraphs for tensor in subgraph.tensors}
