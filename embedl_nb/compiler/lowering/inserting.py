"""Put calls into the graph of an exported program, with the shapes they give. Runs in the child only."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node
from torch.fx.passes.shape_prop import _extract_tensor_metadata

from embedl_nb.compiler.explaining.places import origin_of

__all__ = ["insert_call"]


def insert_call(
    place: Node, target: Any, *args: Any, dtype: torch.dtype | None = None, has_origin: bool = True
) -> Node:
    """Insert ``target(*args)`` before ``place`` and return it.

    Parameters
    ----------
    has_origin
        Whether the call belongs to the module and line that ``place`` does; else it belongs to none.
    """
    kwargs = {} if dtype is None else {"dtype": dtype}
    with place.graph.inserting_before(place):
        node = place.graph.call_function(target, args, kwargs)
    value = target(*torch.fx.node.map_arg(args, lambda used: used.meta["val"]), **kwargs)
    node.meta = {"val": value, "tensor_meta": _extract_tensor_metadata(value)}
    if has_origin:
        node.meta |= origin_of(place)
    return node
