"""ONNX running sums and products along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.dtypes import with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedl_nb.compiler.onnx.registry import Call, Static


def _scan(call: Call, x: Tensor, axis: int, function: Callable[[Tensor, int], Tensor], neutral: int) -> Tensor:
    """Apply attributes: ``exclusive`` starts with the neutral element, ``reverse`` goes from the end."""
    if call.get("reverse"):
        x = x.flip(axis)
    if call.get("exclusive"):
        x = _shifted(x, axis, 1, neutral)
    x = with_dtype(lambda wide: function(wide, axis), x)
    return x.flip(axis) if call.get("reverse") else x


def _shifted(x: Tensor, axis: int, by: int, neutral: int) -> Tensor:
    first = x.narrow(axis, 0, by)
    return torch.cat([torch.full_like(first, neutral), x.narrow(axis, 0, x.shape[axis] - by)], axis)


def _running_product(x: Tensor, axis: int) -> Tensor:
    """Double the reach of each element until it covers all before it: LiteRT has no running product."""
    reach = 1
    while reach < x.shape[axis]:
        x = x * _shifted(x, axis, reach, 1)
        reach *= 2
    return x


@operator("CumSum", since=11)
def running_sum(call: Call, x: Tensor, axis: Static) -> Tensor:
    """Add up along an axis."""
    return _scan(call, x, int(axis.reshape(-1)[0]) % x.ndim, lambda wide, along: torch.cumsum(wide, along), 0)


@operator("CumProd", since=26)
def running_product(call: Call, x: Tensor, axis: Static) -> Tensor:
    """Multiply up along an axis."""
    return _scan(call, x, int(axis.reshape(-1)[0]) % x.ndim, _running_product, 1)
