"""The device picker as its user meets it: in JupyterLab, with virtual phones that are plugged in and pulled out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import pytest
from accessibility import serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

pytestmark = pytest.mark.browser

_SETUP = """
import embedl_nb as enb
from embedl_nb.testing.virtual_phone import Faults, VirtualPhone, virtual_rack
galaxy, pixel = VirtualPhone("Samsung Galaxy S24"), VirtualPhone("Google Pixel 7")
rack = virtual_rack(galaxy, pixel)
addresses = rack.__enter__()
pixel.faults = Faults(unauthorized=True)
"""


# What is wider than the widget, or a control that cannot be brought into sight.
_CUT_OFF = """() => {
    const widget = document.querySelector(".embedl-widget");
    const { left, right } = widget.getBoundingClientRect();
    const output = widget.closest(".jp-OutputArea-output");
    const found = [];
    if (widget.scrollWidth > widget.clientWidth) found.push("the widget");
    if (right > output.getBoundingClientRect().right + 1 || right > innerWidth) found.push("the widget in its output");
    for (const node of widget.querySelectorAll("button, input, select, .embedl-details dd, .embedl-picked li")) {
        if (node.closest("[hidden]")) continue;
        node.scrollIntoView({block: "nearest"});
        const box = node.getBoundingClientRect();
        const isIn = box.width > 0 && box.left >= left - 1 && box.right <= right + 1 && box.bottom <= innerHeight + 1;
        if (!isIn) found.push(node.outerHTML.slice(0, 80));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def lab(open_notebook: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Open a notebook with a rack of two phones and a picker, for every test here, in this order."""
    path = tmp_path_factory.mktemp("picker") / "picker.ipynb"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (_SETUP, "picker = enb.DevicePicker()\npicker")],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    with open_notebook(path, size=(1280, 1000)) as page:
        page.run_all(timeout_s=120)
        yield page


def value_of_picker(lab: Any) -> str:
    """Return what Python says the picker's value is."""
    return str(lab.run_cell("picker.value").locator(".jp-OutputArea-output").last.inner_text())


def test_attached_phones_appear_by_themselves_in_their_state(lab):
    picker = lab.page.locator(".embedl-widget")
    picker.get_by_text("virtual", exact=True).wait_for()
    picker.get_by_text("unauthorized", exact=True).or_(picker.get_by_text("offline", exact=True)).first.wait_for()
    lab.screenshot("device_picker")


def test_two_phones_are_found_and_picked_by_keyboard_alone(lab):
    lab.page.get_by_label("Search devices").focus()
    lab.page.keyboard.type("galaxy s24 ultra")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Space")
    lab.page.get_by_label("Search devices").focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("virtual galaxy")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    lab.screenshot("device_picker_picked")
    assert "'Samsung Galaxy S24 Ultra', 'adb://127.0.0.1:" in value_of_picker(lab)


def test_a_phone_that_is_unplugged_loses_its_place_among_the_ready(lab):
    lab.run_cell("galaxy.unplug()")
    lab.page.locator(".embedl-picked").get_by_text("(offline)").wait_for()
    lab.screenshot("device_picker_unplugged")


def test_a_phone_that_is_plugged_back_in_is_found_at_its_address_and_still_picked(lab):
    lab.run_cell("galaxy.plug_in()")
    lab.page.locator(".embedl-picked").get_by_text("(offline)").wait_for(state="detached")
    lab.page.get_by_role("row").filter(has_text="Galaxy S24").filter(has_text="run").first.wait_for()
    assert lab.page.locator(".embedl-picked li").count() == 2


def test_ctrl_s_in_the_table_saves_the_notebook_and_its_letter_keys_stay_out_of_it(lab):
    grid = lab.page.get_by_role("grid", name="Devices")
    grid.focus()
    lab.page.evaluate("() => { window.jupyterapp.shell.currentWidget.context.model.dirty = true; }")
    lab.page.keyboard.press("Control+s")
    lab.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    num_cells = lab.page.locator(".jp-Cell").count()
    for key in "bdd":  # adds a cell and deletes one, where the notebook gets them
        lab.page.keyboard.press(key)
        assert lab.page.locator(".jp-Cell").count() == num_cells
    assert grid.evaluate("node => node === document.activeElement")


def test_a_re_run_of_the_cell_keeps_the_choice(lab):
    lab.page.evaluate("""async () => {
        const notebook = window.jupyterapp.shell.currentWidget.content;
        notebook.activeCellIndex = 1;
        await window.jupyterapp.commands.execute("notebook:run-cell");
    }""")
    lab.page.get_by_role("button", name="Remove Samsung Galaxy S24 Ultra").wait_for()
    assert lab.page.locator(".embedl-widget").count() == 1


def test_the_picker_reads_well_in_a_dark_theme(lab):
    lab.use_theme("JupyterLab Dark")
    lab.page.locator("#jupyterlab-splash").wait_for(state="detached")
    lab.screenshot("device_picker_dark")
    assert serious_violations(lab.page, ".embedl-widget") == []


def test_at_200_percent_zoom_nothing_is_cut_off(lab):
    lab.page.set_viewport_size({"width": 640, "height": 500})  # zooming leaves half as many CSS pixels
    lab.scroll_to(lab.page.locator(".embedl-widget"))
    lab.page.wait_for_function("() => document.querySelector('.embedl-grid').ariaColCount < 7")
    lab.screenshot("device_picker_zoomed")
    assert lab.page.evaluate(_CUT_OFF) == []
    lab.page.set_viewport_size({"width": 1280, "height": 1000})
    lab.page.wait_for_function("() => document.querySelector('.embedl-grid').ariaColCount >= 7")


def test_a_reload_of_the_page_brings_the_choice_and_the_search_back(lab):
    lab.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    lab.page.reload()
    lab.page.get_by_role("button", name="Remove Samsung Galaxy S24 Ultra").wait_for()
    assert lab.page.get_by_label("Search devices").input_value() == "virtual galaxy"
    lab.screenshot("device_picker_reloaded")


def test_a_kernel_that_is_restarted_leaves_the_table_and_says_so(lab):
    lab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    lab.page.get_by_text("The kernel that this belongs to is gone").wait_for()
    lab.screenshot("device_picker_restarted")
    assert lab.page.get_by_role("grid", name="Devices").get_by_role("row").count() > 1
