"""Give a quantized model the weights and biases that another one was refined to.

In: a model in which some operators stay in float, and the refined model in which none does. Out: the former with the
latter's integers wherever an operator computes in integers of the same scales. It takes a fraction of a second where
refining takes a minute, so that many mixes can be tried.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from embedl_nb.model.writer import pack, unpack
from embedl_nb.quantizer.refine.constants import read_constant, replace_constant

__all__ = ["graft"]

_NUM_INPUTS = 3  # values, weights, bias


def graft(content: bytes, refined: bytes) -> bytes:
    """Return ``content`` with the constants of ``refined``.

    Parameters
    ----------
    content, refined
        Models that the same recipe made of one float model from the same ranges; in ``content`` more operators may be
        float.

    Returns
    -------
    bytes
        Operators are matched by the names of their outputs; those that differ in type, shape or input scale keep what
        they have.
    """
    model, source = unpack(content), unpack(refined)
    for graph, other in zip(model.subgraphs, source.subgraphs, strict=True):
        makers = {_name(other.tensors[op.outputs[0]]): op for op in other.operators if len(op.outputs)}
        for operator in graph.operators:
            if len(operator.outputs) and len(operator.inputs) == _NUM_INPUTS and min(operator.inputs) >= 0:
                found = makers.get(_name(graph.tensors[operator.outputs[0]]))
                if found is not None:
                    _take_over(model, graph, operator, source, other, found)
    return pack(model)


def _take_over(model: Any, graph: Any, operator: Any, source: Any, other: Any, found: Any) -> None:
    if len(found.inputs) != _NUM_INPUTS or min(found.inputs) < 0:
        return
    ours = [graph.tensors[index] for index in operator.inputs]
    theirs = [other.tensors[index] for index in found.inputs]
    if any(a.type != b.type or list(a.shape) != list(b.shape) for a, b in zip(ours, theirs, strict=True)):
        return
    if not (_is_quantized(ours[0]) and _is_quantized(ours[1]) and _scales(ours[0]) == _scales(theirs[0])):
        return
    for tensor, better in zip(ours[1:], theirs[1:], strict=True):
        replace_constant(
            model, tensor, read_constant(source, better), scales=np.asarray(better.quantization.scale, np.float32)
        )


def _is_quantized(tensor: Any) -> bool:
    return tensor.quantization is not None and tensor.quantization.scale is not None


def _scales(tensor: Any) -> list[float]:
    return [float(scale) for scale in tensor.quantization.scale]


def _name(tensor: Any) -> bytes:
    name = tensor.name
    return name if isinstance(name, bytes) else str(name).encode()
