"""Benchmark -> per-layer waterfall as one small SVG: for GitHub, MLflow, print and viewers without JavaScript.

The rows of the interactive figure with their names and numbers, at most 80 of them, so that the picture stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.charts.palette import NEUTRAL, colour_of, is_hatched
from embedl_nb.charts.svg_bars import bar, scale_of, ticks
from embedl_nb.charts.svg_frame import WIDTH, digest, framed, text
from embedl_nb.charts.timeline import REMAINDER_NAME, caption, profiled, remainder_of, title, unit_label
from embedl_nb.display.markup import Markup, element
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
    scale = scale_of(max(row.start_ms + row.length_ms for row in rows), width=_PLOT_WIDTH)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    heading = f"{title(benchmark)}: time of each layer"
    return framed(
        _legend(rows),
        ticks(scale, top=_TOP, bottom=height - _BOTTOM, left=_PLOT_X, width=_PLOT_WIDTH),
        _columns(),
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
    has_p95 = any(layer.p95_ms is not None for layer in layers)  # a phone's tool gives means only
    note = f"Hover a bar for its {'p95 and kernel' if has_p95 else 'kernel'}."
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
    return element(
        "g",
        element("title", row.hover),
        text(0, base, shortened(row.source, _SOURCE_LETTERS)),
        text(_OPERATOR_X, base, shortened(row.operator, _OPERATOR_LETTERS), opacity=0.75) if row.operator else None,
        _bar(row, _PLOT_X + row.start_ms * scale, top + _ROW / 2, row.length_ms * scale),
        text(_MS_X, base, f"{row.length_ms:.3f}", text_anchor="end"),
        text(_SHARE_X, base, format_ratio(row.share), text_anchor="end", opacity=0.75),
    )


def _bar(row: _Row, x: float, middle: float, width: float) -> Markup:
    return bar(x, middle, width, colour=row.colour, hatched=row.hatched, hollow=row.hollow, height=_BAR)


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


def _columns() -> Markup:
    return element(
        "g",
        text(0, _TOP - 9, "source module", opacity=0.75),
        text(_OPERATOR_X, _TOP - 9, "operator", opacity=0.75),
        text(_MS_X, _TOP - 9, "mean ms", text_anchor="end", opacity=0.75),
        text(_SHARE_X, _TOP - 9, "share", text_anchor="end", opacity=0.75),
    )
