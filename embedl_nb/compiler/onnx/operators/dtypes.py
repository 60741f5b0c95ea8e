"""What operators share about dtypes: those that they may make, and arithmetic in wider integers.

torch has few operators for unsigned integers beyond 8 bits, and LiteRT few for integers below 32 that are no
quantized values; such integers are computed in a wider type and brought back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from embedl_nb.compiler.onnx import dtypes
from embedl_nb.compiler.onnx.operators.arguments import refused

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["constant", "in_wider_integers", "torch_dtype", "with_dtype"]

# Element types that an operator may make; the others stand in weights and inputs only, and become one of these there.
_MADE = (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16)
# What the models of opset 5 and older wrote.
_NAMES = {
    "FLOAT": 1,
    "UINT8": 2,
    "INT8": 3,
    "UINT16": 4,
    "INT16": 5,
    "INT32": 6,
    "INT64": 7,
    "STRING": 8,
    "BOOL": 9,
    "FLOAT16": 10,
    "DOUBLE": 11,
    "UINT32": 12,
    "UINT64": 13,
    "COMPLEX64": 14,
    "COMPLEX128": 15,
}
_WIDER = {
    torch.int8: torch.int32,
    torch.uint8: torch.int32,
    torch.int16: torch.int32,
    torch.uint16: torch.int32,
    torch.uint32: torch.int64,
    torch.uint64: torch.int64,
}


def torch_dtype(call: Call, number: int | str) -> torch.dtype:
    """Return torch's dtype for ONNX's number (or name, in old models).

    Raises
    ------
    UnsupportedOperatorError
        If LiteRT has no tensors of this type.
    """
    code = _NAMES.get(number.upper(), 0) if isinstance(number, str) else int(number)
    if code in _MADE:
        return dtypes.torch_dtype(code)
    raise refused(
        call,
        f"makes values of type {dtypes.dtype_name(code) if code else number}, which a LiteRT model cannot compute with",
        hint="export the model with float32 or int8 in its place",
    )


def constant(values: np.ndarray[Any, Any], dtype: torch.dtype | None = None) -> Tensor:
    """Return a known value as a tensor; ``torch.tensor`` would put copies of it into an exported program."""
    tensor = torch.from_numpy(np.array(values, order="C"))
    return tensor if dtype is None else tensor.to(dtype)


def in_wider_integers(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Apply ``function`` in 32 or 64 bits where the tensors are odd integers; the result has the wider dtype."""
    return function(*(tensor.to(_WIDER.get(tensor.dtype, tensor.dtype)) for tensor in tensors))


def with_dtype(function: Callable[..., Tensor], *tensors: Tensor, dtype: Any = None) -> Tensor:
    """Apply ``function`` in wider integers where that is needed; the result has ``dtype``, by default the first's."""
    return in_wider_integers(function, *tensors).to(dtype or tensors[0].dtype)
