"""The operators of a model in the order in which the runtime runs them, which is not always the order of the file.

Operators that a delegate takes are run in groups: once a group has begun, every operator that is ready and belongs to
the delegate joins it, also from further down the file. In: a graph and the operators that the runtime ran itself. Out:
steps, each with the operator it belongs to.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from embedl_nb.model.graph import ModelGraph, Operator, Subgraph

__all__ = ["Step", "execution_order"]

_INLINED = "STABLEHLO_COMPOSITE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that a kernel may run.

    Attributes
    ----------
    operator
        Type, ``CONV_2D``.
    owner
        Index of the model's operator that it is, or is a part of (a composite's inner operator).
    """

    operator: str
    owner: int


def execution_order(graph: ModelGraph, subgraph: Subgraph, *, run_by_runtime: Set[int]) -> list[Step]:
    """Return the steps of ``subgraph``.

    Parameters
    ----------
    run_by_runtime
        Indices of the operators that the runtime's own kernels ran; the delegate took the others.

    References
    ----------
    PartitionGraphIntoIndependentNodeSubsets in
    https://github.com/google-ai-edge/LiteRT/blob/main/tflite/graph_info.cc
    """
    ordered = list(subgraph.operators)
    if run_by_runtime and len(run_by_runtime) < len(ordered):
        ordered = _grouped(subgraph, run_by_runtime)
    steps = []
    for operator in ordered:
        for inner in _inlined(graph, operator):
            steps.append(Step(operator=inner.type_name, owner=operator.index))
    return steps


def _grouped(subgraph: Subgraph, run_by_runtime: Set[int]) -> list[Operator]:
    produced = {tensor for operator in subgraph.operators for tensor in operator.outputs}
    ready = {tensor.index for tensor in subgraph.tensors if tensor.index not in produced} | {-1}
    waiting, ordered = list(subgraph.operators), []
    while waiting:
        group_is_runtime: bool | None = None
        taken = 1
        while taken:
            left = []
            for operator in waiting:
                is_runtime = operator.index in run_by_runtime
                if group_is_runtime in (None, is_runtime) and ready.issuperset(operator.inputs):
                    group_is_runtime = is_runtime
                    ready.update(operator.outputs)
                    ordered.append(operator)
                else:
                    left.append(operator)
            taken, waiting = len(waiting) - len(left), left
        if group_is_runtime is None:  # a cycle, which no runtime would run either
            return list(subgraph.operators)
    return ordered


def _inlined(graph: ModelGraph, operator: Operator) -> tuple[Operator, ...]:
    """Return a composite's inner operators, which the runtime puts in its place; else the operator itself."""
    if operator.code == _INLINED and operator.calls:
        return graph.subgraphs[operator.calls[0]].operators or (operator,)
    return (operator,)
