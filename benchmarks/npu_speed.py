"""How long asking for a Snapdragon's NPU takes, against Qualcomm's compiler called directly on the same file.

Pairs are interleaved, each of ours with an empty cache, and medians are quoted. Then the same ask again, from the
cache, and one ask for each of ten chips.

    python benchmarks/npu_speed.py MODEL.tflite [...] [--part SM8650] [--pairs 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from embedl_nb import cache
from embedl_nb.device.catalog import Chip
from embedl_nb.device.catalog.facts import chips
from embedl_nb.model import LiteRTModel
from embedl_nb.placement.npu import ask_npu
from embedl_nb.placement.npu.sdk import find_sdk
from embedl_nb.placement.npu.tool import run_tool
from embedl_nb.placement.npu.vendors import VENDORS

GOAL_RATIO, GOAL_CACHED_MS = 1.5, 100
TEN_PARTS = ("SM8650", "SM8550", "SM8450", "SM8350", "SM8750", "SM8850", "SM7435", "SM6450", "SM7325", "SM7550")


def vendor_s(path: Path, part: str) -> float:
    """Return what the vendor's tool takes for a model."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.tflite"
        run = run_tool(find_sdk(VENDORS["qualcomm"]), path, result, chip_name=part, subgraph_index=0, timeout_s=600)
        if not result.stat().st_size:
            raise SystemExit(f"the vendor's tool made nothing of {path}:\n{run.log[-1000:]}")
    return run.seconds


def ours_s(path: Path, chip: Chip) -> float:
    """Return what our ask takes, from opening the file to the answer."""
    start = time.perf_counter()
    answer = ask_npu(LiteRTModel.open(path), chip)
    if answer.not_checked:
        raise SystemExit(f"nothing was checked: {answer.not_checked}")
    return time.perf_counter() - start


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--part", default="SM8650")
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    chip = chips()[arguments.part]
    with tempfile.TemporaryDirectory() as home:
        os.environ["EMBEDL_NB_HOME"] = home
        for path in arguments.models:
            vendor, ours = [], []
            for _ in range(arguments.pairs):
                vendor.append(vendor_s(path, chip.part))
                cache.clear()
                ours.append(ours_s(path, chip))
            cached = statistics.median(ours_s(path, chip) for _ in range(arguments.pairs))
            vendors, own = statistics.median(vendor), statistics.median(ours)
            print(
                f"{path.name} for {chip.part}: vendor {vendors:.2f} s, ours {own:.2f} s "
                f"({own / vendors:.2f} times; goal {GOAL_RATIO}), again {cached * 1e3:.0f} ms (goal {GOAL_CACHED_MS})"
            )
            cache.clear()
            start = time.perf_counter()
            model = LiteRTModel.open(path)
            answers = [ask_npu(model, chips()[part]) for part in TEN_PARTS]
            print(f"  ten chips: {time.perf_counter() - start:.1f} s")
            for part, answer in zip(TEN_PARTS, answers, strict=True):
                said = answer.not_checked or f"{answer.num_running} of {len(answer.operators)} {answer.cause}"
                print(f"    {part}: {said}, {len(answer.partitions)} partitions, {answer.seconds:.2f} s")


if __name__ == "__main__":
    main()
