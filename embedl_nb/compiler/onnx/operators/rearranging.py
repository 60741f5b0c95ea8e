"""Operators that reorder values: DepthToSpace, SpaceToDepth, ReverseSequence, TopK, Unique, Col2Im."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axis
from embedl_nb.compiler.onnx.operators.convolution import spread
from embedl_nb.compiler.onnx.operators.sampling import sum_of
from embedl_nb.compiler.onnx.operators.windows import padded, window_of
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static


@operator("DepthToSpace")
def depth_to_space(call: Call, x: Tensor) -> Tensor:
    """Move channels into blocks of pixels: the block is the first part of the channel (DCR) or the last (CRD)."""
    size = call.attributes["blocksize"]
    batch, channels, height, width = x.shape
    depth = channels // (size * size)
    if call.get("mode", "DCR") == "DCR":
        parts = x.reshape(batch, size, size, depth, height, width).permute(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(batch, depth, size, size, height, width).permute(0, 1, 4, 2, 5, 3)
    return parts.reshape(batch, depth, height * size, width * size)


@operator("SpaceToDepth")
def space_to_depth(call: Call, x: Tensor) -> Tensor:
    """Move blocks of pixels into channels: the block becomes the first part of the channel (DCR) or the last (CRD)."""
    size = call.attributes["blocksize"]
    batch, channels, height, width = x.shape
    order = (0, 3, 5, 1, 2, 4) if call.get("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = x.reshape(batch, channels, height // size, size, width // size, size).permute(order)
    return parts.reshape(batch, channels * size * size, height // size, width // size)


@operator("ReverseSequence", since=10)
def reverse_sequence(call: Call, x: Tensor, lengths: Known) -> Tensor:
    """Turn the first ``lengths`` time steps of each of the batch around."""
    time_axis, batch_axis = call.get("time_axis", 0), call.get("batch_axis", 1)
    if isinstance(lengths, np.ndarray):
        if (lengths == x.shape[time_axis]).all():
            return x.flip(time_axis)
        lengths = torch.from_numpy(lengths)
    swapped = x if (time_axis, batch_axis) == (0, 1) else x.transpose(0, 1)
    count, batch = swapped.shape[:2]
    times = torch.arange(count).to(lengths.dtype).reshape(-1, 1)
    sources = torch.where(times < lengths, lengths - 1 - times, times)
    rows = sources * batch + torch.arange(batch).to(lengths.dtype)
    result = swapped.reshape(count * batch, -1)[rows.reshape(-1)].reshape(swapped.shape)
    return result if swapped is x else result.transpose(0, 1)


@operator("TopK")
def top_k_by_attribute(call: Call, x: Tensor) -> tuple[Tensor, Tensor]:
    return _top_k(call, x, call.attributes["k"])


@operator("TopK", since=10)
def top_k(call: Call, x: Tensor, k: Static) -> tuple[Tensor, Tensor]:
    return _top_k(call, x, int(k.item()))


def _top_k(call: Call, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the ``k`` largest (smallest) along ``axis``, in order, and where they are; of equals, the first ones."""
    axis = positive_axis(call.get("axis", -1), x.ndim)
    is_largest = bool(call.get("largest", 1))
    keys = x.long() if x.dtype in (torch.uint16, torch.uint32, torch.uint64) else x
    keys = _turned(keys, is_largest=is_largest).movedim(axis, -1)
    if torch.compiler.is_exporting():
        values, places = keys.topk(k, -1)
    else:  # torch's topk leaves open which of equals comes first; LiteRT's, which it becomes, takes the first
        values, places = keys.sort(dim=-1, descending=True, stable=True)
        values, places = values[..., :k], places[..., :k]
    values = _turned(values.movedim(-1, axis), is_largest=is_largest)
    return values.to(x.dtype), places.movedim(-1, axis)


def _turned(x: Tensor, *, is_largest: bool) -> Tensor:
    """Turn the order around where the smallest are wanted: LiteRT has the largest only. Twice gives ``x`` again."""
    if is_largest:
        return x
    return -x if x.is_floating_point() else ~x


@operator("Unique", since=11)
def unique(call: Call, x: Static) -> tuple[Static, ...]:
    """Return the distinct values (slices along ``axis``), where each is first, which each value is, how many."""
    axis = call.get("axis")
    x = x.reshape(-1) if axis is None else x
    values, firsts, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis or 0
    )
    inverse = inverse.reshape(-1)
    if not call.get("sorted", 1):
        order = np.argsort(firsts)
        values, firsts, counts = np.take(values, order, axis or 0), firsts[order], counts[order]
        inverse = np.argsort(order)[inverse]
    return values, firsts.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


@operator("Col2Im", since=18)
def col2im(call: Call, x: Tensor, image: Static, block: Static) -> Tensor:
    """Add the columns of ``x``, shape (N, C * block, L), into an image of ``image``'s spatial shape."""
    sizes, kernel = integers(image), integers(block)
    window = window_of(call, sizes, kernel)
    taps = x.reshape(x.shape[0], -1, int(np.prod(kernel)), *window.lengths)
    whole = [size + begin + end for size, (begin, end) in zip(sizes, window.pads, strict=True)]
    parts = []
    for number, place in enumerate(np.ndindex(*kernel)):
        tap = taps[:, :, number]
        pads = []
        for axis, offset in enumerate(place):
            tap = spread(tap, axis + 2, window.strides[axis])
            begin = offset * window.dilations[axis]
            pads.append((begin, whole[axis] - begin - tap.shape[axis + 2]))
        parts.append(padded(tap, pads))
    return padded(sum_of(parts), [(-begin, -end) for begin, end in window.pads])
