"""DeformConv: a convolution over points that the model moves, as lookups and one convolution of width 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.sampling import blended, channel_rows, corners, sum_of
from embedl_nb.compiler.onnx.operators.windows import Window, window_of
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static


@operator("DeformConv", since=19)
def deform_conv(
    call: Call, x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """Convolve over points that ``offset`` (y, x for each place of the kernel) moves, weighted by ``mask``."""
    kernel, lengths = list(weight.shape[2:]), list(x.shape[2:])
    if len(kernel) != 2:
        raise refused(call, f"it has {len(kernel)} spatial axes", hint="use pictures, with two spatial axes")
    window = window_of(call, lengths, kernel)
    batch, count, area = x.shape[0], kernel[0] * kernel[1], window.lengths[0] * window.lengths[1]
    groups = call.get("offset_group", 1)
    moves = offset.reshape(batch, groups, count, 2, area)
    columns = []
    for group, part in enumerate(x.chunk(groups, 1) if groups > 1 else (x,)):
        points = [
            (moves[:, group, :, axis] + torch.from_numpy(_unmoved(window, axis)).to(x.dtype)).reshape(batch, -1)
            for axis in (0, 1)
        ]
        axes = [corners(point) for point in points]
        sampled = sum_of(blended(channel_rows(part), axes, lengths, torch.arange(batch), is_zero_outside=True))
        if mask is not None:
            sampled = sampled * mask.reshape(batch, groups, -1, 1)[:, group]
        sampled = sampled.reshape(batch, count, area, -1)
        columns.append(sampled.permute(0, 3, 1, 2).reshape(batch, -1, area))
    lines = weight.reshape(weight.shape[0], -1, 1)
    result = F.conv1d(torch.cat(columns, 1), lines, bias, groups=call.get("group", 1))
    return result.reshape(batch, -1, *window.lengths)


def _unmoved(window: Window, axis: int) -> Static:
    """Return where a convolution would look along ``axis``, shape (places of the kernel, places of the output)."""
    starts = np.arange(window.lengths[axis]) * window.strides[axis] - window.pads[axis][0]
    taps = np.arange(window.kernel[axis]) * window.dilations[axis]
    sums = np.expand_dims(taps, (1 - axis, 2, 3)) + np.expand_dims(starts, 1 - axis)
    return (
        np.broadcast_to(sums, (*window.kernel, *window.lengths)).reshape(window.kernel[0] * window.kernel[1], -1).copy()
    )
