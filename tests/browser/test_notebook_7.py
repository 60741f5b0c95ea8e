"""Every widget in Notebook 7: drawn, told apart from its fallback, the same in two outputs and after a reload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest
from conftest import NotebookPage
from shown_widgets import WIDGET_CELLS, WIDGET_SETUP, notebook_of

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
pytest.importorskip("notebook", reason="needs Notebook 7: pip install 'embedl-nb[test]'")

pytestmark = pytest.mark.browser

_LAYERS = "Layer explorer"


@pytest.fixture(scope="module")
def page(open_notebook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a notebook with every widget, for every test here, in this order."""
    path = tmp_path_factory.mktemp("notebook_7") / "widgets.ipynb"
    nbformat.write(notebook_of(WIDGET_SETUP, *WIDGET_CELLS.values(), "picker", "explorer"), path)
    with open_notebook(path, size=(1280, 1000), front_end=NotebookPage) as opened:
        opened.run_all(timeout_s=120)
        yield opened


def test_every_widget_is_drawn_and_its_fallback_is_not_seen(page):
    page.page.locator(".embedl-widget").nth(len(WIDGET_CELLS) + 1).wait_for()
    assert page.text_errors() == []
    fallbacks = page.page.locator("[class^=embedl-instead]")
    assert fallbacks.count() == len(WIDGET_CELLS) + 2
    assert not any(each.is_visible() for each in fallbacks.all())
    page.screenshot("notebook_7")


def test_what_is_picked_in_one_output_is_picked_in_the_other(page):
    pickers = page.page.get_by_label("Device picker", exact=True)
    pickers.nth(0).get_by_label("Search devices").fill("pixel 8")
    pickers.nth(0).get_by_role("row").filter(has_text="Google Pixel 8").first.click()
    pickers.nth(1).locator(".embedl-picked").get_by_text("Google Pixel 8").first.wait_for()
    explorers = page.page.get_by_label(_LAYERS, exact=True)
    explorers.nth(1).get_by_role("row").nth(3).click()
    explorers.nth(0).locator(".embedl-rows [aria-selected=true]").wait_for()


def test_a_reload_of_the_page_brings_it_back(page):
    page.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.page.reload()
    picked = page.page.locator(".embedl-picked").get_by_text("Google Pixel 8")
    picked.first.wait_for()
    page.page.get_by_label(_LAYERS, exact=True).first.locator(".embedl-rows [aria-selected=true]").wait_for()


def test_without_the_kernel_the_fallback_is_seen(page):
    page.shut_down()
    page.page.reload()
    fallbacks = page.page.locator("[class^=embedl-instead]")
    fallbacks.first.wait_for()
    assert "phones in the catalog" in fallbacks.nth(0).inner_text()
    assert "Longest layers" in fallbacks.nth(1).inner_text()
    page.screenshot("notebook_7_without_kernel")
    page.console_errors.clear()  # the front end's own, on the widgets that it knows nothing of any more
