"""ONNX activation functions of one element; softmax and its kin are in softmax.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.dtypes import with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Known


def _softplus(x: Tensor) -> Tensor:
    return torch.relu(x) + torch.log1p(torch.exp(-x.abs()))


def _enter(name: str, function: Callable[[Tensor], Tensor], since: int = 1) -> None:
    @operator(name, since=since)
    def run(call: Call, x: Tensor) -> Tensor:
        return function(x)


for _name, _function in {
    "Sigmoid": torch.sigmoid,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (1 + x.abs()),
    "Tanh": torch.tanh,
}.items():
    _enter(_name, _function)
_enter("HardSwish", F.hardswish, 14)
_enter("Mish", lambda x: x * torch.tanh(_softplus(x)), 18)


@operator("Relu")
def relu(call: Call, x: Tensor) -> Tensor:
    """Cut off what is negative."""
    return with_dtype(torch.relu, x)


@operator("Elu")
def elu(call: Call, x: Tensor) -> Tensor:
    """Go towards ``-alpha`` below zero."""
    return F.elu(x, call.get("alpha", 1.0))


@operator("Celu", since=12)
def celu(call: Call, x: Tensor) -> Tensor:
    """Go towards ``-alpha`` below zero, smoothly at zero."""
    alpha = call.get("alpha", 1.0)
    return F.elu(x / alpha) * alpha


@operator("Selu")
def selu(call: Call, x: Tensor) -> Tensor:
    """Scale an Elu; the defaults changed by rounding in opset 6."""
    alpha, gamma = (1.6732, 1.0507) if call.opset < 6 else (1.67326319217681884765625, 1.05070102214813232421875)
    return F.elu(x, call.get("alpha", alpha)) * call.get("gamma", gamma)


@operator("Gelu", since=20)
def gelu(call: Call, x: Tensor) -> Tensor:
    """Weight by the normal distribution, or by its approximation with tanh."""
    return F.gelu(x, approximate=call.get("approximate", "none"))


@operator("HardSigmoid")
def hard_sigmoid(call: Call, x: Tensor) -> Tensor:
    """Bound a line to 0 and 1."""
    alpha, beta = call.get("alpha", 0.2), call.get("beta", 0.5)
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


@operator("LeakyRelu")
def leaky_relu(call: Call, x: Tensor) -> Tensor:
    """Flatten what is negative."""
    return F.leaky_relu(x, call.get("alpha", 0.01))


@operator("PRelu")
def parametric_relu(call: Call, x: Tensor, slope: Tensor) -> Tensor:
    """Flatten what is negative by a slope for each channel, or of any shape that broadcasts to ``x``."""
    num_channels = x.shape[1] if x.ndim > 1 else 1
    if call.opset < 7 and slope.ndim == 1 and x.ndim > 1:
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    per_channel = slope.ndim == x.ndim - 1 and tuple(slope.shape) == (num_channels, *[1] * (x.ndim - 2))
    if x.dtype.is_floating_point and (slope.numel() == 1 or (x.ndim > 1 and per_channel)):
        return F.prelu(x, slope.reshape(-1))
    return with_dtype(lambda wide, wide_slope: torch.where(wide < 0, wide * wide_slope, wide), x, slope)


@operator("ThresholdedRelu", since=10)
def thresholded_relu(call: Call, x: Tensor) -> Tensor:
    """Keep what is above ``alpha``."""
    return torch.where(x > call.get("alpha", 1.0), x, torch.zeros_like(x))


@operator("Shrink", since=9)
def shrink(call: Call, x: Tensor) -> Tensor:
    """Pull towards zero by ``bias``, and to zero within ``lambd``."""
    limit, bias = call.get("lambd", 0.5), call.get("bias", 0.0)

    def shrunk(wide: Tensor) -> Tensor:
        outer = torch.where(wide > limit, wide - bias, torch.zeros_like(wide))
        return torch.where(wide < -limit, wide + bias, outer)

    return with_dtype(shrunk, x)


@operator("Swish", since=24)
def swish(call: Call, x: Tensor) -> Tensor:
    """Weight by a sigmoid."""
    alpha = call.get("alpha", 1.0)
    return F.silu(x) if alpha == 1 else x * torch.sigmoid(x * alpha)


@operator("SwiGLU", since=28)
def swiglu(call: Call, gate: Tensor, value: Tensor) -> Tensor:
    """Gate ``value`` by a Swish."""
    return swish(call, gate) * value


@operator("Identity")
def identity(call: Call, x: Tensor) -> Tensor:
    """Pass on."""
    return x


@operator("Dropout")
def dropout(call: Call, x: Tensor, ratio: Known = None, training_mode: Known = None) -> Tensor | tuple[Tensor, Tensor]:
    """Pass on: in inference nothing is dropped.

    Raises
    ------
    UnsupportedOperatorError
        If the graph asks for dropping in inference, which is random.
    """
    is_training = isinstance(training_mode, Tensor) or (training_mode is not None and bool(training_mode))
    never_drops = ratio is not None and not isinstance(ratio, Tensor) and float(ratio) == 0
    if is_training and not never_drops:
        raise refused(
            call, "is in training mode, where its result is random", hint="export the model for inference: model.eval()"
        )
    if call.num_outputs == 1:
        return x
    return x, torch.ones_like(x, dtype=torch.bool if call.opset >= 10 else x.dtype)
