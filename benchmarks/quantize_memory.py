"""How much memory calibrating with 1,000 samples of 3x224x224 takes, this process and its child together.

The samples come from a generator, as from files that are read one by one. What both processes hold in memory is looked
at every 20 ms; the largest sum is quoted, and what each had at its own peak (which need not be at the same time).

    python benchmarks/quantize_memory.py [--samples 1000] [--model FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from quantize_speed import RECIPE, mobilenet_v2

from embedl_nb.model import LiteRTModel
from embedl_nb.quantizer.engine import Engine
from embedl_nb.quantizer.ranges import ranges_of
from embedl_nb.quantizer.recipes import resolve_recipe
from embedl_nb.units import format_bytes

GOAL_BYTES = 1.5 * 2**30
_PERIOD_S = 0.02


class Watch:
    """Looks at the memory of this process and of all it has started."""

    def __init__(self) -> None:
        self.sum_bytes = 0
        self.peak_bytes: dict[str, int] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        here = psutil.Process()
        while not self._is_over.wait(_PERIOD_S):
            held = {"this process": here.memory_info().rss, "its child": 0}
            for child in here.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    held["its child"] += child.memory_info().rss
            self.sum_bytes = max(self.sum_bytes, sum(held.values()))
            for who, size in held.items():
                self.peak_bytes[who] = max(size, self.peak_bytes.get(who, 0))


def samples(model: LiteRTModel, num_samples: int) -> Iterator[dict[str, Any]]:
    """Yield random samples, none of which is kept."""
    (spec,) = model.signatures[0].inputs
    random = np.random.default_rng(0)
    for _ in range(num_samples):
        yield {spec.name: random.standard_normal(spec.shape, np.float32)}


def main() -> int:
    """Print the peaks; exit 1 where the goal is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--model", type=Path, help="a float model of one input, instead of MobileNetV2")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Compiling would leave torch and the converter in memory: not what is measured.
        path = arguments.model or _compiled_elsewhere(Path(folder))
        model = LiteRTModel.open(path)
        started = time.perf_counter()
        with Watch() as watch, Engine() as engine:
            seen = engine.observe(path, samples(model, arguments.samples), signature_key=None, histograms=True)
            engine.apply(path, resolve_recipe(RECIPE).full_rules, ranges_of(seen), Path(folder) / "small.tflite")
        seconds = time.perf_counter() - started
    print(f"{seen.num_samples} samples, {len(seen.names)} tensors, {seconds:.1f} s")
    for who, size in watch.peak_bytes.items():
        print(f"{who:<14}{format_bytes(size):>12}")
    print(f"{'both':<14}{format_bytes(watch.sum_bytes):>12}  goal < {format_bytes(GOAL_BYTES)}")
    return 0 if watch.sum_bytes < GOAL_BYTES else 1


def _compiled_elsewhere(folder: Path) -> Path:
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(mobilenet_v2, (folder,))


if __name__ == "__main__":
    sys.exit(main())
