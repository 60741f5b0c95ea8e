"""Which tensor of a quantized model stands for which tensor of the float model it was made from.

In: both graphs. Out: :class:`Counterparts`. A quantizer inserts QUANTIZE and DEQUANTIZE operators, whose outputs it
names after their inputs; all others keep their order and, mostly, their tensors' names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from embedl_nb.model.graph import Operator, Subgraph, Tensor

__all__ = ["CONVERSIONS", "Counterparts", "find_counterparts"]

CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
"""Operators that change how a value is written, not what it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterparts:
    """What belongs together.

    Attributes
    ----------
    tensors
        From tensor index in the quantized subgraph to that in the float one; inputs and computed tensors only.
    operators
        Pairs of the operator in the float model and the one in the quantized model, in order of execution.
    """

    tensors: dict[int, int]
    operators: tuple[tuple[Operator, Operator], ...]


def find_counterparts(reference: Subgraph, quantized: Subgraph) -> Counterparts:
    """Match two subgraphs by tensor names, then by position where all operators are still the same.

    A tensor behind QUANTIZE or DEQUANTIZE stands for what the one before it stands for.
    """
    places = {tensor.name: tensor.index for tensor in _computed(reference)}
    tensors = {
        tensor.index: places[tensor.name]
        for tensor in _computed(quantized)
        if tensor.name in places and tensor.shape == reference.tensors[places[tensor.name]].shape
    }
    _by_position(zip(reference.inputs, quantized.inputs, strict=False), tensors)
    ours, theirs = _workers(reference), _workers(quantized)
    if [operator.code for operator in ours] == [operator.code for operator in theirs]:
        pairs = zip(ours, theirs, strict=True)
        _by_position(((r, q) for a, b in pairs for r, q in zip(a.outputs, b.outputs, strict=False)), tensors)
    _through_conversions(quantized, tensors)
    makers = {index: operator for operator in ours for index in operator.outputs}
    matched = [
        (makers[tensors[operator.outputs[0]]], operator)
        for operator in theirs
        if operator.outputs and tensors.get(operator.outputs[0]) in makers
    ]
    return Counterparts(tensors=tensors, operators=tuple((r, q) for r, q in matched if r.code == q.code))


def _computed(subgraph: Subgraph) -> list[Tensor]:
    made = {index for operator in subgraph.operators for index in operator.outputs} | set(subgraph.inputs)
    return [tensor for tensor in subgraph.tensors if tensor.index in made]


def _workers(subgraph: Subgraph) -> list[Operator]:
    return [operator for operator in subgraph.operators if operator.code not in CONVERSIONS]


def _by_position(pairs: Iterable[tuple[int, int]], tensors: dict[int, int]) -> None:
    for reference, quantized in pairs:
        if reference >= 0 and quantized >= 0:
            tensors.setdefault(quantized, reference)


def _through_conversions(quantized: Subgraph, tensors: dict[int, int]) -> None:
    for operator in quantized.operators:
        if operator.code in CONVERSIONS and operator.inputs and operator.inputs[0] in tensors:
            tensors.setdefault(operator.outputs[0], tensors[operator.inputs[0]])
    # An operator whose output was renamed may hand it on under the old name.
    for operator in reversed(quantized.operators):
        if operator.code in CONVERSIONS and operator.outputs and operator.outputs[0] in tensors:
            tensors.setdefault(operator.inputs[0], tensors[operator.outputs[0]])
