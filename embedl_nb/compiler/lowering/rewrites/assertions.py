"""Leave out checks of values, such as ``torch.nn.functional.one_hot`` makes: LiteRT has no operator that raises.

litert-torch 0.10.0 has no lowering for them. Runs in the child only.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram

__all__ = ["drop_assertions"]

_ASSERTIONS = (torch.ops.aten._assert_async.default, torch.ops.aten._assert_async.msg)


def drop_assertions(program: ExportedProgram) -> int:
    """Erase the checks, in place, with what was only computed for them.

    Returns
    -------
    int
        Number of checks that are gone.
    """
    found = [node for node in program.graph.nodes if node.target in _ASSERTIONS and not node.users]
    for node in found:
        program.graph.erase_node(node)
    if found:
        program.graph.eliminate_dead_code()
        program.graph_module.recompile()
    return len(found)
