"""ONNX arithmetic, element by element: sums and products, powers, rounding, extrema, and how old opsets broadcast."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.dtypes import constant, with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Known

__all__ = ["aligned"]


def aligned(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Return ``y`` with the axes that it lacks: below opset 7, attribute ``axis`` says where it stands in ``x``."""
    axis = call.get("axis")
    if call.opset >= 7 or axis is None or not call.get("broadcast") or y.ndim == 0:
        return y
    start = axis + x.ndim if axis < 0 else axis
    return y.reshape(*y.shape, *[1] * (x.ndim - start - y.ndim))


def divided(x: Tensor, y: Tensor) -> Tensor:
    """Divide; integers towards zero."""
    if x.dtype.is_floating_point:
        return x / y
    sizes = [torch.where(value < 0, -value, value) for value in (x, y)]  # LiteRT has no abs of 64 bits
    quotient = torch.div(sizes[0], sizes[1], rounding_mode="floor")
    return torch.where((x < 0) == (y < 0), quotient, -quotient)


def _remainder(x: Tensor, y: Tensor) -> Tensor:
    """Return what a division towards minus infinity leaves: it has the divisor's sign."""
    if x.dtype.is_floating_point:
        return torch.remainder(x, y)
    left = x - divided(x, y) * y
    return torch.where((left != 0) & ((left < 0) != (y < 0)), left + y, left)


def _fmod(x: Tensor, y: Tensor) -> Tensor:
    """Return what a division towards zero leaves: it has the dividend's sign."""
    return torch.fmod(x, y) if x.dtype.is_floating_point else x - divided(x, y) * y


def _binary(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name)
    def run(call: Call, x: Tensor, y: Tensor) -> Tensor:
        return with_dtype(function, x, aligned(call, x, y))


def _unary(name: str, function: Callable[[Tensor], Tensor]) -> None:
    @operator(name)
    def run(call: Call, x: Tensor) -> Tensor:
        return with_dtype(function, x)


def _integers_as_they_are(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: function(x) if x.dtype.is_floating_point else x


for _name, _two in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": divided}.items():
    _binary(_name, _two)

for _name, _one in {
    "Abs": torch.abs,
    "Ceil": _integers_as_they_are(torch.ceil),
    "Exp": torch.exp,
    "Floor": _integers_as_they_are(torch.floor),
    "Log": torch.log,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sqrt": torch.sqrt,
}.items():
    _unary(_name, _one)


@operator("Mod", since=10)
def mod(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Return the remainder; ``fmod`` says whose sign it has."""
    return with_dtype(_fmod if call.get("fmod") else _remainder, x, y)


@operator("Pow")
def power(call: Call, x: Tensor, y: Known) -> Tensor:
    """Raise ``x`` to ``y``; the result has the base's dtype."""
    if not isinstance(y, Tensor):
        if y.size == 1 and y.ndim <= x.ndim:
            return with_dtype(functools.partial(_constant_power, exponent=y.item()), x)
        y = constant(y)
    exponent = aligned(call, x, y)
    if x.dtype.is_floating_point and not exponent.dtype.is_floating_point:
        exponent = exponent.to(x.dtype)
    if exponent.dtype.is_floating_point and not x.dtype.is_floating_point:
        return torch.pow(x.to(exponent.dtype), exponent).to(x.dtype)
    return with_dtype(torch.pow if x.dtype.is_floating_point else _integer_power, x, exponent)


def _integer_power(x: Tensor, y: Tensor) -> Tensor:
    """Multiply the squares of ``x`` that the bits of ``y`` name: LiteRT's power of integers is one of doubles.

    Beyond 31 only powers of 0, 1 and -1 are integers of 32 bits, and those repeat.
    """
    result = torch.ones_like(x)
    for _ in range(5):
        half = torch.div(y, 2, rounding_mode="floor")
        result = torch.where(y != 2 * half, result * x, result)
        x, y = x * x, half
    return torch.where(y > 0, result * x, result)


def _constant_power(x: Tensor, *, exponent: float) -> Tensor:
    """Use the operator that is meant, where there is one: a power is slow and loses digits."""
    if exponent == 1:
        return x
    if exponent == 2:
        return x * x
    if exponent == 3:
        return x * x * x
    if not x.dtype.is_floating_point and not float(exponent).is_integer():
        return torch.pow(x.to(torch.float32), exponent)
    if exponent == 0.5:
        return torch.sqrt(x)
    return torch.pow(x, exponent if x.dtype.is_floating_point else int(exponent))


def _many(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    @operator(name)
    def run(call: Call, *tensors: Tensor) -> Tensor:
        return with_dtype(lambda *wide: functools.reduce(function, wide), *tensors)


for _name, _two in {"Max": torch.maximum, "Min": torch.minimum, "Sum": torch.add}.items():
    _many(_name, _two)


@operator("Mean")
def mean(call: Call, *tensors: Tensor) -> Tensor:
    """Return the mean of the inputs."""
    return functools.reduce(torch.add, tensors) / len(tensors)


@operator("Clip")
def clip_to_attributes(call: Call, x: Tensor) -> Tensor:
    """Bound by attributes, as up to opset 10."""
    return _clipped(x, call.get("min"), call.get("max"))


@operator("Clip", since=11)
def clip(call: Call, x: Tensor, low: Known | None = None, high: Known | None = None) -> Tensor:
    """Bound by inputs; bounds that are known become numbers in the operator, so that LiteRT sees a RELU6."""
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        bounds = [bound if bound is None or isinstance(bound, Tensor) else constant(bound) for bound in (low, high)]
        return with_dtype(_clipped_by_tensors(*bounds), x)
    return _clipped(x, *(None if bound is None else bound.item() for bound in (low, high)))


def _clipped_by_tensors(low: Tensor | None, high: Tensor | None) -> Callable[[Tensor], Tensor]:
    def clipped(x: Tensor) -> Tensor:
        if low is not None:
            x = torch.maximum(x, low.reshape(()).to(x.dtype))
        return x if high is None else torch.minimum(x, high.reshape(()).to(x.dtype))

    return clipped


def _clipped(x: Tensor, low: float | None, high: float | None) -> Tensor:
    low, high = (None if bound is None or math.isinf(bound) else bound for bound in (low, high))
    limits = torch.finfo(x.dtype) if x.dtype.is_floating_point else torch.iinfo(x.dtype)
    low = None if low is not None and low <= limits.min else low
    high = None if high is not None and high >= limits.max else high
    if low is None and high is None:
        return x
    if low == 0 and high is None and x.dtype.is_floating_point:
        return torch.relu(x)
    return with_dtype(lambda wide: torch.clamp(wide, low, high), x)


@operator("BitShift", since=11)
def bit_shift(call: Call, x: Tensor, y: Tensor) -> Tensor:
    """Shift integers; written as products and quotients, which LiteRT has."""
    direction = call.get("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise refused(call, f"shifts to {direction!r}", hint="its direction is LEFT or RIGHT")
    num_bits = 8 * x.dtype.itemsize

    def shift(x: Tensor, y: Tensor) -> Tensor:
        last = 8 * x.dtype.itemsize - 2  # the largest power of two that the signed type holds
        powers = torch.tensor([2**exponent for exponent in range(last + 1)], dtype=x.dtype)
        factor = powers[y.clamp(0, last).long()]
        if direction == "RIGHT":
            quotient = torch.div(x, factor, rounding_mode="floor")
            return torch.where((y < 0) | (y > last), -(x < 0).to(x.dtype), quotient)
        product = torch.where(y > last, x * factor * 2, x * factor)
        return torch.where((y < 0) | (y >= num_bits), torch.zeros_like(x), product)

    return with_dtype(shift, x, y)
