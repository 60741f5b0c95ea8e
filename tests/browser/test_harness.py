"""The browser harness itself: it must see what it claims to see, or the tests on top of it cannot fail."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def plotly_notebook(tmp_path: Path) -> Path:
    """Write a notebook that draws three bars."""
    path = tmp_path / "three_bars.ipynb"
    source = "import plotly.graph_objects as go\ngo.Figure(go.Bar(x=['a', 'b', 'c'], y=[1, 3, 2]))"
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, path)
    return path


def test_a_plotly_figure_is_drawn_without_network_or_console_error(open_notebook, plotly_notebook):
    with open_notebook(plotly_notebook) as lab:
        lab.run_all(timeout_s=120)
        bars = lab.page.locator(".js-plotly-plot .barlayer .point")
        bars.first.wait_for()
        assert bars.count() == 3
        lab.screenshot("three_bars")


def test_a_kernel_that_does_not_start_is_replaced(open_notebook, plotly_notebook):
    def run_impatiently() -> list[str]:
        with open_notebook(plotly_notebook, kernel_start_ms=1) as lab:
            lab.run_all(timeout_s=120)
            return lab.text_errors()

    with pytest.warns(UserWarning, match="a kernel that did not start was replaced"):
        assert run_impatiently() == []


def test_a_console_error_fails_the_page(open_notebook, plotly_notebook):
    def misbehave() -> None:
        with open_notebook(plotly_notebook) as lab:
            lab.page.evaluate("() => console.error('made on purpose')")

    with pytest.raises(AssertionError, match="made on purpose"):
        misbehave()


def test_a_request_that_leaves_the_machine_fails_the_page(open_notebook, plotly_notebook):
    def misbehave() -> None:
        with open_notebook(plotly_notebook) as lab:
            lab.page.evaluate("() => fetch('http://elsewhere.invalid/x.js').catch(() => null)")
            lab.console_errors.clear()  # the refused request is logged there too

    with pytest.raises(AssertionError, match=r"elsewhere\.invalid"):
        misbehave()
