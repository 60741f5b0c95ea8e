"""How long a preflight takes: one phone, cold and cached, and the NPUs of ten phones.

    python benchmarks/preflight_speed.py [--rounds 3]

MobileNetV2 with random weights, quantized to int8 with random data. "Cold" is a fresh process with no answer in the
cache; the time is that of ``enb.preflight`` alone, its imports included. Goals: 10 s cold and 0.1 s cached for one
phone, 15 s for ten phones. ``npu_speed.py`` holds the compile for an NPU against the vendor's tool.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COLD_GOAL_S, CACHED_GOAL_S, TEN_GOAL_S = 10.0, 0.1, 15.0
PHONES = (
    *("Samsung Galaxy S24 Ultra", "OnePlus 12", "Xiaomi 14", "Samsung Galaxy S23", "OnePlus 11 5G"),
    *("moto g75 5G", "SM8475", "SM8450", "SM8750", "SM8350"),
)
_SIDE = """
import json, sys, time
started = time.perf_counter()
import embedl_nb as enb
model, device, units = json.loads(sys.argv[1])
enb.preflight(model, device, compute_units=units)
cold = time.perf_counter() - started
started = time.perf_counter()
placements = enb.preflight(model, device, compute_units=units)
cached = time.perf_counter() - started
print(json.dumps([cold, cached, getattr(placements, "verdict", "") or [each.verdict for each in placements]]))
"""


def model_in(folder: Path) -> Path:
    """Compile and quantize MobileNetV2, and return the file."""
    import torch
    from compile_speed import mobilenet_v2

    import embedl_nb as enb

    model = enb.compile(mobilenet_v2(1000, seed=0), torch.randn(1, 3, 224, 224), name="mobilenet_v2")
    return enb.quantize(model, "random", recipe="static_wi8_ai8", num_samples=8).save(folder / "mobilenet_v2.tflite")


def preflight_s(model: Path, device: object, units: tuple[str, ...]) -> tuple[float, float, object]:
    """Return the seconds of a first and a second preflight in a fresh process with an empty home, and the verdicts."""
    with tempfile.TemporaryDirectory() as home:
        search = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "EMBEDL_NB_HOME": home, "PYTHONPATH": os.pathsep.join(search)}
        command = [sys.executable, "-c", _SIDE, json.dumps([str(model), device, units])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    cold, cached, verdict = json.loads(done.stdout.splitlines()[-1])
    return cold, cached, verdict


def main() -> int:
    """Print both sides; 1 where a goal is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    is_kept = True
    with tempfile.TemporaryDirectory() as folder:
        model = model_in(Path(folder))
        cases = {
            "one phone, cold": (PHONES[0], ("cpu", "gpu", "npu"), 0, COLD_GOAL_S),
            "one phone, cached": (PHONES[0], ("cpu", "gpu", "npu"), 1, CACHED_GOAL_S),
            "ten phones' NPUs, cold": (list(PHONES), ("npu",), 0, TEN_GOAL_S),
        }
        found: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, (device, units, place, _) in cases.items():
                found[name].append((preflight_s(model, device, units))[place])
        print(f"load of this machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
        for name, (_, _, _, goal) in cases.items():
            median = statistics.median(found[name])
            is_kept &= median <= goal
            print(
                f"{name:<24} median {median:6.2f} s   ({min(found[name]):.2f} to {max(found[name]):.2f}; goal {goal})"
            )
        print("verdict:", preflight_s(model, PHONES[0], ("cpu", "gpu", "npu"))[2])
    return int(not is_kept)


if __name__ == "__main__":
    sys.exit(main())
