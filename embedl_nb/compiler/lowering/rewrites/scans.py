"""Running products and extremes, by doubling: after step ``s`` each element covers the ``2 * s`` elements before it.

That takes a logarithm of the length in steps of one PAD, one SLICE and one or two element-wise operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_TORCH, rewrite

__all__: list[str] = []

_Pair = tuple[torch.Tensor, torch.Tensor]


def _steps(length: int) -> Iterator[int]:
    step = 1
    while step < length:
        yield step
        step *= 2


def _delayed(x: torch.Tensor, step: int, fill: float) -> torch.Tensor:
    """Move ``x`` by ``step`` along its last axis, with ``fill`` before its beginning."""
    return F.pad(x[..., : x.shape[-1] - step], (step, 0), value=fill)


@rewrite("cumprod.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _cumprod(x: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> torch.Tensor:
    if dtype is None:
        dtype = x.dtype if x.is_floating_point() else torch.int64
    x = x.to(dtype)
    if x.dim() == 0:
        return x.clone()
    x = x.movedim(dim, -1)
    for step in _steps(x.shape[-1]):
        x = x * _delayed(x, step, 1)
    return x.movedim(-1, dim)


@rewrite("cummax.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _cummax(x: torch.Tensor, dim: int) -> _Pair:
    return _running(x, dim, torch.gt)


@rewrite("cummin.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _cummin(x: torch.Tensor, dim: int) -> _Pair:
    return _running(x, dim, torch.lt)


def _running(x: torch.Tensor, dim: int, is_better: Callable[..., torch.Tensor]) -> _Pair:
    """Return the best value so far and its index; of equal ones torch names the last."""
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    values = x.movedim(dim, -1)
    length = values.shape[-1]
    indices = torch.arange(length).expand(values.shape)
    for step in _steps(length):
        # Before the beginning each element stands for itself, so that nothing there is ever better.
        earlier = torch.cat([values[..., :step], values[..., : length - step]], dim=-1)
        earlier_indices = torch.cat([indices[..., :step], indices[..., : length - step]], dim=-1)
        better = is_better(earlier, values)
        indices = torch.where(better, earlier_indices, indices)
        values = torch.where(better, earlier, values)
    return values.movedim(-1, dim), indices.movedim(-1, dim)
