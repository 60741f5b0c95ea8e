"""What int8 costs EfficientNet-Lite0: the library's default, the search for better integers, and mixes under a budget.

Calibrated with 100 random crops of scikit-image's pictures, judged on 100 others against the float model. Latencies are
this machine's, each model in turn; what a mix may cost is counted against the search's all-integer model.

    python benchmarks/quantize_accuracy.py [--folder FOLDER] [--seed 0] [--mobilenet]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pretrained_models import efficientnet_lite0

LEAST_SQNR_DB, LEAST_TOP1 = 21.0, 0.94
MIX_SQNR_DB, MIX_TOP1, MIX_LATENCY = 26.0, 0.96, 1.25
_NUM_ROUNDS = 5
_NAMES = [
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "clock",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "hubble_deep_field",
    "immunohistochemistry",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
]


def random_crops(number: int, seed: int) -> Any:
    """Return pieces of pictures, shape (number, 3, 224, 224), float32, normalized as the network was trained."""
    from PIL import Image
    from skimage import color, data

    pictures = [
        picture if picture.ndim == 3 else color.gray2rgb(picture) for picture in (getattr(data, n)() for n in _NAMES)
    ]
    rng, crops = np.random.default_rng(seed), []
    for _ in range(number):
        picture = pictures[rng.integers(len(pictures))]
        side = int(min(picture.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (rng.integers(size - side + 1) for size in picture.shape[:2])
        crop = Image.fromarray(picture[top : top + side, left : left + side]).resize((224, 224))
        crops.append((np.asarray(crop, np.float32).transpose(2, 0, 1) - 127.5) / 127.5)
    return np.stack(crops).astype(np.float32)


def latencies_ms(models: dict[str, Any]) -> dict[str, float]:
    """Time the models in turn; the median of the rounds' medians, ms."""
    from embedl_nb.measure import measure

    rounds: dict[str, list[float]] = {name: [] for name in models}
    for number in range(_NUM_ROUNDS):
        names = list(models) if number % 2 == 0 else list(models)[::-1]
        for name in names:
            result = measure(models[name], processes=1, iterations=50, warmup=10, profile=False)
            rounds[name].append(result.latency.p50_ms)
    return {name: statistics.median(times) for name, times in rounds.items()}


def main() -> None:
    """Print the table and the goals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "embedl_nb_benchmarks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--mobilenet", action="store_true", help="A MobileNetV2 with random weights, on the same crops."
    )
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as home:
        os.environ["EMBEDL_NB_HOME"] = home  # nothing is taken from an earlier run
        compare(given.folder, given.seed, is_mobilenet=given.mobilenet)


def compare(folder: Path, seed: int, *, is_mobilenet: bool) -> None:
    """Make every model, and say how near, how quick and how large it is."""
    from quantize_speed import mobilenet_v2

    import embedl_nb as enb

    float_model = enb.compile(mobilenet_v2(folder) if is_mobilenet else efficientnet_lite0(folder))
    crops = random_crops(200, seed)
    target = None if is_mobilenet else MIX_SQNR_DB
    kinds: dict[str, dict[str, Any]] = {
        "static_wi8_ai8": {"recipe": "static_wi8_ai8"},
        "dynamic_wi8_afp32": {"recipe": "dynamic_wi8_afp32"},
        "auto": {},
        f"auto, at least {target or 45:g} dB": {"min_sqnr_db": target or 45.0},
    }
    models, seconds = {"float": float_model}, {"float": 0.0}
    for name, options in kinds.items():
        started = time.perf_counter()
        models[name] = enb.quantize(float_model, crops, name=name, **options)
        seconds[name] = time.perf_counter() - started
    times = latencies_ms(models)
    print(
        f"{'model':24} {'SQNR dB':>8} {'top-1':>6} {'float ops':>9} {'p50 ms':>7} {'of auto':>7} {'MiB':>6} {'made in s':>9}"
    )
    for name, model in models.items():
        fidelity = model.fidelity
        figures = (
            ("", "", "")
            if fidelity is None
            else (f"{fidelity.sqnr_db:.1f}", f"{fidelity.top1_agreement:.0%}", str(fidelity.num_float_operators))
        )
        print(
            f"{name:24} {figures[0]:>8} {figures[1]:>6} {figures[2]:>9} {times[name]:7.2f} "
            f"{times[name] / times['auto']:7.2f} {model.size_bytes / 2**20:6.2f} {seconds[name]:9.1f}"
        )
    for point in models[list(kinds)[-1]].fidelity.curve:
        mark = "  <- chosen" if point.is_chosen else ""
        print(f"  curve: {point.label:28} {point.sqnr_db:6.1f} dB, {point.latency_ms:6.2f} ms estimated{mark}")
    print(
        f"goals: auto >= {LEAST_SQNR_DB:g} dB and {LEAST_TOP1:.0%}; mix >= {MIX_SQNR_DB:g} dB and {MIX_TOP1:.0%} at <= {MIX_LATENCY:g} of auto"
    )
    print(
        f"int8 against float: {times['float'] / times['auto']:.2f} times as fast, {models['auto'].size_bytes / float_model.size_bytes:.3f} of its size"
    )


if __name__ == "__main__":
    main()
