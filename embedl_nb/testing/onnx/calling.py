"""Call one function of the ONNX registry on arrays, and ask onnx's own reference for the same node."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

__all__ = ["call_operator", "reference_of"]


def call_operator(
    name: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    opset: int,
    known: Collection[int] = (),
    num_outputs: int = 1,
    domain: str = "",
) -> list[Any]:
    """Return what the importer's function gives for a node, as numpy arrays.

    Parameters
    ----------
    name, opset, domain
        Which operator.
    inputs
        numpy arrays; None where an optional one is left out.
    attributes
        As the node has them.
    known
        Positions of inputs whose value counts as known when the model is imported. An input that must be known is.
    num_outputs
        How many outputs the graph gives names to.
    """
    import numpy as np
    import torch

    from embedl_nb.compiler.onnx import operators  # noqa: F401 - fills the registry
    from embedl_nb.compiler.onnx.registry import Call, find

    row = find(domain, name, opset)
    if row is None:
        raise LookupError(f"no operator {name} at opset {opset}")
    call = Call(
        name="node",
        operator=name,
        domain=domain,
        opset=opset,
        attributes=dict(attributes or {}),
        num_outputs=num_outputs,
    )
    arriving = []
    for position, value in enumerate(inputs):
        arrival = row.arrival(position)
        is_array = value is None or arrival == "Static" or (arrival == "Known" and position in known)
        arriving.append(value if is_array else torch.from_numpy(np.array(value)))
    with torch.no_grad():
        returned = row.function(call, *arriving)
    results = returned if isinstance(returned, tuple) else (returned,)
    return [np.asarray(result) for result in results]


def reference_of(
    name: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    *,
    opset: int,
    num_outputs: int = 1,
) -> list[Any]:
    """Return what ``onnx.reference`` gives for the same node."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    names = ["" if value is None else f"x{position}" for position, value in enumerate(inputs)]
    outputs = [f"y{position}" for position in range(num_outputs)]
    node = helper.make_node(name, names, outputs, **dict(attributes or {}))
    given = {label: value for label, value in zip(names, inputs, strict=True) if label}
    graph = helper.make_graph(
        [node],
        "one node",
        [
            helper.make_tensor_value_info(label, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for label, value in given.items()
        ],
        [helper.make_empty_tensor_value_info(output) for output in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return list(ReferenceEvaluator(model).run(None, given))
