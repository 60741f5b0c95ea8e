"""How long loading took, where nothing was cached and where an earlier process had left what it compiled or packed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.runtime.raw_run import RawRun

__all__ = ["LoadTimes", "load_times"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTimes:
    """Medians over processes, see :class:`~embedl_nb.measure.benchmark.Benchmark`."""

    init_ms: float
    init_kind: str
    init_cached_ms: float | None


def load_times(runs: Sequence[RawRun]) -> LoadTimes:
    """Tell cold loads from cached ones."""
    times_ms: dict[str, list[float]] = {}
    for run in runs:
        times_ms.setdefault(run.load_kind, []).append(run.load_ms + run.compile_ms)
    medians_ms = {kind: statistics.median(each) for kind, each in times_ms.items()}
    kind = "cold" if "cold" in medians_ms else next(iter(medians_ms))
    return LoadTimes(
        init_ms=medians_ms[kind],
        init_kind=kind,
        init_cached_ms=medians_ms.get("cached") if kind == "cold" else None,
    )
