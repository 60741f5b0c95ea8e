"""Sections -> one HTML page that carries everything it needs: style, plotly.js, data.

The page forbids itself the network (Content-Security-Policy), so that what it shows is what the file holds.
"""

from __future__ import annotations

import json

from embedl_nb.display.markup import Markup, element
from embedl_nb.display.style import CSS
from embedl_nb.reports.script import DRAW, SORT
from embedl_nb.reports.sections import Section
from embedl_nb.reports.style import STYLE

__all__ = ["page"]

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def page(sections: list[Section], *, title: str, written: str, plotly_js: str) -> str:
    """Write the whole page.

    Parameters
    ----------
    sections
        In the order they are shown; the first one's title is the page's answer.
    title
        Of the page, in a browser's tab.
    written
        When and by what.
    plotly_js
        The library's own source text; ``""`` where there is nothing to draw.
    """
    figures = {name: text for section in sections for name, text in section.figures.items()}
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", title),
        element("style", CSS, STYLE),
    )
    body = element(
        "body",
        element(
            "div",
            element("header", element("h1", sections[0].title), element("p", written)),
            _contents(sections),
            element("main", *(element("section", section.body, id=section.anchor) for section in sections)),
            element("footer", "Everything shown is in this file; it loads nothing from the network."),
            class_="embedl-page",
        ),
        *(_data(name, text) for name, text in figures.items()),
        *(element("script", Markup(text)) for text in (plotly_js, DRAW) if figures),
        element("script", SORT) if any("<table>" in section.body for section in sections) else None,
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _contents(sections: list[Section]) -> Markup | None:
    if len(sections) < 2:
        return None
    lines = (element("li", element("a", section.title, href=f"#{section.anchor}")) for section in sections)
    return element("nav", element("ol", *lines), aria_label="Contents")


def _data(name: str, figure_json: str) -> Markup:
    """Embed JSON so that no name in it can end the script element: ``<`` is written as its escape."""
    safe = json.dumps(json.loads(figure_json), separators=(",", ":")).replace("<", "\\u003c")
    return element("script", Markup(safe), type="application/json", data_target=name)
