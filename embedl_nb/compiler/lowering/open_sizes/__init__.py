"""Lowerings for models whose dimensions stay open: what litert-torch lacks for them, or gets wrong.

The families below fill the table. Runs in the child only.
"""

from embedl_nb.compiler.lowering.open_sizes import elements, shapes, sums  # noqa: F401 - they fill the table
from embedl_nb.compiler.lowering.open_sizes.decompositions import decompositions
from embedl_nb.compiler.lowering.open_sizes.table import LOWERINGS, install

__all__ = ["LOWERINGS", "decompositions", "install"]
