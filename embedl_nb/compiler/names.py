"""The tensor names that carry source modules: ``f.4.c.3|Conv2d`` instead of a chain of class names.

litert-torch names a tensor after the ``nn_module_stack`` of its node. That stack is shortened here to one entry with
the full dotted path, which operators are traced back by. Runs in the child only.
"""

from __future__ import annotations

from torch.export import ExportedProgram
from torch.fx import Node

__all__ = ["module_path", "shorten_module_stacks"]

_STACK = "nn_module_stack"
_COMPILED = "_orig_mod"


def shorten_module_stacks(program: ExportedProgram) -> None:
    """Give every node a module stack of one entry, ``<path>|<class>``, in place."""
    for node in program.graph.nodes:
        stack = node.meta.get(_STACK)
        if not stack:
            continue
        path, kind = list(stack.values())[-1]
        path = ".".join(part for part in path.split(".") if part != _COMPILED)
        class_name = (kind if isinstance(kind, str) else kind.__qualname__).rsplit(".", 1)[-1]
        node.meta[_STACK] = {path: ("", f"{path}|{class_name}" if path else class_name)}


def module_path(node: Node) -> str:
    """Return the dotted path of the module a node comes from; empty for the model itself."""
    for _, name in (node.meta.get(_STACK) or {}).values():
        path, bar, _ = name.partition("|")
        return path if bar else ""
    return ""
