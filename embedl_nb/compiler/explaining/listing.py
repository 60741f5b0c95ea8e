"""An exported program as lines of plain torch, from which a piece of it can be written down as a module of its own.

In: an ExportedProgram (that of an ONNX model as well). Out: plain data that crosses to the kernel, where pieces are cut
(repro.py). No values of the user's tensors are in it, only shapes and dtypes. Runs in the child only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import Node

from embedl_nb.compiler.explaining.places import place, short
from embedl_nb.compiler.lowering.names import module_path, shorten_module_stacks

__all__ = ["list_program"]

_CONSTANTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
# Operators of torch itself: a repro file can call them without anything else being imported.
_OWN = ("aten", "prims", "prim", "quantized_decomposed", "torchvision")
_PLAIN = (type(None), bool, int, float, complex, torch.dtype, torch.layout, torch.memory_format)


class _NotPlainError(Exception):
    """Something that cannot be written down as a line of plain torch."""


def list_program(program: ExportedProgram, module_names: Mapping[str, str]) -> dict[str, Any]:
    """Return every node as plain data; ``module_names`` has what to call modules instead of by their paths.

    Returns
    -------
    dict
        ``"lines"``: a list with, for each node, its ``name``, ``operator``, ``code`` (with ``${name}`` for each value
        that it reads; empty where it cannot be written down), ``uses``, ``value`` (see :func:`_described`), ``place``
        and ``origin`` (its module and stack trace, as an error's ``suspects`` name them). ``"given"``: the values that
        come from outside, by name, with ``is_constant``.
    """
    if any(_writes(node) for node in program.graph.nodes):
        program = program.run_decompositions({})  # operators that write into a tensor return new ones from here on
    shorten_module_stacks(program, module_names)
    kinds = {spec.arg.name: spec.kind for spec in program.graph_signature.input_specs}
    lines, given = [], {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            is_constant = kinds.get(node.name) in _CONSTANTS
            given[node.name] = {"is_constant": is_constant, "value": _described(node.meta.get("val"))}
        elif node.op == "call_function":
            lines.append(_line(node))
    return {"lines": lines, "given": given}


def _line(node: Node) -> dict[str, Any]:
    try:
        code = _code(node)
    except _NotPlainError:
        code = ""
    return {
        "name": node.name,
        "operator": short(node.target),
        "code": code,
        "uses": [used.name for used in node.all_input_nodes],
        "value": _described(node.meta.get("val")),
        "place": place(node),
        "origin": f"{module_path(node)}\n{node.meta.get('stack_trace') or ''}",
    }


def _described(value: Any) -> dict[str, Any] | None:
    """Return a tensor's ``dtype`` and ``shape``, a number as ``number``; None for anything else (a tuple).

    What is only known from the values of the inputs (a shape, a number) is None.
    """
    if isinstance(value, torch.Tensor):
        sizes = [_size(size) for size in value.shape]
        return {"dtype": str(value.dtype).removeprefix("torch."), "shape": None if None in sizes else sizes}
    if isinstance(value, int | float | torch.SymInt) and not isinstance(value, bool):
        return {"number": _size(value) if isinstance(value, torch.SymInt) else value}
    return None


def _size(size: int | torch.SymInt) -> int | None:
    if not isinstance(size, torch.SymInt):
        return int(size)
    return int(size.node.hint) if size.node.has_hint() else None


def _code(node: Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        namespace = node.target.namespace
        if namespace not in _OWN or not re.fullmatch(r"[\w.]+", str(node.target)):
            raise _NotPlainError(str(node.target))
        function = f"torch.ops.{node.target}"
    elif getattr(node.target, "__module__", "") == "_operator" and node.target.__name__.isidentifier():
        if node.target.__name__ == "getitem":
            return f"{_literal(node.args[0])}[{_literal(node.args[1])}]"
        function = f"operator.{node.target.__name__}"
    else:
        raise _NotPlainError(str(node.target))
    arguments = [*map(_literal, node.args), *(f"{name}={_literal(value)}" for name, value in node.kwargs.items())]
    return f"{function}({', '.join(arguments)})"


def _literal(value: Any) -> str:
    if isinstance(value, Node):
        return f"${{{value.name}}}"
    if isinstance(value, torch.SymInt):
        return str(_size(value))
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_literal, value))
        return f"[{inner}]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if isinstance(value, str):
        return repr(value).replace("$", "$$")
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, torch.device):
        return "'cpu'"
    raise _NotPlainError(repr(value))


def _writes(node: Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
