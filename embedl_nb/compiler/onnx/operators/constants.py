"""Operators that make values: Constant, ConstantOfShape, Range, EyeLike, OneHot; and NonZero of what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx.helper import tensor_dtype_to_np_dtype

from embedl_nb.compiler.onnx.open_sizes import has_open
from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axis, refused
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static

_LITERALS: dict[str, Any] = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


@operator("Constant")
def constant(call: Call) -> Static:
    if "value" in call.attributes:
        return np.asarray(call.attributes["value"])
    for name, dtype in _LITERALS.items():
        if name in call.attributes:
            return np.array(call.attributes[name], dtype=dtype)
    raise refused(
        call, f"its value is given as {', '.join(call.attributes) or 'nothing'}", hint="store a dense tensor of numbers"
    )


@operator("ConstantOfShape", since=9)
def constant_of_shape(call: Call, sizes: Static) -> Known:
    value = np.asarray(call.get("value", np.zeros(1, np.float32))).reshape(-1)
    if has_open(sizes):
        return torch.full(integers(sizes), value[0].item(), dtype=torch.from_numpy(value).dtype)
    return np.full(integers(sizes), value[0], dtype=value.dtype)


@operator("Range", since=11)
def range_(call: Call, start: Static, limit: Static, delta: Static) -> Known:
    if has_open(bound.item() for bound in (start, limit, delta)):
        return torch.arange(*integers(bound.item() for bound in (start, limit, delta)))
    count = max(int(np.ceil((limit.item() - start.item()) / delta.item())), 0)
    return (start + np.arange(count) * delta).astype(start.dtype)


@operator("EyeLike", since=9)
def eye_like(call: Call, x: Tensor) -> Static:
    """Return ones on diagonal ``k``; only the shape of ``x`` matters, and its type where ``dtype`` is left out."""
    rows, columns = x.shape
    if "dtype" in call.attributes:
        dtype = tensor_dtype_to_np_dtype(call.attributes["dtype"])
    else:
        dtype = np.dtype(str(x.dtype).removeprefix("torch."))
    return np.eye(rows, columns, k=call.get("k", 0)).astype(dtype)


@operator("OneHot", since=9)
def one_hot(call: Call, indices: Tensor, depth: Static, values: Tensor) -> Tensor:
    """Compare with 0, 1, 2, ... along a new axis; indices below 0 count from the end, others outside are off."""
    count = int(depth.item())
    axis = positive_axis(call.get("axis", -1), indices.ndim + 1)
    indices = torch.where(indices < 0, indices + count, indices)
    places = torch.arange(count).to(indices.dtype).reshape([count] + [1] * (indices.ndim - axis))
    is_on = indices.unsqueeze(axis) == places
    return torch.where(is_on, values[1], values[0])


@operator("NonZero", since=9)
def non_zero(call: Call, x: Static) -> Static:
    return np.array(np.nonzero(x), dtype=np.int64).reshape(x.ndim or 1, -1)
