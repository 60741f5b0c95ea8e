"""The flatbuffer's vocabulary: operator and type names from the schema that ai-edge-litert carries.

The generated schema has 20,000 lines and imports numpy, so it is imported on first use. What the reader needs of it
(names, sizes) leaves here as plain Python values.
"""

from __future__ import annotations

import functools
from types import ModuleType

__all__ = ["bits_of", "dtype_code", "dtype_name", "operator_code", "operator_name", "schema"]

FILE_IDENTIFIER = b"TFL3"

# Bits of one element. Strings, resources and variants have no fixed size and are absent.
_BITS = {
    "float64": 64,
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
    "complex64": 64,
    "complex128": 128,
    "bool": 8,
    "int64": 64,
    "int32": 32,
    "int16": 16,
    "int8": 8,
    "int4": 4,
    "int2": 2,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "uint8": 8,
    "uint4": 4,
}


@functools.cache
def schema() -> ModuleType:
    """Import and return ai-edge-litert's generated schema."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated  # type: ignore[no-any-return]


def _constants(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


@functools.cache
def _operator_names() -> dict[int, str]:
    return _constants(schema().BuiltinOperator)


@functools.cache
def _dtype_names() -> dict[int, str]:
    return {value: name.lower() for value, name in _constants(schema().TensorType).items()}


def operator_name(code: int) -> str:
    """Return the name of a builtin operator, ``"UNKNOWN_<code>"`` for one that is newer than the schema."""
    return _operator_names().get(code, f"UNKNOWN_{code}")


def operator_code(name: str) -> int:
    """Return the number of the builtin operator ``name`` (``"CONV_2D"``)."""
    return int(getattr(schema().BuiltinOperator, name))


def dtype_name(code: int) -> str:
    """Return a tensor type's name as numpy writes it, ``"unknown_<code>"`` for one newer than the schema."""
    return _dtype_names().get(code, f"unknown_{code}")


def dtype_code(name: str) -> int:
    """Return the number of the tensor type ``name`` (``"float32"``)."""
    return int(getattr(schema().TensorType, name.upper()))


def bits_of(dtype: str) -> int | None:
    """Return the bits of one element, None where they vary (strings, resources, variants)."""
    return _BITS.get(dtype)
