"""Functions as modules: compiled by the product, or by litert-torch left to itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from embedl_nb.compiler import compile_model

__all__ = ["Calls", "compiled", "is_refused_without", "outputs_without"]


class Calls(nn.Module):
    """Returns what several functions make of the inputs."""

    def __init__(self, *functions: Callable[..., Any]) -> None:
        super().__init__()
        self.functions = functions

    def forward(self, *inputs: Any) -> Any:
        return [function(*inputs) for function in self.functions]


def compiled(*functions: Callable[..., Any], inputs: Any) -> Any:
    """Compile; the product itself compares every output with torch's, integers exactly."""
    model = compile_model(Calls(*functions).eval(), inputs)
    assert model.parity is not None
    assert model.parity.passed
    return model


def outputs_without(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> list[Any]:
    """Return what litert-torch and the runtime, left to themselves, make of ``module``."""
    import litert_torch
    from ai_edge_litert.interpreter import Interpreter

    converted = litert_torch.convert(module.eval(), inputs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        converted.export(str(path))
        runner = Interpreter(str(path)).get_signature_runner()
        outputs = runner(**{f"args_{index}": value.numpy() for index, value in enumerate(inputs)})
    return [outputs[name] for name in sorted(outputs)]


def is_refused_without(function: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> bool:
    """Tell whether the converter or the runtime refuses ``function`` when left to itself."""
    try:
        outputs_without(Calls(function), inputs)
    except (RuntimeError, ValueError):
        return True
    return False
