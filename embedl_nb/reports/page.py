"""Sections -> one HTML page that carries everything it needs: style, plotly.js, data.

The page forbids itself the network (Content-Security-Policy), so that what it shows is what the file holds.
"""

from __future__ import annotations

import json

from embedl_nb.display.markup import Markup, element
from embedl_nb.display.style import CSS
from embedl_nb.reports.sections import Section

__all__ = ["page"]

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)

_STYLE = Markup("""
:root{color-scheme:light dark;--page:#f6f8fa;--ink:#1f2328;--muted:#59636e;--line:#d8dee4;--paper:#ffffff;
--link:#0969da}
@media screen and (prefers-color-scheme:dark){:root{--page:#0a0d12;--ink:#e6edf3;--muted:#9aa4af;--line:#303842;
--paper:#0f141a;--link:#58a6ff}}
body{margin:0;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.embedl-page{max-width:1040px;margin:0 auto;padding:28px 20px 48px}
.embedl-page h1{margin:0 0 4px;font-size:24px;font-weight:650}
.embedl-page header p,.embedl-page footer{color:var(--muted)}
.embedl-page header p{margin:0 0 16px}
.embedl-page nav ol{margin:0 0 12px;padding-left:20px}
.embedl-page nav a{color:var(--link);text-decoration:none;overflow-wrap:anywhere}
.embedl-page nav a:hover{text-decoration:underline}
.embedl-page section{margin:0 0 36px}
.embedl-page .embedl-card{max-width:none;margin:0 0 12px}
.embedl-page details.embedl-card{padding:10px 18px}
.embedl-page .embedl-scroll{max-height:520px}
.embedl-chart{margin:0 0 12px;padding:8px 12px;overflow-x:auto;border:1px solid var(--line);border-radius:8px;
background:var(--paper)}
.embedl-chart>div{min-width:680px}
.embedl-page footer{font-size:12px}
@media print{:root{--page:#fff;--paper:#fff}.embedl-page{max-width:none;padding:0}
.embedl-page .embedl-scroll{max-height:none;overflow:visible}.embedl-chart{break-inside:avoid}
details:not([open]){display:none}}
""")

# Data is read as text and parsed as JSON: nothing of a result is ever run.
_DRAW = Markup("""
for (const data of document.querySelectorAll('script[type="application/json"]')) {
  const figure = JSON.parse(data.textContent);
  Plotly.newPlot(data.dataset.target, figure.data, figure.layout,
    {responsive: true, displaylogo: false, showSendToCloud: false});
}
""")


def page(sections: list[Section], *, title: str, plotly_js: str) -> str:
    """Write the whole page.

    Parameters
    ----------
    sections
        In the order they are shown.
    title
        Of the page.
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
        element("style", CSS, _STYLE),
    )
    body = element(
        "body",
        element(
            "div",
            element("header", element("h1", title), _contents(sections)),
            element("main", *(element("section", section.body, id=section.anchor) for section in sections)),
            element("footer", "Everything shown is in this file; it loads nothing from the network."),
            class_="embedl-page",
        ),
        *(_data(name, text) for name, text in figures.items()),
        *(element("script", Markup(text)) for text in (plotly_js, _DRAW) if figures),
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
