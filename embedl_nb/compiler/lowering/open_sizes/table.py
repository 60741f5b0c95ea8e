"""Lowerings that hold where a size is open: aten operator -> the operator of LiteRT it becomes.

litert-torch lowers most operators through JAX, which is told a large negative number for an open size. Some come
through that; what makes a constant of its operand's shape, reshapes, broadcasts or counts elements does not. A lowering
of this table is asked only where an operand or the result has an open size; else litert-torch's own is. Runs in the
child only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from litert_torch.backend import lowerings
from torch.utils import _pytree

from embedl_nb.compiler.lowering.open_sizes.carrier import is_open

__all__ = ["LOWERINGS", "install", "lowers"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

LOWERINGS: dict[Any, Callable[..., Any]] = {}
"""Overload -> a function of the node that is lowered and of its arguments."""


def lowers(*targets: Any) -> Callable[[_Function], _Function]:
    """Enter the decorated function for overloads, or for names such as ``"view.default"`` of aten."""

    def enter(function: _Function) -> _Function:
        for target in targets:
            LOWERINGS[_overload(target) if isinstance(target, str) else target] = function
        return function

    return enter


def _overload(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default")


@functools.cache
def install() -> None:
    """Put the table before litert-torch's own."""
    for target, function in LOWERINGS.items():
        lowerings.registry.global_registry.register(target, _guarded(function, lowerings.lookup(target)))


def _guarded(function: Callable[..., Any], usual: Callable[..., Any] | None) -> Callable[..., Any]:
    def lowering(context: Any, *args: Any, **kwargs: Any) -> Any:
        if usual is not None and not _varies(context.node, args):
            return usual(context, *args, **kwargs)
        return function(context.node, *args, **kwargs)

    return lowering


def _varies(node: torch.fx.Node, args: tuple[Any, ...]) -> bool:
    results = _pytree.tree_leaves(node.meta.get("val"))
    sizes = [size for result in results for size in getattr(result, "shape", (result,))]
    return is_open(args) or any(isinstance(size, torch.SymInt) for size in sizes)
