"""LayerDiff or Comparison -> waterfall of differences: from the first time to the second, a step a layer.

The largest changes one by one, all others together, so that the last bar ends at the second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.analysis import Comparison, LayerChange, LayerDiff
from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import FIRST_SERIES, NEUTRAL, SECOND_SERIES, is_hatched
from embedl_nb.charts.svg_bars import BAR_LEFT, ROW, bar, clipped, scale_of, ticks
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.display.markup import Markup, element
from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError
from embedl_nb.units import Provenance, format_ms

__all__ = ["layer_diff_figure", "layer_diff_picture"]

_MOST_STEPS, _MOST_STEPS_SVG = 25, 12
_ROW_PX = 22
_TOP, _BOTTOM = 62, 8
_DIGITS = 5
_NAME_LETTERS = 36
_FASTER, _SLOWER = "faster", "slower"
_COLOURS = {_FASTER: FIRST_SERIES, _SLOWER: SECOND_SERIES}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A bar from one time to the next; ``kind`` is empty for the two totals."""

    label: str
    start_ms: float
    end_ms: float
    kind: str
    hover: str


def layer_diff_figure(result: Any) -> Any:
    """Draw the way from the first time to the second.

    Parameters
    ----------
    result
        A LayerDiff, or a Comparison of results with layers.

    Returns
    -------
    plotly.graph_objects.Figure
        One horizontal bar a change, the totals at both ends, x in ms; hatched where it was not measured.

    Raises
    ------
    InputError
        If ``result`` is neither, or has no layers.
    """
    diff = _checked(result)
    steps = _steps(diff, _MOST_STEPS)
    labels = [f"{place} · {plain(step.label)}" for place, step in enumerate(steps)]
    rows = list(zip(labels, steps, strict=True))
    kinds = dict.fromkeys(step.kind for step in steps)
    traces = [_trace(kind, [row for row in rows if row[1].kind == kind], diff.provenance) for kind in kinds]
    layout: Spec = {
        "height": canvas.HEAD_PX + 52 + _ROW_PX * len(steps),
        "bargap": 0.25,
        "barmode": "overlay",
        "xaxis": canvas.axis("mean of one inference under the profiler [ms]", rangemode="tozero"),
        "yaxis": canvas.axis(
            "layer, largest change first",
            type="category",
            categoryorder="array",
            categoryarray=labels,
            autorange="reversed",
            showgrid=False,
            dtick=1,
            tickfont={"size": 10},
        ),
    }
    return canvas.build(traces, title=_title(diff), caption=_caption(diff), layout=layout)


def layer_diff_picture(result: Any, *, uid: str | None = None) -> Markup:
    """Draw the same as SVG, with fewer steps.

    Raises
    ------
    InputError
        If ``result`` has no layers to compare.
    """
    diff = _checked(result)
    steps = _steps(diff, _MOST_STEPS_SVG)
    scale = scale_of(max(max(step.start_ms, step.end_ms) for step in steps))
    height = _TOP + ROW * len(steps) + _BOTTOM
    return framed(
        ticks(scale, top=_TOP, bottom=height - _BOTTOM),
        *(_drawn(step, _TOP + ROW * place, scale, diff.provenance) for place, step in enumerate(steps)),
        kind="layer-diff",
        heading=_title(diff),
        shown_heading=clipped(_title(diff), 120),
        words=clipped(_caption(diff), 150),
        height=height,
        uid=uid or digest(_title(diff), steps),
    )


def _checked(result: Any) -> LayerDiff:
    if isinstance(result, Comparison):
        return result.layers
    if not isinstance(result, LayerDiff):
        raise InputError(
            f"this figure is drawn from a comparison, not from {type(result).__name__}",
            hint="enb.compare(first, second).layers.waterfall()",
        )
    return result


def _steps(diff: LayerDiff, most: int) -> list[_Step]:
    ordered = sorted(diff.changes, key=lambda change: -abs(change.change_ms))
    shown, others = ordered[:most], ordered[most:]
    steps = [_total(diff.first_name, diff.first_ms)]
    at_ms = diff.first_ms
    for change in shown:
        steps.append(_step(change.name, _hover(change), at_ms, change.change_ms))
        at_ms += change.change_ms
    if others:
        rest_ms = sum(change.change_ms for change in others)
        steps.append(_step(f"{len(others)} others", f"{len(others)} layers together", at_ms, rest_ms))
    return [*steps, _total(diff.second_name, diff.second_ms)]


def _total(name: str, time_ms: float) -> _Step:
    return _Step(label=name, start_ms=0.0, end_ms=time_ms, kind="", hover=f"{name}: {format_ms(time_ms)} in all")


def _step(label: str, hover: str, at_ms: float, change_ms: float) -> _Step:
    return _Step(
        label=label,
        start_ms=at_ms,
        end_ms=at_ms + change_ms,
        kind=_SLOWER if change_ms > 0 else _FASTER,
        hover=f"{hover}: {change_ms:+.4f} ms",
    )


def _hover(change: LayerChange) -> str:
    units = " -> ".join(dict.fromkeys(unit for unit in (change.first_unit, change.second_unit) if unit))
    where = f" on {units}" if units else ""
    return f"{change.name} {change.operator}{where}, {change.first_ms:.4f} to {change.second_ms:.4f} ms"


def _trace(kind: str, rows: list[tuple[str, _Step]], provenance: Provenance) -> Spec:
    said = kind or "in all"
    return {
        "type": "bar",
        "orientation": "h",
        "name": said if provenance is Provenance.MEASURED else f"{said} ({provenance})",
        "showlegend": True,
        "y": [label for label, _ in rows],
        "base": [round(min(step.start_ms, step.end_ms), _DIGITS) for _, step in rows],
        "x": [round(abs(step.end_ms - step.start_ms), _DIGITS) for _, step in rows],
        "customdata": [[plain(step.hover)] for _, step in rows],
        "marker": canvas.marker(_COLOURS.get(kind, NEUTRAL), provenance),
        "hovertemplate": "%{customdata[0]}<extra></extra>",
    }


def _title(diff: LayerDiff) -> str:
    return f"{diff.second_name} against {diff.first_name}: layer by layer"


def _caption(diff: LayerDiff) -> str:
    return (
        diff.sentence if diff.provenance is Provenance.MEASURED else f"{diff.sentence}; {diff.provenance}, not measured"
    )


def _drawn(step: _Step, top: float, scale: float, provenance: Provenance) -> Markup:
    middle = top + ROW / 2
    left, length_ms = min(step.start_ms, step.end_ms), abs(step.end_ms - step.start_ms)
    shown = f"{step.end_ms - step.start_ms:+.3f} ms" if step.kind else f"{step.end_ms:.3f} ms"
    return element(
        "g",
        element("title", step.hover),
        text(0, middle + 4, shortened(step.label, _NAME_LETTERS), font_weight=400 if step.kind else 600),
        bar(
            BAR_LEFT + left * scale,
            middle,
            length_ms * scale,
            colour=_COLOURS.get(step.kind, NEUTRAL),
            hatched=is_hatched(provenance),
        ),
        text(WIDTH - 4, middle + 4, shown, text_anchor="end"),
    )
