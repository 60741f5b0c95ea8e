"""Turning a tensor round along several axes: one REVERSE_V2 takes one axis."""

from __future__ import annotations

from typing import Any

import torch

from embedl_nb.compiler.lowering.rewrites.table import rewrite

__all__: list[str] = []


@rewrite(
    "flip.default",
    reason="it becomes a REVERSE_V2 of several axes, which LiteRT's runtime refuses when it runs",
    seen_with="litert-torch 0.10.0, ai-edge-litert 2.3.0",
)
def _flip(x: torch.Tensor, dims: list[int]) -> Any:
    if len(dims) == 1:
        return NotImplemented
    for dim in dims:
        x = torch.flip(x, [dim])
    return x if dims else x.clone()
