"""ONNX softmax, log-softmax and hardmax; up to opset 12 they see a matrix, from 13 on one axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call

    _Along = Callable[[Tensor, int], Tensor]


def _hardmax(x: Tensor, axis: int) -> Tensor:
    """Return 1 at the first of the largest values, else 0."""
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    places = torch.arange(x.shape[axis]).reshape(shape)
    return (places == torch.argmax(x, axis, keepdim=True)).to(x.dtype)


def _softmax(x: Tensor, axis: int) -> Tensor:
    return torch.softmax(x, axis)


def _log_softmax(x: Tensor, axis: int) -> Tensor:
    return torch.log_softmax(x, axis)


def _enter(name: str, function: _Along) -> None:
    @operator(name)
    def over_a_matrix(call: Call, x: Tensor) -> Tensor:
        axis = call.get("axis", 1)
        axis = axis + x.ndim if axis < 0 else axis
        if axis == x.ndim - 1:
            return function(x, axis)
        rows = math.prod(x.shape[:axis])
        return function(x.reshape(rows, -1), 1).reshape(x.shape)

    @operator(name, since=13)
    def over_an_axis(call: Call, x: Tensor) -> Tensor:
        return function(x, call.get("axis", -1))


for _name, _function in {"Softmax": _softmax, "LogSoftmax": _log_softmax, "Hardmax": _hardmax}.items():
    _enter(_name, _function)
