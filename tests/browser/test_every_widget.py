"""What each widget leaves and needs, whichever front end shows it: nothing behind, and no kernel to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb import widgets
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.testing.widget_page import widget_page
from embedl_nb.widgets.base import Widget

pytestmark = pytest.mark.browser

_MADE: dict[str, Callable[[], Widget]] = {
    "DevicePicker": widgets.DevicePicker,
    "LayerExplorer": lambda: widgets.LayerExplorer(fake_benchmark(40), fake_benchmark(40, seed=2)),
    "RunBrowser": widgets.RunBrowser,
    "RunMonitor": lambda: widgets.RunMonitor(verb="benchmark", cancel=lambda: None),
}
# Counts what a widget's script, which a blob holds, starts outside of its own elements; Playwright's own is not meant.
_COUNT = """() => {
    const alive = window.alive = {};
    const note = (what, by) => {
        if (new Error().stack.includes("blob:")) alive[what] = (alive[what] ?? 0) + by;
    };
    const isOutside = target => !(target instanceof Element) || target === document.documentElement
        || target === document.body;
    for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
        const real = EventTarget.prototype[name];
        EventTarget.prototype[name] = function (type, ...rest) {
            if (isOutside(this ?? window)) note(`${type} of ${(this ?? window).constructor.name}`, by);
            return real.call(this, type, ...rest);
        };
    }
    for (const name of ["ResizeObserver", "MutationObserver", "IntersectionObserver"]) {
        const Real = window[name];
        window[name] = class extends Real {
            observe(...given) { if (!this.isOn) note(name, 1); this.isOn = true; super.observe(...given); }
            disconnect() { if (this.isOn) note(name, -1); this.isOn = false; super.disconnect(); }
        };
    }
    const [begin, end] = [window.setInterval, window.clearInterval];
    window.setInterval = (...given) => { note("interval", 1); return begin(...given); };
    window.clearInterval = id => { if (id !== undefined) note("interval", -1); end(id); };
    window.namesBefore = new Set([...Object.getOwnPropertyNames(window), "namesBefore", "model", "ends"]);
}"""


@pytest.fixture(scope="module", params=widgets.__all__)
def widget(request: Any) -> Widget:
    """Return one of each kind."""
    assert request.param in _MADE, f"say how a {request.param} is made, in _MADE"
    return _MADE[request.param]()


@pytest.fixture
def counted_page(browser: Any) -> Iterator[Any]:
    """Open a page without a network that counts what is started in it."""
    page = browser.new_page(viewport={"width": 1100, "height": 760})
    page.context.set_offline(True)
    page.evaluate(_COUNT)
    yield page
    page.close()


def test_two_views_of_a_widget_share_no_id_and_leave_nothing_when_they_are_closed(counted_page, widget):
    page = counted_page
    page.set_content(widget_page(widget, num_views=2))
    page.locator("body[data-is-ready]").wait_for()
    ids = page.locator("[id]").evaluate_all("nodes => nodes.map(node => node.id)")
    assert len(ids) == len(set(ids))
    assert page.evaluate("() => Object.values(window.alive).some(count => count > 0)"), "something is counted"
    page.evaluate("() => window.ends.forEach(end => end())")
    assert page.evaluate("() => Object.entries(window.alive).filter(([_, count]) => count !== 0)") == []
    assert page.evaluate("() => Object.values(model.listeners).flat().length") == 0
    assert page.locator(".view *").count() == 0
    assert page.evaluate("() => Object.getOwnPropertyNames(window).filter(name => !namesBefore.has(name))") == []
