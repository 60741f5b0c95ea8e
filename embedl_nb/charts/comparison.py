"""Comparison, Comparisons or Benchmarks -> the latency of each result with its interval, as a figure and as one SVG.

Bars start at 0; what was not measured is hatched and named so, because it is worth nothing beside what was.
"""

from __future__ import annotations

from typing import Any

from embedl_nb.analysis import Comparison, Comparisons
from embedl_nb.analysis.naming import distinct_names
from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import TEXT, colour_of, is_hatched
from embedl_nb.charts.svg_bars import BAR_LEFT, ROW, bar, clipped, scale_of, ticks
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.charts.timeline import unit_label
from embedl_nb.display.markup import Markup, element
from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.units import Provenance, counted, format_ms

__all__ = ["comparison_figure", "comparison_picture"]

_ROW_PX = 44
_TOP, _BOTTOM = 62, 8
_DIGITS = 5

Named = list[tuple[str, Benchmark]]


def comparison_figure(result: Any) -> Any:
    """Draw the p50 of each result with its 95 % interval.

    Parameters
    ----------
    result
        A Comparison, Comparisons, or Benchmarks of several devices.

    Returns
    -------
    plotly.graph_objects.Figure
        One horizontal bar a result, first on top, one trace a compute unit and provenance.

    Raises
    ------
    InputError
        If ``result`` is none of these, or empty.
    """
    named = _named(result)
    kinds = dict.fromkeys((each.placement.got, each.provenance) for _, each in named)
    labels = [plain(name) for name, _ in named]
    traces = [
        _trace(unit, provenance, [(name, each) for name, each in named if _kind(each) == (unit, provenance)])
        for unit, provenance in kinds
    ]
    layout: Spec = {
        "height": canvas.HEAD_PX + 52 + _ROW_PX * len(named),
        "bargap": 0.35,
        "barmode": "overlay",
        "xaxis": canvas.axis("p50 latency of one inference, with its 95 % interval [ms]", rangemode="tozero"),
        "yaxis": canvas.axis(
            "result", type="category", categoryorder="array", categoryarray=labels, autorange="reversed", showgrid=False
        ),
    }
    return canvas.build(traces, title=_title(result, named), caption=_caption(result, named), layout=layout)


def comparison_picture(result: Any, *, uid: str | None = None) -> Markup:
    """Draw the same as SVG.

    Raises
    ------
    InputError
        If ``result`` cannot be compared, or is empty.
    """
    named = _named(result)
    scale = scale_of(max(each.latency.ci95_ms[1] for _, each in named))
    height = _TOP + ROW * len(named) + _BOTTOM
    heading = _title(result, named)
    return framed(
        ticks(scale, top=_TOP, bottom=height - _BOTTOM),
        *(_row(name, each, _TOP + ROW * place, scale) for place, (name, each) in enumerate(named)),
        kind="comparison",
        heading=heading,
        shown_heading=clipped(heading, 120),
        words=clipped(_caption(result, named), 150),
        height=height,
        uid=uid
        or digest(heading, [(name, each.latency.p50_ms, each.latency.ci95_ms, each.run_id) for name, each in named]),
    )


def _named(result: Any) -> Named:
    """Return every result with what it is called, once each."""
    if isinstance(result, Comparison):
        return [(result.first_name, result.first), (result.second_name, result.second)]
    if isinstance(result, Comparisons):
        pairs: list[Comparison] = list(result)
        return [(pairs[0].first_name, pairs[0].first), *((each.second_name, each.second) for each in pairs)]
    if isinstance(result, Benchmarks) and len(result):
        return list(zip(_names_of(result), result, strict=True))
    raise InputError(
        f"this figure compares results, and there are none in this {type(result).__name__}",
        hint="draw what enb.compare, or enb.benchmark of several devices, returned",
    )


def _names_of(benchmarks: Benchmarks) -> tuple[str, ...]:
    """Return names by device where there are as many of them, else what tells the results apart."""
    each = list(benchmarks)
    devices = [f"{result.device.name} {result.placement.got}" for result in each]
    return tuple(devices) if len(set(devices)) == len(devices) else distinct_names(each)


def _kind(result: Benchmark) -> tuple[str, Provenance]:
    return result.placement.got, result.provenance


def _trace(unit: str, provenance: Provenance, rows: Named) -> Spec:
    name = plain(unit_label(unit, provenance))
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "showlegend": True,
        "y": [plain(label) for label, _ in rows],
        "x": [round(each.latency.p50_ms, _DIGITS) for _, each in rows],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [round(max(0.0, each.latency.ci95_ms[1] - each.latency.p50_ms), _DIGITS) for _, each in rows],
            "arrayminus": [round(max(0.0, each.latency.p50_ms - each.latency.ci95_ms[0]), _DIGITS) for _, each in rows],
            "color": TEXT,
            "thickness": 1.5,
        },
        "customdata": [[_hover(each)] for _, each in rows],
        "marker": canvas.marker(colour_of(unit), provenance),
        "hovertemplate": "<b>%{y}</b><br>%{customdata[0]}<extra></extra>",
    }


def _hover(result: Benchmark) -> str:
    latency = result.latency
    low, high = latency.ci95_ms
    return plain(
        f"p50 {format_ms(latency.p50_ms)} ({format_ms(low)} to {format_ms(high)}), p95 {format_ms(latency.p95_ms)}, "
        f"{_counts(result)}, {result.provenance}"
    )


def _title(result: Any, named: Named) -> str:
    if isinstance(result, Benchmarks):
        return f"{named[0][1].model_name} {named[0][1].precision}: latency by device"
    return (
        "latency of " + " and ".join(dict.fromkeys(name for name, _ in named[:3])) + (" ..." if len(named) > 3 else "")
    )


def _caption(result: Any, named: Named) -> str:
    counts = ", ".join(dict.fromkeys(_counts(each) for _, each in named[:3]))
    said = result.sentence if isinstance(result, Comparison) else counts
    kinds = dict.fromkeys(each.provenance for _, each in named)
    if all(kind is Provenance.MEASURED for kind in kinds):
        return said
    words = " and ".join(kinds) if len(kinds) > 1 else f"{next(iter(kinds))}, not measured"
    return f"{said}; {words}" + (": not to be held against each other" if len(kinds) > 1 else "")


def _counts(result: Benchmark) -> str:
    return f"n = {result.latency.n} in {counted(result.latency.num_processes, 'process', 'processes')}"


def _row(name: str, result: Benchmark, top: float, scale: float) -> Markup:
    latency = result.latency
    low, high = (BAR_LEFT + value * scale for value in latency.ci95_ms)
    middle = top + ROW / 2
    whisker = f"M{low:.1f} {middle:.1f}H{high:.1f}M{low:.1f} {middle - 3:.1f}v6M{high:.1f} {middle - 3:.1f}v6"
    return element(
        "g",
        element("title", f"{name}: {_hover(result)}"),
        text(0, middle + 4, shortened(name, 34)),
        bar(
            BAR_LEFT,
            middle,
            latency.p50_ms * scale,
            colour=colour_of(result.placement.got),
            hatched=is_hatched(result.provenance),
        ),
        element("path", d=whisker, stroke="currentColor", stroke_width=1.2, fill="none"),
        text(WIDTH - 4, middle + 4, _shown(result), text_anchor="end"),
    )


def _shown(result: Benchmark) -> str:
    hatched = f" ({result.provenance})" if is_hatched(result.provenance) else ""
    return f"{format_ms(result.latency.p50_ms)} {result.placement.got}{hatched}"
