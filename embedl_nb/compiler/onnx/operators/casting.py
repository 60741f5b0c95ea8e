"""ONNX casts between dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.dtypes import torch_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Known

__all__ = ["converted"]

_SMALL = (torch.int8, torch.uint8, torch.int16, torch.uint16)


def converted(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``x`` in ``dtype``; small integers over int32, since LiteRT has no straight way from floats."""
    if x.dtype.is_floating_point and dtype in _SMALL:
        x = x.to(torch.int32)
    return x.to(dtype)


@operator("Cast")
def cast(call: Call, x: Tensor) -> Tensor:
    """Convert to the dtype that attribute ``to`` names; types that LiteRT lacks are refused."""
    return converted(x, torch_dtype(call, call.get("to")))


@operator("CastLike", since=15)
def cast_like(call: Call, x: Known, target: Tensor) -> Known:
    """Convert to the other input's dtype; a known value stays known, whatever the other one's values are."""
    if isinstance(x, Tensor):
        return converted(x, target.dtype)
    x = x.astype(np.int32) if x.dtype.kind == "f" and target.dtype in _SMALL else x
    return x.astype(str(target.dtype).removeprefix("torch."))


@operator("BitCast", since=26)
def bit_cast(call: Call, x: Tensor) -> Tensor:
    """Read the same bits as another dtype of the same width."""
    dtype = torch_dtype(call, call.get("to"))
    if dtype.itemsize != x.dtype.itemsize:
        raise refused(
            call, f"reads {x.dtype} as a type that is computed as {dtype}", hint="compute it outside the model"
        )
    # Integers of the same width wrap round to the same bits.
    return x.to(dtype) if x.dtype.is_floating_point == dtype.is_floating_point else x.view(dtype)
