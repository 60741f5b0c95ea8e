"""A notebook as others get it: run by papermill with their values, and read where no kernel and no script runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbconvert import HTMLExporter

pytestmark = pytest.mark.notebook

_CHART = "from embedl_nb.testing.results import fake_benchmark\nfake_benchmark(6).waterfall()"
_END = "rack.__exit__(None, None, None)"


@pytest.fixture(scope="module")
def executed(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the beginning of phones.ipynb, up to its list of devices, with one phone in place of four, and a chart."""
    folder = tmp_path_factory.mktemp("papermill")
    notebook = nbformat.read(project_root / "notebooks" / "phones.ipynb", as_version=4)
    last = next(place for place, cell in enumerate(notebook.cells) if "\nenb.devices()" in cell.source)
    notebook.cells = [*notebook.cells[: last + 1], *map(nbformat.v4.new_code_cell, (_CHART, _END))]
    nbformat.write(notebook, folder / "phones.ipynb")
    return papermill.execute_notebook(
        folder / "phones.ipynb",
        folder / "out.ipynb",
        {"virtual_phones": ["Google Pixel 7"]},
        cwd=folder,
        progress_bar=False,
    )


def test_a_notebook_runs_with_what_papermill_was_given(executed: Any):
    shown = "".join(str(output.get("data", "")) for cell in executed.cells for output in cell.get("outputs", ()))
    assert "Pixel 7" in shown
    assert "Galaxy" not in shown


def test_a_chart_is_kept_as_a_picture_that_nbconvert_shows(executed: Any):
    cell = next(cell for cell in executed.cells if cell.source == _CHART)
    assert set(cell.outputs[-1].data) == {"application/vnd.plotly.v1+json", "image/svg+xml"}
    page, _ = HTMLExporter().from_notebook_node(executed)
    assert 'data-mime-type="image/svg+xml"' in page
    assert 'data-mime-type="application/vnd.plotly' not in page
