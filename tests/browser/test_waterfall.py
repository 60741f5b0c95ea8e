"""The waterfall in JupyterLab, drawn from a made-up benchmark: bars, hover, and thousands of layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

_BARS = ".js-plotly-plot .barlayer .point"
# What the figure draws besides its layers: one bar for the time that no layer explains.
_REMAINDER = 1


@pytest.fixture
def waterfall_notebook(tmp_path: Path) -> Callable[[int], Path]:
    """Return a function that writes a notebook with the waterfall of a net of so many layers."""

    def write(num_layers: int) -> Path:
        path = tmp_path / f"waterfall_{num_layers}.ipynb"
        source = f"from embedl_nb.testing.results import fake_benchmark\nfake_benchmark({num_layers}).waterfall()"
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, path)
        return path

    return write


def test_every_layer_is_a_bar_and_the_hover_names_it(open_notebook, waterfall_notebook):
    with open_notebook(waterfall_notebook(66), size=(1280, 1500)) as lab:
        lab.run_all(timeout_s=120)
        lab.page.locator(_BARS).first.wait_for()
        assert lab.page.locator(_BARS).count() == 66 + _REMAINDER
        hover = lab.hover_longest_layer()
        assert hover["layer"] in hover["text"]
        assert "ms" in hover["text"]
        lab.screenshot("waterfall_66")


def test_a_waterfall_of_three_thousand_layers_answers_to_the_mouse(open_notebook, waterfall_notebook):
    with open_notebook(waterfall_notebook(3000), size=(1280, 1500)) as lab:
        lab.run_all(timeout_s=120)
        lab.page.locator(_BARS).first.wait_for(state="attached")
        assert lab.page.locator(_BARS).count() == 3000 + _REMAINDER
        hover = lab.hover_longest_layer()
        # Three layers share a row of pixels, so any of them may be named.
        assert "features." in hover["text"]
        lab.screenshot("waterfall_3000")
