"""Operators that become others before a program with open sizes is lowered: a table for ``run_decompositions``.

torch and litert-torch fold axes into one for a product of matrices or a lookup, and unfold them. RESHAPE finds one size
by itself; two that are open have to be computed. LiteRT's own operators need neither. Runs in the child only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["decompositions"]


@torch.library.custom_op("embedl_nb::product", mutates_args=())  # type: ignore[untyped-decorator]  # torch is not typed here
def product(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Multiply matrices, the axes before the last two broadcast; both have at least two."""
    return torch.matmul(x, y)


@product.register_fake  # type: ignore[untyped-decorator]
def _(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return x.new_empty((*torch.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1]))


@torch.library.custom_op("embedl_nb::rows", mutates_args=())  # type: ignore[untyped-decorator]
def rows(table: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Look rows up, one for each of ``places``."""
    return table[places]


@rows.register_fake  # type: ignore[untyped-decorator]
def _(table: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return table.new_empty((*places.shape, *table.shape[1:]))


@torch.library.custom_op("embedl_nb::steps", mutates_args=())  # type: ignore[untyped-decorator]
def steps(start: int, end: int, step: int) -> torch.Tensor:
    """Count from ``start`` to before ``end``: litert-torch compares the bounds of an arange with numbers."""
    return torch.arange(start, end, step)


@steps.register_fake  # type: ignore[untyped-decorator]
def _(start: int, end: int, step: int) -> torch.Tensor:
    return torch.empty(((end - start + step - 1) // step,), dtype=torch.int64)


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Return what stands in the place of operators in a program with open sizes."""
    aten = torch.ops.aten
    return {
        aten.arange.default: lambda end, **options: _arange(0, end, **options),
        aten.arange.start: _arange,
        aten.arange.start_step: _arange,
        aten.embedding.default: _embedding,
        aten.linear.default: _linear,
        aten.matmul.default: _matmul,
        aten.scaled_dot_product_attention.default: _attention,
    }


def _arange(start: Any, end: Any, step: Any = 1, *, dtype: torch.dtype | None = None, **_: Any) -> Any:
    bounds = (start, end, step)
    if not any(isinstance(bound, torch.SymInt) for bound in bounds) or any(
        isinstance(bound, float) for bound in bounds
    ):
        return NotImplemented
    return steps(*bounds).to(dtype or torch.int64)


def _embedding(weight: torch.Tensor, indices: torch.Tensor, *_: Any) -> torch.Tensor:
    found: torch.Tensor = rows(weight, indices)
    return found


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    result = _matmul(x, weight.t())
    return result if bias is None else result + bias


def _matmul(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if x.dim() == 1:
        return _matmul(x.unsqueeze(0), y).squeeze(-2)
    if y.dim() == 1:
        return _matmul(x, y.unsqueeze(1)).squeeze(-1)
    result: torch.Tensor = product(x, y)
    return result


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001 - a compiled model drops nothing
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (each.repeat_interleave(repeats, -3) for each in (key, value))
    scores = _matmul(query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale), key.transpose(-2, -1))
    if is_causal:
        asking, asked = (torch.arange(each.shape[-2]) for each in (query, key))
        scores = torch.where(asked <= asking.unsqueeze(-1), scores, -math.inf)
    if attn_mask is not None:
        is_kept = attn_mask.dtype is torch.bool
        scores = torch.where(attn_mask, scores, -math.inf) if is_kept else scores + attn_mask
    return _matmul(torch.softmax(scores, -1), value)
