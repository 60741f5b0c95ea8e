"""Where a node of an exported program comes from, in words: its inputs, its module and the user's own line.

A node of a graph that came from ONNX stands in a module that is named after the ONNX node. Runs in the child only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree

from embedl_nb.compiler.lowering.names import module_class, module_path
from embedl_nb.compiler.user_code import is_installed_file, where

__all__ = ["described_inputs", "innermost_line", "origin_of", "place", "short"]

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
_MOST_INPUTS = 4
# What torch notes of a node's origin.
_ORIGIN = ("nn_module_stack", "stack_trace", "source_fn_stack", "torch_fn", "from_node")
_IMPORTER = f'File "{Path(__file__).parent / "onnx"}'


def place(node: Node) -> str:
    """Say where ``node`` stands: ``module 'body.1', net.py:12`` and the line's text; empty if nothing is known."""
    module, trace = module_path(node), node.meta.get("stack_trace") or ""
    if _IMPORTER in trace:
        return f"ONNX node {module!r} ({module_class(node)})" if module else ""
    named = f"module {module!r}" if module else ""
    return ", ".join(part for part in (named, _user_line(trace)) if part)


def origin_of(node: Node) -> dict[str, Any]:
    """Return what a node's meta data say of its origin, for the nodes that take its place."""
    return {key: node.meta[key] for key in _ORIGIN if key in node.meta}


def described_inputs(node: Node) -> str:
    """Return the dtypes and shapes of what ``node`` reads: ``float32 (2, 4), int64 (3,)``."""
    values = [leaf for used in node.all_input_nodes for leaf in _pytree.tree_leaves(used.meta.get("val"))]
    words = [
        f"{str(value.dtype).removeprefix('torch.')} {_shape(value)}"
        for value in values
        if isinstance(value, torch.Tensor)
    ]
    return ", ".join(words[:_MOST_INPUTS]) + (", ..." if len(words) > _MOST_INPUTS else "")


def innermost_line(node: Node) -> tuple[str, str] | None:
    """Return file and line of the innermost frame that torch.export has kept for ``node``."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    return frames[-1] if frames else None


def short(name: Any) -> str:
    """Return an operator's name as people write it: ``aten.erfinv``."""
    return str(name).removeprefix("higher_order.").removesuffix(".default")


def _shape(value: torch.Tensor) -> str:
    sizes = [str(size) for size in value.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _user_line(stack_trace: str) -> str:
    """Return the deepest line of the user's own code in the trace that torch.export keeps for each node."""
    own = [(file, int(line)) for file, line in _FRAME.findall(stack_trace) if not is_installed_file(file)]
    return where(*own[-1]) if own else ""
