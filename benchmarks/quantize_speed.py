"""How long static int8 of MobileNetV2 takes with 100 samples, against ai-edge-quantizer called directly.

From samples in memory to a quantized file. Each side is a process of its own with its imports done; ours starts its
child within the time of the first call and finds it warm in the second. The pairs are interleaved and medians are
quoted. The two files' scales and zero points are compared.

    python benchmarks/quantize_speed.py [--pairs 3] [--model FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOAL = 0.5
TOLERANCE = 1e-6
RECIPE = "static_wi8_ai8"


def mobilenet_v2(folder: Path) -> Path:
    """Compile the float model."""
    import torch
    from compile_speed import mobilenet_v2

    from embedl_nb.compiler import compile_model

    inputs = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    return compile_model(mobilenet_v2(1000, seed=0), inputs).save(folder / "mobilenet_v2.tflite")


def samples(model: Path, num_samples: int) -> list[dict[str, Any]]:
    """Return random samples in the shape of the model's input."""
    import numpy as np

    from embedl_nb.model import LiteRTModel

    (spec,) = LiteRTModel.open(model).signatures[0].inputs
    random = np.random.default_rng(0)
    return [{spec.name: random.standard_normal(spec.shape).astype(np.float32)} for _ in range(num_samples)]


def ours(model: Path, num_samples: int, output: Path) -> dict[str, float]:
    """Quantize twice; return the seconds of each."""
    from embedl_nb.quantizer.engine import Engine
    from embedl_nb.quantizer.ranges import ranges_of
    from embedl_nb.quantizer.recipes import resolve_recipe

    data = samples(model, num_samples)
    seconds = {}
    for call in ("first", "warm"):
        started = time.perf_counter()
        with Engine() as engine:
            ranges = ranges_of(engine.observe(model, data, signature_key=None))
            engine.apply(model, resolve_recipe(RECIPE).full_rules, ranges, output)
        seconds[call] = time.perf_counter() - started
    return seconds


def theirs(model: Path, num_samples: int, output: Path) -> dict[str, float]:
    """Calibrate and quantize with the library; return the seconds."""
    from ai_edge_quantizer import quantizer, recipe

    data = samples(model, num_samples)
    started = time.perf_counter()
    made = quantizer.Quantizer(str(model), getattr(recipe, RECIPE)())
    ranges = made.calibrate({"serving_default": data})
    made.quantize(ranges, enable_progress_report=False).export_model(str(output), overwrite=True)
    return {"theirs": time.perf_counter() - started}


def run_side(side: str, model: Path, num_samples: int, output: Path) -> dict[str, float]:
    """Run one side in a fresh process."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, __file__, "--side", side, "--model", str(model), "--output", str(output)]
    process = subprocess.run(
        [*command, "--samples", str(num_samples)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    seconds: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return seconds


def largest_difference(first: Path, second: Path) -> tuple[float, int]:
    """Return the largest difference of two models' scales, as a share, and how many zero points differ."""
    from embedl_nb.model import LiteRTModel

    ours, theirs = (LiteRTModel.open(path).graph.main.tensors for path in (first, second))
    pairs = [(a.quantization, b.quantization) for a, b in zip(ours, theirs, strict=True)]
    if any((a is None) != (b is None) for a, b in pairs):
        raise SystemExit("the two models quantize different tensors")
    both = [(a, b) for a, b in pairs if a and b]
    scales = [abs(x - y) / y for a, b in both for x, y in zip(a.scales, b.scales, strict=True)]
    return max(scales), sum(a.zero_points != b.zero_points for a, b in both)


def main() -> int:
    """Run the pairs, print the table; exit 1 where a goal is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--model", type=Path, help="a float model of one input, instead of MobileNetV2")
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        work = {"ours": ours, "theirs": theirs}[arguments.side]
        print("\n" + json.dumps(work(arguments.model, arguments.samples, arguments.output)))
        return 0
    results: dict[str, list[float]] = {"theirs": [], "first": [], "warm": []}
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or mobilenet_v2(Path(folder))
        first, second = Path(folder) / "ours.tflite", Path(folder) / "theirs.tflite"
        for pair in range(arguments.pairs):
            for side, output in (("theirs", second), ("ours", first)):
                for step, seconds in run_side(side, model, arguments.samples, output).items():
                    results[step].append(seconds)
            print(f"pair {pair + 1}: " + ", ".join(f"{step} {values[-1]:.2f} s" for step, values in results.items()))
        scales, zero_points = largest_difference(first, second)
        is_equal = first.read_bytes() == second.read_bytes()
    medians = {step: statistics.median(values) for step, values in results.items()}
    print(f"\n{'step':<38}{'median':>8}{'ratio':>9}  goal")
    print(f"{'ai-edge-quantizer, directly':<38}{medians['theirs']:>6.2f} s")
    for step, what in (("first", "ours, its child started by the call"), ("warm", "ours, its child warm")):
        print(f"{what:<38}{medians[step]:>6.2f} s{medians[step] / medians['theirs']:>9.2f}  <= {GOAL}")
    print(f"largest difference of scales: {scales:.1e} of the scale (goal {TOLERANCE:.0e})")
    print(f"zero points that differ: {zero_points} (goal 0)")
    print(f"the files are {'equal' if is_equal else 'not equal'} byte for byte")
    is_reached = medians["first"] <= GOAL * medians["theirs"] and scales <= TOLERANCE and not zero_points
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
