"""Which operators are alike: of one type with the same options, on tensors of the same shapes, dtypes and roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embedl_nb.model.graph import Operator, Subgraph

__all__ = ["operator_kind"]


def operator_kind(tree: Any, subgraph: Subgraph, operator: Operator) -> str:
    """Return text that is the same for operators that differ in names, weights and scales only.

    Parameters
    ----------
    tree
        The model as :func:`embedl_nb.model.writer.unpack` returns it, which knows the options.
    subgraph, operator
        Where it stands.
    """
    stored = tree.subgraphs[subgraph.index].operators[operator.index]
    options = [vars(each) for each in (stored.builtinOptions, stored.builtinOptions2) if each is not None]
    return str((operator.type_name, operator.version, options, list(_tensors(subgraph, operator))))


def _tensors(subgraph: Subgraph, operator: Operator) -> Iterator[tuple[object, ...] | None]:
    for index in (*operator.inputs, *operator.outputs):
        if index < 0:
            yield None
            continue
        tensor = subgraph.tensors[index]
        scheme = (len(tensor.quantization.scales), tensor.quantization.axis) if tensor.quantization else None
        yield tensor.shape, tensor.dtype, tensor.is_constant, tensor.is_variable, scheme
