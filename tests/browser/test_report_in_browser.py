"""The report as a reader opens it: from disk, in Chromium."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.reports import write_report
from embedl_nb.testing.results import fake_benchmark

pytestmark = pytest.mark.browser

_HOSTILE = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"


@pytest.fixture
def hostile_result() -> Benchmark:
    """Return a benchmark whose every name tries to become markup."""
    result = fake_benchmark(5)
    layers = tuple(
        dataclasses.replace(layer, name=_HOSTILE, source=_HOSTILE, operator=_HOSTILE, kernel=_HOSTILE)
        for layer in result.layer_table
    )
    return dataclasses.replace(result, model_name=_HOSTILE, layer_table=layers)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_draws_every_layer_from_disk_without_network_or_error(
    browser: Any, tmp_path: Path, hostile_result: Benchmark, scheme: str
):
    path = write_report([fake_benchmark(66), hostile_result], tmp_path / "report.html")
    page = browser.new_page(color_scheme=scheme)
    try:
        errors: list[str] = []
        requests: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(path.as_uri())
        # One bar a layer, and one for what no layer explains.
        page.wait_for_function("document.querySelectorAll('#result-1-waterfall .barlayer .point').length === 67")
        page.wait_for_function("document.querySelectorAll('#result-2-waterfall .barlayer .point').length === 6")
        assert page.evaluate("window.attacked === undefined")
        assert page.evaluate("document.images.length") == 0
        assert errors == []
        assert requests == [path.as_uri()]
    finally:
        page.close()


def test_pointing_at_a_row_shows_its_layer(browser: Any, tmp_path: Path):
    result = fake_benchmark(1000)
    page = browser.new_page()
    try:
        page.goto(write_report(result, tmp_path / "report.html").as_uri())
        bar = page.locator("#result-1-waterfall .barlayer .point").nth(500)
        bar.scroll_into_view_if_needed()
        box = bar.bounding_box()
        page.mouse.move(box["x"] + 40, box["y"] + box["height"] / 2)
        shown = page.locator("#result-1-waterfall .hoverlayer")
        page.wait_for_function("document.querySelector('#result-1-waterfall .hoverlayer').textContent !== ''")
        # Rows are less than a pixel high: the neighbour's may be nearer.
        assert any(f"features.{number}.conv" in shown.text_content() for number in (124, 125))
        assert "kernel" in shown.text_content()
    finally:
        page.close()


def test_the_charts_of_a_report_cannot_be_uploaded(browser: Any, tmp_path: Path):
    page = browser.new_page()
    try:
        page.goto(write_report(fake_benchmark(4), tmp_path / "report.html").as_uri())
        page.locator("#result-1-waterfall .modebar-btn").first.wait_for(state="attached")
        titles = page.locator(".modebar-btn").evaluate_all("buttons => buttons.map(each => each.dataset.title)")
        assert titles
        assert not [title for title in titles if "hare" in title or "loud" in title]
    finally:
        page.close()
