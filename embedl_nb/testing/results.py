"""Made-up results, the same on every call: for tests of whatever shows, stores or compares results.

Their provenance is ``virtual``: they say nothing of any machine.
"""

from __future__ import annotations

import math

import numpy as np

from embedl_nb.device.info import DeviceInfo
from embedl_nb.measure.benchmark import (
    Benchmark,
    Environment,
    InputSource,
    Latency,
    Layer,
    Memory,
    OutputCheck,
    OutputState,
    PlacementSummary,
)
from embedl_nb.model.fidelity import Fidelity
from embedl_nb.model.fidelity_rows import CurvePoint, Evaluation, LatencyCheck, LayerFidelity, OutputFidelity
from embedl_nb.units import Provenance

__all__ = ["fake_benchmark", "fake_fidelity"]

_DEVICE = DeviceInfo(
    address="virtual://bench",
    name="virtual bench",
    cpu="Made-up CPU",
    num_cores=4,
    memory_bytes=8 * 2**30,
    os="Virtual 1.0",
    provenance=Provenance.VIRTUAL,
)
_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD")
_KERNELS = {
    "CONV_2D": "Convolution (NHWC, F32) IGEMM",
    "DEPTHWISE_CONV_2D": "Convolution (NHWC, F32) DWConv",
    "ADD": "Add (ND)",
}


def fake_benchmark(
    num_layers: int = 66,
    *,
    p50_ms: float = 8.0,
    num_processes: int = 3,
    iterations: int = 200,
    seed: int = 0,
    model_name: str = "virtual_net",
) -> Benchmark:
    """Make up the benchmark of a small convolutional net.

    Parameters
    ----------
    num_layers
        Rows of the profile, >= 0.
    p50_ms
        Where the samples lie, ms.
    num_processes, iterations
        Shape of the samples.
    seed
        Another seed, other noise.
    model_name
        What the model is called.

    Returns
    -------
    Benchmark
        With provenance ``virtual``.
    """
    rng = np.random.default_rng(seed)
    samples = p50_ms * (1 + np.abs(rng.normal(0, 0.02, (num_processes, iterations))))
    layers = _layers(num_layers, total_ms=p50_ms * 1.03, rng=rng)
    profiled_ms = p50_ms * 1.05
    return Benchmark(
        model_name=model_name,
        model_sha256="0" * 64,
        precision="f32",
        device=_DEVICE,
        latency=_latency(samples),
        init_ms=42.0,
        first_ms=p50_ms * 1.8,
        memory=Memory(
            peak_memory_bytes=44 * 2**20,
            by_stage={"start": 20 * 2**20, "load": 30 * 2**20, "compile": 40 * 2**20, "first": 43 * 2**20}
            | {"run": 44 * 2**20},
        ),
        placement=PlacementSummary(asked="cpu", got="cpu", sentence="asked cpu, got cpu"),
        outputs=OutputCheck(state=OutputState.MATCH, sentence="made up"),
        environment=_environment(),
        input_source=InputSource.EXAMPLE,
        layer_table=layers,
        profiled_mean_ms=profiled_ms if layers else None,
        unattributed_ms=profiled_ms - sum(layer.mean_ms for layer in layers) if layers else None,
        provenance=Provenance.VIRTUAL,
    )


def _environment() -> Environment:
    return Environment(
        hostname="virtual",
        cpu=_DEVICE.cpu,
        num_cores=_DEVICE.num_cores,
        num_usable_cores=_DEVICE.num_cores,
        os=_DEVICE.os,
        num_threads=1,
        versions={"ai-edge-litert": "2.3.0"},
        started_at="2026-11-22T17:04:01+00:00",
    )


def _latency(samples: np.ndarray) -> Latency:
    p50, p90, p95, p99 = (float(value) for value in np.percentile(samples, (50, 90, 95, 99)))
    return Latency(
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=float(samples.mean()),
        std_ms=float(samples.std()),
        ci95_ms=(p50 * 0.995, p50 * 1.005),
        n=samples.size,
        num_processes=samples.shape[0],
        samples_ms=tuple(tuple(float(value) for value in process) for process in samples),
    )


def _layers(num_layers: int, *, total_ms: float, rng: np.random.Generator) -> tuple[Layer, ...]:
    weights = rng.gamma(1.5, size=num_layers)
    durations = weights / weights.sum() * total_ms if num_layers else weights
    starts = np.concatenate([[0.0], np.cumsum(durations)])
    layers = []
    for index, (start, duration) in enumerate(zip(starts, durations, strict=False)):
        operator = _OPERATORS[index % len(_OPERATORS)]
        layers.append(
            Layer(
                index=index,
                name=f"features.{index // 4}.conv.{index % 4}",
                operator=operator,
                source=f"features.{index // 4}.conv.{index % 4}",
                compute_unit="cpu",
                start_ms=float(start),
                mean_ms=float(duration),
                p50_ms=float(duration) * 0.99,
                p95_ms=float(duration) * 1.06,
                share=float(duration) / (total_ms * 1.05 / 1.03),
                num_operators=1,
                operator_indices=(index,),
                kernel=_KERNELS[operator],
            )
        )
    return tuple(layers)


def fake_fidelity(num_layers: int = 62, *, num_points: int = 9, seed: int = 0) -> Fidelity:
    """Make up what quantizing a small convolutional net cost.

    Parameters
    ----------
    num_layers
        Rows of the comparison by layers, >= 0. The first makes no noise.
    num_points
        Points of the curve, >= 0; the last is exactly equal to float, the one in the middle is chosen.
    seed
        Another seed, other noise.
    """
    output = OutputFidelity(
        name="logits",
        sqnr_db=21.3,
        psnr_db=36.0,
        cosine=0.996,
        max_error=0.8,
        top1_agreement=0.95,
        top5_agreement=1.0,
    )
    return Fidelity(
        outputs=(output,),
        num_samples=100,
        num_calibration_samples=100,
        layers=_layer_fidelities(num_layers, np.random.default_rng(seed)),
        evaluation=Evaluation(
            metric="accuracy", float_score=0.97, quantized_score=0.96, drop_ci95=(-0.01, 0.03), num_samples=100
        ),
        latency=LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=5.0, provenance=Provenance.VIRTUAL),
        num_operators=num_layers,
        float_operators={"SOFTMAX": 1},
        recipe={"name": "auto"},
        curve=tuple(_curve_point(place, num_points) for place in range(num_points)),
    )


def _layer_fidelities(num_layers: int, rng: np.random.Generator) -> tuple[LayerFidelity, ...]:
    layers, gathered = [], 0.0
    for index in range(num_layers):
        made = 0.0 if index == 0 else float(10 ** (-rng.uniform(25, 45) / 10))
        gathered = 0.9 * gathered + made
        layers.append(
            LayerFidelity(
                index=index,
                name=f"features.{index}",
                operator=_OPERATORS[index % len(_OPERATORS)],
                source=f"features.{index}",
                precision="w8a8",
                sqnr_db=_to_db(gathered),
                made_here_db=_to_db(made),
                inherited_db=_to_db(gathered - made),
                made_here_share=made / gathered if gathered else 0.0,
            )
        )
    return tuple(layers)


def _to_db(noise: float) -> float:
    return -10 * math.log10(noise) if noise > 0 else math.inf


def _curve_point(place: int, num_points: int) -> CurvePoint:
    share = place / max(1, num_points - 1)
    is_last = place == num_points - 1 and place > 0
    label = "all int8" if place == 0 else "all float" if is_last else f"{place} operators in float"
    return CurvePoint(
        label=label,
        num_float_operators=place,
        sqnr_db=math.inf if is_last else 15.0 + 12.0 * share,
        top1_agreement=0.75 + 0.25 * share,
        latency_ms=5.0 + 5.0 * share**0.8,
        size_bytes=round((5 + 12 * share) * 2**20),
        is_chosen=place == num_points // 2,
    )
