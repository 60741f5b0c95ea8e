"""Give inputs that decide shapes as constants: a compiled model has fixed shapes, so their values must be fixed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from embedl_nb.compiler.onnx import operators  # noqa: F401 - fills the registry
from embedl_nb.compiler.onnx.registry import find, plain_domain
from embedl_nb.errors import EmbedlError, UnsupportedOperatorError
from embedl_nb.testing.onnx.cases import Case

if TYPE_CHECKING:
    import onnx

__all__ = ["frozen", "shape_inputs"]

_KNOWN_ANYWAY = ("Shape", "Size")


def frozen(case: Case) -> Case:
    """Return the case with those inputs as initializers; unchanged where it has none, or no others.

    Where the table does not tell which they are (a function's body decides), they are its integers and bools of at most
    one dimension.
    """
    told = _with_constants(case, shape_inputs(case.model))
    if _is_planned(told):
        return told
    small = {name for name, array in case.inputs.items() if array.dtype.kind in "iub" and array.ndim <= 1}
    guessed = _with_constants(case, small)
    return guessed if _is_planned(guessed) else told


def _is_planned(case: Case) -> bool:
    from embedl_nb.testing.onnx.eager import planned

    try:
        planned(case)
    except UnsupportedOperatorError:
        return False
    except EmbedlError:
        return True  # it fails for another reason
    return True


def _with_constants(case: Case, names: set[str]) -> Case:
    import onnx
    from onnx import numpy_helper

    if not names or names >= case.inputs.keys():
        return case
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    kept = [value for value in model.graph.input if value.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(case.inputs[name], name) for name in sorted(names))
    inputs = {name: array for name, array in case.inputs.items() if name not in names}
    return dataclasses.replace(case, model=model, inputs=inputs)


def shape_inputs(model: onnx.ModelProto) -> set[str]:
    """Return the graph's inputs that some operator must know when the model is imported."""
    opsets = {plain_domain(entry.domain): entry.version for entry in model.opset_import}
    makers = {name: node for node in model.graph.node for name in node.output if name}
    pending = [name for node in model.graph.node for name in _static(node, opsets)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        maker = makers.get(name)
        if maker is not None and maker.op_type not in _KNOWN_ANYWAY:
            pending.extend(filter(None, maker.input))
    weights = {tensor.name for tensor in model.graph.initializer}
    return {value.name for value in model.graph.input if value.name in seen} - weights


def _static(node: onnx.NodeProto, opsets: dict[str, int]) -> list[str]:
    domain = plain_domain(node.domain)
    row = find(domain, node.op_type, opsets.get(domain, 1))
    if row is None:
        return []
    return [name for position, name in enumerate(node.input) if name and row.arrival(position) == "Static"]
