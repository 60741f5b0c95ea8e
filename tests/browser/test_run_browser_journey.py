"""The run browser as its user meets it: in JupyterLab, with models that are really measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from accessibility import serious_violations

from tests.unit.recorded_runs import record_benchmark, rest_recorder

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
pytest.importorskip("ai_edge_litert", reason="needs the runtime: pip install embedl-nb")

pytestmark = pytest.mark.browser

_SETUP = """
import os, pathlib, warnings
warnings.simplefilter("ignore")
home = os.environ["EMBEDL_NB_HOME"] = {home!r}
import embedl_nb as enb
from embedl_nb.testing import models
for name, length in (("long", 40), ("short", 4)):
    path = models.write(pathlib.Path(home), models.chain(length)).rename(f"{{home}}/{{name}}.tflite")
    enb.benchmark(path, processes=2, iterations=20)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the notebook's kernel records in."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def lab(open_notebook: Callable[..., Any], home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a notebook with two runs and a browser of them, for every test here, in this order."""
    path = tmp_path_factory.mktemp("runs") / "runs.ipynb"
    setup = _SETUP.format(home=str(home))
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (setup, "browser = enb.RunBrowser()\nbrowser")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    with open_notebook(path, size=(1280, 1400)) as page:
        page.run_all(timeout_s=120)
        yield page


def test_two_runs_are_ticked_by_keyboard_compared_and_exported(lab):
    search = lab.page.get_by_label("Search runs")
    lab.page.locator(".embedl-rows [role=row]").nth(1).wait_for()
    search.focus()
    lab.page.keyboard.type("benchmark")
    for key in ("ArrowDown", "Space", "ArrowDown", "Space"):
        lab.page.keyboard.press(key)
    lab.page.get_by_label("Ticked runs").get_by_role("listitem").nth(1).wait_for()
    lab.page.get_by_role("button", name="Compare", exact=True, disabled=False).press("Enter")
    compared = lab.page.get_by_role("region", name="Comparison")
    compared.locator(".embedl-headline").wait_for()
    assert "short" in compared.locator(".embedl-headline").inner_text()
    with lab.page.expect_download() as caught:
        compared.get_by_role("button", name="Save the comparison as CSV").click()
    assert Path(caught.value.path()).read_text(encoding="utf-8").startswith("first,second,about")
    lab.scroll_to(lab.page.locator(".embedl-widget"))
    lab.screenshot("run_browser_comparison")


def test_the_report_opens_below_the_servers_own_address(lab):
    lab.page.get_by_role("button", name="Write report").click()
    link = lab.page.get_by_role("link", name="Open report")
    link.wait_for()
    served = lab.page.context.request.get(link.evaluate("node => node.href"))  # as the new tab asks for it
    assert "/files/embedl_nb_report_" in served.url
    assert "short" in served.text()
    with lab.page.expect_download() as caught:
        lab.page.get_by_role("button", name="Download the report").click()
    assert Path(caught.value.path()).stat().st_size > 10_000


def test_a_run_is_done_again_and_the_new_one_is_listed(lab):
    lab.page.get_by_role("region", name="Selected run").get_by_text("Run again").click()
    done = lab.page.get_by_role("region", name="Run again")
    done.get_by_role("button", name="Go to the new run").click()
    assert "benchmark again" in done.inner_text()
    lab.page.get_by_text("3 runs", exact=True).wait_for()
    assert "3" in lab.run_cell("len(browser._listing.rows)").locator(".jp-OutputArea-output").last.inner_text()


def test_a_run_of_another_kernel_appears_by_itself_and_a_re_run_of_the_cell_keeps_what_is_ticked(
    lab, home, monkeypatch
):
    monkeypatch.setenv("EMBEDL_NB_HOME", str(home))
    rest_recorder(monkeypatch)
    record_benchmark("elsewhere")
    lab.page.get_by_text("4 runs", exact=True).wait_for()
    lab.page.evaluate("""async () => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        notebook.activeCellIndex = 1;
        await window.jupyterapp.commands.execute("notebook:run-cell");
    }""")
    lab.page.get_by_label("Ticked runs").get_by_role("listitem").nth(1).wait_for()
    assert lab.page.locator(".embedl-widget").count() == 1


def test_it_reads_well_in_a_dark_theme_and_at_200_percent(lab):
    lab.use_theme("JupyterLab Dark")
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    lab.scroll_to(lab.page.locator(".embedl-widget"))
    lab.screenshot("run_browser_dark")
    assert serious_violations(lab.page, ".embedl-widget") == []
    lab.page.set_viewport_size({"width": 640, "height": 700})
    lab.page.wait_for_function("() => document.querySelector('.embedl-grid').ariaColCount < 8")
    lab.screenshot("run_browser_zoomed")
