"""The run browser in a plain page: what the browser does by itself, without a notebook or a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accessibility import press_until, serious_violations

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb.widgets import RunBrowser
from embedl_nb.widgets.run_actions import compared, described, matching
from tests.unit.recorded_runs import HOSTILE, record_family, rest_recorder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Record five runs that belong together, and return their ids."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EMBEDL_NB_HOME", str(home))
        rest_recorder(patched)
        yield record_family(home)


@pytest.fixture
def browsed(ids: dict[str, str]) -> RunBrowser:
    """Return a browser of these runs."""
    return RunBrowser()


def models_of(page: Any) -> list[str]:
    """Return the models in the rows that are drawn."""
    return page.locator(".embedl-rows [role=row] [role=gridcell]:nth-child(3)").all_inner_texts()


def sent(page: Any, kind: str) -> list[dict[str, Any]]:
    """Return what the page has asked the kernel for."""
    return page.evaluate("kind => model.sent.filter(each => each.type === kind)", kind)


def test_runs_are_searched_ticked_and_looked_at_by_keyboard_alone(browsed, ids, show):
    page = show(browsed)
    page.keyboard.press("Tab")
    page.keyboard.type("resnet18 benchmark")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert sorted(page.evaluate("() => model.state.value")) == sorted([ids["slow"], ids["fast"]])
    assert page.evaluate("() => model.state.selected") in (ids["slow"], ids["fast"])
    compare = page.get_by_role("button", name="Compare", exact=True)
    press_until(page, "Tab", "textContent", "Compare")
    assert compare.is_enabled()
    page.keyboard.press("Enter")
    assert len(sent(page, "compare")) == 1


def test_a_click_looks_at_a_run_and_only_one_at_its_box_ticks_it(browsed, ids, show):
    page = show(browsed)
    row = page.get_by_role("row").filter(has_text="quantize")
    row.get_by_role("gridcell").nth(2).click()
    assert page.evaluate("() => [model.state.value, model.state.selected]") == [[], ids["quantized"]]
    row.locator(".embedl-check").click()
    assert page.evaluate("() => model.state.value") == [ids["quantized"]]
    page.wait_for_function(
        "id => model.sent.some(each => each.type === 'show' && each.id === id)", arg=ids["quantized"]
    )


def test_where_a_run_comes_from_and_what_was_made_of_it_is_walked_through(browsed, ids, show):
    browsed.selected, browsed._details = ids["quantized"], described(ids["quantized"])
    page = show(browsed)
    panel = page.get_by_role("region", name="Selected run")
    assert "resnet18 | w8a8" in panel.inner_text()
    assert f'enb.load("{ids["quantized"]}")' in panel.inner_text()
    assert "Comes from" in panel.inner_text()
    assert "Made of it (1)" in panel.inner_text()
    panel.get_by_role("button", name="Go to compiled").click()
    assert page.evaluate("() => model.state.selected") == ids["compiled"]
    # "slow" and the quantized one come from it, "fast" from the quantized one.
    assert "Made of it (3)" in panel.inner_text()
    panel.get_by_role("button", name="Go to measured resnet18 · w8a8").click()
    assert page.evaluate("() => model.state.selected") == ids["fast"]
    assert panel.get_by_role("listitem").count() == 2


def test_words_and_filters_narrow_down_in_the_page_and_a_condition_asks_the_kernel(browsed, ids, show):
    page = show(browsed)
    search = page.get_by_label("Search runs")
    search.fill("W8A8 measure")
    assert page.get_by_text("No run fits").is_visible()
    search.fill("w8a8 benchmark")
    assert models_of(page) == ["resnet18w8a8"]
    search.fill("")
    page.get_by_label("Verb").select_option("compile")
    assert page.locator(".embedl-count").inner_text() == "1 of 5 runs"
    page.get_by_role("button", name="Clear").click()
    query = "p50_ms < 7 and kind == benchmark"
    search.fill(query)
    assert page.get_by_text("Asking the kernel").is_visible()
    page.wait_for_function("text => model.sent.some(each => each.type === 'filter' && each.text === text)", arg=query)
    page.evaluate("found => model.receive('_found', found)", matching(query, browsed._listing))
    assert page.locator(".embedl-count").inner_text() == "2 of 5 runs"
    search.fill("p50 < 7")
    page.evaluate("found => model.receive('_found', found)", matching("p50 < 7", browsed._listing, is_shown=True))
    assert "p50_ms" in page.locator(".embedl-hint").first.inner_text()
    assert page.locator(".embedl-count").inner_text() == "2 of 5 runs", "what was found stays until the query is right"


def test_a_header_sorts_by_the_number_and_models_without_one_come_last(browsed, show):
    page = show(browsed)
    page.get_by_role("columnheader", name="Number").get_by_role("button").click()
    assert models_of(page)[:3] == ["resnet18w8a8", HOSTILE + "f32", "resnet18f32"]
    numbers = page.locator(".embedl-rows [role=row] .embedl-number").all_inner_texts()
    assert [text.split() for text in numbers[:1]] == [["virtual", "3.44", "ms"]]
    assert all("KiB" in text for text in numbers[3:])


def test_only_benchmarks_can_be_compared_and_the_page_says_why_not(browsed, ids, show):
    browsed.value = [ids["fast"]]
    page = show(browsed)
    compare = page.get_by_role("button", name="Compare", exact=True)
    assert compare.is_disabled()
    assert page.get_by_text("Tick one more to compare").is_visible()
    page.evaluate("ids => model.receive('value', ids)", [ids["fast"], ids["compiled"]])
    assert compare.is_disabled()
    assert page.get_by_text("Only benchmarks are compared").is_visible()
    page.evaluate("ids => model.receive('value', ids)", [ids["fast"], ids["slow"]])
    assert compare.is_enabled()


def test_a_comparison_is_shown_and_taken_away_as_csv_and_png(browsed, ids, show):
    browsed.value = [ids["slow"], ids["fast"]]
    page = show(browsed)
    page.get_by_role("button", name="Compare", exact=True).click()
    assert page.get_by_text("Comparing…").is_visible()
    page.evaluate("said => model.receive('_comparison', said)", {"ids": browsed.value, "isBeingMade": True})
    assert page.get_by_text("Comparing…").is_visible(), "nothing has failed"
    page.evaluate("said => model.receive('_comparison', said)", compared(browsed.value))
    panel = page.get_by_role("region", name="Comparison")
    assert "2.4 times as fast" in panel.locator(".embedl-headline").inner_text()
    assert panel.get_by_role("img", name="latency of resnet18 f32 and resnet18 w8a8").is_visible()
    for name, begin in {"CSV": b"first,second,about", "PNG": b"\x89PNG"}.items():
        with page.expect_download() as caught:
            panel.get_by_role("button", name=f"Save the comparison as {name}").click()
        assert Path(caught.value.path()).read_bytes().startswith(begin)
    panel.get_by_role("button", name="Close the comparison").click()
    assert not panel.is_visible()


def test_a_report_opens_below_the_servers_address_and_elsewhere_is_taken_from_the_page(browsed, ids, show):
    browsed.value = [ids["slow"]]
    page = show(browsed)
    page.evaluate("""() => {
        const config = document.createElement("script");
        config.type = "application/json";
        config.id = "jupyter-config-data";
        config.textContent = JSON.stringify({baseUrl: "/user/me/", serverRoot: "~/work"});
        document.head.append(config);
    }""")
    page.get_by_role("button", name="Write report").click()
    assert sent(page, "report") == [{"type": "report", "root": "~/work"}]
    said = {"ids": [ids["slow"]], "path": "/home/me/work/a b.html", "served": "a%20b.html"}
    page.evaluate("said => model.receive('_report', said)", said)
    link = page.get_by_role("link", name="Open report")
    assert link.get_attribute("href") == "/user/me/files/a%20b.html"
    page.evaluate("said => model.receive('_report', said)", {**said, "served": ""})
    assert link.count() == 0
    assert page.get_by_text("/home/me/work/a b.html").is_visible()
    page.get_by_role("button", name="Download the report").click()
    assert len(sent(page, "download")) == 1


def test_a_run_is_done_again_once_and_can_be_cancelled(browsed, ids, show):
    browsed.selected = ids["fast"]
    page = show(browsed)
    redo = page.get_by_role("button", name=f"Run {ids['fast']} again")
    redo.click()
    page.evaluate(
        "said => model.receive('_again', said)",
        {"id": ids["fast"], "isRunning": True, "stage": "measure", "share": 0.4},
    )
    assert redo.is_disabled()
    page.get_by_role("button", name="Cancel the run").click()
    assert len(sent(page, "again")) == len(sent(page, "stop")) == 1
    page.evaluate(
        "said => model.receive('_again', said)", {"id": ids["fast"], "message": "no phone", "hint": "plug it in"}
    )
    assert "Try: plug it in" in page.get_by_role("region", name="Run again").inner_text()
    assert redo.is_enabled()


def test_news_come_in_and_what_is_gone_stays_ticked_and_is_said_to_be_gone(browsed, ids, show):
    browsed.value = [ids["slow"], ids["fast"]]
    page = show(browsed)
    page.evaluate(
        """gone => {
            const {rows, ...packed} = model.state._rows;
            const row = [...rows[0]];
            row[0] = "20990101-000000-aaaaaaaa";
            model.receive("_news", {...packed, rows: [row], gone: [gone]});
        }""",
        ids["fast"],
    )
    page.wait_for_function("() => document.querySelectorAll('.embedl-rows [role=row]').length === 5")
    page.get_by_text(f"{ids['fast']} (not there now)").wait_for()
    assert page.get_by_role("button", name="Compare", exact=True).is_disabled()
    assert page.get_by_text("A ticked run is not in the store any more").is_visible()


def test_markup_in_names_is_shown_as_it_is(browsed, ids, show):
    browsed.value, browsed.selected = [ids["hostile"], ids["slow"]], ids["hostile"]
    browsed._details, browsed._comparison = described(ids["hostile"]), compared([ids["hostile"], ids["slow"]])
    page = show(browsed)
    assert page.locator(".embedl-widget img").count() == 0
    assert page.get_by_role("list", name="Ticked runs").inner_text().count(HOSTILE) == 1
    assert HOSTILE in page.get_by_role("region", name="Selected run").inner_text()


def test_an_empty_store_says_first_how_to_make_a_run(tmp_path, monkeypatch, show):
    monkeypatch.setenv("EMBEDL_NB_HOME", str(tmp_path))
    page = show(RunBrowser())
    assert page.get_by_text("Nothing is recorded yet").is_visible()
    assert not page.get_by_role("grid").is_visible()
    page.evaluate("() => model.receive('_error', {message: 'the store is down', hint: 'start it'})")
    assert not page.get_by_text("Nothing is recorded yet").is_visible(), "nobody knows what is recorded"


def test_two_views_agree_and_a_kernel_that_is_gone_is_said(browsed, ids, show):
    page = show(browsed, num_views=2)
    left, right = page.locator(".view").nth(0), page.locator(".view").nth(1)
    left.get_by_label("Search runs").fill("w8a8")
    left.get_by_label("Search runs").press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelectorAll('.embedl-search')[1].value === 'w8a8'")
    assert right.locator(".embedl-picked li").count() == 1
    page.evaluate("() => model.fire('comm_live_update')")
    assert left.get_by_text("The kernel that this belongs to is gone").is_visible()
    assert left.get_by_role("button", name="Write report").is_disabled()
    page.evaluate("() => ends.forEach(end => end())")
    assert page.evaluate("() => Object.values(model.listeners).flat().length") == 0


def test_axe_finds_no_serious_violation_in_any_theme_at_any_zoom(browsed, ids, show):
    pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
    browsed.value, browsed.selected = [ids["slow"], ids["fast"]], ids["quantized"]
    browsed._details, browsed._comparison = described(ids["quantized"]), compared(browsed.value)
    browsed._report = {"ids": browsed.value, "path": "/a/b.html", "served": ""}
    browsed._again = {"id": ids["fast"], "isRunning": True, "stage": "measure", "share": 0.4}
    found: list[str] = []
    for is_dark, width in ((False, 1100), (True, 550)):  # at 200 % zoom a page has half as many pixels
        page = show(browsed, is_dark=is_dark)
        page.set_viewport_size({"width": width, "height": 760})
        found += serious_violations(page, ".embedl-widget")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "nobody scrolls sideways"
    assert found == []


def test_a_picture_keeps_shapes_and_words_only_and_takes_the_pages_colour(browsed, ids, show):
    said = compared([ids["slow"], ids["fast"]])
    evil = '<script>alert(1)</script><a href="javascript:alert(1)"><text>x</text></a><rect onclick="alert(1)" x="1"/>'
    said["pictures"] = [said["pictures"][0].removesuffix("</svg>") + evil + "</svg>"]
    page = show(browsed, is_dark=True)
    page.evaluate("said => model.receive('_comparison', said)", said)
    picture = page.locator("svg.embedl-picture")
    assert picture.locator("script, a, style, [onclick]").count() == 0
    assert picture.locator("rect[x='1']").count() == 1
    colours = "node => [getComputedStyle(node.querySelector('text')).fill, getComputedStyle(node.parentNode).color]"
    assert len(set(picture.evaluate(colours))) == 1
