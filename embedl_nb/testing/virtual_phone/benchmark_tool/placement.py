"""Which operators which delegate took, as the runtime of a phone prints it (this machine's does not).

For the CPU it is read off the profile of the run, so it is what happened here; for a GPU or an NPU it is made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.model.graph import Subgraph
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent
from embedl_nb.testing.virtual_phone.benchmark_tool.measuring import DISPATCH

__all__ = ["cpu_lines", "gpu_lines", "npu_lines"]

_XNNPACK, _GPU, _NPU = "TfLiteXNNPackDelegate", "LITERT_CL", "DispatchDelegate"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Nodes in the order they run, each taken by a delegate or left."""

    taken: Sequence[bool]

    @property
    def num_taken(self) -> int:
        return sum(self.taken)

    @property
    def num_partitions(self) -> int:
        return len(list(itertools.groupby(self.taken)))

    def line(self, delegate: str, subgraph: Subgraph, *, num_partitions: int | None = None) -> list[str]:
        """Return the runtime's sentence; none where nothing was taken."""
        if not self.num_taken:
            return []
        name = f" ({subgraph.name})" if subgraph.name else ""
        return [
            f"Replacing {self.num_taken} out of {len(self.taken)} node(s) with delegate ({delegate}) node, "
            f"yielding {num_partitions or self.num_partitions} partitions for subgraph {subgraph.index}{name}."
        ]


def cpu_lines(subgraph: Subgraph, events: Sequence[ProfiledEvent]) -> list[str]:
    """Return what the runtime says when only XNNPACK takes operators."""
    built_in = _built_in(subgraph, events)
    split = _Split(taken=[operator.index not in built_in for operator in subgraph.operators])
    in_order = _Split(taken=[event.kind is EventKind.DELEGATE for event in events])
    return split.line(_XNNPACK, subgraph, num_partitions=in_order.num_partitions)


def gpu_lines(subgraph: Subgraph, events: Sequence[ProfiledEvent], refused: frozenset[str]) -> list[str]:
    """Return what it says when a GPU takes all operators but the ``refused``, and XNNPACK what it can of those."""
    built_in = _built_in(subgraph, events)
    by_gpu = [operator.type_name not in refused for operator in subgraph.operators]
    rest: list[bool] = []
    for is_on_gpu, group in itertools.groupby(subgraph.operators, key=lambda operator: by_gpu[operator.index]):
        # What the GPU took together is one new node, which XNNPACK leaves alone.
        rest += [False] if is_on_gpu else [operator.index not in built_in for operator in group]
    return [*_Split(taken=by_gpu).line(_GPU, subgraph), *_Split(taken=rest).line(_XNNPACK, subgraph)]


def npu_lines(subgraph: Subgraph) -> list[str]:
    """Return what it says where there is an NPU.

    A model that was compiled for it has nodes for it, beside operators that XNNPACK takes; any other is compiled as
    the tool starts, as a whole and into one node.
    """
    compiled = [operator.type_name == DISPATCH for operator in subgraph.operators]
    if not any(compiled):
        return _Split(taken=[True]).line(_NPU, subgraph)
    return [
        *_Split(taken=compiled).line(_NPU, subgraph),
        *_Split(taken=[not c for c in compiled]).line(_XNNPACK, subgraph),
    ]


def _built_in(subgraph: Subgraph, events: Sequence[ProfiledEvent]) -> set[int]:
    """Return the operators that the runtime's own kernels ran."""
    return {
        event.node_index
        for event in events
        if event.kind is EventKind.OPERATOR and event.subgraph_index == subgraph.index and event.node_index is not None
    }
