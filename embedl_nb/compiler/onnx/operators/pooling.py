"""Pools: MaxPool, AveragePool, LpPool, their global kin and MaxUnpool, without the operators that LiteRT runs slowly.

LiteRT pools over two axes, undilated. Three axes are pooled two and one at a time; a dilated window, and one whose
indices are wanted, becomes a series of slices, one axis after the other. All of these pools may be taken axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import integers
from embedl_nb.compiler.onnx.operators.casting import converted
from embedl_nb.compiler.onnx.operators.windows import Window, padded, window_of
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static

_MAX: list[Callable[..., Tensor]] = [F.max_pool1d, F.max_pool2d]
_MEAN: list[Callable[..., Tensor]] = [F.avg_pool1d, F.avg_pool2d]


@operator("MaxPool")
def max_pool(call: Call, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
    """Return the largest of each window and, where the graph asks for them, where in ``x`` it was found.

    Bytes are compared as floats, which hold them exactly: LiteRT does not pad uint8.
    """
    window = window_of(call, list(x.shape[2:]), call.attributes["kernel_shape"])
    real = x.to(torch.float32)
    if call.num_outputs > 1:
        values, places = _max_with_indices(real, window, is_column_major=bool(call.get("storage_order", 0)))
        return converted(values, x.dtype), places
    return converted(_largest(real, window), x.dtype)


def _largest(x: Tensor, window: Window) -> Tensor:
    pads = window.symmetric
    if (
        pads
        and not window.is_dilated
        and len(pads) < 3
        and all(2 * pad <= size for pad, size in zip(pads, window.kernel, strict=True))
    ):
        return _MAX[len(pads) - 1](x, window.kernel, window.strides, pads)
    x = padded(x, window.all_pads, -math.inf)
    return _by_slices(x, window, torch.maximum) if window.is_dilated else _by_planes(x, window, _MAX)


def _by_planes(x: Tensor, window: Window, functions: list[Callable[..., Tensor]]) -> Tensor:
    """Pool a padded tensor over its last two axes, then over the one before them."""
    if len(window.kernel) < 3:
        return functions[len(window.kernel) - 1](x, window.kernel, window.strides)
    depth, rows, columns = window.lengths
    planes = x.reshape(x.shape[0], -1, *x.shape[-2:])
    planes = functions[1](planes, window.kernel[1:], window.strides[1:])
    planes = planes.reshape(x.shape[0], x.shape[1], x.shape[2], rows * columns)
    planes = functions[1](planes, (window.kernel[0], 1), (window.strides[0], 1))
    return planes.reshape(*x.shape[:2], depth, rows, columns)


def _by_slices(x: Tensor, window: Window, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Pool a padded tensor one axis after the other, by combining what each place of the window sees."""
    for axis in reversed(range(len(window.kernel))):
        first, *others = _taps(x, window, axis)
        for tap in others:
            first = combine(first, tap)
        x = first
    return x


def _taps(x: Tensor, window: Window, axis: int) -> list[Tensor]:
    span = (window.lengths[axis] - 1) * window.strides[axis] + 1
    everything = [slice(None)] * (axis + 2)
    begins = [place * window.dilations[axis] for place in range(window.kernel[axis])]
    return [x[(*everything, slice(begin, begin + span, window.strides[axis]))] for begin in begins]


def _max_with_indices(x: Tensor, window: Window, *, is_column_major: bool) -> tuple[Tensor, Tensor]:
    sizes = list(x.shape[2:])
    within = np.arange(int(np.prod(sizes))).reshape(sizes, order="F" if is_column_major else "C")
    planes = np.arange(x.shape[0] * x.shape[1]).reshape([*x.shape[:2]] + [1] * len(sizes))
    places = padded(torch.from_numpy(planes * within.size + within), window.all_pads)
    x = padded(x, window.all_pads, -math.inf)
    for axis in reversed(range(len(sizes))):
        values, indices = _taps(x, window, axis), _taps(places, window, axis)
        x, places = values[0], indices[0]
        for value, index in zip(values[1:], indices[1:], strict=True):
            is_larger = value > x
            x, places = torch.where(is_larger, value, x), torch.where(is_larger, index, places)
    return x, places


@operator("AveragePool")
def average_pool(call: Call, x: Tensor) -> Tensor:
    """Average over each window; pads count where ``count_include_pad`` says so, what a window overhangs never does."""
    window = window_of(call, list(x.shape[2:]), call.attributes["kernel_shape"])
    shares = _shares(window, list(x.shape[2:]), counts_pads=bool(call.get("count_include_pad", 0)))
    mean = _mean(x, window)
    return mean if shares is None else mean * torch.from_numpy(shares).to(x.dtype)


def _shares(window: Window, lengths: list[int], *, counts_pads: bool) -> Static | None:
    """Return by what to multiply an average over whole windows, for those that see less; None where none does."""
    shares = np.ones(())
    for axis, length in enumerate(lengths):
        begin, end = window.pads[axis]
        first, last = (-begin, length + end) if counts_pads else (0, length)
        starts = np.arange(window.lengths[axis]) * window.strides[axis] - begin
        places = starts[:, None] + np.arange(window.kernel[axis]) * window.dilations[axis]
        counts = ((places >= first) & (places < last)).sum(1)
        shares = shares[..., None] * (window.kernel[axis] / counts)
    return None if (shares == 1).all() else shares


@operator("LpPool")
def lp_pool(call: Call, x: Tensor) -> Tensor:
    """Take the ``p`` norm of each window."""
    p = call.get("p", 2)
    window = window_of(call, list(x.shape[2:]), call.attributes["kernel_shape"])
    return _root(_mean(_power(x, p), window) * float(np.prod(window.kernel)), p)


def _mean(x: Tensor, window: Window) -> Tensor:
    """Average with zeros for pads and overhang, all of them counted."""
    x = padded(x, window.all_pads)
    if window.is_dilated:
        return _by_slices(x, window, torch.add) / float(np.prod(window.kernel))
    return _by_planes(x, window, _MEAN)


def _power(x: Tensor, p: float) -> Tensor:
    if p == 1:
        return x.abs()
    return x * x if p == 2 else _flat_power(x.abs(), p)


def _root(x: Tensor, p: float) -> Tensor:
    if p == 1:
        return x
    return x.sqrt() if p == 2 else _flat_power(x, 1.0 / p)


def _flat_power(x: Tensor, exponent: float) -> Tensor:
    """Raise to a power over one axis: LiteRT's operator takes four at most."""
    return x.reshape(-1).pow(exponent).reshape(x.shape)


@operator("GlobalAveragePool")
def global_average_pool(call: Call, x: Tensor) -> Tensor:
    return x.mean(_spatial(x), keepdim=True)


@operator("GlobalMaxPool")
def global_max_pool(call: Call, x: Tensor) -> Tensor:
    return x.amax(_spatial(x), keepdim=True)


@operator("GlobalLpPool")
def global_lp_pool(call: Call, x: Tensor) -> Tensor:
    p = call.get("p", 2)
    return _root(_power(x, p).sum(_spatial(x), keepdim=True), p)


def _spatial(x: Tensor) -> list[int]:
    return list(range(2, x.ndim))


@operator("MaxUnpool", since=9)
def max_unpool(call: Call, x: Tensor, indices: Tensor, output_shape: Static | None = None) -> Tensor:
    """Put each value where ``indices`` say it was in all of the output, laid out in a row, among zeros.

    With ``output_shape`` they are places in a tensor of that shape, as onnxruntime has it and MaxPool gives them; the
    standard's example takes them as places in the shape that kernel and strides give.
    """
    rank = x.ndim - 2
    kernel = call.attributes["kernel_shape"]
    strides = call.get("strides") or [1] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    sizes = [*x.shape[:2]]
    for axis in range(rank):
        sizes.append((x.shape[axis + 2] - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[axis + rank])
    sizes = integers(sizes if output_shape is None else output_shape)
    flat = torch.zeros(int(np.prod(sizes)), dtype=x.dtype)
    return flat.index_put((indices.reshape(-1),), x.reshape(-1)).reshape(sizes)
