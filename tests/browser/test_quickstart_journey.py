"""The main job as its user does it: open the quickstart in JupyterLab, run it, read the waterfall, ask for help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.notebook, pytest.mark.torch, pytest.mark.litert]

_NOTEBOOK = "notebooks/quickstart.ipynb"
_TIMEOUT_S = 900  # a limit against hanging on a loaded machine; the run takes about a minute

# Brightness (0 to 255) of a node's text and of the page behind it.
_LUMINANCE = """node => {
    const luminance = colour => {
        const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const style = getComputedStyle(node);
    const page = getComputedStyle(document.querySelector(".jp-Notebook"));
    return {
        text: luminance(style.color),
        fill: style.fill.startsWith("rgb") ? luminance(style.fill) : null,
        page: luminance(page.backgroundColor),
    };
}"""


@pytest.fixture(scope="module")
def lab(open_notebook: Callable[..., Any], project_root: Path) -> Iterator[Any]:
    """Open the quickstart, run all of it once, and keep the page for every test here."""
    with open_notebook(project_root / _NOTEBOOK, size=(1280, 1400)) as page:
        page.run_all(timeout_s=_TIMEOUT_S)
        yield page


def test_no_cell_shows_an_error(lab):
    assert lab.text_errors() == []


def test_the_first_cell_says_equal_how_fast_and_not_a_phone(lab):
    answer = lab.cell_with("%load_ext embedl_nb").inner_text()
    assert "outputs match" in answer
    assert "p50" in answer
    assert "not a phone" in answer
    lab.scroll_to(lab.cell_with("%load_ext embedl_nb").locator(".embedl-result, .jp-OutputArea-output").last)
    lab.screenshot("quickstart")


def test_the_waterfall_has_one_bar_a_layer_and_the_hover_names_it(lab):
    lab.page.locator(".js-plotly-plot .barlayer .point").first.wait_for(state="attached")
    drawn = lab.page.evaluate("""() => {
        const figure = document.querySelector(".js-plotly-plot");
        const traces = [...figure.querySelectorAll(".barlayer .trace")];
        return traces
            .filter((_, place) => figure.data[place].name !== "unattributed")
            .reduce((bars, trace) => bars + trace.querySelectorAll(".point").length, 0);
    }""")
    stated = lab.run_cell("len(result.layers)").locator(".jp-OutputArea-output").last.inner_text()
    assert drawn == int(stated)
    assert drawn > 30
    hover = lab.hover_longest_layer()
    assert hover["layer"] in hover["text"]
    lab.screenshot("quickstart_waterfall")


@pytest.mark.parametrize(
    ("typed", "chosen", "line"),
    [
        ("%embedl_benchmark model --proc", "--processes", "%embedl_benchmark model --processes"),
        ("%embedl_benchmark mod", "model", "%embedl_benchmark model"),
        ("%embedl_bench", "%embedl_benchmark", "%embedl_benchmark"),
    ],
    ids=["an option", "a compiled model", "a magic"],
)
def test_tab_completes(lab, typed, chosen, line):
    cell = lab.add_cell(typed)
    lab.page.keyboard.press("Tab")
    lab.completer.get_by_text(chosen, exact=True).wait_for()
    lab.page.keyboard.press("Enter")
    lab.completer.wait_for(state="hidden")
    assert cell.locator(".cm-content").inner_text() == line


def test_tab_offers_every_option_of_a_magic(lab):
    lab.add_cell("%embedl_benchmark model --")
    lab.page.keyboard.press("Tab")
    lab.completer.get_by_text("--threads", exact=True).wait_for()
    assert lab.completer.get_by_text("--no-profile", exact=True).count() == 1
    lab.screenshot("quickstart_completion")
    lab.page.keyboard.press("Escape")


def test_a_question_mark_shows_the_options(lab):
    help_text = lab.run_cell("%embedl_benchmark?").locator(".jp-OutputArea").inner_text()
    assert "--threads" in help_text
    assert "Measure a model on a device" in help_text


def test_a_wrong_option_is_two_readable_lines(lab):
    shown = lab.run_cell("%embedl_benchmark model --thread 2").locator(".jp-OutputArea").inner_text()
    assert "unknown option '--thread'" in shown
    assert "did you mean --threads" in shown
    assert "Traceback" not in shown
    # The error was asked for: it must not count as one of the notebook's own.
    lab.delete_cell()


def test_the_answer_and_the_waterfall_read_well_in_a_dark_theme(lab):
    lab.use_theme("JupyterLab Dark")
    answer = lab.cell_with("%load_ext embedl_nb")
    luminance = answer.locator(".embedl-card").last.evaluate(_LUMINANCE)
    assert luminance["text"] - luminance["page"] > 100
    lab.scroll_to(answer.locator(".jp-OutputArea-output").last)
    lab.screenshot("quickstart_dark")
    lab.scroll_to(lab.cell_with("result.waterfall()"))
    label = lab.page.locator(".js-plotly-plot .ytick text").first.evaluate(_LUMINANCE)
    assert label["fill"] - label["page"] > 60
    lab.screenshot("quickstart_waterfall_dark")
