"""A View as static HTML for a notebook cell or a page: no script, no network, readable without its style sheet."""

from __future__ import annotations

from typing import Any

from embedl_nb.display import figures
from embedl_nb.display.markup import Markup, element, join
from embedl_nb.display.style import CSS
from embedl_nb.display.view import Fact, Table, View
from embedl_nb.errors import InputError
from embedl_nb.units import Provenance

__all__ = ["card", "folded", "render", "table"]

_MAX_ROWS = 200
_OPEN_ROWS = 6
_WIDE_VALUE = 56


def render(view: View, result: Any = None) -> str:
    """Write ``view`` as one self-contained HTML fragment with its style sheet.

    Parameters
    ----------
    view
        What is shown.
    result
        What ``view.pictures`` are drawn from; without it there are no pictures.

    Returns
    -------
    str
        Markup in which every text of the view is escaped.
    """
    return str(join((element("style", CSS), card(view, result))))


def card(view: View, result: Any = None, *, level: int = 3) -> Markup:
    """Write ``view`` without the style sheet, for pages that carry it once; ``level`` is that of its heading."""
    pictures = [_picture(kind, result) for kind in view.pictures] if result is not None else []
    return element(
        "div",
        _head(view, level),
        *(_warning(sentence) for sentence in view.warnings),
        element("dl", *(_fact(fact) for fact in view.facts), class_="embedl-facts") if view.facts else None,
        *pictures,
        *(folded(each, max_rows=_MAX_ROWS, open_rows=_OPEN_ROWS) for each in view.tables),
        _closing(view),
        class_="embedl-card",
        role="group",
        aria_label=view.headline,
    )


def table(data: Table, *, max_rows: int | None = None) -> Markup:
    """Write one table with a caption and column scopes; rows beyond ``max_rows`` are counted, not shown."""
    number = [("embedl-number" if column in data.numeric else None) for column in data.columns]
    head = (element("th", column, scope="col", class_=kind) for column, kind in zip(data.columns, number, strict=True))
    rows = data.rows if max_rows is None else data.rows[:max_rows]
    body = (
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, number, strict=True)))
        for row in rows
    )
    hidden = len(data.rows) - len(rows)
    return join(
        (
            element(
                "div",
                element(
                    "table",
                    element("caption", data.title),
                    element("thead", element("tr", *head)),
                    element("tbody", *body),
                ),
                class_="embedl-scroll",
                tabindex=0,
                role="group",
                aria_label=data.title,
            ),
            element("p", f"... {hidden} more rows", class_="embedl-note") if hidden else None,
            element("p", data.note, class_="embedl-note") if data.note else None,
        )
    )


def folded(data: Table, *, max_rows: int, open_rows: int, class_: str | None = None) -> Markup:
    """Write one table under its title, opened where it has ``open_rows`` or fewer."""
    count = element("span", f"{len(data.rows)} rows", class_="embedl-count")
    return element(
        "details",
        element("summary", data.title, " ", count),
        table(data, max_rows=max_rows),
        class_=class_,
        open=len(data.rows) <= open_rows,
    )


def _head(view: View, level: int) -> Markup:
    name, *parts = view.headline.split(" | ")
    # The hidden bars keep copied and unstyled text the same line that the terminal shows.
    bar = element("span", " | ", class_="embedl-bar")
    shown = [element("span", name, class_="embedl-name")]
    shown += [join((bar, element("span", part, class_="embedl-part"))) for part in parts]
    return element("div", *shown, _badge(view.provenance), class_="embedl-head", role="heading", aria_level=level)


def _badge(provenance: Provenance | None) -> Markup | None:
    if provenance is None:
        return None
    other = "" if provenance is Provenance.MEASURED else " embedl-badge-other"
    return element("span", str(provenance), class_=f"embedl-badge{other}", title=f"these numbers are {provenance}")


def _fact(fact: Fact) -> Markup:
    wide = "embedl-wide" if len(fact.value) > _WIDE_VALUE else None
    return element("div", element("dt", fact.label), element("dd", fact.value), class_=wide)


def _warning(sentence: str) -> Markup:
    return element("p", element("b", "Warning"), " ", sentence, class_="embedl-warning", role="note")


def _picture(kind: str, result: Any) -> Markup:
    try:
        drawn = figures.draw(kind, result)
    except InputError as err:
        # A picture that cannot be drawn says why; it must not hide the result.
        return element("p", f"{kind} is not shown: {err.message}", class_="embedl-note")
    return element("div", drawn, class_="embedl-picture", tabindex=0)


def _closing(view: View) -> Markup | None:
    if not (view.unknown or view.next_step):
        return None
    return element(
        "p",
        f"Still unknown: {view.unknown} " if view.unknown else None,
        element("code", view.next_step) if view.next_step else None,
        class_="embedl-next",
    )
