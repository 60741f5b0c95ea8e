"""Shifts of integers, by powers of two."""

from __future__ import annotations

from typing import Any

import torch

from embedl_nb.compiler.lowering.rewrites.constants import constant
from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_TORCH, rewrite

__all__: list[str] = []

_MOST = 30  # 2 ** 31 is no int32
_SMALL_INTEGERS = (torch.uint8, torch.int8, torch.int16)


@rewrite(
    "__lshift__.Scalar",
    "__lshift__.Tensor",
    "bitwise_left_shift.Tensor",
    "bitwise_left_shift.Tensor_Scalar",
    reason=NO_LOWERING,
    seen_with=WITH_TORCH,
)
def _left(x: torch.Tensor, number: Any) -> torch.Tensor:
    return x * _power(number, x)


@rewrite(
    "__rshift__.Scalar",
    "__rshift__.Tensor",
    "bitwise_right_shift.Tensor",
    "bitwise_right_shift.Tensor_Scalar",
    reason=NO_LOWERING,
    seen_with=WITH_TORCH,
)
def _right(x: torch.Tensor, number: Any) -> torch.Tensor:
    wide = x.to(torch.int32) if x.dtype in _SMALL_INTEGERS else x  # 2 ** 7 is no int8
    return torch.div(wide, _power(number, wide), rounding_mode="floor").to(x.dtype)


def _power(number: Any, x: torch.Tensor) -> Any:
    if not isinstance(number, torch.Tensor):
        return 2 ** int(number)
    powers = constant([2**exponent for exponent in range(_MOST + 1)]).to(x.dtype)
    return powers.index_select(0, torch.clamp(number, 0, _MOST).reshape(-1)).reshape(number.shape)
