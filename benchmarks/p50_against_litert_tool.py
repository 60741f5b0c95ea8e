"""Is our p50 the runtime's own? Ours against ``benchmark_litert_model.py`` of ai-edge-litert, same model and threads.

Both time the call that runs the compiled model, with inputs in place and outputs unread: the tool in Python around
``run_by_name``, we around ``LiteRtRunCompiledModel``. A pair is ours, tool, tool, ours, each a fresh process, so that a
drift of the machine cancels out; the figure is the median of the pairs' ratios, and has to be within 3 % of 1. It wants
a machine that does nothing else.

    python benchmarks/p50_against_litert_tool.py FOLDER [--model M.tflite] [--threads 1] [--pairs 5] [--runs 100]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from pretrained_models import efficientnet_lite0

from embedl_nb.runtime.process import Child
from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

LIMIT = 0.03
WARMUP = 20


def ours_ms(model: Path, *, threads: int, runs: int) -> float:
    """Return the p50 of a fresh worker."""
    request = MeasureRequest(model_path=str(model), num_threads=threads, iterations=runs, warmup=WARMUP, profile=False)
    with Child("embedl_nb.runtime.worker", what="the LiteRT runtime") as child:
        run = RawRun.from_json(child.request("measure", request.to_json(), timeout_s=600))
    if run.outputs_path:
        Path(run.outputs_path).unlink()
    return statistics.median(run.samples_ms)


def tools_ms(model: Path, *, threads: int, runs: int) -> float:
    """Return the p50 of the tool, in a process of its own."""
    spec = importlib.util.find_spec("ai_edge_litert.tools.benchmark_litert_model")
    if spec is None or spec.origin is None:
        raise SystemExit("ai-edge-litert has no tools/benchmark_litert_model.py here")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        options = {"model": model, "num_threads": threads, "num_runs": runs, "warmup_runs": WARMUP}
        command = [sys.executable, spec.origin, f"--result_json={result}"]
        command += [f"--{name}={value}" for name, value in options.items()]
        subprocess.run(command, check=True, capture_output=True)
        return float(json.loads(result.read_text())["latency"]["median_ms"])


def main() -> int:
    """Print each pair and the verdict; exit 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the converted model is kept")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=100)
    arguments = parser.parse_args()
    model = arguments.model or efficientnet_lite0(arguments.folder)
    sides = {"ours": ours_ms, "tool": tools_ms}
    pairs = []
    for number in range(arguments.pairs):
        turns: dict[str, list[float]] = {side: [] for side in sides}
        for side in ("ours", "tool", "tool", "ours"):
            turns[side].append(sides[side](model, threads=arguments.threads, runs=arguments.runs))
        pair = {side: statistics.mean(times) for side, times in turns.items()}
        pairs.append(pair)
        print(f"pair {number + 1}: ours {pair['ours']:.3f} ms, tool {pair['tool']:.3f} ms")
    ratio = statistics.median(pair["ours"] / pair["tool"] for pair in pairs)
    for side in sides:
        print(f"median p50, {side}: {statistics.median(pair[side] for pair in pairs):.3f} ms")
    print(f"median ratio ours / tool: {ratio:.4f} (limit 1 +/- {LIMIT})")
    return 0 if abs(ratio - 1) <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
