"""The device picker's Python side: names, rows, memory, listing and what is left without a kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb import widgets
from embedl_nb.device import DeviceInfo, UnreadyDevice
from embedl_nb.device.catalog.facts import phones
from embedl_nb.device.lease import leased
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import EmbedlError, InputError, UnknownNameError
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.units import Provenance
from embedl_nb.widgets import base, device_picker
from embedl_nb.widgets.assets import es_module
from embedl_nb.widgets.cells import Execution
from embedl_nb.widgets.device_rows import attached_row, catalog_rows

_S23 = DeviceInfo(
    address="adb://R58M12ABCDE",
    name="Samsung Galaxy S23 (SM-S911B)",
    cpu="1x3.36 + 4x2.80 + 3x2.02 GHz",
    num_cores=8,
    memory_bytes=7072 * 2**20,
    os="Android 16 (API 36)",
    soc="Snapdragon 8 Gen 2 (SM8550)",
)


@pytest.fixture
def run_in_cell(monkeypatch: pytest.MonkeyPatch) -> Callable[..., widgets.DevicePicker]:
    """Return ``run_in_cell(cell_id)``, which makes a picker as one more run of that cell does."""
    runs = iter(range(100))

    def run(cell_id: str, *, code: str = "", key: str = "") -> widgets.DevicePicker:
        execution = Execution(cell_id, f"run {next(runs)}", code)
        monkeypatch.setattr(base, "current_execution", lambda: execution)
        return widgets.DevicePicker(key=key)

    return run


def ask(picker: widgets.DevicePicker, times: int = 1) -> None:
    """Ask what is attached, as the page does, and wait for the answer."""

    async def asking() -> None:
        for _ in range(times):
            picker._on_message(picker, {"type": "list"}, [])
        assert picker._listing is not None
        await picker._listing

    asyncio.run(asking())


def test_names_are_taken_as_the_catalog_has_them_and_once():
    picker = widgets.DevicePicker()
    picker.value = ["galaxy s24", "host://", "Samsung Galaxy S24"]
    assert picker.value == ["Samsung Galaxy S24", "host://"]


def test_a_name_that_no_phone_has_is_refused_with_the_close_ones():
    picker = widgets.DevicePicker()
    with pytest.raises(UnknownNameError, match="Samsung Galaxy S24"):
        picker.value = ["Samsung Galaxi S24"]
    assert picker.value == []


def test_a_name_that_a_page_sends_and_no_phone_has_is_not_kept_but_told():
    picker = widgets.DevicePicker()
    picker.value = ["Google Pixel 8"]
    picker.set_state({"value": ["nonsense phone"]})
    assert picker.value == ["Google Pixel 8"]
    assert "nonsense phone" in picker._error["message"]


def test_a_chip_is_no_device():
    with pytest.raises(InputError, match="SM8650 is a chip"):
        widgets.DevicePicker().value = ["SM8650"]


def test_an_unknown_keyword_is_refused():
    with pytest.raises(TypeError, match="kee"):
        widgets.DevicePicker(kee="a")  # type: ignore[call-arg]


def test_a_phone_with_two_chips_is_one_row_with_both():
    rows = catalog_rows(phones())
    names = [row[0] for row in rows["phones"]]
    assert len(names) == len(set(names)) == len({phone.name for phone in phones()})
    s20 = rows["phones"][names.index("Samsung Galaxy S20+ 5G")]
    assert {rows["chips"][place]["vendor"] for place in s20[2]} == {"Samsung", "Qualcomm"}


def test_a_phone_that_is_attached_has_what_the_catalog_knows_of_it():
    row = attached_row(_S23)
    assert row["chips"][0]["npu"] == "Hexagon v73"
    assert row["chips"][0]["sdk"] == "qualcomm"
    assert row["ram"] == (8, 8)
    assert row["api"] == 36


def test_numbers_of_a_virtual_device_are_announced_as_such():
    assert attached_row(VirtualDevice().info)["state"] == Provenance.VIRTUAL


def test_a_reason_why_there_is_no_phone_is_no_device():
    row = attached_row(UnreadyDevice(address="adb://", state="no phone", next_step="plug one in"))
    assert not row["isDevice"]
    assert row["nextStep"] == "plug one in"


def test_the_choice_survives_a_re_run_of_the_cell(run_in_cell):
    first = run_in_cell("a")
    first.value = ["Google Pixel 8"]
    first._query = {"search": "pixel"}
    second = run_in_cell("a")
    assert second.value == ["Google Pixel 8"]
    assert second._query == {"search": "pixel"}
    assert first.comm is None, "the widget that nobody can see any more is closed"
    assert run_in_cell("b").value == []


def test_where_cells_have_no_names_their_code_tells_them_apart(run_in_cell):
    first = run_in_cell("", code="a = widgets.DevicePicker(); a")
    first.value = ["Google Pixel 8"]
    assert run_in_cell("", code="b = widgets.DevicePicker(); b").value == [], "nobody picked anything there"
    assert run_in_cell("named", code="a = widgets.DevicePicker(); a").value == []
    assert run_in_cell("", code="a = widgets.DevicePicker(); a").value == ["Google Pixel 8"]
    assert first.comm is not None, "a cell of the same code may be another one, and still be seen"


def test_two_pickers_of_one_cell_are_told_apart_by_their_key(run_in_cell):
    run_in_cell("a", key="left").value = ["Google Pixel 8"]
    run_in_cell("a", key="right").value = ["Google Pixel 7"]
    assert run_in_cell("a", key="left").value == ["Google Pixel 8"]


def test_what_is_attached_is_listed_when_the_page_asks():
    picker = widgets.DevicePicker()
    with using_provider(VirtualProvider(VirtualDevice(name="rack 1"))):
        ask(picker)
    assert "virtual://rack 1" in [row["address"] for row in picker._attached]
    assert picker._num_listed == 1
    assert set(picker._npus) == {"", "qualcomm", "mediatek", "google_tensor", "samsung"}


def test_a_question_that_comes_while_the_first_is_answered_starts_nothing(monkeypatch):
    listings: list[str] = []
    monkeypatch.setattr(device_picker, "list_devices", lambda: listings.append("listed") or ())
    ask(widgets.DevicePicker(), times=3)
    assert listings == ["listed"]


def test_while_a_benchmark_runs_no_phone_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("EMBEDL_NB_HOME", str(tmp_path))
    picker = widgets.DevicePicker()
    ask(picker)
    before = picker._attached
    monkeypatch.setattr(device_picker, "list_devices", lambda: pytest.fail("the phone was asked"))
    with leased("adb://phone", wait_s=1):
        ask(picker)
        assert picker._is_waiting
    assert picker._attached == before
    monkeypatch.setattr(device_picker, "list_devices", tuple)
    ask(picker)
    assert not picker._is_waiting
    assert picker._attached == []


def test_an_error_is_shown_under_the_widget_until_it_is_over(monkeypatch):
    def fail() -> tuple[()]:
        raise EmbedlError("the server is down" + "!" * 2**20, hint="start it")

    picker = widgets.DevicePicker()
    monkeypatch.setattr(device_picker, "list_devices", fail)
    ask(picker)
    assert picker._error["message"].startswith("the server is down!")
    assert len(picker._error["message"]) < 3000, "a megabyte would freeze the page"
    assert picker._error["hint"] == "start it"
    monkeypatch.setattr(device_picker, "list_devices", tuple)
    ask(picker)
    assert picker._error == {}


def test_a_page_is_answered_where_listing_fails_as_nobody_foresaw_and_can_ask_again(monkeypatch):
    def fail() -> tuple[()]:
        raise OSError("too many open files")

    picker = widgets.DevicePicker()
    monkeypatch.setattr(device_picker, "list_devices", fail)
    with pytest.raises(OSError, match="too many open files"):
        ask(picker)
    assert picker._num_listed == 1, "a page asks nothing more before it is answered"
    assert picker._error["message"] == "OSError: too many open files"
    monkeypatch.setattr(device_picker, "list_devices", tuple)
    ask(picker)
    assert (picker._num_listed, picker._error) == (2, {})


def test_without_a_kernel_there_is_a_table_of_what_was_picked():
    picker = widgets.DevicePicker()
    picker.value = ["Google Pixel 8"]
    picker._show_attached((UnreadyDevice(address="adb://1", name="<b>Pixel</b>", state="offline", next_step="plug"),))
    bundle, _ = picker._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<td>Google Pixel 8</td>" in bundle["text/html"]
    assert "&lt;b&gt;Pixel&lt;/b&gt;" in bundle["text/html"]
    assert "1 picked" in bundle["text/plain"]


def test_a_notebook_keeps_the_table_in_an_output_of_its_own(run_in_cell, monkeypatch):
    outputs: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: outputs.append(data))
    picker = run_in_cell("own output")
    picker.value = ["Google Pixel 8"]
    picker._ipython_display_()
    widget, table = outputs
    assert set(widget) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    assert f'class="{picker._instead}"' in table["text/html"]
    assert "<td>Google Pixel 8</td>" in table["text/html"]


def test_a_terminal_shows_it_as_text(capsys):
    picker = widgets.DevicePicker()
    picker.value = ["Google Pixel 8"]
    picker._ipython_display_()
    assert "Google Pixel 8" in capsys.readouterr().out


def test_a_page_that_nbconvert_makes_shows_the_table():
    nbformat = pytest.importorskip("nbformat", reason="needs nbconvert: pip install 'embedl-nb[notebook]'")
    from nbconvert import HTMLExporter

    picker = widgets.DevicePicker()
    picker.value = ["Google Pixel 8"]
    data, _ = picker._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data)
    page, _ = HTMLExporter().from_notebook_node(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("picker", outputs=[output])])
    )
    assert "<td>Google Pixel 8</td>" in page


def test_the_script_is_one_module_that_fetches_nothing_and_writes_text_only():
    script = es_module("device_picker.js")
    assert "import {" not in script
    assert script.count("export ") == 1
    assert script.count("function createGrid(") == script.count("function element(") == 1
    for forbidden in ("innerHTML", "insertAdjacentHTML", "outerHTML", "http:", "https:", "eval("):
        assert forbidden not in script
