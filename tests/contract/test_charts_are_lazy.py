"""Charts are imported with every result that draws itself; plotly only when a figure needs it."""

from __future__ import annotations

import subprocess
import sys


def test_plotly_is_not_loaded_before_a_figure_needs_it():
    code = (
        "import sys; from embedl_nb import charts; from embedl_nb.testing.results import fake_benchmark;"
        "charts.draw('waterfall_svg', fake_benchmark(4)); assert 'plotly' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
