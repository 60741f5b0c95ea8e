"""Take constants away from the left of a minus or a division, where the converter would swap the two.

litert-converter 0.5.0 moves a TRANSPOSE over element-wise operators, and folds those into convolutions. For a SUB or
DIV whose first operand is a constant it then computes ``x - c`` for ``c - x`` and ``x / c`` for ``c / x``, silently;
``1 - conv(x)`` is enough. ``-x + c`` is exactly ``c - x``, and a constant times ``x == x`` is no constant to the
converter (where x is NaN, so is the quotient). Runs in the child only, on core operators.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from embedl_nb.compiler.lowering.inserting import insert_call

__all__ = ["move_constants"]

_aten = torch.ops.aten
_SUBTRACTIONS = (_aten.sub.Tensor, _aten.sub.Scalar)
_DIVISIONS = (_aten.div.Tensor, _aten.reciprocal.default)
# No TRANSPOSE is moved over these, and none comes with them.
_BARRIERS = (
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.embedding.default,
    _aten._softmax.default,
    _aten.mean.dim,
    _aten.sum.dim_IntList,
    _aten.amax.default,
    _aten.amin.default,
)
# Neither are they hindered by these, which change no order of axes themselves.
_PLAIN = (
    _aten.view.default,
    _aten.unsqueeze.default,
    _aten.squeeze.dims,
    _aten.expand.default,
    _aten.clone.default,
    _aten._to_copy.default,
    _aten.slice.Tensor,
    _aten.select.int,
    _aten.split_with_sizes.default,
    _aten.cat.default,
    _aten.where.self,
    _aten.full.default,
    _aten.scalar_tensor.default,
)


def move_constants(program: ExportedProgram) -> int:
    """Rewrite in place what may go wrong.

    Returns
    -------
    int
        Number of operators that were rewritten.
    """
    varying, transposed = _varying(program), _transposed(program)
    num_rewritten = 0
    for node in list(program.graph.nodes):
        if node.target not in _SUBTRACTIONS and node.target not in _DIVISIONS:
            continue
        first, second = (1.0, *node.args) if node.target is _aten.reciprocal.default else node.args[:2]
        if first in varying or second not in varying or second not in transposed:
            continue
        (_subtract if node.target in _SUBTRACTIONS else _divide)(node, first, second)
        num_rewritten += 1
    if num_rewritten:
        program.graph_module.recompile()
    return num_rewritten


def _varying(program: ExportedProgram) -> set[Any]:
    """Return the nodes that depend on an input of the model."""
    inputs = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    varying: set[Any] = set()
    for node in program.graph.nodes:
        if node.name in inputs or not varying.isdisjoint(node.all_input_nodes):
            varying.add(node)
    return varying


def _transposed(program: ExportedProgram) -> set[Any]:
    """Return the nodes over which, or up to which, a TRANSPOSE may be moved."""
    transposed: set[Any] = set()
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target in _BARRIERS:
            continue
        if not _is_plain(node.target) or not transposed.isdisjoint(node.all_input_nodes):
            transposed.add(node)
    return transposed


def _is_plain(target: Any) -> bool:
    tags = getattr(target, "tags", ())
    return target in _PLAIN or torch.Tag.pointwise in tags or not isinstance(target, torch._ops.OpOverload)


def _subtract(node: Node, first: Any, second: Node) -> None:
    alpha = node.kwargs.get("alpha", node.args[2] if len(node.args) > 2 else 1)
    less = (_aten.neg.default, second) if alpha == 1 else (_aten.mul.Tensor, second, -alpha)
    _replace(node, insert_call(node, _aten.add.Tensor, insert_call(node, *less), first))


def _divide(node: Node, first: Any, second: Node) -> None:
    dtype = node.meta["val"].dtype
    if second.meta["val"].dtype != dtype:
        second = insert_call(node, _aten._to_copy.default, second, dtype=dtype)
    ones = insert_call(node, _aten._to_copy.default, insert_call(node, _aten.eq.Tensor, second, second), dtype=dtype)
    if isinstance(first, Node) or first != 1:
        ones = insert_call(node, _aten.mul.Tensor, ones, first)
    _replace(node, insert_call(node, _aten.div.Tensor, ones, second))


def _replace(node: Node, new: Node) -> None:
    node.replace_all_uses_with(new)
    node.graph.erase_node(node)
