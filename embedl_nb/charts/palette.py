"""The colours of every figure: one per compute unit, the same in plotly and in SVG.

The units' colours follow Okabe and Ito's, which people with the common colour blindnesses tell apart (the blue is a
little lighter); each has a contrast of at least 3 to 1 against white and against the near-black of dark themes. Text
that plotly draws cannot know the theme, so it is a grey that keeps 4 to 1 against both.

References
----------
M. Okabe, K. Ito, "Color Universal Design", https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

from embedl_nb.units import ComputeUnit, Provenance

__all__ = ["FIRST_SERIES", "GRID", "HOVER", "NEUTRAL", "SECOND_SERIES", "TEXT", "colour_of", "is_hatched"]

TEXT = "#747c86"
GRID = "rgba(127,127,127,0.22)"
HOVER = "#2a3038"
NEUTRAL = "#8c929a"
"""What belongs to no compute unit: the unattributed remainder."""

FIRST_SERIES, SECOND_SERIES = "#2080c4", "#D55E00"
"""For figures in which no compute unit has a colour."""

_UNITS = {ComputeUnit.CPU: "#2080c4", ComputeUnit.GPU: "#D55E00", ComputeUnit.NPU: "#009E73"}
_OTHER = "#CC79A7"


def colour_of(compute_unit: str) -> str:
    """Return the colour of ``compute_unit``; units outside the closed set share one."""
    return _UNITS[ComputeUnit(compute_unit)] if compute_unit in set(ComputeUnit) else _OTHER


def is_hatched(provenance: Provenance) -> bool:
    """Say whether numbers of this provenance are drawn hatched: all that were not measured."""
    return provenance is not Provenance.MEASURED
