"""The tensor names that carry source modules: ``f.4.c.3|Conv2d`` instead of a chain of class names.

litert-torch names a tensor after the ``nn_module_stack`` of its node. That stack is shortened here to one entry with
the full dotted path, which operators are traced back by. Runs in the child only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch.export import ExportedProgram
from torch.fx import Node

from embedl_nb.model.source_names import quoted, unquoted

__all__ = ["module_class", "module_path", "shorten_module_stacks"]

_STACK = "nn_module_stack"
_COMPILED = "_orig_mod"


def shorten_module_stacks(program: ExportedProgram, module_names: Mapping[str, str] = MappingProxyType({})) -> None:
    """Give every node a module stack of one entry, ``<path>|<class>``, in place.

    Parameters
    ----------
    module_names
        What to call a module instead of by its path.
    """
    for node in program.graph.nodes:
        stack = node.meta.get(_STACK)
        if not stack:
            continue
        path, kind = list(stack.values())[-1]
        path = ".".join(part for part in path.split(".") if part != _COMPILED)
        class_name = (kind if isinstance(kind, str) else kind.__qualname__).rsplit(".", 1)[-1]
        name = quoted(module_names.get(path, path))
        node.meta[_STACK] = {path: ("", f"{name}|{class_name}" if name else class_name)}


def module_path(node: Node) -> str:
    """Return the dotted path of the module a node comes from; empty for the model itself."""
    for _, name in (node.meta.get(_STACK) or {}).values():
        path, bar, _ = name.partition("|")
        return unquoted(path) if bar else ""
    return ""


def module_class(node: Node) -> str:
    """Return the name of the class of the module a node comes from; for an ONNX model that is the ONNX operator."""
    for _, name in (node.meta.get(_STACK) or {}).values():
        return str(name.rpartition("|")[2])
    return ""
