"""Constants of an ONNX file as arrays: inline, sparse, or in files beside it, which must lie in the model's folder.

What a file says of itself is not believed: sizes are checked before anything is read or allocated.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx.dtypes import computed, dtype_name
from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.errors import CompileError, InputError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    import numpy as np
    import onnx

__all__ = [
    "Region",
    "dense_of_sparse",
    "external_region",
    "is_external",
    "loaded",
    "read_tensor",
    "refuse_too_large",
    "subgraphs_of",
]

_EXTERNAL = 1
_TYPES_BY_BITS = {
    2: (25, 26),
    4: (21, 22, 23),
    8: (2, 3, 9, 17, 18, 19, 20, 24),
    16: (4, 5, 10, 16),
    32: (1, 6, 12),
    64: (7, 11, 13, 14),
    128: (15,),
}
_BITS = {number: bits for bits, numbers in _TYPES_BY_BITS.items() for number in numbers}
_FLOATS_COMPUTED_WIDE = (10, 16, 17, 18, 19, 20, 23, 24)

Region = tuple[Path, int, int]
"""A file, where in it a tensor begins, and how many bytes it takes."""


def read_tensor(tensor: onnx.TensorProto, folder: Path | None) -> np.ndarray[Any, Any]:
    """Return a constant in the dtype it is computed in.

    Parameters
    ----------
    folder
        Of the model's file; None for a model that came without one.

    Raises
    ------
    InputError
        If its data is missing, too short, too long, or outside ``folder``.
    """
    from onnx import numpy_helper

    tensor = loaded(tensor, folder)
    num_bytes = _num_bytes(tensor.data_type, _num_elements(tensor))
    what = f"tensor {tensor.name!r} {dtype_name(tensor.data_type)} {tuple(tensor.dims)}"
    if tensor.HasField("raw_data") and len(tensor.raw_data) != num_bytes:
        raise InputError(
            f"{what} has {len(tensor.raw_data)} bytes of data; {num_bytes} are needed",
            hint=DAMAGED,
        )
    try:
        array: np.ndarray[Any, Any] = numpy_helper.to_array(tensor)
    except Exception as err:
        raise InputError(f"{what} cannot be read: {err}", hint=DAMAGED) from err
    return computed(array)


def loaded(tensor: onnx.TensorProto, folder: Path | None) -> onnx.TensorProto:
    """Return a constant that has its data inside.

    Raises
    ------
    InputError
        See :func:`external_region`.
    """
    import onnx

    if not is_external(tensor):
        return tensor
    path, offset, length = external_region(tensor, folder)
    inside = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    with path.open("rb") as file:
        file.seek(offset)
        inside.raw_data = file.read(length)
    return inside


def is_external(tensor: onnx.TensorProto) -> bool:
    """Say whether a constant's data is in another file."""
    return bool(tensor.data_location == _EXTERNAL)


def dense_of_sparse(sparse: onnx.SparseTensorProto, folder: Path | None) -> np.ndarray[Any, Any]:
    """Return a sparse constant as a dense array.

    Raises
    ------
    InputError
        If its indices do not fit its shape.
    """
    import numpy as np

    name, shape = sparse.values.name, tuple(sparse.dims)
    values, indices = read_tensor(sparse.values, folder), read_tensor(sparse.indices, folder)
    if not all(size >= 0 for size in shape) or math.prod(shape) * values.itemsize > LARGEST_MODEL_BYTES:
        raise InputError(f"sparse tensor {name!r} has the shape {shape}", hint="no LiteRT model can hold it")
    dense = np.zeros(shape, values.dtype)
    try:
        places = np.unravel_index(indices, shape) if indices.ndim == 1 else tuple(indices.T)
        dense[places] = values
    except (IndexError, ValueError) as err:
        raise InputError(
            f"sparse tensor {name!r} {shape} has indices that do not fit: {err}",
            hint=DAMAGED,
        ) from err
    return dense


def external_region(tensor: onnx.TensorProto, folder: Path | None) -> Region:
    """Return where a tensor's data is kept.

    Raises
    ------
    InputError
        If that is no place inside ``folder``, or the file is missing or too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    what = f"tensor {tensor.name!r} has its data in {location!r}"
    if folder is None:
        raise InputError(
            f"{what}, and a ModelProto does not know in which folder that is",
            hint="give the path of the .onnx file, or load the data with onnx.load(path)",
        )
    path = _inside(location, folder, what)
    needed = _num_bytes(tensor.data_type, _num_elements(tensor))
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
    except ValueError as err:
        raise InputError(f"{what}, at no readable place: {entries}", hint="export the model again") from err
    if length != needed:
        raise InputError(
            f"{what}, {length} bytes; {dtype_name(tensor.data_type)} {tuple(tensor.dims)} takes {needed}",
            hint=DAMAGED,
        )
    if offset < 0 or offset + length > path.stat().st_size:
        raise InputError(
            f"{what}, up to byte {offset + length}; the file has {path.stat().st_size}",
            hint="the file is cut off: download it again",
        )
    return path, offset, length


def _inside(location: str, folder: Path, what: str) -> Path:
    relative = PurePosixPath(location.replace("\\", "/"))
    is_outside = relative.is_absolute() or ".." in relative.parts or PureWindowsPath(location).drive or not location
    path = folder / relative
    if is_outside or "\0" in location or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{what}, which is outside the model's folder {folder}",
            hint="files of a model stay in its folder: put the data there and export the model anew",
        )
    try:
        is_there = path.is_file()
    except OSError as err:  # a name longer than a name can be
        raise InputError(f"{what}, which cannot be read: {err.strerror}", hint="export the model again") from err
    if not is_there:
        raise InputError(f"{what}, and there is no file {path}", hint="put the file beside the model")
    return path


def _num_elements(tensor: onnx.TensorProto) -> int:
    if any(size < 0 for size in tensor.dims):
        raise InputError(
            f"tensor {tensor.name!r} has the shape {tuple(tensor.dims)}",
            hint=DAMAGED,
        )
    return math.prod(tensor.dims)


def _num_bytes(data_type: int, count: int) -> int:
    return (count * _BITS.get(data_type, 0) + 7) // 8


def refuse_too_large(name: str, model: onnx.ModelProto) -> None:
    """Refuse a model whose constants do not fit into a flatbuffer, before any of them is read.

    Raises
    ------
    CompileError
        With the largest tensors by name.
    """
    sizes: dict[str, int] = {}
    for tensor in _constants(model.graph):
        bits = 32 if tensor.data_type in (*_FLOATS_COMPUTED_WIDE, 11) else _BITS.get(tensor.data_type, 0)
        sizes[tensor.name] = (_num_elements(tensor) * bits + 7) // 8
    total = sum(sizes.values())
    if total > LARGEST_MODEL_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
        raise CompileError(
            f"{name} has {format_bytes(total)} of constants, and a LiteRT model can hold {LARGEST_MODEL}: "
            "the largest are " + ", ".join(f"{tensor} ({format_bytes(size)})" for tensor, size in largest),
            hint=f"split the model into parts of less than {LARGEST_MODEL} and compile each",
        )


def _constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")
        for part in subgraphs_of(node):
            yield from _constants(part)


def subgraphs_of(node: onnx.NodeProto) -> Iterable[onnx.GraphProto]:
    """Return the graphs that a node has as attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
