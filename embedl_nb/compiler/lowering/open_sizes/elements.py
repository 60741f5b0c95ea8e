"""Element by element: functions, arithmetic, comparisons, choices."""

from __future__ import annotations

import math
from typing import Any

import torch
from litert_converter.mlir import ir

from embedl_nb.compiler.lowering.open_sizes.carrier import carried, converted, flag, result_type
from embedl_nb.compiler.lowering.open_sizes.table import lowers

__all__ = ["binary"]

_UNARY = {
    "abs.default": "abs",
    "ceil.default": "ceil",
    "cos.default": "cos",
    "exp.default": "exp",
    "floor.default": "floor",
    "hardswish.default": "hard_swish",
    "log.default": "log",
    "logical_not.default": "logical_not",
    "neg.default": "neg",
    "relu.default": "relu",
    "round.default": "round",
    "rsqrt.default": "rsqrt",
    "sigmoid.default": "logistic",
    "sign.default": "sign",
    "sin.default": "sin",
    "sqrt.default": "sqrt",
    "tanh.default": "tanh",
}
_ARITHMETIC = {
    "maximum.default": "maximum",
    "minimum.default": "minimum",
    "mul.Scalar": "mul",
    "mul.Tensor": "mul",
    "div.Scalar": "div",
    "div.Tensor": "div",
    "pow.Scalar": "pow",
    "pow.Tensor_Scalar": "pow",
    "pow.Tensor_Tensor": "pow",
    "logical_and.default": "logical_and",
    "logical_or.default": "logical_or",
    "bitwise_and.Tensor": "logical_and",
    "bitwise_or.Tensor": "logical_or",
}
_COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
_FUSED = ("add", "sub", "mul", "div")


def _enter_unary(target: str, name: str) -> None:
    @lowers(target)
    def lower(node: torch.fx.Node, x: Any) -> Any:
        x = converted(x, node.meta["val"].dtype)
        return carried(name, x.type, [x])


def _enter_binary(target: str, name: str) -> None:
    @lowers(target)
    def lower(node: torch.fx.Node, x: Any, y: Any) -> Any:
        value = node.meta["val"]
        if name.startswith("logical") and value.dtype is not torch.bool:
            raise NotImplementedError(f"{node.target} of integers with an open size")
        return binary(name, converted(x, value.dtype), converted(y, value.dtype))


def _enter_comparison(target: str, name: str) -> None:
    @lowers(target)
    def lower(node: torch.fx.Node, x: Any, y: Any) -> Any:
        operands = [getattr(argument, "meta", {}).get("val", argument) for argument in node.args]
        dtype = torch.result_type(*operands)
        left, right = converted(x, dtype), converted(y, dtype)
        return carried(name, result_type(_broadcast(left, right), ir.IntegerType.get_signless(1)), [left, right])


for _target, _name in _UNARY.items():
    _enter_unary(_target, _name)
for _target, _name in _ARITHMETIC.items():
    _enter_binary(_target, _name)
for _packet, _name in _COMPARISONS.items():
    for _kind in ("Tensor", "Scalar"):
        _enter_comparison(f"{_packet}.{_kind}", _name)


def binary(name: str, x: Any, y: Any) -> Any:
    """Return ``x name y``, broadcast, of the element type of ``x``."""
    attributes = {"fused_activation_function": ir.StringAttr.get("NONE")} if name in _FUSED else {}
    return carried(name, result_type(_broadcast(x, y), x), [x, y], **attributes)


def _broadcast(x: Any, y: Any) -> list[int]:
    """Return the shape of both together; an open size beside a known one other than 1 is that one."""
    left, right = list(x.type.shape), list(y.type.shape)
    rank = max(len(left), len(right))
    left, right = [1] * (rank - len(left)) + left, [1] * (rank - len(right)) + right
    return [b if a == 1 else a if b == 1 else max(a, b) for a, b in zip(left, right, strict=True)]


@lowers("add.Tensor", "add.Scalar")
def _add(node: torch.fx.Node, x: Any, y: Any, alpha: Any = 1) -> Any:
    return _sum("add", node, x, y, alpha)


@lowers("sub.Tensor", "sub.Scalar")
def _sub(node: torch.fx.Node, x: Any, y: Any, alpha: Any = 1) -> Any:
    return _sum("sub", node, x, y, alpha)


def _sum(name: str, node: torch.fx.Node, x: Any, y: Any, alpha: Any) -> Any:
    dtype = node.meta["val"].dtype
    x, y = converted(x, dtype), converted(y, dtype)
    return binary(name, x, y if alpha == 1 else binary("mul", y, converted(alpha, dtype)))


@lowers("where.self")
def _where(node: torch.fx.Node, condition: Any, x: Any, y: Any) -> Any:
    value = node.meta["val"]
    x, y = converted(x, value.dtype), converted(y, value.dtype)
    return carried("select_v2", result_type(value.shape, x), [condition, x, y])


@lowers("clamp.default", "hardtanh.default")
def _clamp(node: torch.fx.Node, x: Any, low: Any = None, high: Any = None) -> Any:
    dtype = node.meta["val"].dtype
    if node.target is torch.ops.aten.hardtanh.default:
        low, high = (-1.0 if low is None else low), (1.0 if high is None else high)
    x = converted(x, dtype)
    if low is not None and low != -math.inf:
        x = binary("maximum", x, converted(low, dtype))
    return x if high is None or high == math.inf else binary("minimum", x, converted(high, dtype))


@lowers("gelu.default")
def _gelu(_node: torch.fx.Node, x: Any, *, approximate: str = "none") -> Any:
    return carried("gelu", x.type, [x], approximate=flag(approximate != "none"))


@lowers("leaky_relu.default")
def _leaky_relu(_node: torch.fx.Node, x: Any, slope: float = 0.01) -> Any:
    return carried("leaky_relu", x.type, [x], alpha=ir.FloatAttr.get(ir.F32Type.get(), slope))


@lowers("silu.default")
def _silu(_node: torch.fx.Node, x: Any) -> Any:
    return binary("mul", x, carried("logistic", x.type, [x]))


@lowers("reciprocal.default")
def _reciprocal(node: torch.fx.Node, x: Any) -> Any:
    dtype = node.meta["val"].dtype
    return binary("div", converted(1, dtype), converted(x, dtype))
