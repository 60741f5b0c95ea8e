"""How long each tensor lives, and the memory that the runtime needs for those that it computes: an estimate.

In: a graph. Out: :class:`MemoryEstimate`. The runtime's planner puts tensors that do not live at the same time into the
same bytes; this follows it: those that live throughout first, then the largest, each into the tightest gap that is free
while it lives (https://github.com/google-ai-edge/LiteRT/blob/f67457790c9c2ab67347d6fe53270e8d3df20868/tflite/arena_planner.cc,
after https://arxiv.org/abs/2001.03288). What the estimate cannot see: work memory inside kernels, weights that XNNPACK
packs a second time, operators that work in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.model.graph import ModelGraph, Subgraph
from embedl_nb.units import Provenance

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Lifetime", "MemoryEstimate", "estimate_memory", "tensor_lifetimes"]

# kDefaultTensorAlignment in tflite/util.h.
ALIGNMENT_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """When a computed tensor is needed.

    Attributes
    ----------
    first, last
        Operators between which it is needed, both included. Inputs live from the first operator; the runtime keeps
        inputs, outputs and variables to the end.
    num_bytes
        None where a dimension may vary.
    """

    tensor_index: int
    first: int
    last: int
    num_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """What a subgraph needs for the tensors it computes, bytes.

    Attributes
    ----------
    arena_bytes
        Size of the block that holds them all, placed as the runtime places them.
    peak_live_bytes
        The most that is needed at once; no placement can do with less.
    peak_operator_index
        The operator that runs at that moment.
    constant_bytes
        Constants of the subgraph, which stay in the file's own mapping.
    num_unknown
        Tensors that are left out because a dimension may vary.
    """

    arena_bytes: int
    peak_live_bytes: int
    peak_operator_index: int
    constant_bytes: int
    num_unknown: int
    lifetimes: tuple[Lifetime, ...]
    provenance: Provenance = Provenance.ESTIMATED


def tensor_lifetimes(subgraph: Subgraph) -> tuple[Lifetime, ...]:
    """Return the lifetime of each tensor that is computed or passed in, in the order of their indices."""
    end = max(len(subgraph.operators) - 1, 0)
    first = dict.fromkeys((index for index in subgraph.inputs if index >= 0), 0)
    last = dict.fromkeys((index for index in (*subgraph.inputs, *subgraph.outputs) if index >= 0), end)
    for operator in subgraph.operators:
        for index in operator.outputs:
            first.setdefault(index, operator.index)
        for index in (*operator.inputs, *operator.outputs):
            last[index] = max(last.get(index, 0), operator.index)
    lifetimes = []
    for tensor in subgraph.tensors:
        if tensor.is_constant or (tensor.index not in first and not tensor.is_variable):
            continue
        begin, final = (0, end) if tensor.is_variable else (first[tensor.index], last[tensor.index])
        lifetimes.append(Lifetime(tensor_index=tensor.index, first=begin, last=final, num_bytes=tensor.num_bytes))
    return tuple(lifetimes)


def estimate_memory(graph: ModelGraph, *, subgraph_index: int | None = None) -> MemoryEstimate:
    """Estimate the memory of a subgraph's tensors, by default of the first signature's."""
    import numpy as np

    subgraph = graph.main if subgraph_index is None else graph.subgraphs[subgraph_index]
    lifetimes = tensor_lifetimes(subgraph)
    known = [(life, life.num_bytes) for life in lifetimes if life.num_bytes is not None]
    changes = np.zeros(max(len(subgraph.operators), 1) + 1, np.int64)
    for life, num_bytes in known:
        changes[life.first] += num_bytes
        changes[life.last + 1] -= num_bytes
    live = np.cumsum(changes)
    constants = {tensor.buffer: tensor.constant_bytes for tensor in subgraph.tensors if tensor.is_constant}
    return MemoryEstimate(
        arena_bytes=_arena_bytes([(life.first, life.last, num_bytes) for life, num_bytes in known]),
        peak_live_bytes=int(live.max()),
        peak_operator_index=int(live.argmax()),
        constant_bytes=sum(constants.values()),
        num_unknown=len(lifetimes) - len(known),
        lifetimes=lifetimes,
    )


def _arena_bytes(blocks: Sequence[tuple[int, int, int]]) -> int:
    """Place blocks of (first, last, bytes), and return the size of the whole."""
    import numpy as np

    sizes = [-(-num_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES for _, _, num_bytes in blocks]
    end = max((last for _, last, _ in blocks), default=0)

    def rank(i: int) -> tuple[bool, int, int]:
        first, last, _ = blocks[i]
        return (first, last) != (0, end), -sizes[i], first

    order = sorted(range(len(blocks)), key=rank)
    placed = np.zeros((len(blocks), 4), np.int64)  # first, last, start, stop
    arena_bytes = 0
    for count, i in enumerate(order):
        first, last, _ = blocks[i]
        before = placed[:count]
        alive = before[(before[:, 0] <= last) & (before[:, 1] >= first)]
        start = _tightest_gap(alive[:, 2:], sizes[i])
        placed[count] = first, last, start, start + sizes[i]
        arena_bytes = max(arena_bytes, start + sizes[i])
    return arena_bytes


def _tightest_gap(taken: np.ndarray[Any, Any], num_bytes: int) -> int:
    """Return where ``num_bytes`` leave the least room between the ranges in ``taken``, shape (N, 2), or behind them."""
    best_start, best_room, reached = None, 0, 0
    for begin, stop in sorted(taken.tolist()):
        room = begin - reached - num_bytes
        if room >= 0 and (best_start is None or room < best_room):
            best_start, best_room = reached, room
        reached = max(reached, stop)
    return reached if best_start is None else best_start
