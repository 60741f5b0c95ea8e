"""Which operator of the source made a tensor, by the tensor's name: how a vendor's result is read back to the source.

Compilers renumber operators and put the bodies of composites in their place, but they keep tensors' names. Where
names are missing or repeat, the copy that the compiler is given has others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from embedl_nb.model.graph import ModelGraph, Operator, Subgraph

__all__ = ["Origins", "renamings"]


class Origins:
    """Operators of ``subgraph`` by the tensors that they, or the bodies of their composites, make.

    Parameters
    ----------
    names
        Names that differ from the model's own, by subgraph and tensor (see :func:`renamings`).
    """

    def __init__(self, graph: ModelGraph, subgraph: Subgraph, names: dict[tuple[int, int], str]) -> None:
        self._by_name: dict[str, set[int]] = {}
        for operator in subgraph.operators:
            for owner, maker in _makers(graph, subgraph, operator):
                for tensor in maker.outputs:
                    name = names.get((owner.index, tensor), owner.tensors[tensor].name)
                    self._by_name.setdefault(name, set()).add(operator.index)

    def of(self, subgraph: Subgraph, operator: Operator) -> frozenset[int]:
        """Return the source's operators that an operator of the compiler's model stands for."""
        return self.named(tuple(subgraph.tensors[index].name for index in operator.outputs if index >= 0))

    def named(self, tensors: tuple[str, ...]) -> frozenset[int]:
        """Return the source's operators that make tensors of these names."""
        return frozenset().union(*(self._by_name.get(name, ()) for name in tensors))


def renamings(graph: ModelGraph, subgraph: Subgraph) -> dict[tuple[int, int], str]:
    """Return new names for the tensors whose own cannot tell them apart; empty where all of them can.

    Returns
    -------
    dict
        By the indices of subgraph and tensor.
    """
    # What a composite's body returns becomes what the composite makes: one tensor, whose equal names do no harm.
    returned = {(body.index, tensor) for body in graph.subgraphs if body is not subgraph for tensor in body.outputs}
    made = {
        (owner.index, tensor): owner.tensors[tensor].name
        for operator in subgraph.operators
        for owner, maker in _makers(graph, subgraph, operator)
        for tensor in maker.outputs
        if tensor >= 0 and (owner.index, tensor) not in returned
    }
    count = Counter(made.values())
    return {
        place: f"{_plain(name)};{place[0]}.{place[1]}"
        for place, name in made.items()
        if count[name] > 1 or not name or _plain(name) != name
    }


def _plain(name: str) -> str:
    """Return a name without what the compiler's log could not be read with."""
    if name.isprintable() and '"' not in name:
        return name
    return "".join(letter if letter.isprintable() and letter != '"' else "_" for letter in name)


def _makers(graph: ModelGraph, subgraph: Subgraph, operator: Operator) -> Iterator[tuple[Subgraph, Operator]]:
    """Yield an operator, and those of the bodies that it stands for, each with its subgraph."""
    yield subgraph, operator
    if operator.code == "STABLEHLO_COMPOSITE":
        for called in operator.calls:
            body = graph.subgraphs[called]
            for inner in body.operators:
                yield from _makers(graph, body, inner)
