"""ONNX reductions over axes, and the place of the largest or smallest value; axes are an attribute, later an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arithmetic import divided
from embedl_nb.compiler.onnx.operators.dtypes import in_wider_integers, with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Static

    _Reduce = Callable[[Tensor, list[int], bool], Tensor]


def _axes(call: Call, x: Tensor, axes: Any) -> list[int] | None:
    """Return the axes to reduce, not negative and in order; None where nothing is to be reduced."""
    given = call.get("axes") if axes is None else [int(axis) for axis in axes.reshape(-1)]
    if given:
        return sorted({axis % x.ndim for axis in given})
    return None if call.get("noop_with_empty_axes") else list(range(x.ndim))


def _enter(name: str, function: _Reduce) -> None:
    @operator(name)
    def reduce(call: Call, x: Tensor, axes: Static | None = None) -> Tensor:
        dims, keep = _axes(call, x, axes), bool(call.get("keepdims", 1))
        if dims is None or x.ndim == 0:
            return with_dtype(lambda wide: function(wide[None], [0], False), x)
        return with_dtype(lambda wide: function(wide, dims, keep), x)


def _sum(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return torch.sum(x, axes, keepdim=keep)


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    if x.dtype.is_floating_point:
        return torch.mean(x, axes, keepdim=keep)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    total = torch.sum(x, axes, keepdim=keep)
    return divided(total, torch.full_like(total, count))


def _prod(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in reversed(axes):
        x = torch.prod(x, axis, keepdim=keep)
    return x


def _extreme(function: Callable[..., Tensor], sign: int) -> _Reduce:
    def extreme(x: Tensor, axes: list[int], keep: bool) -> Tensor:
        if not all(x.shape[axis] for axis in axes):
            shape = [1 if axis in axes else size for axis, size in enumerate(x.shape) if keep or axis not in axes]
            return torch.full(shape, _limit(x.dtype, sign), dtype=x.dtype)
        if x.dtype == torch.bool:
            return function(x.to(torch.int32), axes, keep).to(torch.bool)
        return function(x, axes, keep)

    return extreme


def _limit(dtype: torch.dtype, sign: int) -> float:
    """Return what the largest (sign 1) or smallest (-1) of no values is: the other end of the type."""
    if dtype.is_floating_point:
        return -sign * float("inf")
    if dtype == torch.bool:
        return sign < 0
    limits = torch.iinfo(dtype)
    return int(limits.min if sign > 0 else limits.max)


for _name, _function in {
    "ReduceL1": lambda x, axes, keep: _sum(x.abs(), axes, keep),
    "ReduceL2": lambda x, axes, keep: _root(_sum(x * x, axes, keep)),
    "ReduceLogSum": lambda x, axes, keep: torch.log(_sum(x, axes, keep)),
    "ReduceLogSumExp": lambda x, axes, keep: torch.logsumexp(x, axes, keepdim=keep),
    "ReduceMax": _extreme(torch.amax, 1),
    "ReduceMean": _mean,
    "ReduceMin": _extreme(torch.amin, -1),
    "ReduceProd": _prod,
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes, keep: _sum(x * x, axes, keep),
}.items():
    _enter(_name, _function)


def _root(x: Tensor) -> Tensor:
    return torch.sqrt(x if x.dtype.is_floating_point else x.to(torch.float32))


def _place(name: str, function: Callable[..., Tensor]) -> None:
    @operator(name)
    def place(call: Call, x: Tensor) -> Tensor:
        axis, keep = call.get("axis", 0) % max(x.ndim, 1), bool(call.get("keepdims", 1))
        if not call.get("select_last_index"):
            return in_wider_integers(lambda wide: function(wide, axis, keepdim=keep), x)
        last = in_wider_integers(lambda wide: function(wide.flip(axis), axis, keepdim=keep), x)
        return x.shape[axis] - 1 - last


for _name, _function in {"ArgMax": torch.argmax, "ArgMin": torch.argmin}.items():
    _place(_name, _function)
