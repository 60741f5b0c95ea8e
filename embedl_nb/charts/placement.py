"""Placement -> the network as a strip a unit (plotly), and several placements -> phones by units.

In the strip, width is work: an operator is as wide as its multiply-accumulates, so that what matters is what is seen;
those that have none keep a sliver. Coloured runs on the unit, grey does not, and the hover says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from embedl_nb.charts import canvas
from embedl_nb.charts.canvas import Spec, plain
from embedl_nb.charts.palette import NEUTRAL, colour_of
from embedl_nb.errors import InputError
from embedl_nb.placement import Placement, Placements
from embedl_nb.placement.answers import OperatorAnswer, UnitAnswer
from embedl_nb.units import ComputeUnit

__all__ = ["placement_matrix_figure", "placement_strip_figure"]

_ROW_PX = 64
_CELL_PX = 34
_SLIVER = 0.004  # of the whole width, for an operator without multiply-accumulates
_HOVER = "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>"


def placement_strip_figure(result: Any) -> Any:
    """Draw where each operator would run.

    Parameters
    ----------
    result
        A Placement in which at least one unit was checked.

    Returns
    -------
    plotly.graph_objects.Figure
        One row a unit that was checked; x is the share of the work, in the order of execution.

    Raises
    ------
    InputError
        If ``result`` is no Placement, or nothing was checked.
    """
    if not isinstance(result, Placement):
        raise InputError(f"{type(result).__name__} is no Placement", hint="draw what enb.preflight returned")
    checked = [answer for answer in result.answers if not answer.not_checked]
    if not checked:
        step = next((answer.next_step for answer in result.answers if answer.next_step), "")
        raise InputError(
            f"no unit of {result.chip} was checked for {result.model_name}, so there is nothing to draw",
            hint=step or "its repr says of each unit why it was not checked",
        )
    widths = _widths(result)
    starts = list(accumulate(widths[:-1], initial=0.0))
    traces = [trace for answer in reversed(checked) for trace in _bars(result, answer, starts, widths)]
    layout: Spec = {
        "height": canvas.HEAD_PX + _ROW_PX * len(checked) + 56,
        "barmode": "overlay",
        "bargap": 0.25,
        "showlegend": False,
        "hovermode": "closest",
        "xaxis": canvas.axis("share of the work [MACs]", range=[0, 1], tickformat=".0%", zeroline=False),
        "yaxis": canvas.axis("", showgrid=False),
    }
    return canvas.build(traces, title=f"{result.model_name} on {result.chip}", caption=result.verdict, layout=layout)


def placement_matrix_figure(result: Any) -> Any:
    """Draw how much of a model each unit of several chips would run.

    Parameters
    ----------
    result
        What :func:`embedl_nb.preflight` returned for several chips.

    Returns
    -------
    plotly.graph_objects.Figure
        One row a chip, one column a unit; a cell says how many operators would run there, its colour their share. A
        cell without a colour was not checked.

    Raises
    ------
    InputError
        If ``result`` holds no placements.
    """
    placements: list[Placement] = list(result) if isinstance(result, Placements) else []
    if not placements:
        raise InputError("there are no placements to draw", hint="draw what enb.preflight returned for several phones")
    names = [plain(name) for name in result.results]
    units = list(dict.fromkeys(answer.unit for placement in placements for answer in placement.answers))
    cells = [[_cell(placement, unit) for unit in units] for placement in placements]
    trace: Spec = {
        "type": "heatmap",
        "x": [unit.upper() for unit in units],
        "y": names,
        "z": [[share for share, _, _ in row] for row in cells],
        "text": [[text for _, text, _ in row] for row in cells],
        "customdata": [[why for _, _, why in row] for row in cells],
        "texttemplate": "%{text}",
        "hovertemplate": "<b>%{y}, %{x}</b><br>%{text}<br>%{customdata}<extra></extra>",
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "rgba(127,127,127,0.15)"], [1, colour_of(ComputeUnit.NPU)]],
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
    }
    layout: Spec = {
        "height": canvas.HEAD_PX + _CELL_PX * len(names) + 40,
        "xaxis": canvas.axis("", side="top", showgrid=False),
        "yaxis": canvas.axis("", autorange="reversed", showgrid=False),
    }
    title = f"Where {placements[0].model_name} would run"
    return canvas.build([trace], title=title, caption="operators that would run there, of all", layout=layout)


def _widths(placement: Placement) -> list[float]:
    total = sum(row.macs or 0 for row in placement.rows)
    raw = [max((row.macs or 0) / total if total else 0.0, _SLIVER) for row in placement.rows]
    return [width / sum(raw) for width in raw]


def _bars(placement: Placement, answer: UnitAnswer, starts: Sequence[float], widths: Sequence[float]) -> list[Spec]:
    """Return a unit's row: one trace of what runs there, one of what does not."""
    title = answer.unit.upper()
    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": title if runs else f"not on the {title}",
            "y": [title for _ in shown],
            "base": [starts[place] for place in shown],
            "x": [widths[place] for place in shown],
            "customdata": [_details(placement, answer.operators[place], place) for place in shown],
            "hovertemplate": _HOVER,
            "marker": {
                "color": colour_of(answer.unit) if runs else "rgba(127,127,127,0.15)",
                "line": {"width": 0.5, "color": NEUTRAL},
            },
        }
        for runs in (True, False)
        if (shown := [place for place, said in enumerate(answer.operators) if said.runs is runs])
    ]


def _details(placement: Placement, said: OperatorAnswer, place: int) -> list[str]:
    row = placement.rows[place]
    why = said.by if said.runs else ": ".join(part for part in (str(said.reason or ""), said.evidence) if part)
    return [plain(f"{row.index} {row.operator}"), plain(row.source or row.name), plain(why)]


def _cell(placement: Placement, unit: ComputeUnit) -> tuple[float | None, str, str]:
    answer = next((answer for answer in placement.answers if answer.unit is unit), None)
    if answer is None or answer.not_checked:
        return None, "not checked", plain("" if answer is None else answer.not_checked)
    split = placement.splits[unit]
    share = split.num_running / split.num_operators if split.num_operators else 1.0
    return share, f"{split.num_running} of {split.num_operators}", plain(answer.cause or answer.asked)
