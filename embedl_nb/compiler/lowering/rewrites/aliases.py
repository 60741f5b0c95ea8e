"""Leave out operators that hand on the very tensor they are given, such as a slice over all of an axis exports to.

torch 2.13 decomposes them into nothing, which it then refuses ("a tensor that is the same as the input base tensor"):
causal language models of transformers end in one. Runs in the child only.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram

__all__ = ["drop_aliases"]

_ALIASES = (torch.ops.aten.alias.default, torch.ops.aten.detach.default)


def drop_aliases(program: ExportedProgram) -> int:
    """Let the users of aliases read what those read, in place; an alias that is an output stays.

    Returns
    -------
    int
        Number of aliases that are gone.
    """
    found = [
        node
        for node in program.graph.nodes
        if node.target in _ALIASES and all(user.op != "output" for user in node.users)
    ]
    for node in found:
        node.replace_all_uses_with(node.args[0])
        program.graph.erase_node(node)
    if found:
        program.graph_module.recompile()
    return len(found)
