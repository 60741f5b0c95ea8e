"""ONNX losses: what a model returns that was exported with its criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call


@operator("NegativeLogLikelihoodLoss", since=12)
def negative_log_likelihood(call: Call, x: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return minus the log-probability of each target, weighted and reduced."""
    return _loss(call, x, target, weight)


@operator("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy(
    call: Call, x: Tensor, target: Tensor, weight: Tensor | None = None
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the loss of scores, and their log-probabilities where they are asked for."""
    log_probability = torch.log_softmax(x, 1)
    loss = _loss(call, log_probability, target, weight)
    return loss if call.num_outputs == 1 else (loss, log_probability)


def _loss(call: Call, log_probability: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Pick by a mask over the classes: LiteRT has no gather that leaves out what is to be ignored."""
    shape = [1, -1, *[1] * (log_probability.ndim - 2)]
    classes = torch.arange(log_probability.shape[1]).reshape(shape)
    is_target = classes == target.unsqueeze(1)
    loss = -torch.where(is_target, log_probability, torch.zeros_like(log_probability)).sum(1)
    ignored = call.get("ignore_index")
    if weight is not None:
        weights = torch.where(is_target, weight.reshape(shape), torch.zeros_like(log_probability)).sum(1)
    elif ignored is not None:
        weights = torch.ones_like(loss)
    else:
        return _reduced(call, loss)
    if ignored is not None:
        weights = torch.where(target == ignored, torch.zeros_like(weights), weights)
    loss = loss * weights
    if call.get("reduction", "mean") == "mean":
        return loss.sum() / weights.sum()
    return _reduced(call, loss)


def _reduced(call: Call, loss: Tensor) -> Tensor:
    reduction = call.get("reduction", "mean")
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()
