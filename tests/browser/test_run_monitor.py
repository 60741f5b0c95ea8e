"""The run monitor in a plain page: what the browser does with what it is told, without a notebook or a kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from accessibility import serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.errors import DeviceLost, EmbedlError
from embedl_nb.progress import Event, Job, Reading
from embedl_nb.widgets import RunMonitor

pytestmark = pytest.mark.browser

_HOSTILE = "adb://<img src=x onerror=alert(1)>"
_HEARD = "elapsed => model.fire('msg:custom', {type: 'heard', elapsed, cancelling: []})"

# How many columns of each canvas have something in them.
_NUM_PAINTED = """canvases => canvases.map(canvas => {
    const {data, width} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const painted = [...data.keys()].filter(place => data[place] && place % 4 === 3);
    return new Set(painted.map(place => (place >> 2) % width)).size;
})"""


def job(name: str, *, done: int = 40, errors: tuple[EmbedlError, ...] = (), is_over: bool = False) -> Job:
    """Return a job in its second process, with a latency and a fallback."""
    reading = Reading(latency_ms=5.02, temperature_celsius=36.6, asked="gpu", got="cpu")
    event = Event(stage="measure", message="on a phone", done=done, total=200, reading=reading)
    return Job(name=name, event=event, errors=errors, is_over=is_over, cancel=lambda: None)


@pytest.fixture
def monitor() -> Iterator[RunMonitor]:
    """Return a monitor of three devices, one of which is lost."""
    made = RunMonitor(verb="benchmark", cancel=lambda: None)
    lost = DeviceLost("unplugged " * 300_000, address="adb://two", hint="plug it in again")
    latencies = [Event(stage="measure", reading=Reading(latency_ms=5 + place % 3 / 10)) for place in range(30)]
    for event in latencies:
        made.on_event(Event(stage="measure", jobs=(Job(name=_HOSTILE, event=event, cancel=lambda: None),)))
    made.on_event(
        Event(stage="measure", jobs=(job(_HOSTILE), job("adb://two", errors=(lost,), is_over=True), job("adb://three")))
    )
    yield made
    made.close()


@pytest.fixture
def single() -> Iterator[RunMonitor]:
    """Return a monitor of a compile."""
    made = RunMonitor(verb="compile", cancel=lambda: None)
    made.on_event(Event(stage="lower", message="converting to LiteRT"))
    yield made
    made.close()


def receive(page: Any, monitor: RunMonitor) -> None:
    """Tell the page what the monitor says now."""
    page.evaluate("run => model.receive('_run', run)", monitor._run)


def sent(page: Any, kind: str) -> list[Any]:
    """Return what the page sent of one kind."""
    return [content for content in page.evaluate("() => model.sent") if content["type"] == kind]


def test_a_row_says_step_latency_temperature_and_the_unit_that_was_asked_for_and_got(monitor, show):
    page = show(monitor)
    row = page.get_by_role("row").filter(has_text="adb://three")
    for words in ("measure, 40 of 200", "on a phone", "5.02 ms", "36.6 °C", "cpu (asked gpu)"):
        assert words in row.inner_text()
    painted = page.locator("canvas").evaluate_all(_NUM_PAINTED)
    assert painted[0] > 90, "a line across"
    assert 0 < painted[1] < 10, "a single point"
    assert page.get_by_role("status").first.inner_text() == "benchmark on 3 devices: 1 failed"


def test_rows_are_updated_in_place_so_that_a_button_keeps_the_focus(monitor, show):
    page = show(monitor)
    page.evaluate(_HEARD, 3)
    button = page.get_by_role("button", name="Cancel adb://three")
    button.focus()
    monitor.on_event(Event(stage="other", jobs=(job("adb://three", done=80),)))
    receive(page, monitor)
    assert "80 of 200" in page.get_by_role("row").filter(has_text="adb://three").inner_text()
    assert page.evaluate("() => document.activeElement.ariaLabel") == "Cancel adb://three"
    monitor.on_event(Event(stage="other", jobs=(job("adb://three", is_over=True),)))
    receive(page, monitor)
    assert page.evaluate("() => document.activeElement.textContent") == "Cancel all", "not lost with the row's button"


def test_markup_in_a_name_is_text_and_a_message_of_a_megabyte_is_cut(monitor, show):
    page = show(monitor)
    assert page.get_by_text(_HOSTILE).is_visible()
    assert page.locator(".embedl-widget img").count() == 0
    problem = page.locator(".embedl-problem:visible").inner_text()
    assert "DeviceLost: unplugged" in problem
    assert "plug it in again" in problem
    assert len(problem) < 4000


def test_cancel_is_offered_once_a_busy_kernel_has_answered(monitor, show):
    page = show(monitor, num_views=2)
    one = page.get_by_role("button", name="Cancel adb://three")
    assert one.first.is_disabled()
    page.evaluate(_HEARD, 3)
    one.first.click()
    assert sent(page, "cancel") == [{"type": "cancel", "name": "adb://three"}]
    assert one.first.is_disabled()
    page.evaluate("() => model.fire('msg:custom', {type: 'heard', elapsed: 4, cancelling: ['adb://three']})")
    assert one.nth(1).is_disabled(), "the other view knows as well"
    page.get_by_role("button", name="Cancel all").nth(1).press("Enter")
    assert sent(page, "cancel")[1:] == [{"type": "cancel", "name": ""}]


@pytest.fixture
def clock(one_page: Any) -> Any:
    """Return the page's clock, which can be put forward."""
    one_page.clock.install()
    return one_page.clock


def test_where_a_busy_kernel_is_not_reached_interrupt_is_named(single, show, clock):
    page = show(single)
    clock.run_for(7000)
    assert "To stop, interrupt it" in page.locator(".embedl-note").inner_text()
    assert page.get_by_role("button", name="Cancel").is_disabled()


def test_a_kernel_that_falls_silent_is_said_to_be_and_nothing_goes_on(single, show, clock):
    page = show(single)
    page.evaluate(_HEARD, 60)
    clock.run_for(3000)
    assert page.locator(".embedl-clock").inner_text().startswith("1 min ")
    clock.run_for(20_000)
    assert "Nothing is heard of this run any more" in page.locator(".embedl-note").inner_text()
    seen = page.locator(".embedl-clock").inner_text()
    clock.run_for(20_000)
    assert page.locator(".embedl-clock").inner_text() == seen
    assert not page.locator("progress").is_visible()
    assert page.get_by_role("button", name="Cancel").is_disabled()
    page.evaluate(_HEARD, 104)
    assert page.locator(".embedl-note").is_hidden(), "it was only slow"


def test_a_compile_has_no_table_of_devices_and_its_end_is_one_line(single, show):
    page = show(single)
    assert page.get_by_text("converting to LiteRT").is_visible()
    assert page.get_by_role("columnheader").count() == 0
    single._summary = "compile took 3.0 s (lower 2.9 s)"
    single._tell()
    receive(page, single)
    assert page.get_by_role("status").first.inner_text() == "compile took 3.0 s (lower 2.9 s)"
    assert page.get_by_role("table").count() == 0
    assert page.get_by_role("button").count() == 0


def test_axe_finds_no_serious_violation_in_any_theme_at_any_zoom(monitor, show):
    pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    found: list[str] = []
    for is_dark, width in ((False, 1100), (True, 550)):  # at 200 % zoom a page has half as many pixels
        page = show(monitor, is_dark=is_dark)
        page.set_viewport_size({"width": width, "height": 760})
        page.evaluate(_HEARD, 3)
        found += serious_violations(page, ".embedl-widget")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nobody scrolls sideways"
    assert found == []
