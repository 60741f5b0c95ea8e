"""Which of the sorted boundaries a value lies between: compare it with each, and count."""

from __future__ import annotations

import torch

from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_TORCH, rewrite

__all__: list[str] = []


@rewrite("bucketize.Tensor", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _bucketize(
    x: torch.Tensor, boundaries: torch.Tensor, *, out_int32: bool = False, right: bool = False
) -> torch.Tensor:
    return _counted(x, boundaries, out_int32=out_int32, right=right)


@rewrite("searchsorted.Tensor", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _searchsorted(
    boundaries: torch.Tensor,
    x: torch.Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: torch.Tensor | None = None,
) -> torch.Tensor:
    if sorter is not None:
        boundaries = torch.gather(boundaries, -1, sorter)
    if boundaries.dim() > 1:
        boundaries = boundaries.unsqueeze(-2)
    return _counted(x, boundaries, out_int32=out_int32, right=right or side == "right")


def _counted(x: torch.Tensor, boundaries: torch.Tensor, *, out_int32: bool, right: bool) -> torch.Tensor:
    # "not beyond x", rather than "before x", so that NaN comes after all of them as it does in torch.
    beyond = boundaries > x.unsqueeze(-1) if right else boundaries >= x.unsqueeze(-1)
    return torch.sum(~beyond, dim=-1, dtype=torch.int32 if out_int32 else torch.int64)
