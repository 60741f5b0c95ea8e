"""Placements of one model on several chips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.display import ResultSet, View, figures
from embedl_nb.placement.views import placements_view

__all__ = ["Placements"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Placements(ResultSet):
    """A :class:`~embedl_nb.placement.Placement` for each distinct chip, by what was asked for."""

    def matrix(self) -> Any:
        """Draw a row a chip and a column a unit: how many operators would run there.

        Returns
        -------
        plotly.graph_objects.Figure
        """
        return figures.draw("placement_matrix", self)

    def _view(self) -> View:
        return placements_view(self)
