"""Operators that put values into a tensor: ScatterElements, ScatterND, Scatter, TensorScatter.

Where the places are known, the result is put together from slices of both tensors. Where they are not, LiteRT can
overwrite (STABLEHLO_SCATTER), but not add, multiply or compare into what is there: each update is then compared with
every place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from embedl_nb.compiler.onnx.operators.arguments import positive_axis, refused
from embedl_nb.compiler.onnx.operators.gathering import flat_places, from_the_front, row_numbers
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static

_FEW_RUNS = 16


@operator("Scatter", since=9)
@operator("ScatterElements", since=11)
def scatter_elements(call: Call, x: Tensor, indices: Known, updates: Tensor) -> Tensor:
    """Put each update where its index points to along ``axis``, at its own place on the other axes."""
    axis = positive_axis(call.get("axis", 0), x.ndim)
    length = x.shape[axis]
    stride, rest = flat_places(list(x.shape), list(indices.shape), axis)
    if isinstance(indices, np.ndarray):
        places = indices % length * stride + rest
    else:
        places = from_the_front(indices, length) * stride + torch.from_numpy(rest).to(indices.dtype)
    return _put(call, x.reshape(-1, 1), places.reshape(-1), updates.reshape(-1, 1)).reshape(x.shape)


@operator("ScatterND", since=11)
def scatter_nd(call: Call, x: Tensor, indices: Known, updates: Tensor) -> Tensor:
    """Put each slice of ``updates`` where a row of ``indices`` points to, on the first axes of ``x``."""
    depth = indices.shape[-1]
    sizes = list(x.shape[:depth])
    if isinstance(indices, np.ndarray):
        places = np.ravel_multi_index(tuple(np.moveaxis(indices % sizes, -1, 0)), sizes)
    else:
        places = row_numbers(indices, sizes)
    length = int(np.prod(x.shape[depth:]))
    rows = x.reshape(-1, length)
    return _put(call, rows, places.reshape(-1), updates.reshape(-1, length)).reshape(x.shape)


def _put(call: Call, rows: Tensor, places: Known, updates: Tensor) -> Tensor:
    """Put ``updates``, shape (K, length), at ``places`` (K) of ``rows``, shape (count, length)."""
    reduction = call.get("reduction", "none")
    if updates.numel() == 0:
        return rows
    if reduction == "none":
        if isinstance(places, np.ndarray):
            return _merged(rows, places, updates)
        return rows.index_put((places,), updates)
    if isinstance(places, np.ndarray):
        places = torch.from_numpy(places)
    is_here = places.unsqueeze(1) == torch.arange(rows.shape[0]).to(places.dtype)
    if reduction == "add":
        if rows.is_floating_point():
            return rows + torch.matmul(is_here.to(rows.dtype).T, updates)
        return rows + torch.where(is_here.unsqueeze(-1), updates.unsqueeze(1), 0).sum(0).to(rows.dtype)
    every = torch.where(is_here.unsqueeze(-1), updates.unsqueeze(1), _neutral(call, reduction, rows))
    if reduction == "mul":
        for update in every:  # LiteRT has no product of floats along an axis that torch's becomes
            rows = rows * update
        return rows
    return torch.maximum(rows, every.amax(0)) if reduction == "max" else torch.minimum(rows, every.amin(0))


def _neutral(call: Call, reduction: str, rows: Tensor) -> float | int:
    if reduction == "mul":
        return 1
    if reduction not in ("max", "min"):
        raise refused(call, f"reduction {reduction!r} is not one of ONNX's", hint="use none, add, mul, max or min")
    limits = torch.finfo(rows.dtype) if rows.is_floating_point() else torch.iinfo(rows.dtype)
    least, most = (-torch.inf, torch.inf) if rows.is_floating_point() else (int(limits.min), int(limits.max))
    return least if reduction == "max" else most


def _merged(rows: Tensor, places: Static, updates: Tensor) -> Tensor:
    """Overwrite rows at known places; of two updates of a row, the later one stays."""
    sources = np.arange(rows.shape[0])
    sources[places] = rows.shape[0] + np.arange(len(places))
    starts = np.flatnonzero(np.diff(sources, prepend=-2) != 1)
    if len(starts) > _FEW_RUNS:
        return torch.cat([rows, updates]).index_select(0, torch.from_numpy(sources))
    parts = []
    for start, end in zip(starts, [*starts[1:], len(sources)], strict=True):
        tensor, offset = (rows, 0) if sources[start] < rows.shape[0] else (updates, rows.shape[0])
        parts.append(tensor.narrow(0, int(sources[start]) - offset, int(end - start)))
    return torch.cat(parts)


@operator("TensorScatter", since=24)
def tensor_scatter(call: Call, x: Tensor, updates: Tensor, begins: Tensor | None = None) -> Tensor:
    """Write ``updates`` into a cache along ``axis``, for each of the batch from its own place on."""
    axis = positive_axis(call.get("axis", -2), x.ndim)
    batch, length, count = x.shape[0], x.shape[axis], updates.shape[axis]
    if begins is None:
        begins = torch.zeros(batch, dtype=torch.int64)
    places = begins.reshape(-1, 1) + torch.arange(count).to(begins.dtype)
    if call.get("mode", "linear") == "circular":
        places = places % length
    places = places + (torch.arange(batch) * length).to(begins.dtype).reshape(-1, 1)
    wide, new = x.movedim(axis, 1), updates.movedim(axis, 1)
    rows = wide.reshape(batch * length, -1).index_put((places.reshape(-1),), new.reshape(batch * count, -1))
    return rows.reshape(wide.shape).movedim(1, axis)
