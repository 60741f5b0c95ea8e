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
    picker.get_by_text("ready, virtual").wait_for()
    picker.get_by_text("unauthorized", exact=True).or_(picker.get_by_text("offline", exact=True)).first.wait_for()
    lab.screenshot("device_picker")


def test_two_phones_are_found_and_picked_by_keyboard_alone(lab):
    lab.page.get_by_label("Search devices").focus()
    lab.page.keyboard.type("galaxy s24 ultra")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Space")
    lab.page.get_by_label("Search devices").focus()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.type("virtual")
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    lab.screenshot("device_picker_picked")
    assert "'Samsung Galaxy S24 Ultra', 'adb://127.0.0.1:" in value_of_picker(lab)
    assert serious_violations(lab.page, ".embedl-widget") == []
