"""The order of a graph's nodes: every value is computed before it is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.compiler.onnx.tensors import subgraphs_of
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import onnx

    from embedl_nb.compiler.onnx.scope import Scope

__all__ = ["in_order", "names_used"]


def in_order(nodes: Sequence[onnx.NodeProto], scope: Scope) -> Sequence[onnx.NodeProto]:
    """Return ``nodes`` as they are if they are in order, else sorted.

    Names that nothing makes are left for whoever looks them up.

    Raises
    ------
    InputError
        If they go round in a circle; the nodes in it are named.
    """
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waits_for = [
        {makers[name] for name in names_used(node) if name in makers and not scope.has(name)} for node in nodes
    ]
    if all(needed < index for index, wanted in enumerate(waits_for) for needed in wanted):
        return nodes
    order = list(_sorted(waits_for))
    if len(order) < len(nodes):
        left = set(range(len(nodes))) - set(order)
        circle = ", ".join(f"{(nodes[index].name or nodes[index].op_type)!r}" for index in sorted(left)[:5])
        raise InputError(
            f"the graph goes round in a circle: {circle} wait for each other",
            hint=DAMAGED,
        )
    return [nodes[index] for index in order]


def _sorted(waits_for: list[set[int]]) -> Iterator[int]:
    """Return indices such that each comes after those it waits for; those in or behind a circle are left out."""
    waiting_for_it: dict[int, list[int]] = {}
    for index, wanted in enumerate(waits_for):
        for needed in wanted:
            waiting_for_it.setdefault(needed, []).append(index)
    num_missing = [len(wanted) for wanted in waits_for]
    ready = deque(index for index, number in enumerate(num_missing) if not number)
    while ready:
        index = ready.popleft()
        yield index
        for follower in waiting_for_it.get(index, ()):
            num_missing[follower] -= 1
            if not num_missing[follower]:
                ready.append(follower)


def names_used(node: onnx.NodeProto) -> Iterator[str]:
    """Return the names that a node takes from its graph, those that its subgraphs capture included."""
    yield from (name for name in node.input if name)
    for graph in subgraphs_of(node):
        own = {value.name for value in (*graph.input, *graph.initializer)}
        own |= {name for inner in graph.node for name in inner.output}
        used = {name for inner in graph.node for name in names_used(inner)} | {value.name for value in graph.output}
        yield from used - own
