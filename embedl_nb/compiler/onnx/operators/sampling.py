"""Values at computed points of a picture or volume: GridSample, AffineGrid; shared with RoiAlign and DeformConv.

All of them look rows of channels up in one table, once for each corner of the cell that a point lies in: LiteRT has one
operator for that (EMBEDDING_LOOKUP), and none for the rest of it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import integers, refused
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static

    Shares = list[tuple[Tensor, Tensor | None]]

__all__ = ["blended", "channel_rows", "corners", "sum_of"]

_CUBIC = -0.75


@operator("AffineGrid", since=20)
def affine_grid(call: Call, theta: Tensor, size: Static) -> Tensor:
    """Return what ``theta`` makes of each place's coordinates (x first), shape (N, spatial axes, how many)."""
    lengths = integers(size)[2:]
    axes = []
    for length in lengths:
        steps = np.linspace(-1, 1, length) if call.get("align_corners", 0) else (np.arange(length) * 2 + 1) / length - 1
        axes.append(steps)
    mesh = np.meshgrid(*axes, indexing="ij")
    points = np.stack([*reversed(mesh), np.ones(lengths)], -1).reshape(-1, len(lengths) + 1)
    grid = torch.matmul(torch.from_numpy(points).to(theta.dtype), theta.transpose(1, 2))
    return grid.reshape(theta.shape[0], *lengths, len(lengths))


@operator("GridSample", since=16)
def grid_sample(call: Call, x: Tensor, grid: Tensor) -> Tensor:
    """Return ``x``, shape (N, C, spatial axes), at the points of ``grid`` (from -1 to 1, the last axis first)."""
    mode = call.get("mode", "linear").removeprefix("bi")
    border = call.get("padding_mode", "zeros")
    is_aligned = bool(call.get("align_corners", 0))
    lengths = list(x.shape[2:])
    points = []
    for axis, length in enumerate(lengths):
        place = grid[..., len(lengths) - 1 - axis].reshape(x.shape[0], -1)
        place = (place + 1) * ((length - 1) / 2) if is_aligned else ((place + 1) * length - 1) / 2
        if mode != "cubic":
            place = _within(place, length, border, is_aligned=is_aligned)
        points.append(place)
    shares = [
        _shares(call, place, length, mode, border, is_aligned=is_aligned)
        for place, length in zip(points, lengths, strict=True)
    ]
    parts = blended(channel_rows(x), shares, lengths, torch.arange(x.shape[0]), is_zero_outside=border == "zeros")
    return sum_of(parts).transpose(1, 2).reshape(*x.shape[:2], *grid.shape[1:-1])


def _within(place: Tensor, length: int, border: str, *, is_aligned: bool) -> Tensor:
    """Bring coordinates beyond the borders back, by mirroring or to the border itself."""
    if border == "zeros":
        return place
    if border == "reflection":
        low, span = (0.0, length - 1.0) if is_aligned else (-0.5, float(length))
        if span == 0:
            return torch.zeros_like(place)
        distance = (place - low).abs()
        turns = torch.floor(distance / span)
        rest = distance - turns * span
        is_even = turns - torch.floor(turns * 0.5) * 2 == 0
        place = torch.where(is_even, rest, span - rest) + low
    return place.clamp(0, length - 1)


def _shares(call: Call, point: Tensor, length: int, mode: str, border: str, *, is_aligned: bool) -> Shares:
    if mode == "nearest":
        return [(torch.round(point), None)]
    if mode == "linear":
        return corners(point)
    if mode != "cubic":
        raise refused(call, f"mode {mode!r} is not one of ONNX's", hint="use linear, nearest or cubic")
    return [(_within(place, length, border, is_aligned=is_aligned), share) for place, share in _cubic(point)]


def sum_of(parts: list[Tensor]) -> Tensor:
    """Add tensors up; there is at least one."""
    first, *others = parts
    for part in others:
        first = first + part
    return first


def corners(point: Tensor) -> Shares:
    """Return the whole coordinates before and after, each with its share of the value between them."""
    low = torch.floor(point)
    share = point - low
    return [(low, 1 - share), (low + 1, share)]


def _cubic(point: Tensor) -> Shares:
    low = torch.floor(point)
    share = point - low
    distances = (share + 1, share, 1 - share, 2 - share)
    a = _CUBIC
    result: Shares = []
    for offset, distance in zip((-1, 0, 1, 2), distances, strict=True):
        if offset in (0, 1):
            weight = ((a + 2) * distance - (a + 3)) * distance * distance + 1
        else:
            weight = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        result.append((low + offset, weight))
    return result


def channel_rows(x: Tensor) -> Tensor:
    """Return rows of channels, shape (N * spatial places, C)."""
    return x.flatten(2).transpose(1, 2).reshape(-1, x.shape[1])


def blended(
    table: Tensor, axes: list[Shares], lengths: list[int], images: Tensor, *, is_zero_outside: bool
) -> list[Tensor]:
    """Return what each corner adds to the values at the points, shape (K, P, C).

    Parameters
    ----------
    table
        From :func:`channel_rows`.
    axes
        For each axis its corners: whole coordinates, shape (K, P), and their shares.
    lengths
        Of the axes.
    images
        Which of the pictures each row of points lies in, shape (K,).
    is_zero_outside
        Whether there are zeros outside, or what the border has.
    """
    parts = []
    for corner in itertools.product(*axes):
        is_inside: Tensor | None = None
        row = images.to(torch.int32).unsqueeze(1)
        for (place, _), length in zip(corner, lengths, strict=True):
            if is_zero_outside:
                here = (place >= 0) & (place <= length - 1)
                is_inside = here if is_inside is None else is_inside & here
            row = row * length + place.clamp(0, length - 1).to(torch.int32)
        values = F.embedding(row, table)
        weights = [share for _, share in corner if share is not None]
        if is_inside is not None:
            weights.append(is_inside.to(values.dtype))
        for weight in weights[1:]:
            weights[0] = weights[0] * weight
        parts.append(values * weights[0].unsqueeze(-1) if weights else values)
    return parts
