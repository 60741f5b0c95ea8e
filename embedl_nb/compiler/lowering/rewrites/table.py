"""The table of rewrites: aten operator -> a function of operators that LiteRT runs, why, and what it was seen with.

A function takes the operator's own arguments and is traced in the operator's place while the program is decomposed. It
has to give the same values (the same order of equal ones too where the operator promises one). Runs in the child only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

__all__ = ["NO_LOWERING", "REWRITES", "WITH_RUNTIME", "WITH_TORCH", "Rewrite", "rewrite"]

NO_LOWERING = "litert-torch has no lowering for it"
WITH_TORCH = "litert-torch 0.10.0"
WITH_RUNTIME = f"{WITH_TORCH}, ai-edge-litert 2.3.0"
"""What most rewrites were seen with."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What stands in for one operator.

    Attributes
    ----------
    function
        Takes the operator's arguments, returns what it returns.
    reason
        What happens without.
    seen_with
        The package and version that need it; a test says when it no longer does.
    """

    function: Callable[..., Any]
    reason: str
    seen_with: str


REWRITES: dict[Any, Rewrite] = {}
"""Overload of an aten operator -> its rewrite."""


def rewrite(*names: str, reason: str, seen_with: str) -> Callable[[_Function], _Function]:
    """Enter the decorated function for overloads such as ``"sort.stable"`` into the table.

    Raises
    ------
    KeyError
        If an overload has a rewrite already.
    """

    def enter(function: _Function) -> _Function:
        for name in names:
            packet, _, overload = name.partition(".")
            target = getattr(getattr(torch.ops.aten, packet), overload)
            if target in REWRITES:
                raise KeyError(f"{name} is rewritten twice")
            REWRITES[target] = Rewrite(function, reason, seen_with)
        return function

    return enter
