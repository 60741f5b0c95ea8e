"""Let the converter see a broadcast only as LiteRT's own operator, which it does not fold a TRANSPOSE into.

litert-converter 0.5.0 turns TRANSPOSE(BROADCAST_TO(x)) into a BROADCAST_TO of the transposed shape and forgets to
transpose ``x``: keys that are shared by several heads of attention, times the queries, are enough. LiteRT's own
BROADCAST_TO is still left out where an operator after it broadcasts by itself. Runs in the child only, on core
operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from litert_torch.backend.experimental import torch_tfl  # noqa: F401 - defines the operator
from torch.export import ExportedProgram

from embedl_nb.compiler.lowering.inserting import insert_call
from embedl_nb.compiler.lowering.rewrites.table import rewrite

__all__ = ["lower_broadcasts"]


def lower_broadcasts(program: ExportedProgram) -> int:
    """Replace, in place, each expand to a known size that is not what it was.

    Returns
    -------
    int
        Number of operators that were replaced.
    """
    found = [
        node
        for node in program.graph.find_nodes(op="call_function", target=torch.ops.aten.expand.default)
        if all(isinstance(size, int) for size in node.meta["val"].shape)
        and node.meta["val"].shape != node.args[0].meta["val"].shape
    ]
    for node in found:
        new = insert_call(node, torch.ops.tfl.broadcast_to.default, node.args[0], list(node.meta["val"].shape))
        node.replace_all_uses_with(new)
        program.graph.erase_node(node)
    if found:
        program.graph_module.recompile()
    return len(found)


@rewrite("repeat.default", reason="its lowering broadcasts, and so meets that fold", seen_with="litert-converter 0.5.0")
def _repeat(x: torch.Tensor, repeats: Sequence[int]) -> torch.Tensor:
    sizes = [*[1] * (len(repeats) - x.dim()), *x.shape]
    groups = [
        ((1, size), (number, size)) if number != 1 and size != 1 else ((size,), (number * size,))
        for number, size in zip(repeats, sizes, strict=True)
    ]
    apart = [part for before, _ in groups for part in before]
    wide = [part for _, after in groups for part in after]
    return x.reshape(apart).expand(wide).reshape([math.prod(after) for _, after in groups]).clone()
