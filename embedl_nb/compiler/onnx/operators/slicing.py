"""Operators that cut a tensor: Slice, Split, Trilu, and Crop of old model zoos. Negative steps become a flip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedl_nb.compiler.onnx.open_sizes import has_open
from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axes, positive_axis
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static

__all__ = ["cut"]


@operator("Slice")
def slice_by_attributes(call: Call, x: Tensor) -> Tensor:
    starts, ends = call.attributes["starts"], call.attributes["ends"]
    return _sliced(x, starts, ends, call.get("axes", range(len(starts))), [1] * len(starts))


@operator("Slice", since=10)
def slice_(
    call: Call,
    x: Tensor,
    starts: Static,
    ends: Static,
    axes: Static | None = None,
    steps: Static | None = None,
) -> Tensor:
    axes = np.arange(len(starts)) if axes is None else axes
    return _sliced(x, starts, ends, axes, [1] * len(starts) if steps is None else steps)


def _sliced(x: Tensor, *bounds: Static | list[int] | range) -> Tensor:
    for start, end, axis, step in zip(*(integers(values) for values in bounds), strict=True):
        x = cut(x, positive_axis(axis, x.ndim), slice(start, end, step))
    return x


def cut(x: Tensor, axis: int, part: slice) -> Tensor:
    """Return what a Python slice, whose step may be negative, takes along ``axis``."""
    if has_open([x.shape[axis], part.start, part.stop]) and (part.step is None or part.step > 0):
        return x[(*(slice(None),) * axis, part)]
    taken = range(*part.indices(x.shape[axis]))
    if taken.step < 0 and len(taken):
        taken = taken[::-1]
        x = cut(x, axis, slice(taken.start, taken.stop, taken.step))
        return x.flip(axis)
    if len(taken) == x.shape[axis]:
        return x
    everything = (slice(None),) * axis
    return x[(*everything, slice(taken.start, max(taken.stop, taken.start), abs(taken.step)))]


@operator("Split")
def split_by_attribute(call: Call, x: Tensor, lengths: Static | None = None) -> tuple[Tensor, ...]:
    return _split(call, x, call.get("split") if lengths is None else lengths)


@operator("Split", since=13)
def split(call: Call, x: Tensor, lengths: Static | None = None) -> tuple[Tensor, ...]:
    return _split(call, x, lengths)


def _split(call: Call, x: Tensor, lengths: Static | list[int] | None) -> tuple[Tensor, ...]:
    axis = positive_axis(call.get("axis", 0), x.ndim)
    if lengths is None:
        count = call.get("num_outputs", call.num_outputs)
        whole = -(-x.shape[axis] // count)
        lengths = [min(whole, max(x.shape[axis] - whole * index, 0)) for index in range(count)]
    sizes = integers(lengths)
    return (x,) if len(sizes) == 1 else tuple(x.split(sizes, axis))


@operator("Trilu", since=14)
def trilu(call: Call, x: Tensor, k: Static | None = None) -> Tensor:
    diagonal = 0 if k is None else int(k.item())
    return x.triu(diagonal) if call.get("upper", 1) else x.tril(diagonal)


@operator("Crop")
def crop(call: Call, x: Tensor) -> Tensor:
    """Cut ``border`` (left, top, right, bottom) off; with ``scale``, keep that height and width."""
    left, top, right, bottom = integers(call.attributes["border"])
    height, width = x.shape[2] - top - bottom, x.shape[3] - left - right
    if "scale" in call.attributes:
        height, width = integers(call.attributes["scale"])
    return x[:, :, top : top + height, left : left + width]


@operator("CenterCropPad", since=18)
def center_crop_pad(call: Call, x: Tensor, sizes: Static) -> Tensor:
    """Cut from, or add zeros to, both ends of each axis; where the difference is odd, one more at the end."""
    import torch.nn.functional as F

    amounts = [(0, 0)] * x.ndim
    for axis, size in zip(positive_axes(call.get("axes"), x.ndim), integers(sizes), strict=True):
        missing = size - x.shape[axis]
        begin = missing // 2 if missing > 0 else -(-missing // 2)
        amounts[axis] = (begin, missing - begin)
    return F.pad(x, [amount for pair in reversed(amounts) for amount in pair])
