"""The device picker in a plain page: what the browser does by itself, without a notebook or a kernel."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from accessibility import press_until, serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.device import DeviceInfo, UnreadyDevice
from embedl_nb.pipeline.npus import NpuSupport
from embedl_nb.units import ComputeUnit
from embedl_nb.widgets import DevicePicker

pytestmark = pytest.mark.browser

_S23 = DeviceInfo(
    address="adb://R58M12ABCDE",
    name="Samsung Galaxy S23 (SM-S911B)",
    cpu="1x3.36 + 4x2.80 + 3x2.02 GHz",
    num_cores=8,
    memory_bytes=7072 * 2**20,
    os="Android 16 (API 36)",
    compute_units=tuple(ComputeUnit),
    soc="Snapdragon 8 Gen 2 (SM8550)",
)
_LOCKED = UnreadyDevice(
    address="adb://locked",
    name="<img src=x onerror=alert(1)>",
    state="unauthorized",
    next_step="unlock it and allow this computer",
)


@pytest.fixture
def picker() -> DevicePicker:
    """Return a picker that knows two attached phones and what the kernel's machine can do."""
    made = DevicePicker()
    made._show_attached((_S23, _LOCKED))
    nothing = NpuSupport(compiles=False, compiler="no compiler", simulates=False, simulator="no simulator")
    qualcomm = NpuSupport(compiles=True, compiler="Qualcomm's compiler", simulates=True, simulator="its simulator")
    made._npus = {sdk: asdict(nothing) for sdk in ("", "mediatek", "google_tensor", "samsung")}
    made._npus = {**made._npus, "qualcomm": asdict(qualcomm)}
    return made


def rows_of(page: Any) -> list[str]:
    """Return the names in the rows that are drawn."""
    return page.locator(".embedl-rows [role=row] [role=gridcell]:first-child").all_inner_texts()


def test_two_phones_are_found_and_picked_by_keyboard_alone(picker, show):
    page = show(picker)
    page.keyboard.press("Tab")
    page.keyboard.type("galaxy s24 ultra")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    press_until(page, "Shift+Tab", "ariaLabel", "Search devices")
    page.keyboard.press("Control+a")
    page.keyboard.type("pixel 8")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("() => model.state.value") == ["Samsung Galaxy S24 Ultra", "Google Pixel 8"]
    active = page.locator("[role=grid]").get_attribute("aria-activedescendant")
    assert page.locator(f"[id='{active}']").get_attribute("aria-selected") == "true"


def test_arrows_pages_home_and_end_go_through_every_row(picker, show):
    page = show(picker)
    grid = page.get_by_role("grid", name="Devices")
    grid.focus()
    num_rows = int(grid.get_attribute("aria-rowcount"))
    places = []
    for key in ("End", "ArrowDown", "ArrowUp", "PageUp", "Home", "ArrowUp", "ArrowDown", "PageDown"):
        page.keyboard.press(key)
        places.append(int(page.locator(".embedl-active").get_attribute("aria-rowindex")))
        assert page.locator(".embedl-active").is_visible()
    page_length = places[2] - places[3]
    assert page_length > 5
    assert places == [num_rows, num_rows, num_rows - 1, num_rows - 1 - page_length, 2, 2, 3, 3 + page_length]
    assert page.locator(".embedl-rows [role=row]").count() < 40, "only rows in sight are in the page"


def test_rows_are_the_same_elements_in_their_order_however_far_one_scrolls(picker, show):
    page = show(picker)
    grid = page.get_by_role("grid", name="Devices")
    grid.press("Home")
    seen = page.evaluate("""async () => {
        const grid = document.querySelector(".embedl-grid");
        const made = new Set(grid.querySelectorAll(".embedl-rows [role=row]"));
        const seen = [];
        for (const top of [90, 250, 4000, 3900, 40_000, 0, 40_000]) {
            grid.scrollTop = top;
            await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));
            const rows = [...grid.querySelectorAll(".embedl-rows [role=row]")];
            const box = grid.getBoundingClientRect();
            const inSight = rows.filter(row => row.getBoundingClientRect().top < box.bottom);
            seen.push({
                places: rows.map(row => Number(row.ariaRowIndex)),
                numNew: rows.filter(row => !made.has(row)).length,
                isFull: inSight.at(-1).getBoundingClientRect().bottom >= box.bottom - 1,
                active: document.getElementById(grid.getAttribute("aria-activedescendant")).innerText,
            });
            rows.forEach(row => made.add(row));
        }
        return seen;
    }""")
    for step in seen:
        assert step["places"] == sorted(set(step["places"]))
        assert step["isFull"]
        assert "SM-S911B" in step["active"], "the active row stays, out of sight"
    assert sum(step["numNew"] for step in seen) < 12, "only what the first look had no room for is made"


def test_a_header_sorts_up_down_and_back_and_what_is_unknown_comes_last(picker, show):
    page = show(picker)
    header = page.get_by_role("columnheader", name="RAM")
    sizes = page.locator(".embedl-rows [role=row] .embedl-number:nth-child(4)")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert sizes.first.inner_text().startswith("2")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert sizes.first.inner_text().startswith("18")
    page.get_by_role("grid").focus()
    page.keyboard.press("End")
    assert sizes.last.inner_text() == ""
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "none"
    assert page.evaluate("() => model.state._query.sort") is None


def test_filters_narrow_down_and_clear_brings_everything_back(picker, show):
    page = show(picker)
    page.get_by_label("Can now").select_option(label="run now")
    assert len(rows_of(page)) == 1
    page.get_by_label("Can now").select_option(label="simulate the NPU")
    page.get_by_label("NPU", exact=True).select_option(label="Hexagon v75")
    page.get_by_label("RAM", exact=True).select_option(label="16 GB or more")
    page.get_by_label("Tier", exact=True).select_option(label="flagship")
    page.get_by_label("Android", exact=True).select_option(label="15 (API 35)")
    fewer = page.locator(".embedl-count").inner_text()
    assert 0 < int(fewer.split(" of ")[0]) < 60
    page.get_by_label("Year", exact=True).select_option("2017")
    assert page.get_by_text("No device fits").is_visible()
    page.get_by_role("button", name="Clear").click()
    assert " of " not in page.locator(".embedl-count").inner_text()


def test_each_device_says_what_it_can_do_now_and_why_not(picker, show):
    page = show(picker)
    search, details = page.get_by_label("Search devices"), page.locator(".embedl-details")
    for words, expected in {
        "R58M12ABCDE": ["yes, on cpu, gpu, npu", "yes, Hexagon v73, by Qualcomm's compiler", "yes, its simulator"],
        "unauthorized": ["no, unauthorized: unlock it and allow this computer"],
        "oneplus 12": ["no, not attached", "yes, Hexagon v75"],
        "pixel 8": ["no, not attached", "no, no compiler", "no, no simulator"],
    }.items():
        search.fill(words)
        search.press("ArrowDown")
        for sentence in expected:
            assert sentence in details.inner_text()


def test_markup_in_a_devices_name_is_shown_as_it_is(picker, show):
    page = show(picker)
    row = page.get_by_role("row").filter(has_text="<img src=x onerror=alert(1)>")
    row.click()
    assert page.locator(".embedl-widget img").count() == 0
    assert "<img src=x" in page.get_by_role("list", name="Picked devices").inner_text()


def test_two_views_of_one_picker_agree(picker, show):
    page = show(picker, num_views=2)
    left, right = page.locator(".view").nth(0), page.locator(".view").nth(1)
    left.get_by_label("Search devices").fill("pixel 8 pro")
    left.get_by_label("Search devices").press("ArrowDown")
    page.keyboard.press("Space")
    right.get_by_role("button", name="Remove Google Pixel 8 Pro").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.embedl-search')[1].value === 'pixel 8 pro'")
    right.get_by_role("button", name="Remove Google Pixel 8 Pro").click()
    assert left.get_by_role("button", name="Remove Google Pixel 8 Pro").count() == 0


def test_a_phone_that_is_unplugged_stays_picked_and_is_said_to_be_gone(picker, show):
    page = show(picker)
    page.get_by_role("row").filter(has_text="SM-S911B").click()
    page.evaluate("() => model.receive('_attached', [])")
    picked = page.get_by_role("list", name="Picked devices")
    assert "adb://R58M12ABCDE (not there now)" in picked.inner_text()
    assert page.evaluate("() => model.state.value") == ["adb://R58M12ABCDE"]


def test_one_question_waits_for_its_answer_before_the_next_is_asked(picker, show):
    page = show(picker)
    refresh = page.get_by_role("button", name="List attached devices again")
    refresh.click()
    refresh.click()
    assert page.evaluate("() => model.sent.length") == 1
    page.evaluate("() => model.receive('_num_listed', 1)")
    refresh.click()
    assert page.evaluate("() => model.sent.length") == 2


def test_an_error_and_a_kernel_that_is_gone_are_said_under_the_widget(picker, show):
    page = show(picker)
    page.evaluate("() => model.receive('_error', {message: 'no <b>server</b>', hint: 'start it'})")
    assert page.get_by_role("alert").inner_text() == "Error no <b>server</b>\n\nTry: start it"
    page.evaluate("() => model.receive('_error', {})")
    assert page.get_by_role("alert").count() == 0
    page.evaluate("() => model.fire('comm_live_update')")
    assert page.get_by_text("The kernel that this belongs to is gone").is_visible()
    assert page.get_by_role("button", name="List attached devices again").is_disabled()


def test_a_view_that_is_closed_leaves_nothing_behind(picker, show):
    page = show(picker, num_views=2)
    page.evaluate("() => ends[0]()")
    page.evaluate("() => model.receive('value', ['Google Pixel 8'])")
    assert page.locator(".embedl-widget").count() == 1
    assert page.get_by_role("button", name="Remove Google Pixel 8").count() == 1
    page.evaluate("() => ends[1]()")
    assert page.evaluate("() => Object.values(model.listeners).flat().length") == 0


def test_axe_finds_no_serious_violation_in_any_theme_at_any_zoom(picker, show):
    pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    picker.value = ["Google Pixel 8"]
    found: list[str] = []
    for is_dark, width in ((False, 1100), (True, 550)):  # at 200 % zoom a page has half as many pixels
        page = show(picker, is_dark=is_dark)
        page.set_viewport_size({"width": width, "height": 760})
        page.get_by_label("Search devices").fill("pixel 8")
        page.get_by_label("Search devices").press("ArrowDown")
        found += serious_violations(page, ".embedl-widget")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nobody scrolls sideways"
    page.set_viewport_size({"width": 1100, "height": 760})
    assert found == []


def test_what_is_picked_and_where_the_keyboard_is_are_seen_without_colours(picker, show):
    picker.value = ["Google Pixel 8"]
    page = show(picker)
    page.emulate_media(forced_colors="active")
    page.get_by_label("Search devices").fill("pixel 8")
    page.get_by_label("Search devices").press("ArrowDown")
    assert page.locator(".embedl-rows [aria-selected=true] .embedl-check").all_inner_texts() == ["✓"]
    outline = page.locator(".embedl-active").evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.emulate_media(forced_colors="none")
