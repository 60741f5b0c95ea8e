"""The figures that this package builds: plotly's own, which keep a still picture beside them in a notebook.

Plotly's figure is drawn by a script, and neither GitHub nor ``nbconvert`` runs one. Imported when a figure is built.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from embedl_nb.charts.stills import DRAWABLE, still

__all__ = ["Figure"]

_SVG = "image/svg+xml"


class Figure(go.Figure):  # type: ignore[misc] # plotly has no types
    """A plotly figure whose stored output shows in places without JavaScript as well."""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(include, exclude, **options)
        # Without plotly's own entry it is shown elsewhere: in a browser's window, or as a picture already. And a trace
        # that its user has added may be of any type.
        has_picture = bundle and {trace.type for trace in self.data} <= DRAWABLE
        return {**bundle, _SVG: str(still(self))} if has_picture else bundle

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = self._repr_mimebundle_()
        if bundle:
            display(bundle, raw=True)
        else:
            super()._ipython_display_()
