"""Operators that change a tensor's shape and no value: Reshape, Transpose, Squeeze, Expand, Tile, Concat and their kin.

Shape and Size answer with numpy arrays, so that the arithmetic a model does on its own shapes is done while it is
imported.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from embedl_nb.compiler.onnx.open_sizes import size_array
from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axes, positive_axis
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static


@operator("Shape")
def shape(call: Call, x: Tensor) -> Static:
    """Return the sizes of the axes from ``start`` to ``end``."""
    return size_array(x.shape[call.get("start", 0) : call.get("end", x.ndim)])


@operator("Size")
def size(call: Call, x: Tensor) -> Static:
    return size_array([x.numel()]).reshape(())


@operator("Reshape")
def reshape_by_attribute(call: Call, x: Tensor) -> Tensor:
    return _reshaped(x, call.attributes["shape"], keeps_zeros=False)


@operator("Reshape", since=5)
def reshape(call: Call, x: Tensor, sizes: Static) -> Tensor:
    return _reshaped(x, sizes, keeps_zeros=bool(call.get("allowzero", 0)))


def _reshaped(x: Tensor, sizes: Static | list[int], *, keeps_zeros: bool) -> Tensor:
    wanted = integers(sizes)
    if not keeps_zeros:
        wanted = [x.shape[index] if length == 0 else length for index, length in enumerate(wanted)]
    if -1 in wanted and x.numel() == 0:  # torch cannot tell what -1 stands for beside a 0
        wanted[wanted.index(-1)] = 0
    return x.reshape(wanted)


@operator("Flatten")
def flatten(call: Call, x: Tensor) -> Tensor:
    axis = positive_axis(call.get("axis", 1), x.ndim)
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Squeeze")
def squeeze_by_attribute(call: Call, x: Tensor) -> Tensor:
    return _squeezed(x, call.get("axes"))


@operator("Squeeze", since=13)
def squeeze(call: Call, x: Tensor, axes: Static | None = None) -> Tensor:
    return _squeezed(x, axes)


def _squeezed(x: Tensor, axes: Static | list[int] | None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(positive_axes(axes, x.ndim)))


@operator("Unsqueeze")
def unsqueeze_by_attribute(call: Call, x: Tensor) -> Tensor:
    return _unsqueezed(x, call.attributes["axes"])


@operator("Unsqueeze", since=13)
def unsqueeze(call: Call, x: Tensor, axes: Static) -> Tensor:
    return _unsqueezed(x, axes)


def _unsqueezed(x: Tensor, axes: Static | list[int]) -> Tensor:
    axes = np.atleast_1d(axes)
    sizes = list(x.shape)
    for axis in sorted(positive_axes(axes, x.ndim + len(axes))):
        sizes.insert(axis, 1)
    return x.reshape(sizes)


@operator("Transpose")
def transpose(call: Call, x: Tensor) -> Tensor:
    return x.permute(call.get("perm", list(range(x.ndim))[::-1]))


@operator("Expand", since=8)
def expand(call: Call, x: Tensor, sizes: Static) -> Tensor:
    """Broadcast both ways: a 1 in ``sizes`` keeps the length that the tensor has."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(integers(sizes))))


@operator("Tile")
def tile_one_axis(call: Call, x: Tensor, tiles: Static, axis: Static) -> Tensor:
    repeats = [1] * x.ndim
    repeats[positive_axis(axis.item(), x.ndim)] = int(tiles.item())
    return x.repeat(repeats)


@operator("Tile", since=6)
def tile(call: Call, x: Tensor, repeats: Static) -> Tensor:
    return x.repeat(integers(repeats))


@operator("Concat")
def concat(call: Call, *inputs: Tensor) -> Tensor:
    """Join along ``axis``, which had 1 as default before opset 4."""
    return torch.cat(inputs, call.get("axis", 1))
