"""What each widget leaves and needs, whichever front end shows it: nothing behind, and no kernel to be read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from shown_widgets import WIDGET_CELLS, WIDGET_SETUP, notebook_of

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb import charts, widgets
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


# Each chart as its own tests draw it.
_CHARTS_SETUP = """
import sys
from embedl_nb import charts
sys.path.insert(0, {tests!r})
from test_charts_stills import _DRAWN_FROM
"""
_CHARTS = [kind for kind in charts.FIGURES if not kind.endswith("_svg")]


# Shows a widget and closes it again, as clearing an output does, each time until it is painted.
_OPEN_AND_CLOSE = """async times => {
    const source = document.getElementById("script").textContent;
    const url = URL.createObjectURL(new Blob([JSON.parse(source)], {type: "text/javascript"}));
    const module = window.shownModule ??= await import(url);
    for (let time = 0; time < times; time += 1) {
        const el = document.querySelector("main").appendChild(document.createElement("div"));
        const end = module.default.render({model, el});
        await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
        end();
        el.remove();
    }
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


@pytest.fixture(scope="module")
def executed(project_root: Path) -> nbformat.NotebookNode:
    """Run a notebook of every widget and every chart, with the states of its widgets kept in it."""
    pytest.importorskip("nbclient", reason="needs a notebook client: pip install 'embedl-nb[notebook]'")
    from jupyter_client.manager import KernelManager
    from nbclient import NotebookClient

    setup = WIDGET_SETUP + _CHARTS_SETUP.format(tests=str(project_root / "tests" / "unit"))
    drawn = [f"charts.draw({kind!r}, _DRAWN_FROM[{kind!r}]())" for kind in _CHARTS]
    notebook = notebook_of(setup, *WIDGET_CELLS.values(), *drawn)
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    NotebookClient(notebook, km=manager, timeout=120).execute()
    return notebook


@pytest.mark.notebook
@pytest.mark.parametrize("keeps_states", [True, False])
def test_a_page_that_nbconvert_makes_shows_a_table_or_a_picture_of_each_without_a_network(
    counted_page, executed, keeps_states, tmp_path
):
    from nbconvert import HTMLExporter

    notebook = nbformat.from_dict(executed)
    if not keeps_states:
        notebook.metadata = {key: value for key, value in executed.metadata.items() if key != "widgets"}
    html, _ = HTMLExporter().from_notebook_node(notebook)
    path = tmp_path / "executed.html"
    path.write_text(html, encoding="utf-8")
    page = counted_page
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(path.as_uri(), wait_until="domcontentloaded")
    cells = page.locator(".jp-CodeCell")
    assert set(WIDGET_CELLS) == set(widgets.__all__)
    assert cells.count() == 1 + len(WIDGET_CELLS) + len(_CHARTS)
    for place, name in enumerate((*WIDGET_CELLS, *_CHARTS), start=1):
        shown = cells.nth(place).locator(".embedl-card, .jp-OutputArea svg, .jp-OutputArea img")
        assert any(each.is_visible() for each in shown.all()), name


def test_memory_comes_back_when_views_of_a_widget_are_closed(counted_page, widget):
    page = counted_page
    page.set_content(widget_page(widget, num_views=0))
    page.locator("body[data-is-ready]").wait_for(state="attached")
    counter = page.context.new_cdp_session(page)
    counter.send("Performance.enable")

    def num_nodes(num_views: int) -> float:
        page.evaluate(_OPEN_AND_CLOSE, num_views)
        counter.send("HeapProfiler.collectGarbage")
        metrics = counter.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "Nodes")

    # What the last view has begun, such as a saved search, can hold that one a while; none holds those before.
    nodes = [num_nodes(num_views) for num_views in (3, 3, 3, 3)]
    assert min(nodes[2:]) <= max(nodes[:2])
