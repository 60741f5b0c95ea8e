"""Keep LiteRT's converter from merging reshapes on both sides of a product with a matrix where it then fails.

A ``Linear`` on (1, N, 1, C) is a reshape to two axes, a product and a reshape to four. litert-converter 0.5.0 makes one
BATCH_MATMUL of these whose rank it refuses. An optimization barrier behind the first, which leaves nothing in the
model, keeps them apart. Runs in the child only, on core operators.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from embedl_nb.compiler.explaining.places import origin_of

__all__ = ["part_reshapes"]

_aten = torch.ops.aten
_LEFT = {_aten.mm.default: 0, _aten.addmm.default: 1}
_VIEWS = (_aten.view.default, _aten._unsafe_view.default, _aten.reshape.default)


def part_reshapes(program: ExportedProgram) -> int:
    """Put the barriers in, in place.

    Returns
    -------
    int
        Number of products that have one.
    """
    found = [node for node in program.graph.nodes if node.target in _LEFT and _is_merged(node)]
    for node in found:
        _part(node, node.args[_LEFT[node.target]])
    if found:
        program.graph_module.recompile()
    return len(found)


def _is_merged(node: Node) -> bool:
    view = node.args[_LEFT[node.target]]
    if not isinstance(view, Node) or view.target not in _VIEWS:
        return False
    shape = view.all_input_nodes[0].meta["val"].shape
    return len(shape) > 3 and shape[-2] == 1 and any(user.target in _VIEWS for user in node.users)


def _part(node: Node, view: Node) -> None:
    from litert_torch.backend.optimization_barrier import optimization_barrier_op

    tensors = [view, view.all_input_nodes[0]]  # litert-torch returns no list for one tensor
    with node.graph.inserting_before(node):
        barrier = node.graph.call_function(optimization_barrier_op, (tensors,))
        parted: Any = node.graph.call_function(operator.getitem, (barrier, 0))
    barrier.meta = {"val": [tensor.meta["val"] for tensor in tensors], **origin_of(view)}
    parted.meta = dict(view.meta)
    node.replace_input_with(view, parted)
