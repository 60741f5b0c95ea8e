"""Refuse operators that only this process knows, before a child fails to read them.

An exported program that calls an operator of the user's own library can be saved, but not read where that library is
not: neither in the converter's child nor on a phone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.compiler.explaining.advice import CUSTOM
from embedl_nb.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["refuse_custom_operators"]

# Libraries that torch, and litert-torch in the child, register themselves.
_KNOWN = {"aten", "prims", "prim", "quantized", "quantized_decomposed", "torchao", "tfl", "litert_torch", "inductor"}


def refuse_custom_operators(program: ExportedProgram, name: str) -> None:
    """Raise if ``program`` calls operators that are not torch's.

    Raises
    ------
    UnsupportedOperatorError
        It names them, and where they stand.
    """
    from embedl_nb.compiler.explaining.places import place, short

    custom = [
        node
        for node in program.graph.nodes
        if node.op == "call_function" and getattr(node.target, "namespace", "aten") not in _KNOWN
        if hasattr(node.target, "_schema")
    ]
    if not custom:
        return
    operators = tuple(dict.fromkeys(short(node.target) for node in custom))
    places = "; ".join(dict.fromkeys(filter(None, map(place, custom))))
    raise UnsupportedOperatorError(
        f"{name} calls the custom operator{'s' * (len(operators) > 1)} {', '.join(operators)}"
        + (f" (in {places})" if places else ""),
        operators=operators,
        hint=CUSTOM,
    )
