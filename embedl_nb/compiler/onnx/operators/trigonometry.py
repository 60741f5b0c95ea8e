"""ONNX trigonometry, hyperbolic functions and the error function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call


def _enter(name: str, function: Callable[[Tensor], Tensor], since: int) -> None:
    @operator(name, since=since)
    def run(call: Call, x: Tensor) -> Tensor:
        return function(x)


for _name, _function, _since in (
    ("Acos", torch.acos, 7),
    ("Acosh", torch.acosh, 9),
    ("Asin", torch.asin, 7),
    ("Asinh", torch.asinh, 9),
    ("Atan", torch.atan, 7),
    ("Atanh", torch.atanh, 9),
    ("Cos", torch.cos, 7),
    ("Cosh", torch.cosh, 9),
    ("Erf", torch.erf, 9),
    ("Sin", torch.sin, 7),
    ("Sinh", torch.sinh, 9),
    ("Tan", torch.tan, 7),
):
    _enter(_name, _function, _since)
