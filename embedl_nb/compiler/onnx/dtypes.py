"""ONNX's element types as torch's and numpy's, and what becomes of those that LiteRT computes little in.

float64, float16, bfloat16 and the 8-bit floats are computed in float32: LiteRT's kernels are. Everything that turns an
element type of the file into one of torch (weights, inputs, ``Cast``) goes by this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = [
    "COMPUTED_IN_FLOAT32",
    "computed",
    "computed_attribute",
    "computed_tensor",
    "dtype_name",
    "numpy_dtype",
    "torch_dtype",
]

# onnx.TensorProto.DataType: number, its name in error messages, and the torch dtype it is computed in.
_TYPES = {
    1: ("float32", "float32"),
    2: ("uint8", "uint8"),
    3: ("int8", "int8"),
    4: ("uint16", "uint16"),
    5: ("int16", "int16"),
    6: ("int32", "int32"),
    7: ("int64", "int64"),
    8: ("string", ""),
    9: ("bool", "bool"),
    10: ("float16", "float32"),
    11: ("float64", "float32"),
    12: ("uint32", "uint32"),
    13: ("uint64", "uint64"),
    14: ("complex64", "complex64"),
    15: ("complex128", "complex64"),
    16: ("bfloat16", "float32"),
    17: ("float8e4m3fn", "float32"),
    18: ("float8e4m3fnuz", "float32"),
    19: ("float8e5m2", "float32"),
    20: ("float8e5m2fnuz", "float32"),
    21: ("uint4", "uint8"),
    22: ("int4", "int8"),
    23: ("float4e2m1", "float32"),
    24: ("float8e8m0", "float32"),
    25: ("uint2", "uint8"),
    26: ("int2", "int8"),
}
COMPUTED_IN_FLOAT32 = {10: "float16", 11: "float64", 16: "bfloat16"}
"""The floats that a model may be in as a whole."""
_TYPE_ATTRIBUTES = ("to", "dtype", "stash_type", "output_dtype", "precision")
_FLOAT = 1


def dtype_name(number: int) -> str:
    """Return an element type's name, for people."""
    return _TYPES[number][0] if number in _TYPES else f"number {number}"


def torch_dtype(number: int) -> torch.dtype:
    """Return the torch dtype that an ONNX element type is computed in.

    Raises
    ------
    InputError
        For strings, and for numbers that are no element type.
    """
    import torch

    name = _TYPES.get(number, ("", ""))[1]
    if not name:
        raise InputError(
            f"element type {dtype_name(number)} cannot be computed with in LiteRT",
            hint="take this part out of the graph and do it before or after the model",
        )
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def numpy_dtype(number: int) -> np.dtype[Any]:
    """Return the numpy dtype in which values of an element type are given to a model and come from it.

    bfloat16 and other types that numpy lacks are carried by the type they are computed in.
    """
    import numpy as np

    torch_dtype(number)
    name = _TYPES[number][0]
    return np.dtype(name if name in ("float16", "float64", "complex128") else _TYPES[number][1])


def computed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return ``array`` in the dtype it is computed in: float32 for other floats, bytes for small integers."""
    import numpy as np

    kind, name = array.dtype.kind, array.dtype.name
    if name in ("int4", "int2"):
        return array.astype(np.int8)
    if name in ("uint4", "uint2"):
        return array.astype(np.uint8)
    if name == "complex128":
        return array.astype(np.complex64)
    if (kind == "f" and name != "float32") or name.startswith(("bfloat", "float8", "float4")):
        with np.errstate(over="ignore", invalid="ignore"):
            return array.astype(np.float32)
    return array


def computed_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """Return ``tensor`` in the dtype it is computed in."""
    import torch

    return tensor.float() if tensor.dtype in (torch.float64, torch.float16, torch.bfloat16) else tensor


def computed_attribute(name: str, value: Any) -> Any:
    """Return an attribute's value; an element type in it becomes the one that is computed in."""
    if name not in _TYPE_ATTRIBUTES:
        return value
    if isinstance(value, str):  # before opset 6
        return "FLOAT" if value.upper() in ("DOUBLE", "FLOAT16", "BFLOAT16") else value
    return _FLOAT if isinstance(value, int) and value in COMPUTED_IN_FLOAT32 else value
