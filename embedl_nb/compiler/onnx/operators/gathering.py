"""Operators that look values up: Gather, GatherElements, GatherND, ArrayFeatureExtractor, Compress.

Indices that are known become slices where they are evenly spaced. Those that are not known become as few operators as
LiteRT has for them: one lookup in a table of rows, one gather else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import positive_axis
from embedl_nb.compiler.onnx.operators.slicing import cut
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static

__all__ = ["flat_places", "from_the_front", "row_numbers", "taken"]


@operator("Gather")
def gather(call: Call, x: Tensor, indices: Known) -> Tensor:
    """Replace ``axis`` by the axes of ``indices``.

    Floats looked up in a table of rows by unknown indices (an embedding) become one operator, which stops at an index
    below 0; everywhere else those count from the end.
    """
    axis = positive_axis(call.get("axis", 0), x.ndim)
    if isinstance(indices, np.ndarray):
        sizes = [*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]]
        return taken(x, axis, indices).reshape(sizes)
    if x.ndim == 2 and axis == 0 and x.is_floating_point() and indices.ndim:
        return F.embedding(indices, x)
    return x[(*(slice(None),) * axis, indices)]


def taken(x: Tensor, axis: int, indices: Static) -> Tensor:
    """Return what stands at known ``indices`` along ``axis``: a slice where they are evenly spaced."""
    places = indices.reshape(-1) % max(x.shape[axis], 1)
    if len(places) == 0:
        return x.narrow(axis, 0, 0)
    steps = np.unique(np.diff(places))
    if len(places) == 1 or (len(steps) == 1 and steps[0]):
        step = 1 if len(places) == 1 else int(steps[0])
        end = int(places[-1]) + (1 if step > 0 else -1)
        return cut(x, axis, slice(int(places[0]), None if end < 0 else end, step))
    return x.index_select(axis, torch.from_numpy(places))


@operator("GatherElements", since=11)
def gather_elements(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Look one value up for each index, along ``axis`` and at the index's own place on the others."""
    axis = positive_axis(call.get("axis", 0), x.ndim)
    places = from_the_front(indices, x.shape[axis])
    stride, rest = flat_places(list(x.shape), list(indices.shape), axis)
    return _rows_at(x.reshape(-1, 1), places * stride + torch.from_numpy(rest).to(places.dtype)).squeeze(-1)


def from_the_front(indices: Tensor, length: int) -> Tensor:
    """Count indices below 0 from the end."""
    return torch.where(indices < 0, indices + length, indices)


def flat_places(sizes: list[int], index_sizes: list[int], axis: int) -> tuple[int, Static]:
    """Return how index i along ``axis`` of a tensor of ``sizes`` is found in all of it laid out in a row.

    That is at i * the first result + the second one, which has the indices' own places on the other axes.
    """
    strides = [int(np.prod(sizes[place + 1 :])) for place in range(len(sizes))]
    rest = np.zeros([1] * len(sizes), np.int64)
    for place, size in enumerate(index_sizes):
        if place != axis:
            steps = [1] * len(sizes)
            steps[place] = size
            rest = rest + (np.arange(size) * strides[place]).reshape(steps)
    return strides[axis], rest


def _rows_at(rows: Tensor, places: Tensor) -> Tensor:
    """Look rows up at places that are not below 0."""
    return F.embedding(places, rows) if rows.is_floating_point() else rows[places]


@operator("GatherND", since=11)
def gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Look up what each row of ``indices`` points to; the first ``batch_dims`` axes are walked side by side."""
    batch, depth = call.get("batch_dims", 0), indices.shape[-1]
    places = row_numbers(indices, list(x.shape[batch : batch + depth]))
    count = int(np.prod(x.shape[batch : batch + depth]))
    walked = np.arange(int(np.prod(x.shape[:batch]))) * count
    steps = [*x.shape[:batch], *[1] * (places.ndim - batch)]
    places = places + torch.from_numpy(walked.reshape(steps)).to(places.dtype)
    rest = x.shape[batch + depth :]
    return _rows_at(x.reshape(-1, int(np.prod(rest))), places).reshape(*indices.shape[:-1], *rest)


def row_numbers(indices: Tensor, sizes: list[int]) -> Tensor:
    """Return where each row of indices, one for each axis of ``sizes``, points to in these axes laid out in a row."""
    first, *others = (from_the_front(indices[..., axis], size) for axis, size in enumerate(sizes))
    for place, size in zip(others, sizes[1:], strict=True):
        first = first * size + place
    return first


@operator("ArrayFeatureExtractor", domain="ai.onnx.ml")
def array_feature_extractor(call: Call, x: Tensor, indices: Known) -> Tensor:
    """Take ``indices`` along the last axis."""
    x = x.reshape(1, -1) if x.ndim == 1 else x
    if isinstance(indices, np.ndarray):
        return taken(x, x.ndim - 1, indices)
    return x[..., indices.reshape(-1)]


@operator("Compress", since=9)
def compress(call: Call, x: Tensor, condition: Static) -> Tensor:
    """Keep where ``condition``, which must be known, is true: along ``axis``, or of all values in a row."""
    kept = np.flatnonzero(condition)
    if "axis" not in call.attributes:
        return taken(x.reshape(-1), 0, kept)
    return taken(x, positive_axis(call.attributes["axis"], x.ndim), kept)
