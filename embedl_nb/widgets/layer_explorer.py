"""The layer explorer: waterfall, table and detail of every layer of one result, or of two side by side.

The rows are sent once; searching, sorting, drawing and exporting happen in the browser and need no kernel.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from embedl_nb.analysis.layer_table import LayerRow, LayerSide, LayerTable
from embedl_nb.charts.palette import FIRST_SERIES, SECOND_SERIES, colour_of
from embedl_nb.display import Table, View
from embedl_nb.errors import InputError
from embedl_nb.pipeline.exploring import layers_of
from embedl_nb.units import Provenance, counted, format_ms, format_ratio
from embedl_nb.widgets.assets import es_module, style_sheet
from embedl_nb.widgets.base import Widget

if TYPE_CHECKING:
    import pandas as pd

    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel

__all__ = ["LayerExplorer"]

_MOST_ROWS = 15
_DIGITS = 6


class LayerExplorer(Widget):
    """Walk through the layers of a benchmark: where the time, the work, the traffic and the error are.

    What is searched, sorted and selected outlives a reload of the page and a re-run of the cell.

    Parameters
    ----------
    result
        A benchmark that was measured with ``profile=True``.
    other
        Another one to hold against it: rows are then layers that do the same work, with the difference of both.
    models
        The models that were measured, for MACs, memory, shapes and quantization error; of a recorded result the one
        that is kept is found by itself.
    key
        Tells two explorers of one cell apart.

    Attributes
    ----------
    selected
        Place of the selected row in :meth:`frame`, or None. It can be set, and observed.

    Raises
    ------
    InputError
        If one of the results has no layers, their numbers are of different provenance, or a model belongs to neither.

    Examples
    --------
    >>> enb.LayerExplorer(result, models=model)  # doctest: +SKIP
    >>> enb.LayerExplorer(before, after)  # doctest: +SKIP
    """

    _esm = es_module("layer_explorer.js")
    _css = style_sheet("frame.css", "grid.css", "layer_explorer.css")

    selected = traitlets.Int(None, allow_none=True).tag(sync=True)
    _layers = traitlets.Dict().tag(sync=True)
    _query = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        result: Benchmark,
        other: Benchmark | None = None,
        *,
        models: LiteRTModel | str | Path | Iterable[LiteRTModel | str | Path] = (),
        key: str = "",
    ) -> None:
        table = layers_of(result, other, models=models)
        super().__init__(key=key)
        self._table = table
        self._layers = _as_json(table)
        before = self._forerunner()
        if isinstance(before, LayerExplorer):
            self._query = before._query
            if before._table == table:
                self.selected = before.selected

    def frame(self) -> pd.DataFrame:
        """Return one row a layer; of two results each metric of both, and second less first."""
        return self._table.frame()

    @traitlets.validate("selected")
    def _is_row(self, proposal: dict[str, Any]) -> int | None:
        place: int | None = proposal["value"]
        num_rows = len(self._table.rows)
        if place is not None and not 0 <= place < num_rows:
            raise InputError(f"there is no layer {place}", hint=f"0 to {num_rows - 1}, or None")
        return place

    def _view(self) -> View:
        table = self._table
        totals = ", ".join(
            f"{name} {format_ms(total)}" for name, total in zip(table.names, table.totals_ms, strict=True)
        )
        rows = sorted(table.rows, key=lambda row: -_weight(row))[:_MOST_ROWS]
        is_pair = len(table.names) == 2
        times = ("first ms", "second ms", "change ms") if is_pair else ("ms", "share")
        return View(
            headline=f"Layer explorer | {counted(len(table.rows), 'row')} | profiled mean: {totals}",
            provenance=table.provenance,
            tables=(
                Table(
                    title=f"{'Largest changes' if is_pair else 'Longest layers'} ({len(rows)} of {len(table.rows)})",
                    columns=("layer", "operator", "unit", *times),
                    rows=tuple(_cells(row) for row in rows),
                    numeric=times,
                ),
            ),
            unknown="; ".join(f"{_WORDS[metric]}: {reason}" for metric, reason in table.missing.items()),
            next_step=f"enb.LayerExplorer({'first, second' if is_pair else 'result'}, models=...)",
        )


_WORDS = {"macs": "MACs", "moved_bytes": "memory", "relative_error": "quantization error"}


def _weight(row: LayerRow) -> float:
    first, *second = (side.mean_ms if side else 0.0 for side in row.sides)
    return abs(second[0] - first) if second else first


def _cells(row: LayerRow) -> tuple[str, ...]:
    sides = row.sides
    units = " -> ".join(dict.fromkeys(side.compute_unit for side in sides if side and side.compute_unit))
    times = [f"{side.mean_ms:.3f}" if side else "" for side in sides]
    if len(sides) == 1:
        last = [format_ratio(side.share) for side in sides if side]
    else:
        first, second = (side.mean_ms if side else 0.0 for side in sides)
        last = [f"{second - first:+.3f}"]
    return (row.name, row.operator, units, *times, *last)


def _as_json(table: LayerTable) -> dict[str, Any]:
    """Return the table as the browser takes it: a row is ``[name, operator, [side, ...]]``."""
    units = dict.fromkeys(side.compute_unit for row in table.rows for side in row.sides if side and side.compute_unit)
    return {
        "names": table.names,
        "totals": table.totals_ms,
        "missing": table.missing,
        "provenance": "" if table.provenance is Provenance.MEASURED else str(table.provenance),
        "colours": {unit: colour_of(unit) for unit in units},
        "changeColours": [FIRST_SERIES, SECOND_SERIES],
        "rows": [[row.name, row.operator, [_side(side) for side in row.sides]] for row in table.rows],
    }


def _side(side: LayerSide | None) -> list[Any] | None:
    """Return ``[start, mean, p50, p95, share, unit, kernel, macs, bytes, error, operators]``."""
    if side is None:
        return None
    facts = side.facts
    numbers = (side.start_ms, side.mean_ms, side.p50_ms, side.p95_ms, side.share)
    return [
        *(None if number is None else round(number, _DIGITS) for number in numbers),
        side.compute_unit,
        side.kernel,
        facts.macs,
        facts.moved_bytes,
        facts.relative_error,
        facts.operators,
    ]
