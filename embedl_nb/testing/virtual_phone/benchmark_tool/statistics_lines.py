"""The tool's numbers as it prints them: ``count=`` lines in whole us, and the block of results in ms.

Its rules: the standard deviation is the population's and, like every time, a whole number of us; a percentile is the
sample at rank floor(n p / 100); other numbers have six significant digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Results", "count_line", "result_lines"]

_SEPARATOR = "======================================"


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What one call of the tool measured.

    Attributes
    ----------
    warmup_us, runs_us
        Each inference.
    input_bytes
        Size of the model's inputs together.
    init_bytes, overall_bytes
        By how much resident memory grew until the model was ready, and until the end.
    peak_bytes
        The most that was seen; None where nobody looked.
    """

    signature_key: str
    init_us: int
    warmup_us: tuple[int, ...]
    runs_us: tuple[int, ...]
    input_bytes: int
    init_bytes: int
    overall_bytes: int
    peak_bytes: int | None


def count_line(times_us: Sequence[int]) -> str:
    """Summarize times."""
    if not times_us:
        return "count=0"
    ordered = sorted(times_us)
    count = len(times_us)
    percentiles = " ".join(
        f"{name}={ordered[min(count - 1, count * percent // 100)]}"
        for name, percent in (("p5", 5), ("median", 50), ("p95", 95))
    )
    if ordered[0] == ordered[-1]:
        same = "(all same)" if count > 1 else ""
        return f"count={count} curr={times_us[-1]}{same} {percentiles}"
    return (
        f"count={count} first={times_us[0]} curr={times_us[-1]} min={ordered[0]} max={ordered[-1]} "
        f"avg={_mean(times_us):g} std={int(_std(times_us))} {percentiles}"
    )


def result_lines(results: Results) -> list[tuple[int, str]]:
    """Return the block of results, each message with the line of the source file that prints it."""
    warmup, runs = results.warmup_us, results.runs_us
    lines = [
        (89, "\n========== BENCHMARK RESULTS =========="),
        (92, f"Signature name:       {results.signature_key}"),
        (94, f"Model initialization: {results.init_us / 1e3:.2f} ms"),
        (96, f"Warmup (first):       {(warmup[0] if warmup else 0) / 1e3:.2f} ms"),
        (98, f"Warmup (avg):         {_mean(warmup) / 1e3:.2f} ms ({len(warmup)} runs)"),
        (100, f"Inference (avg):      {_mean(runs) / 1e3:.2f} ms ({len(runs)} runs)"),
    ]
    if runs:
        lines += [
            (104, f"Inference (min):      {min(runs) / 1e3:.2f} ms"),
            (106, f"Inference (max):      {max(runs) / 1e3:.2f} ms"),
            (108, f"Inference (std):      {int(_std(runs)) / 1e3:.2f}"),
        ]
    else:
        lines.append((110, "No inference runs were performed."))
    throughput = results.input_bytes * len(runs) * 1e6 / sum(runs) / 2**20 if sum(runs) else 0.0
    if throughput > 0:
        lines.append((115, f"Throughput:           {throughput:.2f} MB/s"))
    else:
        lines.append((117, "No throughput data available (throughput <= 0)."))
    lines += [
        (124, "\nMemory Usage:"),
        (126, f"Init footprint:       {results.init_bytes / 2**20:.2f} MB"),
        (128, f"Overall footprint:    {results.overall_bytes / 2**20:.2f} MB"),
    ]
    if results.peak_bytes:
        lines.append((132, f"Peak memory:          {results.peak_bytes / 2**20:.2f} MB"))
    else:
        lines.append((135, "Peak memory usage not available. (peak_mem_mb <= 0)"))
    return [*lines, (138, f"{_SEPARATOR}\n")]


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def _std(values: Sequence[int]) -> float:
    mean = _mean(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
