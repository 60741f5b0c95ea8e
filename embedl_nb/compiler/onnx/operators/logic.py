"""ONNX comparisons, logic, bits, and choosing by a condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arithmetic import aligned
from embedl_nb.compiler.onnx.operators.dtypes import in_wider_integers, with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call


def _comparison(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name)
    def run(call: Call, x: Tensor, y: Tensor) -> Tensor:
        return in_wider_integers(function, x, aligned(call, x, y))


def _bits(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name, since=18)
    def run(call: Call, x: Tensor, y: Tensor) -> Tensor:
        return with_dtype(function, x, y)


def _bits_and(x: Tensor, y: Tensor) -> Tensor:
    """Return the bits that both have, from their sum and XOR: LiteRT has no other operator on bits.

    ``x + y = (x ^ y) + 2 (x & y)``; the upper and lower bits apart, so that no sum overflows.
    """
    tops = [torch.div(value, 2**16, rounding_mode="floor") for value in (x, y)]
    ends = [value - top * 2**16 for value, top in zip((x, y), tops, strict=True)]
    top, end = (
        torch.div(first + second - torch.bitwise_xor(first, second), 2, rounding_mode="floor")
        for first, second in (tops, ends)
    )
    return top * 2**16 + end


def _bits_or(x: Tensor, y: Tensor) -> Tensor:
    return torch.bitwise_xor(x, y) + _bits_and(x, y)


for _name, _function in {
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Or": torch.logical_or,
    "Xor": torch.ne,
}.items():
    _comparison(_name, _function)

for _name, _function in {
    "BitwiseAnd": _bits_and,
    "BitwiseOr": _bits_or,
    "BitwiseXor": torch.bitwise_xor,
}.items():
    _bits(_name, _function)


@operator("Not")
def logical_not(call: Call, x: Tensor) -> Tensor:
    """Turn truth around."""
    return torch.logical_not(x)


@operator("BitwiseNot", since=18)
def bitwise_not(call: Call, x: Tensor) -> Tensor:
    """Turn every bit around."""
    return with_dtype(torch.bitwise_not, x)


@operator("Where", since=9)
def where(call: Call, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Choose by element."""
    return with_dtype(lambda wide_x, wide_y: torch.where(condition, wide_x, wide_y), x, y)


@operator("IsNaN", since=9)
def is_nan(call: Call, x: Tensor) -> Tensor:
    """Tell where a value is not a number."""
    return torch.ne(x, x)


@operator("IsInf", since=10)
def is_inf(call: Call, x: Tensor) -> Tensor:
    """Tell where a value is infinite, of the signs that are asked for."""
    positive, negative = call.get("detect_positive", 1), call.get("detect_negative", 1)
    infinity = float("inf")
    if positive and negative:
        return x.abs() == infinity
    if positive or negative:
        return x == (infinity if positive else -infinity)
    return torch.zeros_like(x, dtype=torch.bool)
