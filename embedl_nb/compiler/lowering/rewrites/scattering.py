"""Writing by index: rows that are added, multiplied or kept as extremes where they meet, and masks.

litert-torch makes a STABLEHLO_SCATTER of all these, of which LiteRT's runtime runs only those that replace.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from embedl_nb.compiler.lowering.rewrites.segments import segment_reduce
from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_RUNTIME, WITH_TORCH, rewrite

__all__: list[str] = []

_SCATTER = "it becomes a STABLEHLO_SCATTER that LiteRT's runtime refuses to prepare"
_MASK = "litert-torch takes no mask that is computed"


@rewrite("index_add.default", reason=_SCATTER, seen_with=WITH_RUNTIME)
def _index_add(
    x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, *, alpha: float = 1
) -> torch.Tensor:
    return _index_reduce(x, dim, index, source if alpha == 1 else source * alpha, "sum")


@rewrite("index_reduce.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _index_reduce(
    x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, reduce: str, *, include_self: bool = True
) -> torch.Tensor:
    if x.dim() == 0:
        return _index_reduce(
            x[None], 0, index.reshape(1), source.reshape(1), reduce, include_self=include_self
        ).reshape(())
    rows, index = source.movedim(dim, 0), index.reshape(-1)
    return _reduced(x.movedim(dim, 0), index, rows, reduce, include_self=include_self).movedim(0, dim)


@rewrite("scatter_add.default", reason=_SCATTER, seen_with=WITH_RUNTIME)
def _scatter_add(x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    return _scatter_reduce(x, dim, index, source, "sum")


@rewrite("scatter_reduce.two", reason=_SCATTER, seen_with=WITH_RUNTIME)
def _scatter_reduce(
    x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, reduce: str, *, include_self: bool = True
) -> torch.Tensor:
    if x.dim() == 0:
        return _index_reduce(x, 0, index, source, reduce, include_self=include_self)
    rows = source[tuple(slice(size) for size in index.shape)].movedim(dim, 0)
    whole, index = x.movedim(dim, 0), index.movedim(dim, 0)
    if index.shape[1:] == whole.shape[1:] and _is_same_beside(index):
        index = index.reshape(index.shape[0], -1)[:, 0]
        return _reduced(whole, index, rows, reduce, include_self=include_self).movedim(0, dim)
    numbers = _flat_numbers([index, *_beside(index)], whole.shape)
    found = _reduced(whole.reshape(-1), numbers.reshape(-1), rows.reshape(-1), reduce, include_self=include_self)
    return found.reshape(whole.shape).movedim(0, dim)


@rewrite("scatter.reduce", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _scatter_with(x: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, *, reduce: str) -> torch.Tensor:
    return _scatter_reduce(x, dim, index, source, {"add": "sum", "multiply": "prod"}[reduce])


def _is_same_beside(index: torch.Tensor) -> bool:
    """Tell whether an index was expanded from one number for each row, as layers on graphs do it."""
    return all(size == 1 or stride == 0 for size, stride in zip(index.shape[1:], index.stride()[1:], strict=True))


def _beside(index: torch.Tensor) -> list[torch.Tensor]:
    """Return, for each axis but the first, the positions on it, shaped to broadcast with ``index``."""
    return [
        torch.arange(size).reshape([-1 if axis == other else 1 for other in range(index.dim())])
        for axis, size in enumerate(index.shape)
        if axis
    ]


def _flat_numbers(indices: Sequence[torch.Tensor], shape: Sequence[int]) -> torch.Tensor:
    """Return the positions that ``indices``, one for each axis of ``shape``, have in a flattened tensor."""
    total: Any = 0
    for index, size in zip(indices, shape, strict=True):
        total = total * size + index
    return torch.as_tensor(total)


def _reduced(
    x: torch.Tensor, numbers: torch.Tensor, rows: torch.Tensor, reduce: str, *, include_self: bool
) -> torch.Tensor:
    """Return ``x`` with each of ``rows`` reduced into the row of ``x`` that ``numbers`` names."""
    found = segment_reduce("sum" if reduce == "mean" else reduce, rows, numbers, x.shape[0])
    if reduce == "sum" and include_self:
        return x + found
    if reduce == "prod" and include_self:
        return x * found
    counts = segment_reduce("sum", torch.ones_like(numbers), numbers, x.shape[0])
    counts = counts.reshape(-1, *[1] * (x.dim() - 1))
    if reduce == "mean":
        total = x + found if include_self else found
        number = counts + 1 if include_self else torch.clamp(counts, min=1)
        found = torch.div(total, number.to(x.dtype), rounding_mode=None if x.is_floating_point() else "floor")
    elif include_self:
        found = (torch.maximum if reduce == "amax" else torch.minimum)(x, found)
    return torch.where(counts > 0, found, x)


@rewrite("index_put.default", reason=f"with accumulate {_SCATTER}; {_MASK}", seen_with=WITH_RUNTIME)
def _index_put(
    x: torch.Tensor, indices: Sequence[torch.Tensor | None], values: torch.Tensor, accumulate: bool = False
) -> Any:
    given = [index for index in indices if index is not None]
    if any(index.dtype in (torch.bool, torch.uint8) for index in given):
        return NotImplemented if accumulate or len(given) > 1 else _filled(x, indices, values)
    return _added(x, indices, values) if accumulate else NotImplemented


def _filled(x: torch.Tensor, indices: Sequence[torch.Tensor | None], values: torch.Tensor) -> Any:
    """Put the same values wherever the only index, a mask, is true; other values depend on how many are."""
    (axis,) = [axis for axis, index in enumerate(indices) if index is not None]
    mask: Any = indices[axis]
    num_after = x.dim() - axis - mask.dim()
    if values.dim() > num_after:
        places = values.shape[: values.dim() - num_after]
        if any(size != 1 for size in places):
            return NotImplemented
        values = values.reshape(values.shape[len(places) :])
    return torch.where(mask.reshape(*mask.shape, *[1] * num_after).bool(), values.to(x.dtype), x)


def _added(x: torch.Tensor, indices: Sequence[torch.Tensor | None], values: torch.Tensor) -> torch.Tensor:
    axes = [axis for axis, index in enumerate(indices) if index is not None]
    numbers = torch.broadcast_tensors(*(index for index in indices if index is not None))
    others = [axis for axis in range(x.dim()) if axis not in axes]
    order = [*axes, *others]
    # torch puts the axes of neighbouring indices in their place, and those of others first.
    is_together = axes == list(range(axes[0], axes[-1] + 1))
    num_before, num_index = axes[0] if is_together else 0, numbers[0].dim()
    around = [x.shape[axis] for axis in others]
    values = values.expand(*around[:num_before], *numbers[0].shape, *around[num_before:])
    values = values.movedim(list(range(num_before, num_before + num_index)), list(range(num_index)))
    sizes = [x.shape[axis] for axis in axes]
    counted = [torch.where(number < 0, number + size, number) for number, size in zip(numbers, sizes, strict=True)]
    whole = x.permute(order)
    found = _reduced(
        whole.reshape(math.prod(sizes), *around),
        _flat_numbers(counted, sizes).reshape(-1),
        values.reshape(-1, *around),
        "sum",
        include_self=True,
    )
    return found.reshape(whole.shape).permute([order.index(axis) for axis in range(x.dim())])


@rewrite("masked_scatter.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _masked_scatter(x: torch.Tensor, mask: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    x, mask = torch.broadcast_tensors(x, mask)
    order = torch.cumsum(mask.reshape(-1).to(torch.int32), 0) - 1
    places = torch.clamp(order, 0, source.numel() - 1)  # what the clamp changes is not taken
    return torch.where(mask, source.reshape(-1).index_select(0, places).reshape(x.shape), x)
