"""Operators over axes: sums and their kin, norms, softmax, products of matrices, lookups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from litert_converter.mlir import ir

from embedl_nb.compiler.lowering.open_sizes.carrier import (
    OPEN,
    carried,
    constant,
    converted,
    flag,
    gathered,
    one_size,
    result_type,
)
from embedl_nb.compiler.lowering.open_sizes.decompositions import product, rows
from embedl_nb.compiler.lowering.open_sizes.elements import binary
from embedl_nb.compiler.lowering.open_sizes.shapes import reshaped
from embedl_nb.compiler.lowering.open_sizes.table import lowers

__all__: list[str] = []

_REDUCTIONS = {
    "amax.default": "reduce_max",
    "amin.default": "reduce_min",
    "mean.default": "mean",
    "mean.dim": "mean",
    "sum.dim_IntList": "sum",
    "prod.dim_int": "reduce_prod",
}


def _reduced(name: str, x: Any, dims: Sequence[int], *, keepdim: bool) -> Any:
    rank = len(x.type.shape)
    gone = {dim % rank for dim in dims} or set(range(rank))
    shape = [1 if place in gone else size for place, size in enumerate(x.type.shape) if keepdim or place not in gone]
    return carried(name, result_type(shape, x), [x, constant(sorted(gone))], keep_dims=flag(keepdim))


def _enter(target: str, name: str) -> None:
    @lowers(target)
    def lower(node: torch.fx.Node, x: Any, dims: Any = (), keepdim: bool = False, **_: Any) -> Any:
        x = converted(x, node.meta["val"].dtype)
        return _reduced(name, x, [dims] if isinstance(dims, int) else dims or (), keepdim=keepdim)


for _target, _name in _REDUCTIONS.items():
    _enter(_target, _name)


@lowers("linalg_vector_norm.default")
def _vector_norm(
    _node: torch.fx.Node, x: Any, order: float = 2, dims: Sequence[int] | None = None, keepdim: bool = False, **_: Any
) -> Any:
    if order == 2:
        summed = _reduced("sum", binary("mul", x, x), dims or (), keepdim=keepdim)
        return carried("sqrt", summed.type, [summed])
    if order not in (1, math.inf):
        raise NotImplementedError(f"a norm of order {order} with an open size")
    return _reduced("sum" if order == 1 else "reduce_max", carried("abs", x.type, [x]), dims or (), keepdim=keepdim)


@lowers("native_layer_norm.default")
def _layer_norm(
    _node: torch.fx.Node, x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float
) -> tuple[Any, Any, Any]:
    dims = range(len(x.type.shape) - len(shape), len(x.type.shape))
    mean, centred, variance = _moments(x, list(dims))
    scale = _inverse_root(variance, eps)
    result = binary("mul", centred, scale)
    result = result if weight is None else binary("mul", result, weight)
    return result if bias is None else binary("add", result, bias), mean, scale


def _moments(x: Any, dims: list[int]) -> tuple[Any, Any, Any]:
    """Return the mean over ``dims``, what is left without it, and the variance."""
    mean = _reduced("mean", x, dims, keepdim=True)
    centred = binary("sub", x, mean)
    return mean, centred, _reduced("mean", binary("mul", centred, centred), dims, keepdim=True)


@lowers("var_mean.correction", "var.correction")
def _var_mean(
    node: torch.fx.Node, x: Any, dims: Sequence[int] | None = None, *, correction: float = 1, keepdim: bool = False
) -> Any:
    rank = len(x.type.shape)
    dims = list(range(rank)) if dims is None else [dim % rank for dim in dims]
    if correction and any(x.type.shape[dim] == OPEN for dim in dims):
        raise NotImplementedError("a corrected variance over an open size")
    _, _, variance = _moments(x, dims)
    if correction:
        count = math.prod(x.type.shape[dim] for dim in dims)
        variance = binary("mul", variance, converted(count / (count - correction), torch.float32))
    found = node.meta["val"]
    if not keepdim:
        kept = [one_size(x, place) for place in range(rank) if place not in dims]
        variance = reshaped(variance, (found if isinstance(found, torch.Tensor) else found[0]).shape, kept)
    return variance if isinstance(found, torch.Tensor) else [variance, _reduced("mean", x, dims, keepdim=keepdim)]


def _inverse_root(variance: Any, eps: float) -> Any:
    wide = binary("add", variance, converted(eps, torch.float32))
    return carried("rsqrt", wide.type, [wide])


@lowers("_softmax.default")
def _softmax(_node: torch.fx.Node, x: Any, dim: int, _half_to_float: bool) -> Any:
    return _on_last(x, dim, "softmax", beta=ir.FloatAttr.get(ir.F32Type.get(), 1.0))


@lowers("_log_softmax.default")
def _log_softmax(_node: torch.fx.Node, x: Any, dim: int, _half_to_float: bool) -> Any:
    return _on_last(x, dim, "log_softmax")


def _on_last(x: Any, dim: int, name: str, **attributes: Any) -> Any:
    """Do along ``dim`` what LiteRT does along the last axis only."""
    order = list(range(len(x.type.shape)))
    order[dim], order[-1] = order[-1], order[dim]
    moved = _transposed(x, order)
    return _transposed(carried(name, moved.type, [moved], **attributes), order)


def _transposed(x: Any, order: list[int]) -> Any:
    if order == sorted(order):
        return x
    shape = [x.type.shape[place] for place in order]
    return carried("transpose", result_type(shape, x), [x, constant(order)])


@lowers("bmm.default", "mm.default", product._opoverload)
def _bmm(node: torch.fx.Node, x: Any, y: Any) -> Any:
    flags = {name: flag(False) for name in ("adj_x", "adj_y", "asymmetric_quantize_inputs")}
    return carried("batch_matmul", result_type(node.meta["val"].shape, x), [x, y], **flags)


@lowers(rows._opoverload)
def _rows(_node: torch.fx.Node, table: Any, places: Any) -> Any:
    return gathered(table, converted(places, torch.int32), 0)


@lowers("index_select.default")
def _index_select(_node: torch.fx.Node, x: Any, dim: int, indices: Any) -> Any:
    return gathered(x, converted(indices, torch.int32), dim % len(x.type.shape))


@lowers("cumsum.default")
def _cumsum(node: torch.fx.Node, x: Any, dim: int, **_: Any) -> Any:
    dtype = node.meta["val"].dtype
    x = converted(x, torch.int32 if dtype is torch.int64 else dtype)
    summed = carried(
        "cumsum", x.type, [x, constant(dim % len(x.type.shape))], exclusive=flag(False), reverse=flag(False)
    )
    return converted(summed, dtype)
