"""The report as a reader opens it: from disk, in Chromium. One page serves all that looks at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import embedl_nb as enb
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.testing.results import fake_benchmark, fake_fidelity

pytestmark = pytest.mark.browser

_HOSTILE = "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'>"
_NUM_LAYERS = 20


def _hostile_result() -> Benchmark:
    """Return a benchmark whose every name tries to become markup."""
    result = fake_benchmark(5)
    layers = tuple(
        dataclasses.replace(layer, name=_HOSTILE, source=_HOSTILE, operator=_HOSTILE, kernel=_HOSTILE)
        for layer in result.layer_table
    )
    return dataclasses.replace(result, model_name=_HOSTILE, layer_table=layers)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a report of several kinds of results."""
    result = fake_benchmark(_NUM_LAYERS)
    faster = fake_benchmark(_NUM_LAYERS, p50_ms=4.0, seed=1, model_name="faster")
    shown = [result, _hostile_result(), enb.compare(result, faster), fake_fidelity()]
    return enb.report(shown, tmp_path_factory.mktemp("report") / "report.html")


class _Opened:
    """The page, and what went wrong in it."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.locator("#result-4-tradeoff .points").first.wait_for(state="attached")


@pytest.fixture(scope="module")
def opened(browser: Any, path: Path) -> Iterator[_Opened]:
    context = browser.new_context(color_scheme="light", offline=True)
    yield _Opened(context.new_page(), path)
    context.close()


def test_it_draws_every_layer_from_disk_without_network_or_error(opened: _Opened, path: Path):
    page = opened.page
    # One bar a layer, and one for what no layer explains.
    assert page.locator("#result-1-waterfall .barlayer .point").count() == _NUM_LAYERS + 1
    assert page.locator("#result-2-waterfall .barlayer .point").count() == 6
    assert page.evaluate("window.attacked === undefined")
    assert page.evaluate("document.images.length") == 0
    assert opened.errors == []
    assert opened.requests == [path.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_barrier_is_found_in_it(opened: _Opened, scheme: str):
    from axe_playwright_python.sync_playwright import Axe

    opened.page.emulate_media(color_scheme=scheme)
    # Charts take the page's own colour, also when it changes under them.
    opened.page.wait_for_function(
        """() => {
            const title = document.querySelector("#result-1-waterfall .gtitle");
            return getComputedStyle(title).fill === getComputedStyle(document.body).color;
        }"""
    )
    found = Axe().run(opened.page).response["violations"]
    assert [(each["id"], each["impact"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_pointing_at_a_row_shows_its_layer(opened: _Opened):
    page = opened.page
    bar = page.locator("#result-1-waterfall .barlayer .point").nth(12)
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + box["height"] / 2)
    shown = page.locator("#result-1-waterfall .hoverlayer")
    page.wait_for_function("document.querySelector('#result-1-waterfall .hoverlayer').textContent !== ''")
    assert "features.3.conv.0" in shown.text_content()
    assert "kernel" in shown.text_content()


def test_its_charts_cannot_be_uploaded(opened: _Opened):
    titles = opened.page.locator(".modebar-btn").evaluate_all("buttons => buttons.map(each => each.dataset.title)")
    assert titles
    assert not [title for title in titles if "hare" in title or "loud" in title]


def test_a_table_is_sorted_from_the_keyboard_and_says_so(opened: _Opened):
    page = opened.page
    table = page.locator("#result-1 details", has_text="All layers").first
    table.evaluate("node => { node.open = true; }")

    def column(number: int) -> list[str]:
        cells = table.locator(f"tbody td:nth-child({number})")
        return list(cells.all_text_contents())

    header = table.locator("th", has_text="mean ms")
    header.locator("button").focus()
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert column(6) == sorted(column(6), key=float)
    page.keyboard.press("Space")
    assert header.get_attribute("aria-sort") == "descending"
    assert column(6) == sorted(column(6), key=float, reverse=True)
    # Names as people count them: 2 comes before 10.
    table.locator("th", has_text="source").locator("button").press("Enter")
    assert [name.split(".")[1] for name in column(2)] == [str(number // 4) for number in range(_NUM_LAYERS)]
    assert header.get_attribute("aria-sort") is None


def test_sizes_are_sorted_by_what_they_mean(opened: _Opened):
    sizes = ["1.5 GiB", "900 KiB", "", "20.0 MiB", "5 B"]
    rows = opened.page.evaluate(
        """sizes => {
            const table = document.createElement("table");
            const body = sizes.map(size => `<tr><td>${size}</td></tr>`).join("");
            table.innerHTML = `<thead><tr><th class="embedl-number">s</th></tr></thead><tbody>${body}</tbody>`;
            sort(table, table.tHead.rows[0].cells[0]);
            return [...table.tBodies[0].rows].map(row => row.textContent);
        }""",
        sizes,
    )
    assert rows == ["5 B", "900 KiB", "20.0 MiB", "1.5 GiB", ""]


def test_on_paper_no_chart_is_wider_or_higher_than_a_page(opened: _Opened):
    page = opened.page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("document.querySelector('#result-1-waterfall .main-svg').clientWidth === 900")
    boxes = page.locator(".embedl-chart .main-svg:first-child").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => [box.width, box.height])"
    )
    # A4 within the page's margins of 14 mm, at 96 px an inch.
    assert boxes
    assert [box for box in boxes if box[0] > 688 or box[1] > 1017] == []
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
