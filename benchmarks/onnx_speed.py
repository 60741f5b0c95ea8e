"""How long an ONNX model takes to become a verified LiteRT model, and how fast it then is, against others' ways.

    python benchmarks/onnx_speed.py compile [--pairs 3] [--onnx2tf PYTHON]
    python benchmarks/onnx_speed.py latency [--rounds 5] [--onnx2tf PYTHON] [--model vit]

``compile``: cold processes by turns, from mobilenet_v2.onnx to a file: ours (verified against onnxruntime), ours from
the same PyTorch module, and onnx2tf with TensorFlow (not verified). Medians; the goals are a quarter of onnx2tf, and
no slower than from PyTorch. ``latency``: what ours, litert-torch (from the PyTorch module) and onnx2tf make of
MobileNetV2, ResNet-50 and a ViT with random weights, timed in one process in blocks of five inferences by turns. Like
is held against like: onnx2tf's models take pictures with their channels last, so ours do there too (``layout="nhwc"``).
onnx2tf lives in an environment of its own (see onnx_peers.py), whose Python is told here. It wants a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from compile_speed import mobilenet_v2
from onnx_peers import as_if_online

QUARTER = 0.25
NO_SLOWER = 1.0
BLOCK = 5
SHAPE = (1, 3, 224, 224)


def resnet50() -> Any:
    """Return ResNet-50 of transformers with random weights."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    return ResNetForImageClassification(ResNetConfig(num_labels=1000)).eval()


def vit() -> Any:
    """Return ViT-Tiny of transformers with random weights."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    config = ViTConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768, num_labels=1000)
    return ViTForImageClassification(config).eval()


MODELS = {"mobilenet_v2": lambda: mobilenet_v2(1000, seed=0), "resnet50": resnet50, "vit": vit}


def module(name: str) -> Any:
    """Return a model that takes a picture and returns logits."""
    import torch

    inner = MODELS[name]()

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            returned = self.inner(x)
            return returned if isinstance(returned, torch.Tensor) else returned.logits

    return Logits().eval()


def export(name: str, path: Path) -> None:
    """Write a model as ONNX."""
    import torch

    torch.onnx.export(module(name), (torch.randn(SHAPE),), str(path), dynamo=False, opset_version=17)


def compile_ours(source: str, target: Path, *, layout: str = "keep") -> None:
    """Compile an ``.onnx`` file, or a module by name."""
    import numpy as np

    from embedl_nb.compiler import compile_model

    inputs = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    taken = source if source.endswith(".onnx") else module(source)
    compile_model(taken, (inputs,), layout=layout).save(target)


def compile_ours_nhwc(source: str, target: Path) -> None:
    """Compile as :func:`compile_ours`, for pictures with their channels last."""
    compile_ours(source, target, layout="nhwc")


def convert_with_litert_torch(source: str, target: Path) -> None:
    """Convert a module by name."""
    import litert_torch
    import torch

    litert_torch.convert(module(source), (torch.randn(SHAPE),)).export(str(target))


def convert_with_onnx2tf(source: str, target: Path) -> None:
    """Convert an ``.onnx`` file (runs in onnx2tf's environment)."""
    import onnx2tf

    with tempfile.TemporaryDirectory() as output, as_if_online():
        onnx2tf.convert(input_onnx_file_path=source, output_folder_path=output, non_verbose=True)
        (Path(output) / f"{Path(source).stem}_float32.tflite").replace(target)


SIDES = {
    "ours": compile_ours,
    "ours_nhwc": compile_ours_nhwc,
    "litert_torch": convert_with_litert_torch,
    "onnx2tf": convert_with_onnx2tf,
}
PAIRS = (("ours", "litert_torch"), ("ours_nhwc", "onnx2tf"))


def run_side(side: str, source: str, target: Path, *, python: str = sys.executable) -> float:
    """Run one side in a fresh process with an empty home; return its seconds."""
    with tempfile.TemporaryDirectory() as home:
        search = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "EMBEDL_NB_HOME": home, "PYTHONPATH": os.pathsep.join(search)}
        if python != sys.executable:
            del environment["PYTHONPATH"]
        command = [python, __file__, "side", side, source, str(target)]
        started = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
    if done.returncode or not target.exists():
        raise SystemExit(f"{side} failed on {source}:\n{done.stderr[-2000:]}")
    return seconds


def compile_times(arguments: argparse.Namespace, folder: Path) -> int:
    """Print each round's seconds and the medians; 1 where a goal is not kept."""
    source = folder / "mobilenet_v2.onnx"
    export("mobilenet_v2", source)
    ways = {"onnx": ("ours", str(source), sys.executable), "torch": ("ours", "mobilenet_v2", sys.executable)}
    if arguments.onnx2tf:
        ways["onnx2tf"] = ("onnx2tf", str(source), str(arguments.onnx2tf.absolute()))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(arguments.pairs):
        order = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for way in order:
            side, what, python = ways[way]
            seconds[way].append(run_side(side, what, folder / f"{way}.tflite", python=python))
        print(f"round {number + 1}: " + ", ".join(f"{way} {times[-1]:.1f} s" for way, times in seconds.items()))
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    print(f"\nload of this machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    for way, times in seconds.items():
        print(f"{way:<10} median {medians[way]:>6.1f} s   ({min(times):.1f} to {max(times):.1f})")
    ratios = {"torch": NO_SLOWER, "onnx2tf": QUARTER}
    is_kept = True
    for way in ways.keys() & ratios.keys():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds["onnx"], seconds[way], strict=True))
        is_kept &= ratio <= ratios[way]
        print(f"from ONNX / {way}: {ratio:.2f} (median of the rounds; goal <= {ratios[way]})")
    return int(not is_kept)


def latencies(arguments: argparse.Namespace, folder: Path) -> int:
    """Print, for each model, p50 of each file and the rounds' ratios; 1 where ours is called slower."""
    is_slower = False
    for name in arguments.model or MODELS:
        source = folder / f"{name}.onnx"
        export(name, source)
        files = {"ours": folder / f"{name}-ours.tflite", "litert_torch": folder / f"{name}-litert_torch.tflite"}
        run_side("ours", str(source), files["ours"])
        run_side("litert_torch", name, files["litert_torch"])
        if arguments.onnx2tf:
            files |= {way: folder / f"{name}-{way}.tflite" for way in PAIRS[1]}
            run_side("ours_nhwc", str(source), files["ours_nhwc"])
            run_side("onnx2tf", str(source), files["onnx2tf"], python=str(arguments.onnx2tf.absolute()))
        rounds = timed_by_turns(files, rounds=arguments.rounds, runs=arguments.runs)
        for way in files:
            print(f"{name:<14}{way:<14} p50 {statistics.median(one[way] for one in rounds):.2f} ms")
        for ours, theirs in PAIRS:
            if theirs not in files:
                continue
            ratios = sorted(one[ours] / one[theirs] for one in rounds)
            # Called slower or faster only where every round says so.
            said = "slower" if ratios[0] > 1 else "faster" if ratios[-1] < 1 else "no difference"
            is_slower |= said == "slower"
            span = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
            print(f"{name:<14}{ours} / {theirs}: {statistics.median(ratios):.3f} ({span}): {said}")
    print(f"load of this machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    return int(is_slower)


def timed_by_turns(files: dict[str, Path], *, rounds: int, runs: int) -> list[dict[str, float]]:
    """Return the p50 of each file in each round, in ms, from blocks by turns in one process."""
    import numpy as np

    from embedl_nb.runtime.dtypes import random_array
    from embedl_nb.runtime.invocation import Invocation
    from embedl_nb.runtime.session import CompiledModel, LoadedModel

    calls = {}
    for way, path in files.items():
        loaded = LoadedModel(path)
        signature = loaded.signature(None)
        random = np.random.default_rng(0)
        inputs = {tensor.name: random_array(random, tensor.kind, tensor.shape) for tensor in signature.inputs}
        calls[way] = Invocation(CompiledModel(loaded, num_threads=1, runtime_options={}), signature, inputs)
        for _ in range(BLOCK):
            calls[way].run_ns()
    gc.disable()
    found = []
    for _ in range(rounds):
        samples: dict[str, list[int]] = {way: [] for way in calls}
        while len(samples["ours"]) < runs:
            for way, call in calls.items():
                samples[way] += [call.run_ns() for _ in range(BLOCK)]
        found.append({way: statistics.median(times) / 1e6 for way, times in samples.items()})
    return found


def main() -> int:
    """Do what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    for name in ("compile", "latency"):
        part = what.add_parser(name)
        part.add_argument("--onnx2tf", type=Path, help="the Python of its environment")
        part.add_argument("--pairs", type=int, default=3)
        part.add_argument("--rounds", type=int, default=5)
        part.add_argument("--runs", type=int, default=50)
        part.add_argument("--model", choices=list(MODELS), action="append")
    side = what.add_parser("side")
    side.add_argument("name", choices=list(SIDES))
    side.add_argument("source")
    side.add_argument("target", type=Path)
    arguments = parser.parse_args()
    if arguments.what == "side":
        SIDES[arguments.name](arguments.source, arguments.target)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return {"compile": compile_times, "latency": latencies}[arguments.what](arguments, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
