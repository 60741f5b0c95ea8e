"""What does profiling cost? The same model in the same process, profiler on against off, by turns.

The headline latency is always taken with profiling off; this is about how far the layers' times can be trusted.
The figure is the median of the pairs' ratios of p50, and has to be at most 1.05.

    python benchmarks/profiling_overhead.py FOLDER [--model M.tflite] [--threads 1] [--pairs 5] [--runs 100]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from pathlib import Path

import numpy as np
from pretrained_models import efficientnet_lite0

from embedl_nb.runtime.dtypes import random_array
from embedl_nb.runtime.invocation import Invocation
from embedl_nb.runtime.session import CompiledModel, LoadedModel

LIMIT = 1.05
WARMUP = 20
BLOCK = 5


def pair_ms(off: Invocation, on: Invocation, profiled: CompiledModel, runs: int) -> tuple[float, float]:
    """Return the p50 with the profiler on and off, from blocks of 5 inferences by turns."""
    off_ns: list[int] = []
    on_ns: list[int] = []
    while len(off_ns) < runs:
        off_ns += [off.run_ns() for _ in range(BLOCK)]
        with profiled.profiling():
            on_ns += [on.run_ns() for _ in range(BLOCK)]
    return statistics.median(on_ns) / 1e6, statistics.median(off_ns) / 1e6


def main() -> int:
    """Print each pair and the verdict; exit 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the converted model is kept")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    loaded = LoadedModel(arguments.model or efficientnet_lite0(arguments.folder))
    signature = loaded.signature(None)
    random = np.random.default_rng(0)
    inputs = {tensor.name: random_array(random, tensor.kind, tensor.shape) for tensor in signature.inputs}
    off = CompiledModel(loaded, num_threads=arguments.threads, runtime_options={})
    on = CompiledModel(loaded, num_threads=arguments.threads, runtime_options={}, profile=True)
    without, with_profiler = (Invocation(compiled, signature, inputs) for compiled in (off, on))
    pair_ms(without, with_profiler, on, WARMUP)
    gc.disable()
    pairs = []
    for number in range(arguments.pairs):
        on_ms, off_ms = pair_ms(without, with_profiler, on, arguments.runs)
        pairs.append((on_ms, off_ms))
        print(f"pair {number + 1}: on {on_ms:.3f} ms, off {off_ms:.3f} ms, ratio {on_ms / off_ms:.4f}")
    ratio = statistics.median(on_ms / off_ms for on_ms, off_ms in pairs)
    print(f"median p50, on: {statistics.median(pair[0] for pair in pairs):.3f} ms")
    print(f"median p50, off: {statistics.median(pair[1] for pair in pairs):.3f} ms")
    print(f"median ratio on / off: {ratio:.4f} (limit {LIMIT})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
