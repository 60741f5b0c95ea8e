"""How a notebook's user shows each widget, for the tests that look at all of them."""

from __future__ import annotations

import nbformat

WIDGET_SETUP = (
    "import embedl_nb as enb\nfrom embedl_nb import widgets\nfrom embedl_nb.testing.results import fake_benchmark"
)
WIDGET_CELLS = {
    "DevicePicker": "picker = enb.DevicePicker()\npicker",
    "LayerExplorer": "explorer = enb.LayerExplorer(fake_benchmark(40))\nexplorer",
    "RunBrowser": "browser = enb.RunBrowser()\nbrowser",
    "RunMonitor": "monitor = widgets.RunMonitor(verb='compile', cancel=print)\nmonitor",
}


def notebook_of(*cells: str) -> nbformat.NotebookNode:
    """Return a notebook for the Python that runs here."""
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(each) for each in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
