"""Operators that change a tensor's shape, and those that make a tensor from a size."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from litert_torch.backend.lowerings import utils

from embedl_nb.compiler.lowering.open_sizes.carrier import (
    OPEN,
    carried,
    concatenated,
    constant,
    converted,
    int32,
    one_size,
    result_type,
    sizes_of,
    strided_slice,
)
from embedl_nb.compiler.lowering.open_sizes.decompositions import steps
from embedl_nb.compiler.lowering.open_sizes.elements import binary
from embedl_nb.compiler.lowering.open_sizes.table import lowers

__all__ = ["reshaped"]

_ARITHMETIC = {operator.add: "add", operator.sub: "sub", operator.mul: "mul", operator.floordiv: "floor_div"}
"""Of sizes themselves, which torch.export writes as Python's own operators."""


def reshaped(x: Any, shape: Sequence[Any], sizes: Sequence[Any]) -> Any:
    """Return ``x`` in ``sizes`` (numbers and scalars); ``shape`` is what is known of them.

    One open size is left to RESHAPE to find: then all shapes follow from those of the inputs before the model runs.
    """
    is_unknown = [not isinstance(size, int) or size == OPEN for size in shape]
    wanted = [-1 if unknown else size for unknown, size in zip(is_unknown, shape, strict=True)]
    operand = constant(wanted) if sum(is_unknown) <= 1 else sizes_of(sizes)
    return carried("reshape", result_type(shape, x), [x, operand])


@lowers("view.default", "_unsafe_view.default", "reshape.default", "view_copy.default")
def _view(node: torch.fx.Node, x: Any, sizes: Sequence[Any]) -> Any:
    return reshaped(x, node.meta["val"].shape, sizes)


@lowers("unsqueeze.default")
def _unsqueeze(node: torch.fx.Node, x: Any, dim: int) -> Any:
    shape = node.meta["val"].shape
    sizes = [one_size(x, place) for place in range(len(x.type.shape))]
    sizes.insert(dim % len(shape), 1)
    return reshaped(x, shape, sizes)


@lowers("squeeze.dim", "squeeze.dims")
def _squeeze(node: torch.fx.Node, x: Any, dims: Any) -> Any:
    rank = len(x.type.shape)
    gone = {dim % rank for dim in (dims if isinstance(dims, list | tuple) else [dims]) if x.type.shape[dim] == 1}
    sizes = [one_size(x, place) for place in range(rank) if place not in gone]
    return reshaped(x, node.meta["val"].shape, sizes)


@lowers("expand.default", "expand_copy.default")
def _expand(node: torch.fx.Node, x: Any, sizes: Sequence[Any], **_: Any) -> Any:
    offset = len(sizes) - len(x.type.shape)
    wanted = [
        one_size(x, place - offset) if isinstance(size, int) and size == -1 else size
        for place, size in enumerate(sizes)
    ]
    result = result_type(node.meta["val"].shape, x)
    if result.shape[offset:] == x.type.shape and set(result.shape[:offset]) <= {1}:
        return x if not offset else reshaped(x, result.shape, wanted)
    return carried("broadcast_to", result, [x, sizes_of(wanted)])


@lowers("cat.default")
def _cat(node: torch.fx.Node, tensors: Sequence[Any], dim: int = 0) -> Any:
    value = node.meta["val"]
    parts = [converted(part, value.dtype) for part in tensors if 0 not in part.type.shape]
    return concatenated(parts, result_type(value.shape, parts[0]), dim % value.dim())


@lowers("slice.Tensor", "slice_copy.Tensor")
def _slice(node: torch.fx.Node, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """Cut with STRIDED_SLICE, which counts from the end and stops at it as Python does."""
    rank = len(x.type.shape)
    dim %= rank
    is_whole_end = end is None or (isinstance(end, int) and end >= 2**31 - 1)
    begin, stop, strides = [0] * rank, [0] * rank, [1] * rank
    begin[dim], strides[dim] = 0 if start is None else start, step
    stop[dim] = 0 if is_whole_end else end
    open_ends = sum(1 << place for place in range(rank) if place != dim or is_whole_end)
    open_begins = sum(1 << place for place in range(rank) if place != dim)
    shape = node.meta["val"].shape
    return _strided(x, shape, (begin, stop, strides), begin_mask=open_begins, end_mask=open_ends)


@lowers("select.int", "select_copy.int")
def _select(node: torch.fx.Node, x: Any, dim: int, index: Any) -> Any:
    rank = len(x.type.shape)
    dim %= rank
    begin, stop = [0] * rank, [0] * rank
    begin[dim] = index
    stop[dim] = index + 1 if isinstance(index, int) else binary("add", index, constant([1]))
    others = sum(1 << place for place in range(rank) if place != dim)
    last = 1 << dim if isinstance(index, int) and index == -1 else 0
    shape = node.meta["val"].shape
    masks = {"begin_mask": others, "end_mask": others | last, "shrink_axis_mask": 1 << dim}
    return _strided(x, shape, (begin, stop, [1] * rank), **masks)


def _strided(x: Any, shape: Sequence[Any], bounds: tuple[list[Any], list[Any], list[Any]], **masks: int) -> Any:
    return strided_slice(shape, x, [sizes_of(part) for part in bounds], **masks)


@lowers("split_with_sizes.default")
def _split_with_sizes(node: torch.fx.Node, x: Any, sizes: Sequence[int], dim: int = 0) -> list[Any]:
    rank, place, parts = len(x.type.shape), 0, []
    dim %= rank
    for size, value in zip(sizes, node.meta["val"], strict=True):
        begin, stop = [0] * rank, [0] * rank
        begin[dim], stop[dim] = place, place + size
        others = sum(1 << axis for axis in range(rank) if axis != dim)
        parts.append(_strided(x, value.shape, (begin, stop, [1] * rank), begin_mask=others, end_mask=others))
        place += size
    return parts


@lowers("full.default")
def _full(node: torch.fx.Node, sizes: Sequence[Any], value: Any, **_: Any) -> Any:
    return _filled(node, sizes, value)


@lowers("full_like.default")
def _full_like(node: torch.fx.Node, x: Any, value: Any, **_: Any) -> Any:
    return _filled(node, [one_size(x, place) for place in range(len(x.type.shape))], value)


def _filled(node: torch.fx.Node, sizes: Sequence[Any], value: Any) -> Any:
    made = node.meta["val"]
    element = utils.torch_dtype_to_ir_element_type(made.dtype)
    return carried("fill", result_type(made.shape, element), [sizes_of(sizes), _scalar(value, made.dtype)])


@lowers(steps._opoverload)
def _steps(node: torch.fx.Node, *bounds: Any) -> Any:
    made = node.meta["val"]
    counted = carried("range", result_type(made.shape, int32()), [_scalar(each, torch.int32) for each in bounds])
    return converted(counted, made.dtype)


@lowers("scalar_tensor.default")
def _scalar_tensor(node: torch.fx.Node, value: Any, **_: Any) -> Any:
    return _scalar(value, node.meta["val"].dtype)


def _scalar(value: Any, dtype: torch.dtype) -> Any:
    """Return a number, or a size, as a tensor without axes."""
    value = converted(value, dtype)
    return carried("reshape", result_type([], value), [value, constant([])]) if value.type.shape else value


@lowers("constant_pad_nd.default")
def _pad(node: torch.fx.Node, x: Any, pads: Sequence[int], value: float = 0) -> Any:
    if not all(isinstance(amount, int) and amount >= 0 for amount in pads):
        raise NotImplementedError("padding by a negative or open size, with an open size")
    rank, made = len(x.type.shape), node.meta["val"]
    pairs = [[0, 0] for _ in range(rank)]
    for place in range(len(pads) // 2):
        pairs[rank - 1 - place] = list(pads[2 * place : 2 * place + 2])
    fill = converted(value, made.dtype)
    return carried("padv2", result_type(made.shape, x), [x, constant(pairs), fill])


@lowers("sym_size.int")
def _sym_size(_node: torch.fx.Node, x: Any, dim: int) -> Any:
    return one_size(x, dim)


def _enter_arithmetic(target: Any, name: str) -> None:
    @lowers(target)
    def lower(_node: torch.fx.Node, x: Any, y: Any) -> Any:
        x, y = (constant([each]) if isinstance(each, int) else each for each in (x, y))
        return binary(name, x, y)


for _target, _name in _ARITHMETIC.items():
    _enter_arithmetic(_target, _name)
