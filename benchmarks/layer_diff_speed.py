"""How long the layer diff of two profiles of 5,000 layers and its figure take.

Limit: 0.5 s together. Two models (float against int8: matched by names, modules and order, with a tenth of the layers
on one side only) and one model on two devices (matched by operators). Run as
``python benchmarks/layer_diff_speed.py [num_layers]``; it exits with 1 where the limit is broken. The first figure of a
process also loads plotly, which is printed apart.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import replace

from embedl_nb.analysis import Comparison, compare_results
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.testing.results import fake_benchmark

LIMIT_S = 0.5
REPEATS = 5


def main(num_layers: int = 5000) -> int:
    """Print both times and return the exit code."""
    first = fake_benchmark(num_layers, seed=1)
    quantized = fake_benchmark(num_layers, p50_ms=5.0, seed=2)
    kept = tuple(layer for layer in quantized.layer_table if layer.index % 10)
    other_model = replace(quantized, model_sha256="1" * 64, layer_table=kept)
    return max(_timed("two models", first, other_model), _timed("one model, two devices", first, quantized))


def _timed(name: str, first: Benchmark, second: Benchmark) -> int:
    comparison = compare_results([first, second])
    assert isinstance(comparison, Comparison)

    def once_s() -> float:
        began = time.perf_counter()
        comparison.layers.waterfall()
        return time.perf_counter() - began

    first_s = once_s()
    median_s = statistics.median(once_s() for _ in range(REPEATS))
    counts = f"{len(first.layer_table)} and {len(second.layer_table)} layers"
    print(f"{name}, {counts}: diff and figure {median_s:.3f} s (the first {first_s:.3f} s), limit {LIMIT_S} s")
    return int(median_s > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
