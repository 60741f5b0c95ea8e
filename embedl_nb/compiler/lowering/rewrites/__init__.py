"""Operators that LiteRT accepts but does not run, or does not accept, become others before the program is lowered.

Each rewrite is a line of :mod:`table`; the families below fill it. Runs in the child only.
"""

from collections.abc import Callable
from typing import Any

from embedl_nb.compiler.lowering.rewrites import (  # noqa: F401 - they fill the table
    functions,
    ordering,
    resizing,
    reversing,
    scans,
    scattering,
    searching,
    shifts,
    windows,
)
from embedl_nb.compiler.lowering.rewrites.aliases import drop_aliases
from embedl_nb.compiler.lowering.rewrites.assertions import drop_assertions
from embedl_nb.compiler.lowering.rewrites.broadcasts import lower_broadcasts
from embedl_nb.compiler.lowering.rewrites.constants_first import move_constants
from embedl_nb.compiler.lowering.rewrites.gelus import recognise_gelus
from embedl_nb.compiler.lowering.rewrites.products import part_reshapes
from embedl_nb.compiler.lowering.rewrites.table import REWRITES, Rewrite

__all__ = [
    "REWRITES",
    "Rewrite",
    "decompositions",
    "drop_aliases",
    "drop_assertions",
    "lower_broadcasts",
    "move_constants",
    "part_reshapes",
    "recognise_gelus",
]


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Return the rewrites as a table for ``run_decompositions``."""
    return {operator: entry.function for operator, entry in REWRITES.items()}
