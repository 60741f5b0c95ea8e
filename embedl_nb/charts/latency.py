"""Benchmark -> distribution of the timed inferences (plotly): one histogram a process, on one axis.

A process that is slower than its siblings, a drift or a second mode shows here before any statistic tells.
"""

from __future__ import annotations

import math
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec
from embedl_nb.charts.palette import NEUTRAL, colour_of
from embedl_nb.charts.timeline import latency_words, provenance_words, timed, title
from embedl_nb.measure.benchmark import Benchmark, Latency
from embedl_nb.units import format_ms

__all__ = ["latency_figure"]

_NUM_BINS = 40
_TAIL = 0.99
_ROW_PX = 110


def latency_figure(result: Any) -> Any:
    """Draw how the timed inferences of each process are distributed.

    Parameters
    ----------
    result
        A Benchmark.

    Returns
    -------
    plotly.graph_objects.Figure
        One row of bars a process: iterations against latency in ms, with the p50 (and its 95 % interval) and the p95
        of all processes marked. What lies far beyond the p99 is counted in the last bar, and the caption says so.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark, or its device's tool listed no times, or a time is no finite number.
    """
    benchmark = timed(result)
    measured = benchmark.latency
    low, high = _range(measured)
    width = (high - low) / _NUM_BINS
    rows = len(measured.samples_ms)
    counts = [_counts(samples, low, width) for samples in measured.samples_ms]
    traces = [
        _process_trace(place, row, low, width, canvas.marker(colour_of(benchmark.placement.got), benchmark.provenance))
        for place, row in enumerate(counts)
    ]
    beyond = sum(sample > high for samples in measured.samples_ms for sample in samples)
    note = f"; {beyond} beyond {format_ms(high)} are in the last bar" if beyond else ""
    # Rows share one height, so that a process with fewer iterations looks it.
    tallest = max((count for row in counts for count in row), default=1)
    layout: Spec = {
        "height": canvas.HEAD_PX + 52 + _ROW_PX * rows,
        "bargap": 0.06,
        "showlegend": False,
        "grid": {"rows": rows, "columns": 1, "pattern": "coupled", "roworder": "top to bottom", "ygap": 0.25},
        "xaxis": canvas.axis("latency of one inference [ms]", range=[low, low + width * _NUM_BINS]),
        "shapes": _marks(measured),
        "annotations": _labels(measured),
        **{f"yaxis{_suffix(row)}": _count_axis(row, measured, tallest) for row in range(rows)},
    }
    return canvas.build(
        traces, title=f"{title(benchmark)}: latency", caption=f"{_caption(benchmark)}{note}", layout=layout
    )


def _caption(benchmark: Benchmark) -> str:
    low, high = benchmark.latency.ci95_ms
    interval = f"95 % interval of the p50 {format_ms(low)} to {format_ms(high)}"
    return "; ".join((latency_words(benchmark), interval, *provenance_words(benchmark)))


def _range(measured: Latency) -> tuple[float, float]:
    """Return where the bins begin and end: everything up to half a body's width beyond the p99."""
    samples = sorted(sample for process in measured.samples_ms for sample in process)
    low, tail, top = samples[0], samples[math.ceil(_TAIL * len(samples)) - 1], samples[-1]
    high = min(top, tail + 0.5 * (tail - low))
    # All samples alike: a bar still needs a width.
    return (low, high) if high > low else (low * 0.99, low * 1.01 or 1.0)


def _counts(samples: tuple[float, ...], low: float, width: float) -> list[int]:
    counts = [0] * _NUM_BINS
    for sample in samples:
        counts[min(_NUM_BINS - 1, max(0, int((sample - low) / width)))] += 1
    return counts


def _process_trace(place: int, counts: list[int], low: float, width: float, look: Spec) -> Spec:
    return {
        "type": "bar",
        "name": f"process {place + 1}",
        "x": [round(low + (index + 0.5) * width, 6) for index in range(_NUM_BINS)],
        "y": counts,
        "width": width * 0.94,
        "yaxis": f"y{_suffix(place)}",
        "marker": look,
        "hovertemplate": f"process {place + 1}<br>%{{y}} iterations around %{{x:.4~f}} ms<extra></extra>",
    }


def _count_axis(row: int, measured: Latency, tallest: int) -> Spec:
    n = len(measured.samples_ms[row])
    words = f"process {row + 1}<br>n = {n}"
    return canvas.axis(words, range=[0, tallest * 1.08], nticks=4)


def _suffix(row: int) -> str:
    return "" if row == 0 else str(row + 1)


def _marks(measured: Latency) -> list[Spec]:
    line = {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1}
    low, high = measured.ci95_ms
    band = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": low, "x1": high}
    return [
        band | {"fillcolor": "rgba(127,127,127,0.25)", "line": {"width": 0}, "layer": "below"},
        line | {"x0": measured.p50_ms, "x1": measured.p50_ms, "line": {"width": 2, "color": NEUTRAL}},
        line | {"x0": measured.p95_ms, "x1": measured.p95_ms, "line": {"width": 2, "color": NEUTRAL, "dash": "dash"}},
    ]


def _labels(measured: Latency) -> list[Spec]:
    base = {"xref": "x", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False}
    return [
        base | {"x": measured.p50_ms, "text": f"p50 {format_ms(measured.p50_ms)}", "xanchor": "right"},
        base | {"x": measured.p95_ms, "text": f"p95 {format_ms(measured.p95_ms)}", "xanchor": "left"},
    ]
