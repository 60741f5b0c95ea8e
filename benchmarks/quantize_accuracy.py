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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pretrained_models import efficientnet_lite0

LEAST_SQNR_DB, LEAST_TOP1 = 21.0, 0.94
MIX_SQNR_DB, MIX_TOP1, MIX_LATENCY = 26.0, 0.96, 1.25
_NUM_ROUNDS = 5
_NAMES = (
    *("astronaut", "brick", "camera", "cell", "chelsea", "clock", "coffee", "coins", "colorwheel", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket", "text"),
)


def random_crops(number: int, seed: int) -> Any:
    """Return pieces of pictures, shape (number, 3, 224, 224), float32, normalized as the network was trained."""
    from PIL import Image
    from skimage import color, data

    loaded = [getattr(data, name)() for name in _NAMES]
    pictures = [picture if picture.ndim == 3 else color.gray2rgb(picture) for picture in loaded]
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
    parser.add_argument("--mobilenet", action="store_true", help="MobileNetV2 with random weights instead.")
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
    for line in (*rows(models, times, seconds), *curve(models), *verdict(models, times)):
        print(line)


def rows(models: dict[str, Any], times: dict[str, float], seconds: dict[str, float]) -> Iterator[str]:
    """Yield the table."""
    yield _line("model", "SQNR dB", "top-1", "float ops", "p50 ms", "of auto", "MiB", "made in s")
    for name, model in models.items():
        near = ("", "", "")
        if model.fidelity is not None:
            kept = model.fidelity.top1_agreement
            near = (f"{model.fidelity.sqnr_db:.1f}", f"{kept:.0%}", str(model.fidelity.num_float_operators))
        share = times[name] / times["auto"]
        size = model.size_bytes / 2**20
        yield _line(name, *near, f"{times[name]:.2f}", f"{share:.2f}", f"{size:.2f}", f"{seconds[name]:.1f}")


def _line(name: str, *cells: str) -> str:
    return f"{name:24}" + "".join(f"{cell:>10}" for cell in cells)


def curve(models: dict[str, Any]) -> Iterator[str]:
    """Yield the points that the search for a mix made."""
    for point in list(models.values())[-1].fidelity.curve:
        chosen = "  <- chosen" if point.is_chosen else ""
        yield f"  curve: {point.label:28} {point.sqnr_db:6.1f} dB {point.latency_ms:8.2f} ms estimated{chosen}"


def verdict(models: dict[str, Any], times: dict[str, float]) -> Iterator[str]:
    """Yield the goals, and the int8 model against the float one."""
    yield f"goals: auto at least {LEAST_SQNR_DB:g} dB and {LEAST_TOP1:.0%};"
    yield f"       the mix at least {MIX_SQNR_DB:g} dB and {MIX_TOP1:.0%} at {MIX_LATENCY:g} of auto's latency at most"
    faster, smaller = times["float"] / times["auto"], models["auto"].size_bytes / models["float"].size_bytes
    yield f"auto is {faster:.2f} times as fast as float and {smaller:.3f} of its size (goals: 1.8, 0.30)"


if __name__ == "__main__":
    main()
