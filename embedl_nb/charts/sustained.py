"""Benchmark -> latency over minutes (plotly): p50 of each short process, the skin's heat, where throttling began."""

from __future__ import annotations

from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec
from embedl_nb.charts.palette import NEUTRAL, colour_of, is_hatched
from embedl_nb.charts.timeline import checked, provenance_words, title
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.sustained import Sustained

__all__ = ["sustained_figure"]

_MINUTES_FROM_S = 120.0


def sustained_figure(result: Any) -> Any:
    """Draw how latency changes while the device gets warm.

    Parameters
    ----------
    result
        A Benchmark that was sustained.

    Returns
    -------
    plotly.graph_objects.Figure
        p50 of each process in ms (from 0) against time in s or min; the temperature in °C on an axis of its own where
        the device says it. Lines of numbers that were not measured are dashed.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark, or was not sustained.
    """
    benchmark = checked(result)
    sustained = benchmark.sustained
    if sustained is None:
        raise InputError(
            f"{title(benchmark)} was not run for minutes", hint='measure it with enb.benchmark(..., sustain="10m")'
        )
    unit, seconds = ("min", 60.0) if sustained.duration_s >= _MINUTES_FROM_S else ("s", 1.0)
    times = [round(point.time_s / seconds, 4) for point in sustained.points]
    name, heat = _heat(sustained)
    traces = [_latency(benchmark, sustained, times, unit)]
    layout: Spec = {
        "height": 340,
        "xaxis": canvas.axis(f"time [{unit}]", rangemode="tozero"),
        "yaxis": canvas.axis("p50 of one inference [ms]", rangemode="tozero"),
    }
    if heat:
        traces.append(_temperature(name, heat, times))
        layout["yaxis2"] = canvas.axis(f"{name} [°C]", overlaying="y", side="right", showgrid=False)
        layout["margin"] = {"l": 60, "r": 60, "t": canvas.HEAD_PX, "b": 52}
    if sustained.throttled_after_s is not None:
        layout |= _mark(sustained.throttled_after_s / seconds)
    caption = "; ".join((sustained.sentence, *provenance_words(benchmark)))
    return canvas.build(traces, title=f"{title(benchmark)}: sustained", caption=caption, layout=layout)


def _latency(benchmark: Benchmark, sustained: Sustained, times: list[float], unit: str) -> Spec:
    dash = "dash" if is_hatched(benchmark.provenance) else "solid"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "p50",
        "x": times,
        "y": [point.p50_ms for point in sustained.points],
        "customdata": [point.n for point in sustained.points],
        "line": {"color": colour_of(benchmark.placement.got), "width": 2, "dash": dash},
        "marker": {"size": 5},
        "hovertemplate": f"%{{y:.4~f}} ms at %{{x:.4~f}} {unit}, n = %{{customdata}}<extra></extra>",
    }


def _heat(sustained: Sustained) -> tuple[str, list[float | None]]:
    """Return the sensor that says most of throttling, and what it said; nothing where none said anything."""
    sensors = {
        "skin": [point.skin_celsius for point in sustained.points],
        "CPU": [point.temperature_celsius for point in sustained.points],
    }
    said = ((name, values) for name, values in sensors.items() if any(value is not None for value in values))
    return next(said, ("", []))


def _temperature(name: str, heat: list[float | None], times: list[float]) -> Spec:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{name} temperature",
        "x": times,
        "y": heat,
        "yaxis": "y2",
        "line": {"color": NEUTRAL, "width": 1.5, "dash": "dot"},
        "hovertemplate": f"{name} %{{y:.1f}} °C<extra></extra>",
    }


def _mark(when: float) -> Spec:
    line = {"type": "line", "xref": "x", "yref": "paper", "x0": when, "x1": when, "y0": 0, "y1": 1}
    words = {"x": when, "y": 0, "xref": "x", "yref": "paper", "text": "throttled", "showarrow": False}
    return {
        "shapes": [line | {"line": {"width": 2, "color": NEUTRAL}}],
        "annotations": [words | {"xanchor": "left", "yanchor": "bottom"}],
    }
