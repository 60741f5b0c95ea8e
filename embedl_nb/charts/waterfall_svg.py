"""Benchmark -> per-layer waterfall as one small SVG: for GitHub, MLflow, print and viewers without JavaScript.

The rows of the interactive figure with their names and numbers, at most 80 of them, so that the picture stays small.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.palette import NEUTRAL, colour_of, is_hatched
from embedl_nb.charts.svg_bars import nice_step
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.charts.timeline import REMAINDER_NAME, caption, profiled, remainder_of, title, unit_label
from embedl_nb.display.markup import Markup, element, join
from embedl_nb.display.names import shortened
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.units import Provenance, format_ratio

__all__ = ["waterfall_picture"]

_MAX_ROWS = 80
_LONGEST_ROWS = 60
_ROW, _BAR = 15, 10
_OPERATOR_X, _PLOT_X, _PLOT_WIDTH, _MS_X, _SHARE_X = 196, 334, 458, 864, 916
_TOP, _BOTTOM = 62, 26
# At 11 px a letter is about 6.2 px wide.
_SOURCE_LETTERS, _OPERATOR_LETTERS, _TITLE_LETTERS = 30, 20, 95


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    source: str
    operator: str
    kind: str
    colour: str
    start_ms: float
    length_ms: float
    share: float
    hover: str
    hatched: bool = False
    hollow: bool = False


def waterfall_picture(result: Any, *, uid: str | None = None) -> Markup:
    """Draw the layers against time as SVG.

    Parameters
    ----------
    result
        A Benchmark that was measured with ``profile=True``.
    uid
        Begins the ids in the picture; by default a digest of what is drawn, so that equal pictures are equal text.

    Returns
    -------
    Markup
        One ``<svg>``. Beyond 80 layers it shows the 60 longest and one bar for the time of all others, and says so.

    Raises
    ------
    InputError
        If ``result`` is no Benchmark or has no layers.
    """
    benchmark = profiled(result)
    rows, note = _rows(benchmark, benchmark.layer_table)
    end_ms = max(row.start_ms + row.length_ms for row in rows)
    step = nice_step(end_ms)
    scale = _PLOT_WIDTH / end_ms if end_ms > 0 else 0.0
    height = _TOP + _ROW * len(rows) + _BOTTOM
    heading = f"{title(benchmark)}: time of each layer"
    return framed(
        _legend(rows),
        _grid(step, end_ms, scale, height),
        *(_drawn(row, _TOP + _ROW * place, scale) for place, row in enumerate(rows)),
        text(0, height - 8, note, opacity=0.75),
        kind="waterfall",
        heading=heading,
        shown_heading=shortened(heading, _TITLE_LETTERS),
        words=caption(benchmark),
        note=note,
        height=height,
        uid=uid or digest(benchmark.model_sha256, benchmark.run_id, rows),
    )


def _rows(benchmark: Benchmark, layers: tuple[Layer, ...]) -> tuple[list[_Row], str]:
    """Choose what is shown, in the order it ran, and say what was left out."""
    shown: set[int] = set(range(len(layers)))
    note = "Hover a bar for its p95 and kernel."
    if len(layers) > _MAX_ROWS:
        shown = set(sorted(shown, key=lambda place: -layers[place].mean_ms)[:_LONGEST_ROWS])
        share = format_ratio(sum(layers[place].share for place in shown))
        note = f"The {_LONGEST_ROWS} longest of {len(layers)} layers ({share} of the time), in the order they ran."
    rows = [_layer_row(layer, benchmark.provenance) for place, layer in enumerate(layers) if place in shown]
    others = [layer for place, layer in enumerate(layers) if place not in shown]
    if others:
        rows.append(_others_row(others))
    remainder = remainder_of(benchmark)
    if remainder is not None:
        hover = f"{remainder.length_ms:.3f} ms that belong to no layer: gaps and copies in between"
        rows.append(
            _Row(
                source=REMAINDER_NAME,
                operator="",
                kind="",
                colour=NEUTRAL,
                start_ms=remainder.start_ms,
                length_ms=remainder.length_ms,
                share=remainder.share,
                hover=hover,
                hollow=True,
            )
        )
    return rows, note


def _layer_row(layer: Layer, provenance: Provenance) -> _Row:
    name = layer.source or layer.name
    return _Row(
        source=name,
        operator=layer.operator,
        kind=unit_label(layer.compute_unit, provenance),
        colour=colour_of(layer.compute_unit),
        start_ms=layer.start_ms,
        length_ms=layer.mean_ms,
        share=layer.share,
        hatched=is_hatched(provenance),
        hover=f"#{layer.index} {name}, {layer.operator} on {layer.compute_unit}: start {layer.start_ms:.3f} ms, "
        f"mean {layer.mean_ms:.3f} ms, {_p95(layer)}{format_ratio(layer.share)}; {layer.kernel}",
    )


def _p95(layer: Layer) -> str:
    return "" if layer.p95_ms is None else f"p95 {layer.p95_ms:.3f} ms, "


def _others_row(others: list[Layer]) -> _Row:
    length_ms = sum(layer.mean_ms for layer in others)
    return _Row(
        source=f"the other {len(others)} layers",
        operator="together",
        kind="",
        colour=NEUTRAL,
        start_ms=0.0,
        length_ms=length_ms,
        share=sum(layer.share for layer in others),
        hover=f"{len(others)} layers that are not shown take {length_ms:.3f} ms together; they ran in between",
        hollow=True,
    )


def _drawn(row: _Row, top: float, scale: float) -> Markup:
    base = top + _ROW - 4
    body = _bar(row, _PLOT_X + row.start_ms * scale, top + _ROW / 2, max(0.75, row.length_ms * scale))
    return element(
        "g",
        element("title", row.hover),
        text(0, base, shortened(row.source, _SOURCE_LETTERS)),
        text(_OPERATOR_X, base, shortened(row.operator, _OPERATOR_LETTERS), opacity=0.75) if row.operator else None,
        body,
        text(_MS_X, base, f"{row.length_ms:.3f}", text_anchor="end"),
        text(_SHARE_X, base, format_ratio(row.share), text_anchor="end", opacity=0.75),
    )


def _bar(row: _Row, x: float, middle: float, width: float) -> Markup:
    place = {"x": x, "y": middle - _BAR / 2, "width": width, "height": _BAR}
    if row.hollow:
        return element("rect", **place, fill=row.colour, fill_opacity=0.18, stroke=row.colour)
    if not row.hatched:
        return element("rect", **place, fill=row.colour)
    # Stripes from a dashed line: a pattern would need an id, which two pictures on one page could share.
    stripes = element(
        "path",
        d=f"M{x:.2f} {middle:.2f}h{width:.2f}",
        stroke=row.colour,
        stroke_width=_BAR,
        stroke_dasharray="2 2",
    )
    return join((element("rect", **place, fill=row.colour, fill_opacity=0.25, stroke=row.colour), stripes))


def _legend(rows: list[_Row]) -> Markup:
    """Name the colours, from the right edge leftwards."""
    kinds = {row.kind: row for row in rows if row.kind}
    parts, right = [], float(WIDTH - 4)
    for kind, row in reversed(kinds.items()):
        parts.append(text(right, 14, kind, text_anchor="end"))
        right -= 6.2 * len(kind) + 26
        parts.append(_bar(row, right, 10, 18))
        right -= 16
    return element("g", *parts)


def _grid(step: float, end_ms: float, scale: float, height: float) -> Markup:
    ticks = [step * index for index in range(math.floor(end_ms / step + 1e-9) + 1)]
    lines = "".join(f"M{_PLOT_X + tick * scale:.1f} {_TOP - 4}V{height - _BOTTOM}" for tick in ticks)
    labels = (
        text(_PLOT_X + tick * scale, _TOP - 9, f"{tick:.6g} ms", text_anchor="middle", opacity=0.75) for tick in ticks
    )
    return element(
        "g",
        element("path", d=lines, stroke="currentColor", stroke_opacity=0.16, fill="none"),
        *labels,
        text(0, _TOP - 9, "source module", opacity=0.75),
        text(_OPERATOR_X, _TOP - 9, "operator", opacity=0.75),
        text(_MS_X, _TOP - 9, "mean ms", text_anchor="end", opacity=0.75),
        text(_SHARE_X, _TOP - 9, "share", text_anchor="end", opacity=0.75),
    )
