"""Is the quantized model faster than the float one on this machine? Both are timed in turn, so that drift cancels."""

from __future__ import annotations

import statistics
import warnings
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.errors import UnstableMeasurementWarning
from embedl_nb.measure import measure
from embedl_nb.model.fidelity_rows import LatencyCheck

if TYPE_CHECKING:
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel
    from embedl_nb.quantizer.statistics import Sample

__all__ = ["check_latency", "measure_briefly"]

_ADDRESS = "host://"
_NUM_ROUNDS = 3
_NUM_ITERATIONS = 15
_NUM_WARMUPS = 3


def check_latency(float_model: LiteRTModel, quantized: LiteRTModel, *, sample: Sample) -> LatencyCheck:
    """Time both models on this machine in fresh processes, in the order A B, B A, A B.

    It answers which is faster, with few iterations, or that the rounds disagree; a benchmark gives figures to quote.

    Parameters
    ----------
    sample
        Inputs of the first signature, which say how large its open dimensions are; without any, values are made up.

    Raises
    ------
    BenchmarkError
        If a model does not run.
    """
    is_open = any(-1 in spec.shape for spec in float_model.signatures[0].inputs)
    inputs = sample if is_open else None
    rounds: list[tuple[float, float]] = []
    for number in range(_NUM_ROUNDS):
        progress.emit("latency", "float and quantized in turn", done=number, total=_NUM_ROUNDS)
        order = (float_model, quantized) if number % 2 == 0 else (quantized, float_model)
        times = {
            model.sha256: measure_briefly(model, _ADDRESS, profile=False, inputs=inputs).latency.p50_ms
            for model in order
        }
        rounds.append((times[float_model.sha256], times[quantized.sha256]))
    float_ms, quantized_ms = (statistics.median(times) for times in zip(*rounds, strict=True))
    winners = {quantized < reference for reference, quantized in rounds}
    return LatencyCheck(
        float_p50_ms=float_ms, quantized_p50_ms=quantized_ms, is_clear=len(winners) == 1, address=_ADDRESS
    )


def measure_briefly(model: LiteRTModel, device: str, *, profile: bool, inputs: Sample | None = None) -> Benchmark:
    """Time a model with few iterations in one process: for callers that take the best or the middle of several rounds.

    Raises
    ------
    DeviceError, BenchmarkError
        If the device is unknown or busy, or the model does not run there.
    """
    with warnings.catch_warnings():
        # One process and few iterations are unstable by nature; the rounds make up for it.
        warnings.simplefilter("ignore", UnstableMeasurementWarning)
        return measure(
            model,
            device,
            inputs=inputs,
            processes=1,
            iterations=_NUM_ITERATIONS,
            warmup=_NUM_WARMUPS,
            profile=profile,
        )
