"""Unsigned integers of 16 bits and more, carried by wider signed ones: litert-torch has no tensors of these types.

uint16 travels as int32, uint32 and uint64 as int64, of which LiteRT's converter makes int32: samples beyond 31 bits are
refused. Where the program makes a uint16 of a wider integer, the carrier is wrapped round as the narrow type would be.
Runs in the child only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.utils import _pytree

__all__ = ["carry_unsigned"]

_aten = torch.ops.aten
_CARRIERS = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}
_NUM_UINT16 = 2**16
_CONVERSIONS = (_aten.to.dtype, _aten.to.dtype_layout, _aten._to_copy.default)


def carry_unsigned(program: ExportedProgram) -> None:
    """Change ``program`` in place, where it has such integers."""
    values = (value for node in program.graph.nodes for value in _pytree.tree_leaves(node.meta.get("val")))
    if not any(map(_is_unsigned, values)):
        return
    for tensors in (program.state_dict, program.constants):
        tensors.update((name, _carrier(value)) for name, value in list(tensors.items()))
    for node in list(program.graph.nodes):
        if node.op == "placeholder":
            node.meta["val"] = _carrier(node.meta.get("val"))
        elif node.op == "call_function":
            _carry(program, node)
    program.example_inputs = _pytree.tree_map(_carrier, program.example_inputs)
    program.graph_module.recompile()


def _carry(program: ExportedProgram, node: Node) -> None:
    """Let a node make the carrier of what it made, from carriers."""
    made = node.meta.get("val")
    node.args, node.kwargs = (_pytree.tree_map(_carrier_dtype, part) for part in (node.args, node.kwargs))
    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda used: used.meta["val"])
    node.meta["val"] = node.target(*args, **kwargs)
    node.meta.pop("tensor_meta", None)
    if node.target in _CONVERSIONS and _is_unsigned(made) and made.dtype is torch.uint16:
        _wrap(program, node)


def _wrap(program: ExportedProgram, node: Node) -> None:
    """Let those that take ``node`` take its remainder, which is not negative: what a uint16 holds."""
    users = list(node.users)
    with program.graph.inserting_after(node):
        wrapped = program.graph.call_function(_aten.remainder.Scalar, (node, _NUM_UINT16))
    wrapped.meta = {**node.meta}
    for user in users:
        user.replace_input_with(node, wrapped)
    program.graph_signature.replace_all_uses(node.name, wrapped.name)


def _is_unsigned(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype in _CARRIERS


def _carrier(value: Any) -> Any:
    return value.to(_CARRIERS[value.dtype]) if _is_unsigned(value) else value


def _carrier_dtype(value: Any) -> Any:
    return _CARRIERS.get(value, value) if isinstance(value, torch.dtype) else value
