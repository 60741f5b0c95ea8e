"""How a unit's share splits a model: how much of the work is there, how often control changes hands, and what crosses.

In: the graph, and the operators that a unit runs. It counts and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from itertools import groupby

from embedl_nb.model.graph import ModelGraph, Subgraph
from embedl_nb.model.macs import count_macs

__all__ = ["Split", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A model divided between one unit and the rest.

    Attributes
    ----------
    num_operators, num_running
        Of the model, and on the unit.
    macs_share
        Multiply-accumulates on the unit, 0 to 1; None where it cannot be told: there are none, or those of an operator
        are unknown.
    num_parts
        Runs of consecutive operators on the unit.
    num_handovers
        How often control passes from the unit to the rest or back, in the order of the file.
    crossing_bytes
        Size of the values made on one side and read on the other, each once; None where a size is open.
    """

    num_operators: int
    num_running: int
    macs_share: float | None
    num_parts: int
    num_handovers: int
    crossing_bytes: int | None

    @property
    def is_whole(self) -> bool:
        """Whether the unit runs all of the model."""
        return self.num_running == self.num_operators


def split(graph: ModelGraph, subgraph: Subgraph, running: Set[int]) -> Split:
    """Count what it means that the operators ``running`` (indices in ``subgraph``) are on one unit."""
    operators = subgraph.operators
    macs = {operator.index: count_macs(operator, subgraph, graph) for operator in operators}
    sides = [is_there for is_there, _ in groupby(operator.index in running for operator in operators)]
    return Split(
        num_operators=len(operators),
        num_running=sum(operator.index in running for operator in operators),
        macs_share=_macs_share(macs, running),
        num_parts=sum(sides),
        num_handovers=max(0, len(sides) - 1),
        crossing_bytes=_crossing_bytes(subgraph, running),
    )


def _macs_share(macs: Mapping[int, int | None], running: Set[int]) -> float | None:
    known = [count for count in macs.values() if count is not None]
    if len(known) < len(macs):
        return {0: 0.0, len(macs): 1.0}.get(len(running))
    total = sum(known)
    return sum(macs[index] or 0 for index in running) / total if total else None


def _crossing_bytes(subgraph: Subgraph, running: Set[int]) -> int | None:
    made_by = {tensor: operator.index for operator in subgraph.operators for tensor in operator.outputs}
    crossing = {
        tensor
        for operator in subgraph.operators
        for tensor in operator.inputs
        if tensor in made_by and (made_by[tensor] in running) != (operator.index in running)
    }
    sizes = [subgraph.tensors[tensor].num_bytes for tensor in crossing]
    return None if None in sizes else sum(size for size in sizes if size is not None)
