"""One result -> one section of the report: its card, its interactive charts, its whole tables.

Charts are placed as empty boxes with an id; what goes into them is kept beside the markup, as plotly's JSON.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from embedl_nb import charts
from embedl_nb.charts.stills import still
from embedl_nb.charts.stills.words import lines
from embedl_nb.display import Displayable, Table, html
from embedl_nb.display.markup import Markup, element, join
from embedl_nb.errors import InputError
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.reports.details import more_tables

__all__ = ["Section", "section"]

_MAX_ROWS = 1000
_OPEN_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    anchor
        Its id in the page.
    title
        Its line in the contents.
    body
        Its markup.
    figures
        Element id -> a plotly figure as JSON.
    """

    anchor: str
    title: str
    body: Markup
    figures: dict[str, str]


def section(result: Displayable, *, number: int) -> Section:
    """Lay out one result.

    Parameters
    ----------
    result
        What is shown: its view, the figures and tables that the view names in full, and what is known of it beyond.
    number
        Its place in the report, which begins its ids.
    """
    anchor = f"result-{number}"
    body, figures = _shown(result, anchor, level=2)
    if isinstance(result, LiteRTModel) and result.fidelity is not None:
        # What quantizing cost is a result of its own, with charts and tables.
        cost, cost_figures = _shown(result.fidelity, anchor, level=3)
        body, figures = join((body, cost)), figures | cost_figures
    return Section(anchor=anchor, title=result._view().headline, body=body, figures=figures)


def _shown(result: Displayable, anchor: str, *, level: int) -> tuple[Markup, dict[str, str]]:
    view = result._view()
    kinds = view.figures or tuple(kind.removesuffix("_svg") for kind in view.pictures)
    drawn: dict[str, Any] = {}
    notes: list[Markup] = []
    for kind in kinds:
        try:
            drawn[f"{anchor}-{kind}"] = charts.draw(kind, result)
        except InputError as err:  # it says why; the rest of the result is worth reading all the same
            notes.append(element("p", f"{kind} is not shown: {err.message}", class_="embedl-note"))
    # Pictures for readers without JavaScript are those that the result shows elsewhere too: files stay small.
    stills = {f"{anchor}-{kind.removesuffix('_svg')}" for kind in view.pictures} or set(drawn)
    parts = [
        html.card(dataclasses.replace(view, tables=()), level=level),
        *notes,
        *(_box(name, figure, has_still=name in stills) for name, figure in drawn.items()),
        *(_folded(table) for table in (*view.tables, *more_tables(result))),
    ]
    return join(parts), {name: figure.to_json() for name, figure in drawn.items()}


def _box(name: str, figure: Any, *, has_still: bool) -> Markup:
    """Make room for a figure; where no script may fill it, its still picture is there."""
    return element(
        "div",
        element("div", id=name),
        element("noscript", still(figure, uid=f"{name}-still")) if has_still else None,
        class_="embedl-chart",
        tabindex=0,  # on a narrow screen it scrolls
        role="group",
        aria_label=" ".join(lines(figure.layout.title.text)),
    )


def _folded(table: Table) -> Markup:
    return html.folded(table, max_rows=_MAX_ROWS, open_rows=_OPEN_ROWS, class_="embedl-card")
