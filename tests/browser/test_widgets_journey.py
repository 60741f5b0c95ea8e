"""What every widget owes its notebook in JupyterLab: a second tab, its memory, and a kernel that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_NAME = "widgets.ipynb"
_SOURCES = (
    "import embedl_nb as enb\nfrom embedl_nb.testing.results import fake_benchmark\nresult = fake_benchmark(5000)",
    "explorer, picker = enb.LayerExplorer(result), enb.DevicePicker()\ndisplay(explorer, picker)",
)
# In one cell, which stays the active one: of each that becomes active JupyterLab keeps the nodes of its toolbar.
_RUN_LAST_CELL = """async () => {
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
    await window.jupyterapp.commands.execute("notebook:run-cell");
}"""
_PATIENCE_S = 60.0
_CLEAR = "() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
_RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


@pytest.fixture(scope="module")
def lab(open_notebook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a notebook with an explorer and a picker, for every test here, in this order."""
    path = tmp_path_factory.mktemp("widgets") / _NAME
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in _SOURCES],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    with open_notebook(path, size=(1280, 1000)) as page:
        page.run_all(timeout_s=120)
        page.page.get_by_label("Search devices").wait_for()
        yield page


def explorer_of(page: Any) -> Any:
    """Return the explorer that is seen."""
    return page.locator(".embedl-widget[aria-label='Layer explorer']")


def run_both(page: Any) -> None:
    """Run the cell of both widgets, and wait until they are seen."""
    page.evaluate(_RUN_LAST_CELL)
    explorer_of(page).get_by_role("grid").wait_for()
    page.get_by_label("Search devices").wait_for()


def test_a_notebook_that_is_open_twice_shows_the_same_in_both(lab):
    lab.save()
    other = lab.again(_NAME)
    explorer_of(other.page).get_by_role("grid").focus()
    other.page.keyboard.press("End")
    explorer_of(lab.page).locator(".embedl-layer-details").get_by_text("features.1249.conv.3").wait_for()
    lab.page.get_by_label("Search devices").fill("pixel 8 pro")
    lab.page.get_by_label("Search devices").press("ArrowDown")
    lab.page.keyboard.press("Space")
    other.page.get_by_role("button", name="Remove Google Pixel 8 Pro").wait_for()
    other.page.close()


def test_nodes_come_back_when_outputs_are_cleared(lab):
    counter = lab.page.context.new_cdp_session(lab.page)
    counter.send("Performance.enable")

    def num_nodes() -> int:
        counter.send("HeapProfiler.collectGarbage")
        metrics = {each["name"]: each["value"] for each in counter.send("Performance.getMetrics")["metrics"]}
        return int(metrics["Nodes"])

    def show_and_clear() -> None:
        run_both(lab.page)
        lab.page.evaluate(_CLEAR)
        lab.page.locator(".embedl-widget").first.wait_for(state="detached")

    show_and_clear()  # what JupyterLab makes once
    before = num_nodes()
    for _ in range(4):
        show_and_clear()
    until = time.monotonic() + _PATIENCE_S
    while num_nodes() - before > 300 and time.monotonic() < until:
        lab.page.wait_for_timeout(500)  # its own turns let go of some
    assert num_nodes() - before < 300, "a widget has over 500"


def test_without_its_kernel_the_explorer_still_sorts_searches_selects_and_saves(lab):
    run_both(lab.page)
    explorer = explorer_of(lab.page)
    lab.page.evaluate(_RESTART)
    lab.page.get_by_text("The kernel that this belongs to is gone").nth(1).wait_for()
    explorer.get_by_role("columnheader", name="Time").click()
    explorer.get_by_label("Search layers").fill("depthwise")
    explorer.get_by_role("grid").focus()
    lab.page.keyboard.press("Home")
    assert "DEPTHWISE_CONV_2D" in explorer.locator(".embedl-rows [aria-selected=true]").inner_text()
    assert "DEPTHWISE_CONV_2D" in explorer.locator(".embedl-layer-details").inner_text()
    for button in ("Save the table as CSV", "Save the waterfall as PNG"):
        with lab.page.expect_download() as download:
            explorer.get_by_role("button", name=button).click()
        assert download.value.suggested_filename.startswith("layers-")
    lab.page.get_by_label("Search devices").fill("pixel 8 pro")
    assert lab.page.get_by_role("grid", name="Devices").get_by_role("row").count() > 1
    lab.screenshot("widgets_without_kernel")
