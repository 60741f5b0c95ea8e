"""ONNX normalizations, as they are in inference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call


@operator("BatchNormalization")
def batch_normalization(call: Call, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Normalize by known statistics, by channel, or by element with ``spatial=0`` of old opsets.

    Raises
    ------
    UnsupportedOperatorError
        If the node is in training mode.
    """
    if call.get("training_mode") or call.num_outputs > 1:
        raise refused(call, "is in training mode", hint="export the model for inference: model.eval()")
    epsilon = call.get("epsilon", 1e-5)
    if call.opset < 9 and not call.get("spatial", 1):
        return (x - mean) * (torch.rsqrt(variance + epsilon) * scale) + bias
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, epsilon)


@operator("InstanceNormalization")
def instance_normalization(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalize each channel of each sample by its own statistics."""
    shape = [1, -1, *[1] * (x.ndim - 2)]
    axes = list(range(2, x.ndim))
    centred, inverse = _standardized(x, axes, call.get("epsilon", 1e-5))[:2]
    return centred * (inverse * scale.reshape(shape)) + bias.reshape(shape)


@operator("LayerNormalization", since=17)
def layer_normalization(
    call: Call, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """Normalize over the last axes; mean and inverse deviation come along where they are asked for."""
    axis, epsilon = call.get("axis", -1) % x.ndim, call.get("epsilon", 1e-5)
    normalized = list(x.shape[axis:])
    is_plain = list(scale.shape) == normalized and (bias is None or list(bias.shape) == normalized)
    if call.num_outputs == 1 and is_plain:
        return F.layer_norm(x, normalized, scale, bias, epsilon)
    centred, inverse, mean = _standardized(x, list(range(axis, x.ndim)), epsilon)
    result = centred * inverse * scale
    result = result if bias is None else result + bias
    return result if call.num_outputs == 1 else (result, mean, inverse)


@operator("GroupNormalization", since=18)
def group_normalization(call: Call, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Normalize groups of channels; below opset 21 scale and bias are by group, then by channel."""
    groups, channels = call.get("num_groups"), x.shape[1]
    if call.opset < 21:
        scale, bias = (
            value.reshape(-1, 1).expand(groups, channels // groups).reshape(channels) for value in (scale, bias)
        )
    return F.group_norm(x, groups, scale, bias, call.get("epsilon", 1e-5))


@operator("RMSNormalization", since=23)
def rms_normalization(call: Call, x: Tensor, scale: Tensor) -> Tensor:
    """Divide by the root of the mean square over the last axes."""
    axes = list(range(call.get("axis", -1) % x.ndim, x.ndim))
    square = torch.mean(x * x, axes, keepdim=True)
    return x * torch.rsqrt(square + call.get("epsilon", 1e-5)) * scale


@operator("LpNormalization")
def lp_normalization(call: Call, x: Tensor) -> Tensor:
    """Divide by a norm along an axis; a vector of zeros stays."""
    axis = call.get("axis", -1)
    if call.get("p", 2) == 1:
        norm = torch.sum(x.abs(), axis, keepdim=True)
    else:
        norm = torch.sqrt(torch.sum(x * x, axis, keepdim=True))
    return x / torch.where(norm == 0, torch.ones_like(norm), norm)


@operator("MeanVarianceNormalization", since=9)
def mean_variance_normalization(call: Call, x: Tensor) -> Tensor:
    """Subtract the mean and divide by the deviation."""
    axes = call.get("axes", [0, 2, 3])
    centred = x - torch.mean(x, axes, keepdim=True)
    return centred / (torch.sqrt(torch.mean(centred * centred, axes, keepdim=True)) + 1e-9)


@operator("LRN")
def local_response_normalization(call: Call, x: Tensor) -> Tensor:
    """Divide by what neighbouring channels hold."""
    size, channels = call.get("size"), x.shape[1]
    before, after = (size - 1) // 2, math.ceil((size - 1) / 2)
    square = x * x
    padded = F.pad(square, [0, 0] * (x.ndim - 2) + [before, after])
    total = padded.narrow(1, 0, channels)
    for offset in range(1, size):
        total = total + padded.narrow(1, offset, channels)
    base = total * (call.get("alpha", 1e-4) / size) + call.get("bias", 1.0)
    return x * torch.pow(base, -call.get("beta", 0.75))


def _standardized(x: Tensor, axes: list[int], epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``x`` less its mean, the inverse of its deviation, and the mean."""
    mean = torch.mean(x, axes, keepdim=True)
    centred = x - mean
    return centred, torch.rsqrt(torch.mean(centred * centred, axes, keepdim=True) + epsilon), mean
