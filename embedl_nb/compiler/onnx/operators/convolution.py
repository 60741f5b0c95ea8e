"""Conv and ConvTranspose over one, two and three spatial axes, as the convolutions that LiteRT runs.

Symmetric pads go into the convolution itself, all others become a pad before it. LiteRT has no grouped convolution over
three axes (done a group at a time here) and transposed ones over two axes only, without dilation or groups: the kernel
is spread out, groups are done one at a time, and over three axes the input is spread out and convolved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import integers, refused
from embedl_nb.compiler.onnx.operators.windows import padded, window_of
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["convolve", "spread"]

_CONVOLUTIONS: list[Callable[..., Tensor]] = [F.conv1d, F.conv2d, F.conv3d]
_TRANSPOSED: list[Callable[..., Tensor]] = [F.conv_transpose1d, F.conv_transpose2d]


@operator("Conv")
def convolve(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve ``x``, shape (N, C, spatial axes), with ``weight``, shape (M, C / group, kernel)."""
    window = window_of(call, list(x.shape[2:]), list(weight.shape[2:]))
    pads = window.symmetric
    if pads is None:
        x, pads = padded(x, window.pads), [0] * len(window.pads)
    function = _CONVOLUTIONS[len(pads) - 1]
    groups = call.get("group", 1)

    def slide(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        return function(x, weight, bias, window.strides, pads, window.dilations, groups)

    if len(pads) < 3 or groups == 1:
        return slide(x, weight, bias, groups)
    biases = [None] * groups if bias is None else bias.chunk(groups)
    parts = zip(x.chunk(groups, 1), weight.chunk(groups), biases, strict=True)
    return torch.cat([slide(*part, 1) for part in parts], 1)


@operator("ConvTranspose")
def convolve_transposed(call: Call, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Spread ``x`` with ``weight``, shape (C, M / group, kernel), to all that it reaches, then crop by the pads."""
    rank = x.ndim - 2
    strides = integers(call.get("strides") or [1] * rank)
    dilations = integers(call.get("dilations") or [1] * rank)
    if not 1 <= rank <= 3 or {len(strides), len(dilations), weight.ndim - 2} != {rank}:
        raise refused(
            call,
            f"strides {strides} and dilations {dilations} over {rank} spatial axes",
            hint="LiteRT has transposed convolutions over one, two and three spatial axes: reshape to one of these",
        )
    for axis, step in enumerate(dilations):
        weight = spread(weight, axis + 2, step)
    whole = [(size - 1) * stride for size, stride in zip(x.shape[2:], strides, strict=True)]
    whole = [length + size for length, size in zip(whole, weight.shape[2:], strict=True)]
    crops = _crops(call, list(x.shape[2:]), whole, strides)
    groups = call.get("group", 1)
    pads = _pads_within(crops, list(weight.shape[2:]), strides)
    is_beyond = any(end > 0 for _, end in crops)  # where nothing reaches, but the bias
    inner = None if is_beyond else bias
    if groups == 1:
        result = _reach(x, weight, inner, strides, pads)
    else:
        biases = [None] * groups if inner is None else inner.chunk(groups)
        parts = zip(x.chunk(groups, 1), weight.chunk(groups), biases, strict=True)
        result = torch.cat([_reach(*part, strides, pads) for part in parts], 1)
    if not any(pads):
        result = padded(result, crops)
    return result + bias.reshape([-1] + [1] * rank) if bias is not None and is_beyond else result


def _pads_within(crops: list[tuple[int, int]], kernel: list[int], strides: list[int]) -> list[int]:
    """Return the pads that LiteRT's transposed convolution crops by itself: those that make lengths times strides."""
    fits = all(
        begin == end and size - stride == -2 * begin
        for (begin, end), size, stride in zip(crops, kernel, strides, strict=True)
    )
    return [-begin for begin, _ in crops] if fits and len(kernel) < 3 else [0] * len(kernel)


def _reach(x: Tensor, weight: Tensor, bias: Tensor | None, strides: list[int], pads: list[int]) -> Tensor:
    if len(strides) < 3:
        return _TRANSPOSED[len(strides) - 1](x, weight, bias, strides, pads)
    for axis, stride in enumerate(strides):
        x = spread(x, axis + 2, stride)
    x = padded(x, [(size - 1, size - 1) for size in weight.shape[2:]])
    return F.conv3d(x, weight.transpose(0, 1).flip(2, 3, 4), bias)


def spread(x: Tensor, axis: int, step: int) -> Tensor:
    """Put ``step - 1`` zeros between neighbours along ``axis``."""
    if step == 1 or x.shape[axis] == 1:
        return x
    sizes = list(x.shape)
    after = int(np.prod(sizes[axis + 1 :]))
    rows = F.pad(x.reshape(-1, sizes[axis], after), [0, (step - 1) * after])  # LiteRT pads five axes at most
    sizes[axis] *= step
    return rows.reshape(sizes).narrow(axis, 0, sizes[axis] - step + 1)


def _crops(call: Call, lengths: list[int], whole: list[int], strides: list[int]) -> list[tuple[int, int]]:
    """Return what to add to each end of the whole output: less than nothing for pads."""
    rank = len(lengths)
    extra = integers(call.get("output_padding") or [0] * rank)
    auto = call.get("auto_pad", "NOTSET")
    wanted = integers(call.get("output_shape") or [])[-rank:]
    if not wanted and auto in ("NOTSET", "VALID"):
        pads = integers(call.get("pads") or [0] * (2 * rank)) if auto == "NOTSET" else [0] * (2 * rank)
        return [(-pads[axis], extra[axis] - pads[rank + axis]) for axis in range(rank)]
    if not wanted:
        wanted = [length * stride for length, stride in zip(lengths, strides, strict=True)]
    crops = []
    for length, all_of_it, more in zip(wanted, whole, extra, strict=True):
        total = max(all_of_it + more - length, 0)
        begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
        crops.append((-begin, length - all_of_it + begin))
    return crops
