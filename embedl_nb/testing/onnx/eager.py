"""Run one of ONNX's cases in torch only: the graph as it is imported, without LiteRT's part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedl_nb.testing.onnx.cases import Case
from embedl_nb.testing.onnx.comparing import difference, said_by

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.values import Plan

__all__ = ["failure", "planned"]


def failure(case: Case) -> str:
    """Say why the importer does not give the expected outputs; empty where it does.

    The case's inputs that decide shapes are constants already (see freezing.py).
    """
    try:
        found = _run(case)
    except Exception as err:
        return said_by(err)
    return difference(case.expected, found)


def planned(case: Case) -> Plan:
    """Import the case's graph for the shapes of its inputs.

    Raises
    ------
    EmbedlError
        If it is refused.
    """
    from embedl_nb.compiler.onnx.planning import plan_of
    from embedl_nb.compiler.onnx.reading import read_object

    model = read_object(case.model)
    tensors = [_taken(case.inputs[spec.name]) for spec in model.inputs]
    return plan_of(model, [(tuple(tensor.shape), tensor.dtype) for tensor in tensors])


def _run(case: Case) -> dict[str, Any]:
    import torch

    from embedl_nb.compiler.onnx.module import module_of

    with torch.no_grad():
        returned = module_of(planned(case))(*map(_taken, case.inputs.values()))
    return {name: tensor.numpy() for name, tensor in zip(case.expected, returned, strict=True)}


def _taken(array: Any) -> Any:
    """Return an input as the compiled model takes it: doubles are brought down."""
    import numpy as np
    import torch

    tensor = torch.from_numpy(np.array(array))
    return tensor.float() if tensor.dtype is torch.float64 else tensor
