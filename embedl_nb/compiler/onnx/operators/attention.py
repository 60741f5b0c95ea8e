"""ONNX Attention and RotaryEmbedding, of opset 23 and newer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call

_INFINITY = float("inf")


@operator("Attention", since=23)
def attention(
    call: Call,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    past_key: Tensor | None = None,
    past_value: Tensor | None = None,
    num_valid: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Attend, with grouped heads, a cache, masks, a cap and a window.

    Parameters
    ----------
    query, key, value
        Shape (N, heads, positions, features), or (N, positions, heads * features).
    num_valid
        How many keys are no padding, shape (N,).
    """
    is_flat = query.ndim == 3
    if is_flat:
        query = _heads(query, call.get("q_num_heads"))
        key, value = (_heads(part, call.get("kv_num_heads")) for part in (key, value))
    offset: Tensor | int = 0
    if past_key is not None and past_value is not None:
        offset = past_key.shape[2]
        key, value = torch.cat([past_key, key], 2), torch.cat([past_value, value], 2)
    elif num_valid is not None:
        offset = (num_valid - query.shape[2]).reshape(-1, 1, 1, 1)
    present = (key, value)
    groups = query.shape[1] // key.shape[1]
    key, value = _repeated(key, groups), _repeated(value, groups)
    root = math.sqrt(call.get("scale") or 1 / math.sqrt(query.shape[3]))
    scores = torch.matmul(query * root, key.transpose(-1, -2) * root)
    shown = [scores]
    cap = call.get("softcap", 0.0)
    if cap:
        scores = torch.tanh(scores / cap) * cap
    shown.append(scores)
    bias = _bias(call, scores, mask, offset, num_valid)
    if bias is not None:
        scores = scores + bias
    shown.append(scores)
    weights = torch.softmax(scores, -1)
    if bias is not None:
        is_blind = bias.amax(-1, keepdim=True) == -_INFINITY
        weights = torch.where(is_blind, torch.zeros_like(weights), weights)
    shown.append(weights)
    result = torch.matmul(weights, value)
    if is_flat:
        result = result.transpose(1, 2).flatten(2)
    return (result, *present, shown[call.get("qk_matmul_output_mode", 0)])[: call.num_outputs]


def _heads(x: Tensor, num_heads: int) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1], num_heads, -1).transpose(1, 2)


def _repeated(x: Tensor, times: int) -> Tensor:
    """Repeat every head: head 0 ``times`` times, head 1 ``times`` times, ..."""
    if times == 1:
        return x
    batch, heads, positions, features = x.shape
    return x.unsqueeze(2).expand(batch, heads, times, positions, features).reshape(batch, -1, positions, features)


def _bias(
    call: Call, scores: Tensor, mask: Tensor | None, offset: Tensor | int, num_valid: Tensor | None
) -> Tensor | None:
    """Return what is added to the scores: minus infinity where a query must not look; None where it may everywhere."""
    num_keys = scores.shape[-1]
    allowed: list[Tensor] = []
    keys = torch.arange(num_keys)
    places = torch.arange(scores.shape[-2]).unsqueeze(-1) + offset  # shape (queries, 1), or (N, 1, queries, 1)
    before, after = call.get("left_window_size", -1), call.get("right_window_size", -1)
    if call.get("is_causal"):
        allowed.append(keys <= places)
    if before >= 0:
        allowed.append(keys >= places - before)
    if after >= 0:
        allowed.append(keys <= places + after)
    if num_valid is not None:
        allowed.append(keys < num_valid.reshape(-1, 1, 1, 1))
    bias = None
    if mask is not None:
        missing = num_keys - mask.shape[-1]
        if mask.dtype == torch.bool:
            mask = torch.where(
                mask, torch.zeros((), dtype=scores.dtype), torch.full((), -_INFINITY, dtype=scores.dtype)
            )
        bias = F.pad(mask, [0, missing], value=-_INFINITY) if missing > 0 else mask
    for where in allowed:
        part = _infinite_unless(where, scores.dtype)
        bias = part if bias is None else bias + part
    return bias


def _infinite_unless(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(allowed, torch.zeros((), dtype=dtype), torch.full((), -_INFINITY, dtype=dtype))


@operator("RotaryEmbedding", since=23)
def rotary_embedding(call: Call, x: Tensor, cosine: Tensor, sine: Tensor, positions: Tensor | None = None) -> Tensor:
    """Turn pairs of features by an angle that grows with the position.

    Parameters
    ----------
    x
        Shape (N, heads, positions, features), or (N, positions, heads * features).
    cosine, sine
        Shape (longest, features / 2) with ``positions``, else (N, positions, features / 2).
    """
    is_flat = x.ndim == 3
    shape = x.shape
    x = x.reshape(shape[0], shape[1], call.get("num_heads"), -1) if is_flat else x.transpose(1, 2)
    if positions is not None:
        cosine, sine = F.embedding(positions, cosine), F.embedding(positions, sine)
    cosine, sine = cosine.unsqueeze(2), sine.unsqueeze(2)
    size = call.get("rotary_embedding_dim") or x.shape[-1]
    turned, rest = x[..., :size], x[..., size:]
    if call.get("interleaved"):
        pairs = turned.reshape(*turned.shape[:-1], size // 2, 2)
        first, second = pairs[..., 0], pairs[..., 1]
    else:
        first, second = turned[..., : size // 2], turned[..., size // 2 :]
    real, imaginary = cosine * first - sine * second, sine * first + cosine * second
    if call.get("interleaved"):
        turned = torch.stack([real, imaginary], -1).reshape(turned.shape)
    else:
        turned = torch.cat([real, imaginary], -1)
    result = torch.cat([turned, rest], -1) if rest.shape[-1] else turned
    return result.reshape(shape) if is_flat else result.transpose(1, 2)
