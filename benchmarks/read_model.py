"""How long it takes to read a model of 5,000 operators, its operators table included. Target: under 1 s.

Usage: python benchmarks/read_model.py [--operators N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from embedl_nb.model import LiteRTModel
from embedl_nb.model.flatbuffer import read_graph
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder


def network(num_operators: int) -> bytes:
    """Build quantized convolutions and additions in turn, named as litert-torch names them."""
    builder, random = ModelBuilder(), np.random.default_rng(0)
    value = builder.input("x", (1, 8, 8, 8), "int8", scale=0.1)
    for index in range(num_operators):
        name = f"__main__.Net/torch.nn.modules.container.Sequential_f/torch.nn.modules.conv.Conv2d_{index};"
        result = builder.tensor(f"{name}2", (1, 8, 8, 8), "int8", scale=0.1)
        if index % 2:
            value = builder.operator("ADD", [value, value], result)
            continue
        kernel = builder.constant(name, random.integers(-127, 127, (8, 1, 1, 8), np.int8), scale=[0.1] * 8)
        bias = builder.constant(f"{name}1", random.integers(-127, 127, 8, np.int32), scale=[0.01] * 8)
        value = builder.operator("CONV_2D", [value, kernel, bias], result)
    return builder.build({"y": value})


def main() -> None:
    """Print medians of reading alone, of opening, and of opening with the operators table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operators", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = models.write(folder, network(options.operators))
        rows: dict[str, list[tuple[float, float]]] = {}
        for _ in range(options.repeats):
            for what, work, from_file in (
                ("open", lambda: LiteRTModel.open(path), True),
                ("open + operators table", lambda: LiteRTModel.open(path).operators, True),
                ("the same, already read", lambda: LiteRTModel.open(path).operators, False),
            ):
                if from_file:
                    read_graph.cache_clear()
                rows.setdefault(what, []).append(_seconds(work))
        print(f"{options.operators} operators, {path.stat().st_size / 2**20:.1f} MiB, {options.repeats} repeats")
        for what, seconds in rows.items():
            wall, cpu = zip(*seconds, strict=True)
            print(
                f"{what:<24} median {statistics.median(wall):.3f} s (CPU {statistics.median(cpu):.3f} s), "
                f"best {min(wall):.3f} s, worst {max(wall):.3f} s"
            )


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the CPU time of ``work``; they differ where other processes want the cores as well."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
