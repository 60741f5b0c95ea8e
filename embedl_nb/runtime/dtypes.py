"""LiteRT's element types as numpy arrays, both ways, including those that numpy lacks.

bfloat16 travels as float32 (rounded to nearest even on the way in, exact on the way out), int4 and uint4 as int8 and
uint8 with two values packed into a byte, low half first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ElementType", "element_type", "element_type_named", "from_bytes", "random_array", "to_bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementType:
    """One element type.

    Attributes
    ----------
    name
        As the models' tables show it: ``"bfloat16"``.
    array_dtype
        The numpy dtype that carries its values.
    code
        Its number in the C API.
    """

    code: int
    name: str
    array_dtype: str


# litert_model_types.h: LiteRtElementType,
# https://github.com/google-ai-edge/LiteRT/blob/f67457790c9c2ab67347d6fe53270e8d3df20868/litert/c/litert_model_types.h
_TYPES = (
    ElementType(code=1, name="float32", array_dtype="float32"),
    ElementType(code=2, name="int32", array_dtype="int32"),
    ElementType(code=3, name="uint8", array_dtype="uint8"),
    ElementType(code=4, name="int64", array_dtype="int64"),
    ElementType(code=6, name="bool", array_dtype="bool"),
    ElementType(code=7, name="int16", array_dtype="int16"),
    ElementType(code=8, name="complex64", array_dtype="complex64"),
    ElementType(code=9, name="int8", array_dtype="int8"),
    ElementType(code=10, name="float16", array_dtype="float16"),
    ElementType(code=11, name="float64", array_dtype="float64"),
    ElementType(code=12, name="complex128", array_dtype="complex128"),
    ElementType(code=13, name="uint64", array_dtype="uint64"),
    ElementType(code=16, name="uint32", array_dtype="uint32"),
    ElementType(code=17, name="uint16", array_dtype="uint16"),
    ElementType(code=18, name="int4", array_dtype="int8"),
    ElementType(code=19, name="bfloat16", array_dtype="float32"),
    ElementType(code=21, name="uint4", array_dtype="uint8"),
)
_BY_CODE = {kind.code: kind for kind in _TYPES}
_NAMES_OF_OTHERS = {5: "string", 14: "resource", 15: "variant", 20: "int2", 22: "float8_e4m3fn", 23: "float8_e5m2"}


def element_type(code: int, *, tensor: str) -> ElementType:
    """Return the element type with this code of the C API.

    Raises
    ------
    InputError
        If no array can carry it (strings, resources, 2-bit and 8-bit floats).
    """
    known = _BY_CODE.get(code)
    if known is None:
        raise _not_an_array(tensor, _NAMES_OF_OTHERS.get(code, f"number {code}"))
    return known


def element_type_named(name: str, *, tensor: str) -> ElementType:
    """Return the element type that the models' tables show as ``name``.

    Raises
    ------
    InputError
        If no array can carry it.
    """
    known = next((kind for kind in _TYPES if kind.name == name), None)
    if known is None:
        raise _not_an_array(tensor, name)
    return known


def _not_an_array(tensor: str, name: str) -> InputError:
    return InputError(
        f"tensor {tensor!r} has element type {name}, which cannot be passed in or read out as an array",
        hint="convert it inside the model, so that inputs and outputs are plain numbers",
    )


def to_bytes(array: np.ndarray[Any, Any], kind: ElementType) -> bytes:
    """Return the bytes the runtime wants for ``array``, whose dtype is ``kind.array_dtype``."""
    import numpy as np

    if kind.name == "bfloat16":
        bits = np.ascontiguousarray(array).view(np.uint32).astype(np.uint64)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        # Rounding would carry a NaN's last bits into infinity.
        return np.where(np.isnan(array), np.uint16(0x7FC0), rounded).astype(np.uint16).tobytes()
    if kind.name in ("int4", "uint4"):
        halves = np.ravel(array).astype(np.uint8) & 0xF
        halves = np.append(halves, np.zeros(halves.size % 2, np.uint8))
        packed = (halves[0::2] | (halves[1::2] << 4)).astype(np.uint8)
        return packed.tobytes()
    return np.ascontiguousarray(array).tobytes()


def from_bytes(data: bytes, kind: ElementType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return the array behind the runtime's bytes."""
    import numpy as np

    num_elements = int(np.prod(shape, dtype=np.int64))
    if kind.name == "bfloat16":
        bits = np.frombuffer(data, np.uint16, num_elements).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(shape)
    if kind.name in ("int4", "uint4"):
        packed = np.frombuffer(data, np.uint8, (num_elements + 1) // 2)
        halves = np.stack([packed & 0xF, packed >> 4], axis=-1).ravel()[:num_elements]
        if kind.name == "int4":
            halves = np.where(halves > 7, halves.astype(np.int16) - 16, halves)
        return halves.astype(kind.array_dtype).reshape(shape)
    return np.frombuffer(data, kind.array_dtype, num_elements).reshape(shape).copy()


def random_array(rng: np.random.Generator, kind: ElementType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return random values of a sensible range: floats in [-1, 1), small integers whole, wide ones 0 or 1.

    int32 and int64 inputs are mostly indices and token numbers, where a large value would leave the table.
    """
    import numpy as np

    dtype = np.dtype(kind.array_dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        if kind.name in ("int4", "uint4"):
            low, high = (-8, 8) if kind.name == "int4" else (0, 16)
        elif dtype.itemsize <= 2:
            low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max) + 1
        else:
            low, high = 0, 2
        return rng.integers(low, high, shape).astype(dtype)
    values = rng.uniform(-1.0, 1.0, shape)
    if dtype.kind == "c":
        values = values + 1j * rng.uniform(-1.0, 1.0, shape)
    return np.asarray(values).astype(dtype)
