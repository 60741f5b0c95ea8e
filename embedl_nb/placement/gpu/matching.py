"""Which operators the delegate's lines speak of, and which of the others it takes.

In: a subgraph and what was said of it. Out: for each operator whether it is taken, else the line. LiteRT hands the
delegate one run of operators, the longest; supported operators outside it stay on the CPU. Which run that is follows
from the way LiteRT partitions, and is believed only where its length is the one that the delegate states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from embedl_nb.model.graph import Operator, Subgraph
from embedl_nb.placement.answers import Reason
from embedl_nb.placement.gpu.said import Block, Refusal

__all__ = ["Match", "match_refusals", "runs_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What lines say of operators.

    Attributes
    ----------
    refused
        By operator index, the line that speaks of it.
    unsure
        Operators of which a line may speak: it names no tensor, and there are several of their type.
    """

    refused: Mapping[int, Refusal]
    unsure: frozenset[int]


def match_refusals(subgraph: Subgraph, block: Block, aliases: Mapping[str, int]) -> Match:
    """Find the operators that a block's lines speak of.

    Parameters
    ----------
    subgraph
        What was asked about.
    block
        What was said of it.
    aliases
        Tensor indices by the names that a signature gives them, which the lines use too.
    """
    by_name: dict[str, set[int]] = {}
    for tensor in subgraph.tensors:
        by_name.setdefault(tensor.name, set()).add(tensor.index)
    for name, index in aliases.items():
        by_name.setdefault(name, set()).add(index)
    refused: dict[int, Refusal] = {}
    unsure: set[int] = set()
    # Lines that name a tensor first: they leave fewer operators to those that do not.
    said = sorted(
        ((refusal, _named(refusal.cause, by_name)) for refusal in block.refusals), key=lambda pair: not pair[1]
    )
    for refusal, tensors in said:
        same = [operator for operator in subgraph.operators if operator.type_name == refusal.operator]
        if tensors:
            refused |= {operator.index: refusal for operator in same if tensors & _touched(operator)}
            continue
        left = [operator.index for operator in same if operator.index not in refused]
        refused |= dict.fromkeys(left, refusal)
        if len(left) > 1 and refusal.reason is not Reason.UNSUPPORTED_OPERATOR:
            unsure |= set(left)
    return Match(refused=refused, unsure=frozenset(unsure))


def runs_of(subgraph: Subgraph, refused: Mapping[int, Refusal]) -> list[list[int]]:
    """Return the runs of operators that are not refused, each of which could be handed over at once.

    As TensorFlow Lite partitions: runs are collected in the order of execution; the first operator that is ready
    decides whether a run is of taken or of refused ones, and every operator of that kind whose inputs are there joins.

    References
    ----------
    https://github.com/tensorflow/tensorflow/blob/v2.16.1/tensorflow/lite/graph_info.cc
    """
    missing = {index for operator in subgraph.operators for index in operator.outputs}
    waiting = list(subgraph.operators)
    runs: list[list[int]] = []
    while waiting:
        run: list[int] = []
        kind: bool | None = None
        later: list[Operator] = []
        for operator in waiting:
            is_taken = operator.index not in refused
            if not missing.isdisjoint(operator.inputs) or kind not in (None, is_taken):
                later.append(operator)
                continue
            kind = is_taken
            run.append(operator.index)
            missing.difference_update(operator.outputs)
        if not run:
            break  # a loop, which no model that runs has
        if kind:
            runs.append(run)
        waiting = later
    return runs


def _named(cause: str, by_name: Mapping[str, set[int]]) -> set[int]:
    """Return the tensors that a cause names: at its end, or in quotes."""
    names = [name for name in by_name if name and (cause.endswith(f" {name}") or f'"{name}"' in cause)]
    return {index for name in names for index in by_name[name]}


def _touched(operator: Operator) -> set[int]:
    return {*operator.inputs, *operator.outputs}
