"""What every figure of layers needs from a Benchmark: its layers, the remainder that no layer explains, its captions.

In comes a Benchmark, out come texts and numbers; no plotly, no SVG.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.units import Provenance, counted, format_ms, format_ratio

__all__ = [
    "REMAINDER_NAME",
    "Remainder",
    "caption",
    "checked",
    "latency_words",
    "layer_label",
    "profiled",
    "provenance_words",
    "remainder_of",
    "timed",
    "title",
    "unit_label",
]

REMAINDER_NAME = "unattributed"
_LONGEST_LABEL = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """The part of the profiled mean that no layer explains, drawn behind the last layer."""

    start_ms: float
    length_ms: float
    share: float


def checked(result: Any) -> Benchmark:
    """Return ``result`` if it is a Benchmark.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not isinstance(result, Benchmark):
        raise InputError(
            f"this figure is drawn from a Benchmark, not from {type(result).__name__}",
            hint="result = enb.benchmark(model), then draw the result",
        )
    return result


def timed(result: Any) -> Benchmark:
    """Return ``result`` if it is a Benchmark with every single time.

    Raises
    ------
    InputError
        If it is none, its device's tool listed no times, or one of them is no finite number.
    """
    benchmark = checked(result)
    processes = benchmark.latency.samples_ms
    if not processes:
        raise InputError(
            f"{title(benchmark)} holds no single times: {benchmark.device.name}'s tool summarizes them",
            hint="result.latency has its figures; sustain='10m' gives its latency over minutes",
        )
    if not all(math.isfinite(sample) for samples in processes for sample in samples):
        raise InputError(
            f"{title(benchmark)} holds times that are not finite numbers", hint="measure again: enb.benchmark(model)"
        )
    return benchmark


def profiled(result: Any) -> Benchmark:
    """Return ``result`` if it is a Benchmark with layers.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark or was measured without a profile.
    """
    benchmark = checked(result)
    if not benchmark.layer_table:
        raise InputError(
            f"the benchmark of {benchmark.model_name} has no layers: its profile was off",
            hint="measure it with enb.benchmark(model, profile=True)",
        )
    return benchmark


def remainder_of(benchmark: Benchmark) -> Remainder | None:
    """Return what no layer explains; None where the layers explain everything."""
    mean_ms, length_ms = benchmark.profiled_mean_ms, benchmark.unattributed_ms
    if not mean_ms or length_ms is None or length_ms <= 0:
        return None
    last_end_ms = max(layer.start_ms + layer.mean_ms for layer in benchmark.layer_table)
    return Remainder(start_ms=last_end_ms, length_ms=length_ms, share=length_ms / mean_ms)


def title(benchmark: Benchmark) -> str:
    """Return what was measured, where."""
    return f"{benchmark.model_name} {benchmark.precision} on {benchmark.device.name} {benchmark.placement.got}"


def caption(benchmark: Benchmark) -> str:
    """Return the headline latency with its n, and what the layers refer to."""
    words = [latency_words(benchmark)]
    if benchmark.profiled_mean_ms:
        covered = format_ratio(sum(layer.mean_ms for layer in benchmark.layer_table) / benchmark.profiled_mean_ms)
        words.append(f"layers: {covered} of the profiled mean of {format_ms(benchmark.profiled_mean_ms)}")
    return "; ".join((*words, *provenance_words(benchmark)))


def latency_words(benchmark: Benchmark) -> str:
    """Return the headline latency with its n."""
    latency = benchmark.latency
    processes = counted(latency.num_processes, "process", "processes")
    return f"p50 {format_ms(latency.p50_ms)}, p95 {format_ms(latency.p95_ms)} (n = {latency.n} in {processes})"


def provenance_words(benchmark: Benchmark) -> tuple[str, ...]:
    """Return a warning where the numbers were not measured, else nothing."""
    return () if benchmark.provenance is Provenance.MEASURED else (f"{benchmark.provenance}, not measured",)


def unit_label(compute_unit: str, provenance: Provenance) -> str:
    """Return the name of a unit's bars: with the provenance where they were not measured."""
    return compute_unit if provenance is Provenance.MEASURED else f"{compute_unit} ({provenance})"


def layer_label(layer: Layer) -> str:
    """Return the layer's place in the source model, shortened in its middle, and its operator."""
    room = max(8, _LONGEST_LABEL - len(layer.operator))
    return f"{shortened(layer.source or layer.name, room)}  {layer.operator}"
