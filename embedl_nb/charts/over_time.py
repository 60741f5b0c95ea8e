"""Benchmark -> every timed inference in the order they ran (plotly): drift, steps and outliers show here.

Processes stand one behind the other. Where there are more inferences than anybody sees, each point is the median of
its neighbours, and a band spans their 5th to 95th percentile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec
from embedl_nb.charts.palette import GRID, NEUTRAL, colour_of, is_hatched
from embedl_nb.charts.timeline import latency_words, provenance_words, timed, title
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.units import counted

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["over_time_figure"]

_MOST_POINTS = 400
_DIGITS = 5
_HEIGHT_PX = 300


def over_time_figure(result: Any) -> Any:
    """Draw the timed inferences of each process in order.

    Parameters
    ----------
    result
        A Benchmark.

    Returns
    -------
    plotly.graph_objects.Figure
        One line a process: latency in ms against the number of the inference, with the p50 of all marked. Open points
        where it was not measured.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark, or its device's tool listed no times, or a time is no finite number.
    """
    benchmark = timed(result)
    processes = benchmark.latency.samples_ms
    stride = max(1, -(-sum(map(len, processes)) // _MOST_POINTS))
    traces: list[Spec] = []
    ends: list[int] = []
    begin = 1
    for number, process in enumerate(processes):
        traces += _traces(benchmark, number, process, begin=begin, stride=stride)
        begin += len(process)
        ends.append(begin)
    return canvas.build(
        traces,
        title=f"{title(benchmark)}: latency over time",
        caption="; ".join((latency_words(benchmark), *_stride_words(stride), *provenance_words(benchmark))),
        layout=_layout(benchmark, ends),
    )


def _traces(benchmark: Benchmark, number: int, process: tuple[float, ...], *, begin: int, stride: int) -> list[Spec]:
    import numpy as np

    chunks = [np.asarray(process[start : start + stride]) for start in range(0, len(process), stride)]
    x = [begin + place * stride + (len(chunk) - 1) / 2 for place, chunk in enumerate(chunks)]
    colour, name = colour_of(benchmark.placement.got), f"process {number + 1}"
    line: Spec = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "showlegend": False,
        "x": x,
        "y": [round(float(np.median(chunk)), _DIGITS) for chunk in chunks],
        "line": {"color": colour, "width": 1},
        "marker": {"color": colour, "size": 4, "symbol": _symbol(benchmark)},
        "hovertemplate": f"{name}, inference %{{x:.0f}}<br>%{{y:.4~f}} ms<extra></extra>",
    }
    return [_band(x, chunks, colour), line] if stride > 1 else [line]


def _band(x: list[float], chunks: list[Array], colour: str) -> Spec:
    import numpy as np

    low, high = ([round(float(np.percentile(chunk, p)), _DIGITS) for chunk in chunks] for p in (5, 95))
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *reversed(x)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "opacity": 0.25,
        "fillcolor": colour,
        "line": {"width": 0},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _symbol(benchmark: Benchmark) -> str:
    return "circle-open" if is_hatched(benchmark.provenance) else "circle"


def _stride_words(stride: int) -> tuple[str, ...]:
    return (f"each point is the median of {counted(stride, 'inference')}",) if stride > 1 else ()


def _layout(benchmark: Benchmark, ends: list[int]) -> Spec:
    p50_ms = benchmark.latency.p50_ms
    borders = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": end - 0.5,
            "x1": end - 0.5,
            "y0": 0,
            "y1": 1,
            "line": {"width": 1, "color": GRID},
        }
        for end in ends[:-1]
    ]
    median = {
        "type": "line",
        "xref": "paper",
        "yref": "y",
        "x0": 0,
        "x1": 1,
        "y0": p50_ms,
        "y1": p50_ms,
        "line": {"width": 1.5, "color": NEUTRAL, "dash": "dash"},
    }
    return {
        "height": canvas.HEAD_PX + 52 + _HEIGHT_PX,
        "xaxis": canvas.axis("timed inference, in the order they ran; a line between processes", rangemode="tozero"),
        "yaxis": canvas.axis("latency of one inference [ms]"),
        "shapes": [*borders, median],
    }
