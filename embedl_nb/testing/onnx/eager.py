"""Run one of ONNX's cases in torch only, operator by operator: what every node returns, without LiteRT's part in it.

Temporary: a walk over the graph with the registry's functions, every value known.
"""

from __future__ import annotations

from typing import Any

from embedl_nb.compiler.onnx import operators  # noqa: F401 - fills the registry
from embedl_nb.compiler.onnx.registry import Call, find
from embedl_nb.testing.onnx.cases import Case
from embedl_nb.testing.onnx.comparing import difference

__all__ = ["failure"]


def failure(case: Case) -> str:
    """Say why the importer does not give the expected outputs; empty where it does."""
    try:
        found = _run(case)
    except Exception as err:
        return f"{type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''}"
    return difference(case.expected, found)


def _run(case: Case) -> dict[str, Any]:
    import torch
    from onnx import numpy_helper

    opsets = {entry.domain: entry.version for entry in case.model.opset_import}
    opsets[""] = opsets.get("", opsets.get("ai.onnx", 1))
    graph = case.model.graph
    values: dict[str, Any] = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    known = set(values)
    values |= case.inputs
    for index, node in enumerate(graph.node):
        domain = "" if node.domain == "ai.onnx" else node.domain
        row = find(domain, node.op_type, opsets.get(domain, 1))
        if row is None:
            raise LookupError(f"no operator {node.op_type} at opset {opsets.get(domain, 1)}")
        call = Call(
            name=node.name or f"{node.op_type}_{index}",
            operator=node.op_type,
            domain=domain,
            opset=opsets.get(domain, 1),
            attributes={attribute.name: _attribute(attribute) for attribute in node.attribute},
            num_outputs=len(node.output),
        )
        inputs = [
            None if not name else _arriving(values[name], row.arrival(position), is_known=name in known)
            for position, name in enumerate(node.input)
        ]
        with torch.no_grad():
            returned = row.function(call, *inputs)
        outputs = returned if isinstance(returned, tuple) else (returned,)
        all_known = all(name in known for name in node.input if name)
        known |= {
            name
            for name, value in zip(node.output, outputs, strict=False)
            if all_known or not isinstance(value, torch.Tensor)
        }
        values |= {name: _array(value) for name, value in zip(node.output, outputs, strict=False) if name}
    return {value.name: values[value.name] for value in graph.output}


def _arriving(value: Any, arrival: str, *, is_known: bool) -> Any:
    import numpy as np
    import torch

    is_array = arrival == "Static" or (arrival == "Known" and is_known)
    return value if is_array else torch.from_numpy(np.array(value))


def _array(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else value


def _attribute(attribute: Any) -> Any:
    from onnx import AttributeProto, helper, numpy_helper

    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) or attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS):
        return [entry.decode() if isinstance(entry, bytes) else entry for entry in value]
    return value
