"""How long compiling MobileNetV2 takes, against a process that calls litert_torch.convert.

Each side is a process of its own, started cold: imports are included on both sides, and so is our check of parity. The
pairs are interleaved and medians are quoted. In the same process of ours follow a second compile, of another model (by
then the converter's process is warm), and a repeated one (from the cache).

    python benchmarks/compile_speed.py [--pairs 5]
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

GOALS = {"cold": 0.75, "second": 0.35}
REPEATED_GOAL_S = 0.1
# Expansion, channels, repeats, stride of the first: table 2 of Sandler et al., MobileNetV2, arXiv:1801.04381.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(num_classes: int, seed: int) -> Any:
    """Return the standard architecture (width 1.0) with random weights and BatchNorm statistics, in eval mode."""
    import torch
    from torch import nn

    class InvertedResidual(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
            super().__init__()
            hidden = inputs * expansion
            layers = [conv(inputs, hidden, 1, 1)] if expansion != 1 else []
            layers += [conv(hidden, hidden, 3, stride, groups=hidden), nn.Conv2d(hidden, outputs, 1, bias=False)]
            self.conv = nn.Sequential(*layers, nn.BatchNorm2d(outputs))
            self.is_residual = stride == 1 and inputs == outputs

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.conv(x) if self.is_residual else self.conv(x)

    class MobileNetV2(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers, channels = [conv(3, 32, 3, 2)], 32
            for expansion, outputs, repeats, stride in STAGES:
                for index in range(repeats):
                    layers.append(InvertedResidual(channels, outputs, stride if index == 0 else 1, expansion))
                    channels = outputs
            self.features = nn.Sequential(*layers, conv(channels, 1280, 1, 1))
            self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.classifier(self.features(x).mean([2, 3]))

    def conv(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
        layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))

    torch.manual_seed(seed)
    model = MobileNetV2()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.1)
    return model.eval()


def ours(output: Path) -> dict[str, float]:
    """Compile one model, another, and the first again; return when each was done (unix s)."""
    import torch

    from embedl_nb.compiler import compile_model

    inputs = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    model = mobilenet_v2(1000, seed=0)
    done = {}
    compile_model(model, inputs).save(output)
    done["cold"] = time.time()
    other = mobilenet_v2(100, seed=1)
    done["second_begin"] = time.time()
    compile_model(other, inputs)
    done["second"] = done["repeated_begin"] = time.time()
    compile_model(model, inputs)
    done["repeated"] = time.time()
    return done


def theirs(output: Path) -> dict[str, float]:
    """Convert the first model with litert-torch; return when it was done (unix s)."""
    import litert_torch
    import torch

    inputs = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    litert_torch.convert(mobilenet_v2(1000, seed=0), (inputs,)).export(str(output))
    return {"cold": time.time()}


def run_side(side: str, output: Path) -> dict[str, float]:
    """Run one side in a fresh process with an empty home; return the seconds each step took."""
    with tempfile.TemporaryDirectory() as home:
        # What is on the search path here is there too, and as the first entry this folder.
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "EMBEDL_NB_HOME": home, "PYTHONPATH": path}
        command = [sys.executable, __file__, "--side", side, "--output", str(output)]
        started = time.time()
        process = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
    done = json.loads(process.stdout.splitlines()[-1])
    seconds = {"cold": done["cold"] - started}
    for step in ("second", "repeated"):
        if step in done:
            seconds[step] = done[step] - done[f"{step}_begin"]
    return seconds


def largest_difference(first: Path, second: Path) -> float:
    """Return the largest difference of two models' outputs on one input, as a share of the largest value."""
    import numpy as np

    from embedl_nb.model import LiteRTModel

    inputs = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    a, b = (LiteRTModel.open(path)(inputs)["output_0"] for path in (first, second))
    return float(abs(a - b).max() / abs(b).max())


def main() -> None:
    """Run the pairs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps({"ours": ours, "theirs": theirs}[arguments.side](arguments.output)))
        return
    results: dict[str, list[float]] = {"theirs": [], "cold": [], "second": [], "repeated": []}
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "ours.tflite", Path(folder) / "theirs.tflite"
        for pair in range(arguments.pairs):
            results["theirs"].append(run_side("theirs", second)["cold"])
            for step, seconds in run_side("ours", first).items():
                results[step].append(seconds)
            print(f"pair {pair + 1}: " + ", ".join(f"{step} {values[-1]:.2f} s" for step, values in results.items()))
        difference = largest_difference(first, second)
    medians = {step: statistics.median(values) for step, values in results.items()}
    print(f"\n{'step':<28}{'median':>10}{'ratio':>8}  goal")
    print(f"{'litert_torch.convert, cold':<28}{medians['theirs']:>8.2f} s")
    for step, goal in GOALS.items():
        print(f"{'compile, ' + step:<28}{medians[step]:>8.2f} s{medians[step] / medians['theirs']:>8.2f}  <= {goal}")
    print(f"{'compile, repeated':<28}{medians['repeated']:>8.3f} s{'':>8}  < {REPEATED_GOAL_S} s")
    print(f"largest difference of outputs: {difference:.1e} of the largest value")


if __name__ == "__main__":
    main()
