"""Sorting and its kin, all by one TOPK_V2.

LiteRT's TOPK_V2 works on the last axis, gives the largest first and, of equal ones, the one that stands first. So
sorting is asking for all of them, and the smallest first are the largest of a key that turns the order round.
"""

from __future__ import annotations

from typing import Any

import torch

from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_RUNTIME, WITH_TORCH, rewrite

__all__: list[str] = []

_Pair = tuple[torch.Tensor, torch.Tensor]
_SORT = "it becomes a STABLEHLO_SORT, which LiteRT's runtime does not have, or one that the converter refuses"
_SMALL_INTEGERS = (torch.bool, torch.uint8, torch.int8, torch.int16)


def first_in_order(x: torch.Tensor, k: int, dim: int, *, descending: bool) -> _Pair:
    """Return the first ``k`` values of ``x`` along ``dim`` in sorted order, and their indices (int64).

    Of equal values the one with the lower index comes first.
    """
    if x.dim() == 0:
        return x.clone(), torch.zeros_like(x, dtype=torch.int64)
    wide = x.to(_key_dtype(x.dtype)).movedim(dim, -1).contiguous()
    keys, indices = torch.ops.tfl.topk_v2.default(wide if descending else _turned(wide), k)
    values = keys if descending else _turned(keys)
    return values.to(x.dtype).movedim(-1, dim), indices.to(torch.int64).movedim(-1, dim)


def _key_dtype(dtype: torch.dtype) -> torch.dtype:
    if dtype in _SMALL_INTEGERS:
        return torch.int32
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def _turned(x: torch.Tensor) -> torch.Tensor:
    """Turn the order of values round, exactly: the negative of the smallest integer would not fit its type."""
    return -x if x.is_floating_point() else -x - 1  # "-1 - x" may become "x + 1": the converter swaps them


@rewrite("topk.default", reason=f"where only the values are used {_SORT}", seen_with=WITH_RUNTIME)
def _topk(
    x: torch.Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,  # noqa: A002, ARG001 - TOPK_V2 always sorts
) -> _Pair:
    return first_in_order(x, k, dim, descending=largest)


@rewrite("sort.default", reason=_SORT, seen_with=WITH_RUNTIME)
def _sort(x: torch.Tensor, dim: int = -1, descending: bool = False) -> _Pair:
    return first_in_order(x, x.shape[dim] if x.dim() else 1, dim, descending=descending)


@rewrite("sort.stable", reason=_SORT, seen_with=WITH_RUNTIME)
def _sort_stable(
    x: torch.Tensor,
    *,
    stable: bool | None,  # noqa: ARG001 - every order here is
    dim: int = -1,
    descending: bool = False,
) -> _Pair:
    return _sort(x, dim, descending)


@rewrite("kthvalue.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _kthvalue(x: torch.Tensor, k: int, dim: int = -1, keepdim: bool = False) -> _Pair:
    if x.dim() == 0:
        return first_in_order(x, 1, 0, descending=False)
    found = first_in_order(x, k, dim, descending=False)
    values, indices = (part.narrow(dim, k - 1, 1) for part in found)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


@rewrite("median.dim", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _median_dim(x: torch.Tensor, dim: int, keepdim: bool = False) -> _Pair:
    return _kthvalue(x, (x.shape[dim] + 1) // 2 if x.dim() else 1, dim, keepdim)


@rewrite("median.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _median(x: torch.Tensor) -> Any:
    return _median_dim(x.reshape(-1), 0)[0]
