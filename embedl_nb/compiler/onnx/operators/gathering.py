"""Operators that look values up: Gather, GatherElements, GatherND, ArrayFeatureExtractor, Compress.

Indices that are known become slices where they are evenly spaced. Those that are not known become as few operators as
LiteRT has for them: one lookup in a table of rows, one gather else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from embedl_nb.compiler.onnx.operators.arguments import positive_axis
from embedl_nb.compiler.onnx.operators.slicing import cut
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static

__all__ = ["flat_places", "taken"]


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
    return x.reshape(-1)[flat_places(x, indices, axis)]


def flat_places(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """Return where, in all of ``x`` laid out in a row, each of ``indices`` along ``axis`` points."""
    length = x.shape[axis]
    indices = torch.where(indices < 0, indices + length, indices)
    strides = [int(np.prod(x.shape[place + 1 :])) for place in range(x.ndim)]
    rest = np.zeros((1,) * x.ndim, np.int64)
    for place, size in enumerate(indices.shape):
        if place != axis:
            sizes = [1] * x.ndim
            sizes[place] = size
            rest = rest + (np.arange(size) * strides[place]).reshape(sizes)
    return indices * strides[axis] + torch.from_numpy(rest).to(indices.dtype)


@operator("GatherND", since=11)
def gather_nd(call: Call, x: Tensor, indices: Tensor) -> Tensor:
    """Look up what each row of ``indices`` points to; the first ``batch_dims`` axes are walked side by side."""
    batch, depth = call.get("batch_dims", 0), indices.shape[-1]
    picks: list[Tensor] = []
    for place in range(batch):
        sizes = [1] * (indices.ndim - 1)
        sizes[place] = x.shape[place]
        picks.append(torch.arange(x.shape[place]).to(indices.dtype).reshape(sizes))
    picks += [indices[..., place] for place in range(depth)]
    return x[tuple(picks)]


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
