"""Pad, all versions: constant, reflect, edge and wrap; negative pads crop.

torch pads with a constant any axis, but mirrors only the last ones of tensors of some ranks, and LiteRT gathers for
edges. So all but constants is put together from slices, except what becomes one MIRROR_PAD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axes, refused
from embedl_nb.compiler.onnx.operators.slicing import cut
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static


@operator("Pad")
def pad_by_attribute(call: Call, x: Tensor) -> Tensor:
    amounts = call.attributes["pads"] if "pads" in call.attributes else call.attributes["paddings"]
    return _pad(call, x, amounts, call.get("value", 0.0), None)


@operator("Pad", since=11)
def pad(call: Call, x: Tensor, amounts: Static, value: Static | None = None, axes: Static | None = None) -> Tensor:
    return _pad(call, x, amounts, 0 if value is None or not value.size else value.item(), axes)


def _pad(call: Call, x: Tensor, amounts: Static | list[int], value: float, axes: Static | None) -> Tensor:
    given = integers(amounts)
    pairs = [(0, 0)] * x.ndim
    for index, axis in enumerate(positive_axes(axes, x.ndim)):
        pairs[axis] = (given[index], given[index + len(given) // 2])
    mode = call.get("mode", "constant")
    if mode == "constant":
        first = next((axis for axis, pair in enumerate(pairs) if any(pair)), None)
        return x if first is None else F.pad(x, _last_first(pairs[first:]), value=value)
    if mode not in ("reflect", "edge", "wrap"):
        raise refused(call, f"mode {mode!r} is not one of ONNX's", hint="use constant, reflect, edge or wrap")
    x = F.pad(x, _last_first([(min(begin, 0), min(end, 0)) for begin, end in pairs]))
    pairs = [(max(begin, 0), max(end, 0)) for begin, end in pairs]
    if mode == "reflect" and _is_mirror_pad(x, pairs):
        return F.pad(x, _last_first(pairs[2:]), mode="reflect")
    for axis, (begin, end) in enumerate(pairs):
        if begin or end:
            x = _extended(x, axis, begin, end, mode)
    return x


def _last_first(pairs: list[tuple[int, int]]) -> list[int]:
    return [amount for pair in reversed(pairs) for amount in pair]


def _is_mirror_pad(x: Tensor, pairs: list[tuple[int, int]]) -> bool:
    lengths = list(x.shape)
    return (
        x.ndim == 4
        and x.is_floating_point()
        and not any(any(pair) for pair in pairs[:2])
        and all(max(pair) < length for pair, length in zip(pairs, lengths, strict=True))
    )


def _extended(x: Tensor, axis: int, begin: int, end: int, mode: str) -> Tensor:
    length = x.shape[axis]
    if mode == "edge":
        sizes = list(x.shape)
        parts = []
        for amount, place in ((begin, 0), (0, None), (end, length - 1)):
            if place is None:
                parts.append(x)
            elif amount:
                sizes[axis] = amount
                parts.append(x.narrow(axis, place, 1).expand(sizes))
        return torch.cat(parts, axis)
    if mode == "wrap" and max(begin, end) <= length:
        parts = [cut(x, axis, slice(length - begin, length)), x, cut(x, axis, slice(0, end))]
    elif mode == "reflect" and max(begin, end) < length:
        before, after = cut(x, axis, slice(1, begin + 1)), cut(x, axis, slice(length - 1 - end, length - 1))
        parts = [before.flip(axis), x, after.flip(axis)]
    else:  # around more than once
        indices = np.pad(np.arange(length), (begin, end), mode=mode)  # type: ignore[call-overload]
        return x.index_select(axis, torch.from_numpy(indices))
    return torch.cat([part for part in parts if part.shape[axis]], axis)
