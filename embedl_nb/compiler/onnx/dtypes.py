"""ONNX's numbers for element types, as torch's dtypes: what `to`, `dtype` and `elem_type` say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    import torch

__all__ = ["torch_dtype"]

_NAMES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    16: "bfloat16",
}


def torch_dtype(code: int) -> torch.dtype:
    """Return the torch dtype of ``onnx.TensorProto.DataType`` number ``code``.

    Raises
    ------
    UnsupportedOperatorError
        Strings, complex numbers, and the floats and integers of less than a byte.
    """
    import torch

    if code not in _NAMES:
        raise UnsupportedOperatorError(
            f"ONNX's element type {code} has no counterpart in LiteRT", hint="cast to float32 or int8 in the model"
        )
    found: torch.dtype = getattr(torch, _NAMES[code])
    return found
