"""A plotly figure as one small SVG, for wherever no script runs: GitHub, nbviewer, print, a page without JavaScript.

It is drawn from the figure as it is, so a change that was made to it shows; it knows what this package's figures are
made of, not all of plotly.
"""

from __future__ import annotations

from embedl_nb.charts.stills.picture import DRAWABLE, still

__all__ = ["DRAWABLE", "still"]
