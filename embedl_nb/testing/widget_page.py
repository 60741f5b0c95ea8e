"""A widget in a plain page, without a notebook or a kernel: for tests and benchmarks of what happens in the browser.

The page has the widget's own script, style and state, and a model that stands in for the kernel's: ``window.model`` has
``state``, ``sent``, ``listeners`` and ``receive(name, value)``, which does what an answer of the kernel does;
``window.ends`` closes a view each.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from embedl_nb.display.markup import Markup, element, join

if TYPE_CHECKING:
    from embedl_nb.widgets.base import Widget

__all__ = ["widget_page"]

_SCRIPT = Markup("""
const read = id => JSON.parse(document.getElementById(id).textContent);
const listeners = {};
const fire = (name, ...args) => (listeners[name] ?? []).forEach(act => act(...args));
const model = window.model = {
  state: read("state"),
  sent: [],
  listeners,
  get: name => model.state[name],
  set: (name, value) => { model.state[name] = value; fire(`change:${name}`); },
  receive: (name, value) => model.set(name, value),
  save_changes: () => {},
  send: content => model.sent.push(content),
  on: (name, act) => (listeners[name] ??= []).push(act),
  off: (name, act) => { listeners[name] = (listeners[name] ?? []).filter(each => each !== act); },
  fire,
};
const module = await import(URL.createObjectURL(new Blob([read("script")], {type: "text/javascript"})));
window.ends = [...document.querySelectorAll(".view")].map(el => module.default.render({model, el}));
document.body.dataset.isReady = "true";
""")
_DARK = Markup("""
:root{--jp-content-font-color1:rgba(255,255,255,.87);--jp-content-font-color2:rgba(255,255,255,.7);
--jp-layout-color0:#111111;--jp-layout-color2:#424242;--jp-border-color2:#616161;--jp-brand-color1:#2196f3;
--jp-warn-color0:#ffb74d;--jp-error-color1:#ef5350}body{background:#111111;color-scheme:dark}
""")


def widget_page(widget: Widget, *, num_views: int = 1, is_dark: bool = False) -> str:
    """Write a page with views of one widget, in its present state.

    Parameters
    ----------
    num_views
        How many; they share one model, as two outputs of a notebook do.
    is_dark
        Whether it has the colours of JupyterLab's dark theme.
    """
    state = {name: value for name, value in widget.get_state().items() if name not in ("_esm", "_css")}
    data = {"state": state, "script": str(widget._esm)}
    parts = [
        element("style", Markup(str(widget._css))),
        element("style", _DARK) if is_dark else None,
        *(element("script", _json(value), type="application/json", id=name) for name, value in data.items()),
        *(element("div", class_="view") for _ in range(num_views)),
        element("script", _SCRIPT, type="module"),
    ]
    head = Markup('<!doctype html><html lang="en"><meta charset="utf-8"><title>widget</title><body><main>')
    return str(join([head, *parts, Markup("</main></body></html>")]))


def _json(value: object) -> Markup:
    return Markup(json.dumps(value).replace("<", "\\u003c"))
