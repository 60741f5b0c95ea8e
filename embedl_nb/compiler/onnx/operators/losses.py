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
    log_probability = torch.log_softmax(_by_class(x), 1)
    loss = _loss(call, log_probability, target, weight)
    return loss if call.num_outputs == 1 else (loss, log_probability.reshape(x.shape))


def _by_class(x: Tensor) -> Tensor:
    """Return ``x`` as (N, classes, everything else): LiteRT has few operators over more than five axes."""
    return x.reshape(x.shape[0], x.shape[1], -1)


def _loss(call: Call, log_probability: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Pick by a mask over the classes: LiteRT has no gather that leaves out what is to be ignored."""
    log_probability, flat = _by_class(log_probability), target.reshape(target.shape[0], -1)
    is_target = torch.arange(log_probability.shape[1]).reshape(1, -1, 1) == flat.unsqueeze(1)
    nothing = torch.zeros_like(log_probability)
    loss = -torch.where(is_target, log_probability, nothing).sum(1)
    ignored = call.get("ignore_index")
    weights = None
    if weight is not None:
        weights = torch.where(is_target, weight.reshape(1, -1, 1), nothing).sum(1)
    elif ignored is not None:
        weights = torch.ones_like(loss)
    if weights is not None and ignored is not None:
        weights = torch.where(flat == ignored, torch.zeros_like(weights), weights)
    loss = loss if weights is None else loss * weights
    reduction = call.get("reduction", "mean")
    if reduction == "none":
        return loss.reshape(target.shape)
    if reduction == "sum":
        return loss.sum()
    return loss.mean() if weights is None else loss.sum() / weights.sum()
