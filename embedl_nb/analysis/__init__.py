"""From results to answers: whether one is really faster, and which layers make it so. Measures and records nothing."""

from __future__ import annotations

from embedl_nb.analysis.choice import Choice
from embedl_nb.analysis.comparison import Comparison, Comparisons, compare_results
from embedl_nb.analysis.layer_diff import LayerChange, LayerDiff

__all__ = ["Choice", "Comparison", "Comparisons", "LayerChange", "LayerDiff", "compare_results"]
