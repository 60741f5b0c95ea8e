"""The run monitor as its user meets it: a benchmark on three virtual phones in JupyterLab."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest
from accessibility import serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.testing import models

pytestmark = [pytest.mark.browser, pytest.mark.litert]

_SETUP = """
import pathlib, threading, time
import ipywidgets
import psutil
import embedl_nb as enb
from embedl_nb.device.lease import is_any_leased
from embedl_nb.testing.virtual_phone import Faults, VirtualPhone, virtual_rack
galaxy, pixel, moto = phones = [VirtualPhone(name) for name in ("Samsung Galaxy S24", "Google Pixel 7", "moto g75 5G")]
rack = virtual_rack(*phones)
addresses = rack.__enter__()
galaxy.faults = pixel.faults = Faults(hang=True)

def unplug_when_told():
    while not pathlib.Path({told!r}).exists():
        time.sleep(0.05)
    pixel.unplug()

threading.Thread(target=unplug_when_told, daemon=True).start()
print(addresses)
"""
_RUN = "result = enb.benchmark({model!r}, addresses, processes=2, iterations=20, profile=False)\nresult"
_RUN_HERE = "enb.benchmark({model!r}, processes=50, iterations=10**6, profile=False)"
_LEFT = (
    "is_any_leased(), galaxy.num_running, moto.num_running, "
    "sum('embedl_nb.runtime' in ' '.join(each.cmdline()) for each in psutil.Process().children()), "
    "len(ipywidgets.widgets.widget._instances)"
)
_NOTHING = "(False, 0, 0, 0, 0)"


@pytest.fixture(scope="module")
def lab(open_notebook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a notebook with a rack of three phones, of which two never end, for every test here, in this order."""
    folder = tmp_path_factory.mktemp("monitor")
    path = folder / "monitor.ipynb"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(_SETUP.format(told=str(folder / "unplug")))],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    with open_notebook(path, size=(1280, 1000)) as page:
        page.run_all(timeout_s=120)
        page.folder = folder
        page.model = str(models.write(folder, models.conv_relu(), name="net"))
        yield page


def started(lab: Any, source: str) -> Any:
    """Run ``source`` in a new cell and return the cell, in whose output the monitor is."""
    cell = lab.add_cell(source)
    lab.page.keyboard.press("Control+Enter")
    cell.locator(".embedl-widget").wait_for()
    return cell


def row_of(lab: Any, number: int) -> Any:
    """Return the monitor's row of a phone."""
    return lab.page.locator(".embedl-widget tbody tr:not(.embedl-problem)").nth(number)


def left_behind(lab: Any) -> str:
    """Return whether a lease is held, what runs on the phones that are there, and how many workers and widgets are."""
    return str(lab.run_cell(_LEFT).locator(".jp-OutputArea-output").last.inner_text())


def test_each_phone_has_a_row_and_what_has_ended_says_so(lab):
    started(lab, _RUN.format(model=lab.model))
    row_of(lab, 2).get_by_text("done").wait_for()
    assert "°C" in row_of(lab, 2).inner_text()
    assert "cpu" in row_of(lab, 2).inner_text()
    assert "process 1 of 2, measure" in row_of(lab, 0).inner_text()
    lab.screenshot("run_monitor", lab.page.locator(".embedl-widget"))


def test_the_page_reads_well_in_a_dark_theme_during_a_run(lab):
    lab.use_theme("JupyterLab Dark")
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    lab.screenshot("run_monitor_dark", lab.page.locator(".embedl-widget"))
    assert serious_violations(lab.page, ".embedl-widget") == []


def test_a_phone_that_is_unplugged_and_one_that_is_cancelled_do_not_hold_up_the_end(lab):
    (lab.folder / "unplug").touch()
    row_of(lab, 1).get_by_text("lost", exact=True).wait_for()
    row_of(lab, 0).get_by_role("button").click()
    row_of(lab, 0).get_by_text("cancelled", exact=True).wait_for()
    lab.screenshot("run_monitor_cancelled_dark", lab.page.locator(".embedl-widget"))
    lab.page.locator(".embedl-widget").wait_for(state="detached")
    left = lab.page.locator(".jp-OutputArea-output details").first
    left.locator("summary").click()
    lab.screenshot("run_monitor_after_dark")
    shown = left.inner_text()
    for words in ("benchmark took", "1 cancelled, 1 failed, 1 done", "failed: DeviceLost", "done: "):
        assert words in shown
    values = lab.run_cell("len(result), [type(error).__name__ for error in result.errors.values()]").inner_text()
    assert "(1, ['BenchmarkError', 'DeviceLost'])" in values
    assert _NOTHING in left_behind(lab)


def test_cancel_ends_what_runs_here_and_frees_the_device(lab):
    lab.use_theme("JupyterLab Light")
    cell = started(lab, _RUN_HERE.format(model=lab.model))
    cell.locator(".embedl-latency").get_by_text("ms").wait_for()
    lab.screenshot("run_monitor_here", cell)
    cell.get_by_role("button", name="Cancel", exact=True).click()
    cell.get_by_text("benchmark stopped after").wait_for()
    cell.get_by_text("KeyboardInterrupt").first.wait_for()
    lab.screenshot("run_monitor_here_after", cell)
    assert _NOTHING in left_behind(lab)


@pytest.mark.slow
def test_a_page_that_is_loaded_again_during_a_run_finds_its_end(lab):
    at_once = "from embedl_nb.widgets import run_monitor\nrun_monitor._SILENT_S = 0\n"
    cell = started(lab, at_once + _RUN_HERE.format(model=lab.model))
    cell.get_by_role("button", name="Cancel", exact=True).click(trial=True)  # once the kernel has answered
    lab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    lab.page.reload()
    lab.page.get_by_text("Loading widget").wait_for()  # JupyterLab itself asks for widgets when the cell has ended
    lab.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    lab.page.locator(".embedl-widget").get_by_text("benchmark stopped after").wait_for()
    assert lab.page.locator(".embedl-widget").get_by_role("button").count() == 0
    lab.run_cell("run_monitor._SILENT_S = 6.0")


@pytest.mark.slow
def test_a_kernel_that_dies_during_a_run_leaves_nothing_that_goes_on(lab):
    pid = int(lab.run_cell("__import__('os').getpid()").locator(".jp-OutputArea-output").last.inner_text())
    cell = started(lab, _RUN_HERE.format(model=lab.model))
    cell.locator(".embedl-latency").get_by_text("ms").wait_for()
    os.kill(pid, signal.SIGKILL)
    cell.get_by_text("The kernel that this belongs to is gone").wait_for()
    lab.screenshot("run_monitor_dead", cell)
    assert not cell.locator("progress").is_visible()
    assert cell.get_by_role("button", name="Cancel").is_disabled()
    lab.console_errors.clear()  # JupyterLab's own, of the widgets that the kernel had
