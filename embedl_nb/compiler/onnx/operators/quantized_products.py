"""ONNX products and convolutions of integers.

Those that requantize their result are written as dequantize, multiply, quantize, which the converter turns into integer
kernels. Those that return the sums themselves are computed in float32, in pieces so small that every sum is exact:
LiteRT multiplies no int32 matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.convolution import convolve
from embedl_nb.compiler.onnx.operators.quantization import along, dequantized, quantized
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Known

# float32 holds integers up to 2^24, and a product of two shifted bytes is at most 255 * 255.
_EXACT = 2**24 // 255**2


@operator("MatMulInteger", since=10)
def integer_matmul(
    call: Call, a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    """Multiply matrices of bytes, shifted by their zero points, into int32."""
    if a_zero is not None and a_zero.ndim == 1 and a_zero.numel() > 1:
        a_zero = a_zero.unsqueeze(-1)  # one for each row
    left, right = _shifted(a, a_zero), _shifted(b, b_zero)
    parts = []
    for start in range(0, left.shape[-1], _EXACT):
        size = min(_EXACT, left.shape[-1] - start)
        rows = right.narrow(max(right.ndim - 2, 0), start, size)
        parts.append(torch.matmul(left.narrow(-1, start, size), rows).to(torch.int32))
    return _total(parts)


@operator("ConvInteger", since=10)
def integer_convolution(
    call: Call, x: Tensor, weight: Tensor, x_zero: Tensor | None = None, w_zero: Tensor | None = None
) -> Tensor:
    """Convolve bytes, shifted by their zero points, into int32."""
    if w_zero is not None and w_zero.numel() > 1:
        w_zero = along(weight, w_zero, 0)
    values, kernel = _shifted(x, x_zero), _shifted(weight, w_zero)
    channels = max(1, _EXACT // max(1, kernel[0, 0].numel()))
    if call.get("group", 1) > 1 or kernel.shape[1] <= channels:
        return convolve(call, values, kernel).to(torch.int32)
    parts = []
    for start in range(0, kernel.shape[1], channels):
        size = min(channels, kernel.shape[1] - start)
        parts.append(convolve(call, values.narrow(1, start, size), kernel.narrow(1, start, size)).to(torch.int32))
    return _total(parts)


@operator("QLinearMatMul", since=10)
def quantized_matmul(
    call: Call,
    a: Tensor,
    a_scale: Known,
    a_zero: Known,
    b: Tensor,
    b_scale: Known,
    b_zero: Known,
    y_scale: Known,
    y_zero: Known,
) -> Tensor:
    """Multiply quantized matrices; scales may be one a row of ``a`` and one a column of ``b``."""
    left, right = dequantized(a, a_scale, a_zero, axis=-2), dequantized(b, b_scale, b_zero, axis=-1)
    return quantized(torch.matmul(left, right), y_scale, y_zero, _dtype(y_zero), axis=-2)


@operator("QLinearConv", since=10)
def quantized_convolution(
    call: Call,
    x: Tensor,
    x_scale: Known,
    x_zero: Known,
    weight: Tensor,
    w_scale: Known,
    w_zero: Known,
    y_scale: Known,
    y_zero: Known,
    bias: Tensor | None = None,
) -> Tensor:
    """Convolve quantized values; the bias is in int32 with the scale of a product."""
    if bias is not None:
        bias = bias.to(torch.float32) * (along(bias, x_scale, 0) * along(bias, w_scale, 0))
    values, kernel = dequantized(x, x_scale, x_zero), dequantized(weight, w_scale, w_zero, axis=0)
    return quantized(convolve(call, values, kernel, bias), y_scale, y_zero, _dtype(y_zero))


def _shifted(x: Tensor, zero_point: Tensor | None) -> Tensor:
    values = x.to(torch.float32)
    return values if zero_point is None else values - zero_point.to(torch.float32)


def _total(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _dtype(zero_point: Known) -> torch.dtype:
    if isinstance(zero_point, np.ndarray):
        return torch.from_numpy(zero_point).dtype
    return zero_point.dtype
