"""ONNX quantization of tensors: real values to integers and back, by tensor, by channel, by block, and by what comes.

Where scale and zero point are known, torch's own pair of operators is called, which the converter turns into integer
kernels (quantized.py prepares the program for it); else the arithmetic is written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.dtypes import constant, torch_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Known

__all__ = ["along", "dequantized", "quantized"]

_pair = torch.ops.quantized_decomposed
_KERNEL_DTYPES = (torch.int8, torch.uint8)
_STORED = (torch.int8, torch.uint8, torch.int16, torch.int32)
_UINT8 = 2


@operator("QuantizeLinear", since=10)
def quantize(call: Call, x: Tensor, scale: Known, zero_point: Known | None = None) -> Tensor:
    """Divide by a scale, round, shift by a zero point, and cut off at the range of the type."""
    if zero_point is None:
        dtype = torch_dtype(call, call.get("output_dtype") or _UINT8)
    else:
        dtype = zero_point.dtype if isinstance(zero_point, Tensor) else torch.from_numpy(zero_point).dtype
    if dtype.is_floating_point:
        raise refused(call, "makes 8-bit floats, which LiteRT lacks", hint="quantize the model to int8 instead")
    return quantized(x, scale, zero_point, dtype, axis=call.get("axis", 1), block=call.get("block_size", 0))


@operator("DequantizeLinear", since=10, is_folded=False)
def dequantize(call: Call, x: Tensor, scale: Known, zero_point: Known | None = None) -> Tensor:
    """Shift by a zero point and multiply by a scale."""
    return dequantized(x, scale, zero_point, axis=call.get("axis", 1), block=call.get("block_size", 0))


@operator("DynamicQuantizeLinear", since=11)
def quantize_by_range(call: Call, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantize to uint8 by the range of the values that come."""
    low, high = torch.clamp(x.amin(), max=0.0), torch.clamp(x.amax(), min=0.0)
    scale = (high - low) / 255
    zero_point = torch.clamp(torch.round(-low / scale), 0.0, 255.0)
    values = torch.clamp(torch.round(x / scale) + zero_point, 0.0, 255.0)
    return _integers(values, torch.uint8), scale, _integers(zero_point, torch.uint8)


def quantized(
    x: Tensor, scale: Known, zero_point: Known | None, dtype: torch.dtype, *, axis: int = 1, block: int = 0
) -> Tensor:
    """Return ``saturate(round(x / scale) + zero_point)``.

    Parameters
    ----------
    scale, zero_point
        One value, one for each index along ``axis``, or one for each ``block`` of such indices.
    """
    limits = torch.iinfo(dtype)
    known = _known(scale, zero_point)
    if known is not None and known[0].size == 1 and dtype in _KERNEL_DTYPES and x.dtype == torch.float32:
        (size,), (shift,) = known[0].reshape(-1).tolist(), known[1].reshape(-1).tolist()
        return _pair.quantize_per_tensor(x, size, int(shift), limits.min, limits.max, dtype)
    x = torch.round(x / along(x, scale, axis, block))
    if zero_point is not None:
        x = x + along(x, zero_point, axis, block).to(x.dtype)
    return _integers(torch.clamp(x, limits.min, limits.max), dtype)


def dequantized(x: Tensor, scale: Known, zero_point: Known | None, *, axis: int = 1, block: int = 0) -> Tensor:
    """Return ``(x - zero_point) * scale``; the parameters are those of :func:`quantized`."""
    known = _known(scale, zero_point)
    if known is not None and x.dtype in _STORED and not block and known[0].dtype == np.float32:
        limits = torch.iinfo(x.dtype)
        scales, shifts = (value.reshape(-1) for value in known)
        if scales.size == 1:
            return _pair.dequantize_per_tensor(x, scales.item(), int(shifts.item()), limits.min, limits.max, x.dtype)
        shifts = np.broadcast_to(shifts, scales.shape).astype(np.int64)
        scales_and_shifts = constant(scales), constant(shifts)
        return _pair.dequantize_per_channel(x, *scales_and_shifts, axis % x.ndim, limits.min, limits.max, x.dtype)
    factor = along(x, scale, axis, block)
    if zero_point is None:
        return x.to(factor.dtype) * factor
    shift = along(x, zero_point, axis, block)
    if x.dtype == torch.int32:
        return (x - shift).to(factor.dtype) * factor
    return (x.to(factor.dtype) - shift.to(factor.dtype)) * factor


def along(x: Tensor, value: Known, axis: int, block: int = 0) -> Tensor:
    """Return a parameter in a shape that broadcasts to ``x``."""
    tensor = value if isinstance(value, Tensor) else constant(value)
    if tensor.numel() == 1:
        return tensor.reshape(())
    axis %= x.ndim
    if block:
        repeated = tensor.unsqueeze(axis + 1)
        shape = list(repeated.shape)
        shape[axis + 1] = block
        return repeated.expand(shape).flatten(axis, axis + 1).narrow(axis, 0, x.shape[axis])
    if tensor.ndim != 1:
        return tensor
    return tensor.reshape([-1 if index == axis else 1 for index in range(x.ndim)])


def _known(scale: Known, zero_point: Known | None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Return both parameters where they are known: kernels take numbers."""
    if isinstance(scale, Tensor) or isinstance(zero_point, Tensor):
        return None
    return scale, np.zeros(1, np.int64) if zero_point is None else zero_point


def _integers(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Return real values that are whole as ``dtype``, over int32: LiteRT has no straight way to small integers."""
    return values.to(torch.int32).to(dtype)
